"""The store: rows that are whole or none, and on the disk before they count."""

import os

import pytest

from tme_sim.scan.store import Store

ROW = {"status": "done", "outcomes": {"x": float("nan"), "y": 0.1, "z": "\ud800"}}


@pytest.fixture
def store(tmp_path):
    found = Store(tmp_path / "store")
    found.create()
    return found


def test_a_row_comes_back_as_it_was(store):
    store.publish("key", is_run=True, row=ROW)

    assert str(store.row("key")) == str(ROW)
    assert store.row("other") is None


def test_any_flipped_byte_makes_a_row_none(store):
    store.publish("key", is_run=True, row={"status": "done", "outcomes": {"x": 0.125}})
    path = store.place("key", is_run=True) / "row.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert store.row("key") in (None, {"status": "done", "outcomes": {"x": 0.125}})


def test_what_is_published_is_on_the_disk_before_it_is_in_place(store, monkeypatch):
    events = []
    real_sync, real_rename = os.fsync, os.rename

    def sync(handle):
        events.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))  # noqa: PTH119, PTH115
        real_sync(handle)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", lambda *a: (events.append("moved"), real_rename(*a))[1])
    (store.work("key")).mkdir()
    (store.work("key") / "run.h5").write_bytes(b"frames")

    store.publish("key", is_run=True, row=ROW)

    assert sorted(events[:2]) == ["row.json", "run.h5"]
    assert events[2:] == ["key", "moved", "runs"]
