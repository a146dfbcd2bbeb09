"""What every test shares: numpy errors are loud, threads wait without spinning; full studies."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _loud_numerics():
    with np.errstate(all="raise", under="ignore"):
        yield


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="validation studies at the full size of their headers"
    )
