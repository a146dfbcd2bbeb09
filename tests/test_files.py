"""Outputs are whole or not there, and never replace another kind of file."""

import errno

import h5py
import pytest

from tme_sim import files
from tme_sim.errors import InputError
from tme_sim.files import written


def test_a_file_is_there_once_it_is_whole_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new folder" / "a.csv"
    with written(path) as part:
        part.write_text("x")
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["a.csv"]


def test_what_was_there_stays_where_writing_fails(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail():
        with written(path) as part:
            part.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("name", ["run.csv", "s.yaml", "folder"])
def test_another_kind_is_never_replaced(tmp_path, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name == "run.csv":
        h5py.File(path, "w").close()
    else:
        path.write_text("format: 1")
    with pytest.raises(InputError, match=name), written(path) as part:
        part.write_text("x")


def test_a_place_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), written(tmp_path / "file" / "a.csv"):
        pass


def test_an_error_without_a_name_is_given_that_of_the_file(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(OSError, match=r"No space left.*table\.csv") as failed, files.naming(path):
        raise OSError(errno.ENOSPC, "Error writing bytes to file")
    assert failed.value.filename == str(path)
    with pytest.raises(FileNotFoundError, match="other"), files.naming(path):
        (tmp_path / "other").read_text()
