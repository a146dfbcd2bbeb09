"""Damage to a run file or a checkpoint is found by whoever reads it, and the rest is saved."""

import contextlib
import json
import os
import shutil

import h5py
import numpy as np
import pytest

from tests.output.stand_in import StandIn, advance, record
from tme_sim.cli import main
from tme_sim.errors import InputError
from tme_sim.output import seal as seals
from tme_sim.output.check import check
from tme_sim.output.layout import RunFileError
from tme_sim.output.recorder import Recorder
from tme_sim.output.repair import repair
from tme_sim.output.run import open_run
from tme_sim.output.seal import BLOCK, open_sealed, seal
from tme_sim.state import checkpoint


def everything(path):
    """All that anyone can read of a run file."""
    run = open_run(path)
    columns = {n: {k: np.asarray(v).tolist() for k, v in c.items()} for n, c in run.columns.items()}
    found = [run.id, run.complete, run.reason, run.name, run.seed, run.size, run.voxel, run.shape]
    found += [run.times.tolist(), run.n_cells.tolist(), columns, run.fields, run.provenance]
    found += [run.timers, run.resolved, run.scenario_source, run.past, run.inputs]
    for k in range(len(run.times)):
        found += [v.tobytes() for v in run.frame(k, tuple(run.columns)).values()]
        found += [run.field_frame(name, k).tobytes() for name in run.fields]
    tables = (run.lineage, run.events, run.clones, run.metrics, run.balances)
    found += [table.to_csv() for table in tables]
    found += [run.metrics.attrs["units"], run.digest()]
    situations, names = run.situations()
    return repr([*found, names, *(part.tobytes() for part in situations)])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.h5"
    record(path, StandIn(60), ticks=40)
    return path


