"""The page in one file: it holds what the server would send, within its limit."""

import base64
import hashlib
import json
import re
import zlib

import numpy as np
import pytest

from tests.output.stand_in import StandIn, channels, record
from tme_sim.output.run import open_run
from tme_sim.replay.frames import Frames
from tme_sim.replay.page_file import write

LIMIT = 2_000_000


def packed(path):
    text = path.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="packed">(.*?)</script>', text, re.S)
    return json.loads(found.group(1))


def unpacked(part):
    return zlib.decompress(base64.b64decode(part["data"]))


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "run.h5"
    record(path, ticks=60, frame_every=2)
    return open_run(path)


def test_every_part_is_what_the_server_sends(short, tmp_path):
    parts = packed(write([short], tmp_path / "run.html"))
    frames = Frames(short)
    assert unpacked(parts["runs/0/frames/5"]) == frames.cells(5)
    assert unpacked(parts["runs/0/frames/5/columns/ERK"]) == frames.column(5, "ERK")
    assert parts["runs/0/frames/5/columns/ERK"]["range"] == list(frames.column_range("ERK"))
    assert unpacked(parts["runs/0/frames/5/fields/oxygen?z=0"]) == frames.field(5, "oxygen", "z", 0)
    ids = np.frombuffer(unpacked(parts["runs/0/frames/5/ids"]), "<i8")
    assert np.array_equal(ids, short.frame(5, ("id",))["id"])
    told = json.loads(unpacked(parts["runs/0"]))
    assert (told["every"], told["times"]) == (1, short.times.tolist())
    families = dict(json.loads(unpacked(parts["runs/0/families"])))
    identity = int(ids[0])
    assert families[str(identity)]["life"] == frames.family.life(identity)


def test_the_file_asks_no_server_and_no_other_site(short, tmp_path):
    page = write([short], tmp_path / "run.html").read_text("utf-8")
    assert 'src="/' not in page
    assert 'href="/' not in page
    assert "default-src 'none'" in page


def test_the_file_allows_its_own_script_and_style_only(short, tmp_path):
    page = write([short], tmp_path / "run.html").read_text("utf-8")
    allowed = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)[1]
    for part in ('<script type="module">(.*?)</script>', "<style>(.*?)</style>"):
        text = re.search(part, page, re.DOTALL)[1].encode()
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert f"'sha256-{digest}'" in allowed
    assert "unsafe" not in allowed


def test_frames_are_thinned_to_the_limit_and_the_page_says_so(tmp_path):
    record(tmp_path / "run.h5", StandIn(n_cells=3000), ticks=60, frame_every=1)
    run, told = open_run(tmp_path / "run.h5"), []
    path = write([run], tmp_path / "run.html", LIMIT, told.append)
    assert path.stat().st_size <= LIMIT
    parts = packed(path)
    described = json.loads(unpacked(parts["runs/0"]))
    n = len(described["times"])
    assert 2 <= n < len(run.times)
    assert described["every"] > 1
    assert [described["times"][0], described["times"][-1]] == [run.times[0], run.times[-1]]
    assert described["counts"][1] * 6 == len(unpacked(parts["runs/0/frames/1"]))
    assert f"{n} of {len(run.times)} frames" in told[0]
    for column in described["columns"]:
        assert f"runs/0/frames/{n - 1}/columns/{column['name']}" in parts


def test_two_runs_go_into_one_file(short, tmp_path):
    record(tmp_path / "other.h5", StandIn(seed=2), ticks=4, frame_every=2)
    parts = packed(write([short, open_run(tmp_path / "other.h5")], tmp_path / "two.html"))
    assert [r["file"] for r in json.loads(unpacked(parts["runs"]))] == ["run.h5", "other.h5"]
    assert "runs/1/frames/2" in parts


def test_a_name_in_a_run_cannot_end_the_script_and_is_found_as_the_page_asks(tmp_path):
    path = tmp_path / "a.h5"
    model = StandIn(name="</script><b>", columns="all")
    odd = "<!--<script>"
    model.cell_model.nodes = (*model.cell_model.nodes[:-1], channels((odd,))[0])
    record(path, model, ticks=2)
    written = write([open_run(path)], tmp_path / "run.html")
    text = written.read_text("utf-8")
    assert text.count("</script>") == 2
    assert odd not in text
    parts = packed(written)
    assert json.loads(unpacked(parts["runs/0"]))["name"] == "</script><b>"
    assert "runs/0/frames/0/columns/%3C!--%3Cscript%3E" in parts
