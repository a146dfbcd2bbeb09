"""The replay server: it sends what was recorded, small, to this machine and to nobody else."""

import http.client
import json
import socket
import struct
import subprocess
import sys
import time
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.output.stand_in import StandIn, advance, changing, record
from tme_sim import cli
from tme_sim.errors import InputError
from tme_sim.output.layout import RunFileError
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import open_run
from tme_sim.replay.frames import Frames
from tme_sim.replay.server import LOOPBACK, application, listen
from tme_sim.replay.watch import watching


def get(port, path, **headers):
    """Status, headers and body of a request whose path is sent as it is."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), body


def test_the_page_and_all_its_parts_come_from_the_package(port):
    for path in ("/", "/app.js", "/app.css", "/icon.svg"):
        status, headers, body = get(port, path)
        assert status == 200
        assert len(body) > 100
        assert "script-src 'self'; style-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_page_asks_no_other_host(port):
    _, _, page = get(port, "/")
    assert b"http://" not in page
    assert b"https://" not in page


def test_a_run_is_described(port, runs):
    run = open_run(runs[1])
    described = json.loads(get(port, "/api/runs/1")[2])
    assert described["times"] == run.times.tolist()
    assert (described["dim"], described["shape"]) == (3, [20, 30, 30])
    assert [t["drug"] for t in described["treatments"]] == ["vemurafenib"]
    assert {f["name"]: f["units"] for f in described["fields"]} == run.fields


@pytest.mark.parametrize(("index", "bytes_per_cell"), [(0, 6), (1, 7)])
def test_a_frame_of_cells_and_a_column_is_at_most_8_bytes_per_cell(
    port, runs, index, bytes_per_cell
):
    run = open_run(runs[index])
    n = int(run.n_cells[3])
    assert len(get(port, f"/api/runs/{index}/frames/3")[2]) == bytes_per_cell * n
    assert len(get(port, f"/api/runs/{index}/frames/3/columns/ERK")[2]) == n
    assert bytes_per_cell + 1 <= 8


@pytest.mark.parametrize("index", [0, 1])
def test_a_frame_of_cells_holds_their_places_and_sizes(port, runs, index):
    run = open_run(runs[index])
    _, headers, body = get(port, f"/api/runs/{index}/frames/3")
    n, axes = int(run.n_cells[3]), len(run.size)
    packed = np.frombuffer(body, "<u2", n * axes).reshape(axes, n)
    recorded = run.frame(3, ["position", "radius", "type", "status"])
    if axes == 3:
        place = (packed >> 2) / 16383
        low = packed & 3
        size = (low[0] << 4 | low[1] << 2 | low[2]) / 63
    else:
        place = packed / 65535
        size = np.frombuffer(body, "u1", n, 4 * n) / 255
    largest = float(headers["x-radius"])
    found = place.T * np.array(run.size)
    np.testing.assert_allclose(found, recorded["position"][:, :axes], atol=0.02)
    np.testing.assert_allclose(size * largest, recorded["radius"], atol=largest / 100)
    kind = np.frombuffer(body, "u1")[-n:]
    assert np.array_equal(kind & 15, recorded["type"])
    assert np.array_equal(kind >> 4, recorded["status"])


def test_a_column_comes_as_one_byte_per_cell_with_its_range(port, runs):
    run = open_run(runs[0])
    _, headers, body = get(port, "/api/runs/0/frames/6/columns/ERK")
    low, high = map(float, headers["x-range"].split())
    recorded = run.frame(6, ["ERK"])["ERK"]
    found = low + np.frombuffer(body, "u1") / 254 * (high - low)
    np.testing.assert_allclose(found, np.clip(recorded, low, high), atol=(high - low) / 254)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_a_field_slice_comes_as_one_byte_per_voxel(port, runs, axis):
    run = open_run(runs[1])
    recorded = run.field_frame("oxygen", 6).take(4, "zyx".index(axis))
    _, headers, body = get(port, f"/api/runs/1/frames/6/fields/oxygen?{axis}=4")
    low, high = map(float, headers["x-range"].split())
    found = low + np.frombuffer(body, "u1").reshape(recorded.shape) / 254 * (high - low)
    np.testing.assert_allclose(found, recorded, atol=(high - low) / 254)


def test_a_value_that_is_missing_is_told_apart(runs):
    from tme_sim.replay.frames import _levels

    assert _levels(np.array([0.0, np.nan, 1.0]), 0.0, 1.0).tolist() == [0, 255, 254]
    assert Frames(open_run(runs[0])).column_range("type") == (0.0, 254.0)


def test_a_cell_is_read_in_full_and_found_again_by_its_id(port, runs):
    cells = open_run(runs[0]).cells(360)
    cell = json.loads(get(port, "/api/runs/0/frames/6/cells/7")[2])
    values = cell["columns"]
    assert cell["id"] == str(cells["id"][7])
    assert values["volume"] == pytest.approx(float(cells["volume"][7]))
    assert values["type"] == cells["type"][7]
    assert (cell["life"]["origin"], cell["life"]["from"]) == ("founder", 0.0)
    oxygen = next(s for s in cell["senses"] if s["name"] == "oxygen")
    x, y, _ = (int(p // 20) for p in cells.loc[7, ["x", "y", "z"]])
    assert oxygen["value"] == pytest.approx(float(open_run(runs[0]).field("oxygen", 360)[0, y, x]))
    again = json.loads(get(port, f"/api/runs/0/frames/2/ids/{cell['id']}")[2])
    assert again["id"] == cell["id"]
    assert json.loads(get(port, "/api/runs/0/frames/2/ids/99999999")[2]) is None


def test_the_family_of_a_cell_is_told_both_ways(runs):
    lineage = open_run(runs[0]).lineage
    birth = lineage[lineage["event"] == "birth"].iloc[0]
    frames = Frames(open_run(runs[0]))
    born, mother = frames.family.life(int(birth["id"])), frames.family.life(int(birth["mother"]))
    assert (born["origin"], born["from"]) == ("birth", birth["time"])
    assert born["mother"] == str(birth["mother"])
    assert str(birth["id"]) in [d["id"] for d in mother["daughters"]]
    assert mother["n_daughters"] == int((lineage["mother"] == birth["mother"]).sum())


def test_the_history_of_a_cell_is_its_column_in_every_frame(port, runs):
    run = open_run(runs[0])
    identity = int(run.frame(0, ("id",))["id"][3])
    told = json.loads(get(port, f"/api/runs/0/history/{identity}/ERK")[2])
    for frame, value in enumerate(told):
        cells = run.frame(frame, ("id", "ERK"))
        found = cells["ERK"][cells["id"] == identity]
        assert value == (pytest.approx(float(found[0])) if len(found) else None)


def test_tissue_that_is_of_no_clone_has_no_colour_of_a_clone(tmp_path):
    model = StandIn()
    model.population["clone"][:] = -1
    record(tmp_path / "run.h5", model, ticks=2)
    assert set(Frames(open_run(tmp_path / "run.h5")).column(0, "clone")) == {255}


def test_curves_are_valid_json_with_units(port):
    curves = json.loads(get(port, "/api/runs/0/curves")[2])
    metrics = {m["name"]: m for m in curves["metrics"]}
    assert metrics["plasma_vemurafenib"]["units"] == "mg/L"
    assert len(metrics["burden"]["values"]) == 61
    assert [c["name"] for c in curves["clones"]] == ["tumor", "tumor NRAS"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/3",
        "/api/runs/-1",
        "/api/runs/0/frames/99",
        "/api/runs/0/frames/0/columns/nonsense",
        "/api/runs/0/frames/0/fields/nonsense",
        "/api/runs/0/frames/0/fields/oxygen?z=1",
        "/api/runs/0/frames/0/fields/oxygen?z=x",
        "/api/runs/1/frames/0/fields/oxygen?x=30",
        "/api/runs/1/frames/0/fields/oxygen?y=-1",
        "/api/runs/0/frames/0/cells/100000",
        "/api/runs/0/frames/0/columns/" + 9000 * "x",
        "/api/runs/0/frames/0/fields/oxygen?z=" + 5000 * "1",
        "/api/runs/0/frames/0/fields/oxygen?z=" + 5000 * "x",
        "/api/runs/0/frames/0/fields/oxygen?z=%D9%A1",
        "/api/runs/0/frames/" + 5000 * "1",
        "/api/runs/" + 5000 * "1",
        "/api/runs/0/frames/0/ids/" + 5000 * "1",
        "/api/runs/0/history/1/position",
        "/api/runs/0/history/1/nonsense",
    ],
)
def test_what_is_not_there_is_refused_in_few_words(port, path):
    status, _, body = get(port, path)
    assert status == 404
    assert len(body) < 2000


def test_no_cell_has_an_identity_that_cannot_be_stored(port):
    assert get(port, f"/api/runs/0/frames/0/ids/{10**19 - 1}")[2] == b"null"
    assert get(port, f"/api/runs/0/history/{10**19 - 1}/ERK")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py",
        "/%2e%2e/server.py",
        "/..%2fserver.py",
        "/static/../../server.py",
        "//etc/passwd",
        "/etc/passwd",
        "/app.js/../../frames.py",
        "/api/runs/0/frames/0/columns/..%2f..%2fscenario%2fsource",
        "/api/runs/0/frames/0/fields/%2fscenario%2fsource",
        "/%00",
        "/app.js%00.html",
        "/%ff%fe%c0%ae%c0%ae/server.py",
        "/link.txt",
        "/flat.h5",
        "/api/runs/link.txt",
    ],
)
def test_no_path_leads_out_of_what_was_given(port, runs, path):
    link = runs[0].parent / "link.txt"
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/passwd")
    status, _, body = get(port, path)
    assert status in (400, 404)
    assert b"import" not in body
    assert b"root:" not in body


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example@127.0.0.1.evil.example:80"},
        {"Host": ""},
        {"Host": "[::1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_other_hosts_and_origins_are_refused(port, headers):
    assert get(port, "/api/runs", **headers)[0] in (400, 403)


def test_this_machine_is_answered_under_its_names(port):
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert (
            get(port, "/api/runs", Host=f"{host}:{port}", Origin=f"http://{host}:{port}")[0] == 200
        )


def test_only_reading_is_allowed(port):
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    connection.request("POST", "/api/runs", b"{}")
    assert connection.getresponse().status == 405
    connection.close()


def test_a_client_that_goes_away_in_mid_frame_does_no_harm(port):
    for path in (b"/app.js", b"/api/runs/1/frames/3", b"/api/runs/1/curves"):
        client = socket.create_connection((LOOPBACK, port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        client.recv(10)
        client.close()
    assert get(port, "/api/runs")[0] == 200


def test_a_port_in_use_gives_way_to_a_free_one(port):
    listener = listen(port)
    assert listener.getsockname()[0] == LOOPBACK
    assert listener.getsockname()[1] != port
    listener.close()


def test_a_file_that_is_no_run_is_refused_before_anything_is_served(tmp_path):
    (tmp_path / "notes.h5").write_text("nothing")
    with pytest.raises(RunFileError, match="no run file"):
        application([tmp_path / "notes.h5"])


def test_a_run_without_a_frame_is_refused(tmp_path):
    Recorder(tmp_path / "empty.h5", StandIn()).close()
    with pytest.raises(InputError, match="no whole frame"):
        application([tmp_path / "empty.h5"])


def test_a_run_that_vanishes_is_told_in_words(tmp_path):
    record(tmp_path / "run.h5", ticks=10)
    frames = Frames(open_run(tmp_path / "run.h5"))
    (tmp_path / "run.h5").unlink()
    with pytest.raises(RunFileError, match="does not exist"):
        frames.cells(0)


def spoil(path, how):
    """A run file that cannot be shown, and what is said of it."""
    record(path, ticks=10)
    if how == "truncated":
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        return "truncated"
    with changing(path) as file:
        if how == "newer":
            file.attrs["format_version"] = 99
        else:
            file.attrs["format"] = "another program"
    return "format 99" if how == "newer" else "no run file"


@pytest.mark.parametrize("how", ["truncated", "newer", "foreign"])
def test_the_terminal_says_why_a_file_cannot_be_shown(tmp_path, capsys, how):
    said = spoil(tmp_path / "run.h5", how)
    assert cli.main(["replay", str(tmp_path / "run.h5"), "--no-browser"]) == cli.BAD_INPUT
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_the_terminal_says_that_another_process_is_still_writing(tmp_path):
    path, model = tmp_path / "run.h5", StandIn()
    recorder = Recorder(path, model)
    recorder.frame(model)
    command = [sys.executable, "-m", "tme_sim.cli", "replay", str(path), "--no-browser"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    recorder.close()
    assert done.returncode == cli.BAD_INPUT
    assert "still writing" in done.stderr


def test_a_file_that_is_spoiled_while_it_is_served_is_told_in_words(tmp_path):
    path = tmp_path / "run.h5"
    record(path, ticks=10)
    frames = Frames(open_run(path))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(RunFileError, match="truncated"):
        frames.cells(0)


def test_another_run_in_the_place_of_the_one_opened_is_not_shown_for_it(tmp_path, serving):
    path = tmp_path / "run.h5"
    record(path, ticks=20)
    with serving([path]) as port:
        assert get(port, "/api/runs/0/frames/1")[0] == 200
        path.write_bytes(path.read_bytes())  # a copy of the same run
        assert get(port, "/api/runs/0/frames/1")[0] == 200
        path.unlink()
        record(path, StandIn(seed=2), ticks=20)
        for what in ("", "/frames/1", "/curves", "/state"):
            status, _, body = get(port, f"/api/runs/0{what}")
            assert status == 404
            assert "is another run than the one opened" in json.loads(body)["error"]


def test_a_run_that_goes_on_is_served_with_what_it_has(tmp_path):
    path = tmp_path / "run.h5"
    model = StandIn()
    recorder = Recorder(path, model)
    recorder.frame(model)
    with watching(path, open_browser=False, resumed=True) as watch:
        port = urlsplit(watch.address).port
        deadline = time.monotonic() + 20
        while not watch.serving and time.monotonic() < deadline:
            time.sleep(0.05)
        first = json.loads(get(port, "/api/runs/0")[2])
        assert (len(first["times"]), first["running"]) == (1, True)
        advance(model, recorder, 20)
        assert json.loads(get(port, "/api/runs/0/state")[2])["frames"] == 3
        assert len(json.loads(get(port, "/api/runs/0")[2])["times"]) == 3
        assert len(get(port, "/api/runs/0/frames/2")[2]) == 6 * open_run(path).n_cells[2]
        recorder.finish(model, "duration")
        state = json.loads(get(port, "/api/runs/0/state")[2])
        assert state == {"frames": 3, "complete": True, "running": False}
    assert open_run(path).complete


def test_an_old_run_of_the_same_name_is_not_shown_for_the_new_one(tmp_path):
    path = tmp_path / "run.h5"
    record(path, ticks=10)
    with watching(path, open_browser=False) as watch:
        assert not watch.looks_there()
        model = StandIn()
        recorder = Recorder(path, model)
        recorder.frame(model)
        assert watch.looks_there()
        recorder.close()
