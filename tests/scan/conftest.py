"""Scans in one process: tasks are done at once, without workers."""

import contextlib

import pytest

from tests.scan.scans import Here
from tme_sim.scan import cost, figures, optimize, scan, sensitivity


@pytest.fixture
def here(monkeypatch):
    """The client of every study in the test; figures are not drawn."""
    client = Here()

    @contextlib.contextmanager
    def connect(*_args, **_options):
        yield client

    for module in (cost, scan, optimize, sensitivity):
        monkeypatch.setattr(module, "connect", connect)
    monkeypatch.setattr(figures, "draw_all", lambda *_args, **_options: [])
    monkeypatch.setattr("dask.distributed.wait", lambda *_args, **_options: None)
    return client
