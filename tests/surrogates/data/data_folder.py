"""Where the public data sets lie for tests that need them."""

import os
from pathlib import Path

import pytest

NAMED = os.environ.get("TME_SIM_DATA")


def real(sub_folder):
    """The folder of data sets, or the test is skipped with the reason."""
    if not NAMED:
        pytest.skip("TME_SIM_DATA names no folder of public data sets")
    folder = Path(NAMED)
    if not (folder / sub_folder).is_dir():
        pytest.skip(f"{folder} has no {sub_folder}")
    return folder