def flipped(content, rng):
    """The content with one bit changed."""
    changed = bytearray(content)
    place = int(rng.integers(len(changed)))
    changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def zeroed(content, rng, size=4096):
    """The content with one block of zeros."""
    changed = bytearray(content)
    start = int(rng.integers(-(-len(changed) // size))) * size
    changed[start : start + size] = bytes(len(changed[start : start + size]))
    return bytes(changed)


def silent(path, content, damage, n, seed=1):
    """How many of n damages change what is read and are not found; how many are found."""
    known, rng = everything(path), np.random.default_rng(seed)
    missed = found = 0
    for _ in range(n):
        path.write_bytes(damage(content, rng))
        try:
            missed += everything(path) != known
        except RunFileError:
            found += 1
        path.write_bytes(content)
    return missed, found


@pytest.mark.parametrize(("damage", "n"), [
    (flipped, 40), (zeroed, 20),
    pytest.param(flipped, 2000, marks=pytest.mark.campaign),
    pytest.param(zeroed, 500, marks=pytest.mark.campaign),
])  # fmt: skip
def test_readers_find_every_damage_that_changes_a_value(whole, tmp_path, damage, n):
    path = tmp_path / "run.h5"
    shutil.copy(whole, path)
    missed, found = silent(path, path.read_bytes(), damage, n)
    print(f"{n} {damage.__name__}: {found} found, {missed} missed")
    assert missed == 0
    assert found > n / 4  # others hit what nobody reads


@pytest.mark.parametrize(("damage", "n"), [
    (flipped, 60), (zeroed, 30),
    pytest.param(flipped, 2000, marks=pytest.mark.campaign),
    pytest.param(zeroed, 500, marks=pytest.mark.campaign),
])  # fmt: skip
def test_a_damaged_checkpoint_is_never_read_as_another_one(tmp_path, damage, n):
    model = StandIn(60)
    state = {"population": model.population.state(), "tick": 5, "name": "a", "share": 0.25}
    path = checkpoint.save(tmp_path, 5, state)
    known, content = in_words(checkpoint.read(tmp_path, 5)), path.read_bytes()
    rng, missed = np.random.default_rng(2), 0
    for _ in range(n):
        path.write_bytes(damage(content, rng))
        read = checkpoint.read(tmp_path, 5)
        missed += read is not None and in_words(read) != known
    assert missed == 0


def in_words(state):
    return json.dumps(state, default=lambda array: [str(array.dtype), array.tolist()])


def test_a_block_of_another_place_is_found(whole, tmp_path):
    path = tmp_path / "run.h5"
    content = bytearray(whole.read_bytes())
    content[4 * BLOCK : 5 * BLOCK], content[6 * BLOCK : 7 * BLOCK] = (
        content[6 * BLOCK : 7 * BLOCK],
        content[4 * BLOCK : 5 * BLOCK],
    )
    path.write_bytes(content)
    with open_sealed(path) as file:
        assert file.verify_all() == [4, 6]


@pytest.mark.parametrize("n_bytes", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 17])
def test_a_seal_gives_back_what_it_sealed(tmp_path, n_bytes):
    path = tmp_path / "file"
    content = np.random.default_rng(n_bytes).bytes(n_bytes)
    path.write_bytes(content)
    assert open_sealed(path) is None
    seal(path)
    with open_sealed(path) as file:
        assert file.verify_all() == []
        assert file.read() == content
        file.seek(-min(5, n_bytes), os.SEEK_END)
        assert file.read(100) == content[max(0, n_bytes - 5) :]


def of_column(path, name, frame):
    """Offset in the file of a chunk of a column that a frame owns."""
    with h5py.File(path) as file:
        row = int(file["frames/start"][frame])
        chunk = row // file[name].chunks[0]
        return file[name].id.get_chunk_info(chunk).byte_offset


def spoil(path, offset):
    with path.open("r+b") as file:
        file.seek(offset + 20)
        byte = file.read(1)[0]
        file.seek(offset + 20)
        file.write(bytes([byte ^ 4]))


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """A run of five frames, one bit of whose third is flipped; blocks of a few bytes."""
    monkeypatch.setattr(seals, "BLOCK", 64)
    path = tmp_path / "run.h5"
    record(path, StandIn(60), ticks=40)
    shutil.copy(path, tmp_path / "whole.h5")
    spoil(path, of_column(path, "cells/volume", 2))
    return path


def test_check_tells_what_is_whole(damaged, capsys):
    found = check(damaged, damaged.with_name("none"))
    assert not found.is_whole
    assert found.frames.tolist() == [True, True, False, True, True]
    assert all(n == of for n, of in found.rows.values())
    assert main(["check", str(damaged)]) == 1
    told = capsys.readouterr().out
    assert "4 of 5 frames (number 0-1, 3-4)" in told
    assert f"tme-sim repair {damaged}" in told


def test_check_of_a_whole_run_finds_nothing(whole, capsys):
    assert main(["check", str(whole)]) == 0
    assert f"{whole} is whole" in capsys.readouterr().out


def test_readers_go_on_where_nothing_is_damaged(damaged):
    run = open_run(damaged)
    assert len(run.frame(1, ("volume",))["volume"]) == run.n_cells[1]
    with pytest.raises(RunFileError, match=r"is damaged: bytes .* see tme-sim check"):
        run.frame(2, ("volume",))


def test_repair_copies_what_is_whole(damaged, tmp_path):
    copy, run = repair(damaged, tmp_path / "copy.h5"), open_run(tmp_path / "whole.h5")
    assert copy.times.tolist() == [run.times[k] for k in (0, 1, 3, 4)]
    for j, k in enumerate((0, 1, 3, 4)):
        for name in run.columns:
            assert np.array_equal(copy.frame(j, (name,))[name], run.frame(k, (name,))[name])
        assert np.array_equal(copy.field_frame("oxygen", j), run.field_frame("oxygen", k))
    assert copy.metrics.equals(run.metrics)
    assert copy.lineage.equals(run.lineage)
    assert (copy.complete, copy.reason) == (False, "repaired: 1 of 5 frames lost")
    assert copy.id != run.id
    assert "incomplete, repaired: 1 of 5 frames lost" in copy.info()


def test_repair_tells_what_is_lost_of_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(seals, "BLOCK", 64)
    path = tmp_path / "run.h5"
    record(path, StandIn(60), ticks=40)
    n_rows = len(open_run(path).lineage)
    with h5py.File(path) as file:
        spoil(path, file["lineage/id"].id.get_chunk_info(0).byte_offset)
    copy = repair(path, tmp_path / "copy.h5")
    assert copy.reason == f"repaired: {n_rows} of {n_rows} lineage lost"
    assert (len(copy.lineage), len(copy.times)) == (0, 5)


def test_repair_of_a_file_that_lost_its_seal_gives_the_same_run(whole, tmp_path):
    path = tmp_path / "run.h5"
    shutil.copy(whole, path)
    h5py.File(path, "r+").close()  # HDF5 cuts off what it does not know
    with pytest.raises(RunFileError, match="its checksums are missing"):
        open_run(path)
    assert check(path, tmp_path).faults == ("its checksums are missing or damaged",)
    copy = repair(path, tmp_path / "copy.h5")
    assert everything(copy.path) == everything(whole)


def test_repair_refuses_to_write_over_what_it_reads(damaged):
    with pytest.raises(InputError, match="choose another file"):
        repair(damaged, damaged, force=True)


def killed(path):
    """A run that was killed after its checkpoint, and the checkpoint."""
    model = StandIn(60)
    recorder = Recorder(path, model)
    recorder.frame(model)
    advance(model, recorder, 20)
    saved = {"recorder": recorder.state(), "model": model.state()}
    advance(model, recorder, 5)
    recorder.close()
    return saved, model.restored(saved["model"])


@pytest.mark.parametrize("name", ["cells/volume", "metrics/values", "lineage/id"])
def test_a_past_that_changed_since_its_checkpoint_is_not_continued(tmp_path, name):
    path = tmp_path / "run.h5"
    saved, model = killed(path)
    with h5py.File(path, "r+") as file:
        file[name][3] = file[name][3] + 1
    content = path.read_bytes()
    with pytest.raises(RunFileError, match=f"{name} is not what was written"):
        Recorder(path, model, resume_from=saved["recorder"])
    assert path.read_bytes() == content
    checkpoint.save(tmp_path / "saved", 20, saved | {"model": {}})
    assert check(path, tmp_path / "saved").faults == (
        f"{name} is not what it was at its checkpoint",
    )


def test_a_killed_run_that_is_whole_is_continued_and_checked(tmp_path):
    path = tmp_path / "run.h5"
    saved, model = killed(path)
    checkpoint.save(tmp_path / "saved", 20, saved | {"model": {}})
    found = check(path, tmp_path / "saved")
    assert (found.faults, found.note) == (
        (),
        "not finished; compared with its last checkpoint up to 2 h",
    )
    recorder = Recorder(path, model, resume_from=saved["recorder"])
    advance(model, recorder, 20)
    recorder.finish(model, "duration")
    record(tmp_path / "straight.h5", StandIn(60), ticks=40)
    assert open_run(path).digest() == open_run(tmp_path / "straight.h5").digest()


def test_a_disk_that_is_full_at_the_seal_leaves_a_file_that_can_be_continued(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    monkeypatch.setattr("tme_sim.output.recorder.seal", lambda _: None)
    with contextlib.suppress(OSError):
        record(path, StandIn(60), ticks=10)
    with pytest.raises(RunFileError, match="ended, but its checksums are missing"):
        open_run(path)
    assert open_run(path, unsealed=True).complete
