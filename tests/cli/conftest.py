"""A small scenario in a folder of its own."""

import pytest
import yaml

from tests.model.small import SMALL


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text("# A small tumor.\n" + yaml.safe_dump(SMALL, sort_keys=False))
    return path
