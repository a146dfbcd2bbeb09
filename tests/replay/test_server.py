"""The replay server: it sends what was recorded, small, to this machine and to nobody else."""

import http.client
import json
import socket

import numpy as np
import pytest

from tests.output.stand_in import StandIn, record
from tme_sim.errors import InputError
from tme_sim.output.layout import RunFileError
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import open_run
from tme_sim.replay.frames import Frames
from tme_sim.replay.server import LOOPBACK, listen, application


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
        assert "default-src 'self'" in headers["content-security-policy"]


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


@pytest.mark.parametrize(("index", "bytes_per_cell"), [(0, 6), (1, 8)])
def test_a_frame_of_cells_is_small_and_holds_their_places(port, runs, index, bytes_per_cell):
    run = open_run(runs[index])
    body = get(port, f"/api/runs/{index}/frames/3")[2]
    n = int(run.n_cells[3])
    assert len(body) == bytes_per_cell * n
    place = np.frombuffer(body, "<u2", n * (bytes_per_cell - 2) // 2).reshape(-1, n)
    recorded = run.frame(3, ["position", "radius", "type", "status"])
    size = np.array(run.size)
    found = place.T / 65535 * size
    np.testing.assert_allclose(found, recorded["position"][:, : len(size)], atol=0.01)
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


def test_a_field_slice_comes_as_one_byte_per_voxel(port, runs):
    run = open_run(runs[1])
    _, headers, body = get(port, "/api/runs/1/frames/6/fields/oxygen?z=4")
    low, high = map(float, headers["x-range"].split())
    found = low + np.frombuffer(body, "u1").reshape(30, 30) / 254 * (high - low)
    np.testing.assert_allclose(found, run.field_frame("oxygen", 6)[4], atol=(high - low) / 254)


def test_a_value_that_is_missing_is_told_apart(runs):
    from tme_sim.replay.frames import _levels

    assert _levels(np.array([0.0, np.nan, 1.0]), 0.0, 1.0).tolist() == [0, 255, 254]
    assert Frames(open_run(runs[0])).column_range("type") == (0.0, 254.0)


def test_a_cell_is_read_in_full_and_found_again_by_its_id(port, runs):
    cells = open_run(runs[0]).cells(360)
    cell = json.loads(get(port, "/api/runs/0/frames/6/cells/7")[2])
    values = {c["name"]: c["value"] for c in cell["columns"]}
    assert cell["id"] == str(cells["id"][7])
    assert values["volume"] == pytest.approx(float(cells["volume"][7]))
    assert values["type"] == cells["type"][7]
    assert cell["life"][0]["text"] == "founder"
    again = json.loads(get(port, f"/api/runs/0/frames/2/ids/{cell['id']}")[2])
    assert again["id"] == cell["id"]
    assert json.loads(get(port, "/api/runs/0/frames/2/ids/99999999")[2]) is None


def test_curves_are_valid_json_with_units(port):
    curves = json.loads(get(port, "/api/runs/0/curves")[2])
    metrics = {m["name"]: m for m in curves["metrics"]}
    assert metrics["plasma_vemurafenib"]["units"] == "mg/L"
    assert len(metrics["burden"]["values"]) == 61
    assert [c["name"] for c in curves["clones"]] == ["tumor", "tumor NRAS"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/2",
        "/api/runs/-1",
        "/api/runs/0/frames/99",
        "/api/runs/0/frames/0/columns/nonsense",
        "/api/runs/0/frames/0/fields/nonsense",
        "/api/runs/0/frames/0/fields/oxygen?z=1",
        "/api/runs/0/frames/0/fields/oxygen?z=x",
        "/api/runs/0/frames/0/cells/100000",
    ],
)
def test_what_is_not_there_is_refused(port, path):
    assert get(port, path)[0] == 404


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
    ],
)
def test_no_path_leads_out_of_what_was_given(port, path):
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
    for _ in range(5):
        client = socket.create_connection((LOOPBACK, port))
        client.sendall(b"GET /app.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
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
