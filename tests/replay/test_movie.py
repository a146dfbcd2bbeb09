"""Movies without a browser: cells where they are, in their colours, in files that play."""

import numpy as np
import pytest
from PIL import Image

from tests.output.stand_in import record
from tme_sim import cli
from tme_sim.errors import InputError
from tme_sim.output.run import open_run
from tme_sim.replay.movie import Look, Pictures, write
from tme_sim.replay.raster import Flat, Solid

TUMOR = (0xD5, 0x5E, 0x00)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    path = tmp_path_factory.mktemp("movie") / "run.h5"
    record(path, ticks=20)
    return open_run(path)


def test_a_disc_has_the_area_and_place_of_its_cell():
    image = np.zeros((200, 200, 3))
    flat = Flat(np.array([100.0, 100.0]), 200, 200)
    red = np.array([[255.0, 0.0, 0.0, 255.0]])
    flat.cells(image, np.array([[30.0, 70.0, 0.0]]), np.array([10.0]), red)
    drawn = image[..., 0] > 0
    rows, columns = np.nonzero(drawn)
    assert columns.mean() + 0.5 == pytest.approx(100 + flat.scale * (30 - 50), abs=0.5)
    assert rows.mean() + 0.5 == pytest.approx(100 - flat.scale * (70 - 50), abs=0.5)
    assert drawn.sum() == pytest.approx(np.pi * (10 * flat.scale) ** 2, rel=0.12)


def test_the_nearer_sphere_hides_the_other_whatever_their_order():
    size = np.array([100.0, 100.0, 100.0])
    view = Solid(size, 160, 160)
    toward = (view._eye - size / 2) / np.linalg.norm(view._eye - size / 2)
    places = np.stack([size / 2, size / 2 + 30 * toward])
    tint = np.array([[255.0, 0, 0, 255], [0, 255.0, 0, 255]])
    for order in ([0, 1], [1, 0]):
        image = np.zeros((160, 160, 3))
        view.cells(image, places[order], np.array([8.0, 8.0]), tint[order])
        assert image[80, 80, 1] > 100
        assert image[80, 80, 0] == 0


def test_a_substrate_lies_under_the_tissue_the_right_way_up():
    image = np.zeros((120, 120, 3))
    levels = np.zeros((1, 10, 10), "u1")
    levels[0, 9, 0] = 254  # high y, low x: top left
    colors = np.stack([np.arange(256.0)] * 3, axis=1)
    Flat(np.array([100.0, 100.0]), 120, 120).ground(image, levels, colors)
    row, column = np.unravel_index(image[..., 0].argmax(), image.shape[:2])
    assert (row < 30, column < 30) == (True, True)


def test_the_picture_has_the_cells_in_the_colours_of_their_types(short):
    tissue = Pictures(short, Look(layer="none", size=(640, 360))).tissue(0).astype(int)
    near = np.abs(tissue - np.array(TUMOR)).max(axis=2) < 30
    cells = short.frame(0, ("type", "radius", "status"))
    tumor = (cells["type"] == 0) & (cells["status"] == 0)
    scale = Flat(np.array(short.size), round(0.64 * 640), 360).scale
    area = np.pi * np.sum((cells["radius"][tumor] * scale) ** 2)
    assert 0.3 * area < near.sum() < 1.1 * area  # cells lie over one another, and have rims


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".webm"])
def test_a_movie_has_a_picture_for_every_frame(short, tmp_path, suffix):
    if suffix != ".gif":
        ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    told = []
    path = write(
        short, tmp_path / f"run{suffix}", Look(size=(400, 320), fps=5),
        lambda done, total: told.append((done, total)),
    )  # fmt: skip
    n = len(short.times)
    assert told == [(k + 1, n) for k in range(n)]
    if suffix == ".gif":
        with Image.open(path) as image:
            assert (image.n_frames, image.size) == (n, (400, 320))
        return
    assert ffmpeg.count_frames_and_secs(str(path))[0] == n


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--movie", "run.avi"], "is a .mp4, .webm or .gif"),
        (["--movie", "run.gif", "--color", "ERKK"], "nearest is 'ERK'"),
        (["--movie", "run.gif", "--layer", "gold"], "no field 'gold'"),
        (["--movie", "run.gif", "--size", "big"], "width and height"),
        (["--movie", "run.gif", "--size", "10x10"], "from 320 to 7680 pixels"),
        (["--html", "run.txt"], "is a .html file"),
        (["--html", "run.html", "--max-size", "much"], "such as '25 MB'"),
        (["--html", "run.html", "--max-size", "0.5 MB"], "allow more with --max-size"),
    ],
)
def test_what_cannot_be_written_is_refused_in_words(
    short, tmp_path, monkeypatch, capsys, arguments, said
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["replay", str(short.path), *arguments]) == cli.BAD_INPUT
    assert said in capsys.readouterr().err


def test_a_run_without_frames_makes_no_movie(short, tmp_path):
    empty = open_run(short.path)
    empty.times = empty.times[:0]
    with pytest.raises(InputError, match="no whole frame"):
        write(empty, tmp_path / "run.gif")
