"""What is no whole run file gets one clear message from every command, and nothing is written."""

import fcntl

import h5py
import numpy as np
import pytest

from tests.output.stand_in import StandIn, changing, record
from tme_sim import cli
from tme_sim.output import layout
from tme_sim.output.layout import RunFileError
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import open_run


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def foreign(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file["counts"] = [1, 2, 3]


def no_hdf5(path):
    path.write_text("name: quickstart\n")


def newer(path):
    with changing(path) as file:
        file.attrs["format_version"] = layout.FORMAT_VERSION + 1


def not_whole(path):
    with changing(path) as file:
        del file["frames"]


def absent(path):
    path.unlink()


UNREADABLE = {
    truncated: "is truncated",
    foreign: "is no run file of tme-sim",
    no_hdf5: "is no run file of tme-sim",
    newer: "a newer tme-sim can read it",
    not_whole: "is damaged or not whole",
    absent: "does not exist",
}
COMMANDS = (["info"], ["report"], ["export", "--to", "csv"])


def refuses(command, path, message, capsys):
    name, *options = command
    assert cli.main([name, str(path), *options]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"tme-sim: {path}: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("spoil", UNREADABLE, ids=lambda spoil: spoil.__name__)
def test_an_unreadable_file_is_refused_in_one_line(spoil, command, tmp_path, capsys):
    path = tmp_path / "run.h5"
    record(path, StandIn(20), ticks=2)
    spoil(path)
    before = sorted(tmp_path.iterdir())

    refuses(command, path, UNREADABLE[spoil], capsys)

    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_run_that_is_still_being_written_says_so(command, tmp_path, capsys):
    path = tmp_path / "run.h5"
    record(path, StandIn(20), ticks=2)
    h5py.File(path, "r+").close()  # takes the seal off, which a file has in the end only
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)  # what HDF5 holds while it writes
        refuses(command, path, "a simulation is still writing this file", capsys)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_part_that_cannot_be_read_says_which(tmp_path):
    path = tmp_path / "run.h5"
    record(path, StandIn(20), ticks=2)
    with changing(path) as file:
        del file["cells/radius"]
        file["cells"].create_dataset("radius", (5,), "f4", chunks=(5,), compression="gzip")
        file["cells/radius"].id.write_direct_chunk((0,), b"no gzip at all")
        file["cells/radius"].attrs["units"] = "um"
    with pytest.raises(RunFileError, match=f"{path.name}: is damaged or not whole"):
        open_run(path).frame(0, ("radius",))


def test_a_killed_run_can_be_read_up_to_its_last_whole_frame(tmp_path, capsys):
    path = tmp_path / "run.h5"
    model = StandIn(20)
    recorder = Recorder(path, model)
    recorder.frame(model)
    for _ in range(3):
        model.step()
        recorder.tick(model)
    recorder.frame(model)
    recorder.close()

    assert cli.main(["info", str(path)]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert f"incomplete: continue it with tme-sim run {path} --resume" in words
    assert "frames 2 up to 18 min" in words


@pytest.mark.parametrize("width", [80, 60])
def test_info_fits_the_terminal_and_says_what_was_run(width, tmp_path, monkeypatch, capsys):
    path = tmp_path / "run.h5"
    record(path, StandIn(20, columns="all"), ticks=40)
    monkeypatch.setenv("COLUMNS", str(width))

    assert cli.main(["info", str(path)]) == 0

    text = capsys.readouterr().out
    digest = open_run(path).digest()
    lines = [x for x in text.splitlines() if digest not in x and "0" * 64 not in x]
    assert max(map(len, lines)) <= max(width, 12 + len(str(path)) + 1)
    words = " ".join(text.split())
    run = open_run(path)
    for fact in (
        f"digest {digest}",
        "stand_in, seed 1; complete, ended by: duration",
        "600 x 600 um, 30 x 30 x 1 voxels of 20 um",
        "tumor; caf (fibroblast); cd8 (cd8_t)",
        "2 dose",
        "vemurafenib [uM]",
        "stand-in, " + "0" * 64,
        "fields 67%, signaling 33%",
        f"columns {len(run.columns)}:",
    ):
        assert fact in words


def moved_out(file, kind, elsewhere):
    rows = file["lineage/cause"].shape[0]
    del file["lineage/cause"]
    if kind == "external storage":
        place = [(str(elsewhere), 0, 24 * rows)]
        file["lineage"].create_dataset("cause", (rows,), "S24", external=place)
    elif kind == "virtual data set":
        layout = h5py.VirtualLayout((rows,), "S24")
        layout[:] = h5py.VirtualSource(str(elsewhere), "x", (rows,))
        file["lineage"].create_virtual_dataset("cause", layout)
    else:
        file["lineage/cause"] = h5py.ExternalLink(str(elsewhere), "x")


@pytest.mark.parametrize("kind", ["external storage", "external link", "virtual data set"])
def test_data_of_another_place_are_not_read(tmp_path, kind):
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret " * 1000)
    record(tmp_path / "run.h5", ticks=20)
    with changing(tmp_path / "run.h5") as file:
        moved_out(file, kind, secret)
    with pytest.raises(RunFileError, match="is data of another place"):
        open_run(tmp_path / "run.h5")


def bomb(file):
    rows = 200_000_000
    for name in list(file["cells"]):
        attributes, wide = dict(file["cells"][name].attrs), file["cells"][name].shape[1:]
        kind = file["cells"][name].dtype
        del file["cells"][name]
        file["cells"].create_dataset(name, (rows, *wide), kind, chunks=(4096, *wide))
        file["cells"][name].attrs.update(attributes)
    file["frames/count"][0] = rows
    file.attrs["committed"] = [1, rows, 0, 0, 1, 1]


def another_shape(file):
    values, attributes = file["cells/radius"][:], dict(file["cells/radius"].attrs)
    del file["cells/radius"]
    file["cells/radius"] = values[:, None]
    file["cells/radius"].attrs.update(attributes)


def another_type(file):
    n = len(file["lineage/event"])
    del file["lineage/event"]
    file["lineage/event"] = np.zeros(n)


def too_short(file):
    del file["events/kind"]
    file["events/kind"] = np.zeros(0, "S4")


def a_list_of_seeds(file):
    file["scenario"].attrs["seed"] = [1, 2]


def rows_of_nobody(file):
    file["frames/start"][0] = -5


def no_attribute(file):
    del file["cells/type"].attrs["categories"]


@pytest.mark.parametrize(
    ("change", "told"),
    [(bomb, "is declared larger than what the file can hold"),
     (another_shape, "/cells/radius has the shape"), (another_type, "/lineage/event is of another"),
     (too_short, "/events/kind"), (a_list_of_seeds, "seed of /scenario is wrong"),
     (rows_of_nobody, "/frames names rows that are not there"), (no_attribute, "categories")],
)  # fmt: skip
def test_parts_that_are_not_a_runs_are_named_before_anything_is_read(tmp_path, change, told):
    path = tmp_path / "run.h5"
    record(path, StandIn(20), ticks=40)
    with changing(path) as file:
        change(file)
    with pytest.raises(RunFileError, match=f"{path.name}: is damaged or not whole: .*{told}"):
        open_run(path)


@pytest.mark.parametrize(("name", "value"), [("type", 77), ("clone", 5), ("position", np.nan)])
def test_values_that_stand_for_nothing_are_told_where_they_are_read(tmp_path, name, value):
    path = tmp_path / "run.h5"
    record(path, StandIn(20), ticks=2)
    with changing(path) as file:
        file["cells"][name][0] = value
    with pytest.raises(RunFileError, match=f"/cells/{name} holds"):
        open_run(path).frame(0, (name,))
