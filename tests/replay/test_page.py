"""The page in a real browser: cells are drawn where they are, and can be read."""

import shutil
import subprocess

import matplotlib.image
import numpy as np
import pytest

from tme_sim.output.run import open_run

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium is installed")

SOFTWARE_DRAWING = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--window-size=1400,900",
    "--virtual-time-budget=8000",
)


def browse(address, folder, *options):
    command = [BROWSER, *SOFTWARE_DRAWING, f"--user-data-dir={folder}", *options, address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def picture(address, folder):
    browse(address, folder / "profile", f"--screenshot={folder / 'page.png'}")
    return (matplotlib.image.imread(folder / "page.png")[..., :3] * 255).astype(int)


def share_of(image, color, tolerance=24):
    """Share of pixels near a colour."""
    return np.mean(np.abs(image - np.array(color)).max(axis=2) <= tolerance)


def test_the_page_reads_the_cell_of_its_address(port, runs, tmp_path):
    cells = open_run(runs[0]).cells(360)
    row = int(np.flatnonzero(cells["type"] == "fibroblast")[0])
    address = f"http://127.0.0.1:{port}/#t=360&color=ERK&field=oxygen&cell={cells['id'][row]}"
    page = browse(address, tmp_path, "--dump-dom")
    assert 'data-ready="yes"' in page
    assert "day 0.25" in page
    assert "no WebGL" not in page
    for text in (f">{cells['id'][row]}<", ">fibroblast<", "mmHg", "Signaling state"):
        assert text in page, text


@pytest.mark.parametrize("index", [0, 1])
def test_cells_are_drawn_in_the_colours_of_their_types(port, tmp_path, index):
    image = picture(f"http://127.0.0.1:{port}/?run={index}#t=360&color=type&field=", tmp_path)
    tumor, fibroblast = (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)
    if index == 0:
        assert share_of(image, tumor) > 0.005
        assert share_of(image, fibroblast) > 0.001
    red, green, blue = np.moveaxis(image, 2, 0)
    assert np.mean((red > 100) & (green < 0.6 * red) & (blue < 0.35 * red)) > 0.003


def test_a_hidden_layer_and_a_shown_one_differ(port, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bare = picture(f"http://127.0.0.1:{port}/#t=360&color=type&field=", tmp_path / "a")
    layer = picture(f"http://127.0.0.1:{port}/#t=360&color=type&field=oxygen", tmp_path / "b")
    assert np.mean(np.abs(bare - layer).max(axis=2) > 8) > 0.05
