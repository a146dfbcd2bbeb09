"""Clients that mean no good, or do not read: nothing is given away and the server still answers."""

import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.output.stand_in import record
from tests.replay.conftest import served
from tme_sim.replay.server import LOOPBACK

SECRET = "the content of another file"
HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
GOOD = ("/", "/app.js", "/api/runs", "/api/runs/0", "/api/runs/0/frames/1", "/api/runs/0/curves")
PATHS = (
    b"/../secret.txt", b"/%2e%2e/secret.txt", b"/..%2fsecret.txt", b"/link.txt", b"/secret.txt",
    b"//etc/passwd", b"/api/runs/..%2flink.txt", b"/api/runs/0/frames/0/columns/..%2f..%2fscenario",
    b"/" + 60_000 * b"a", b"/\xff\xfe", b"/%00", b"/api/runs/0/frames/" + 5000 * b"9",
    b"/api/runs/0/frames/0/fields/oxygen?z=" + 5000 * b"9", b"/api/runs/0/history/1/position",
)  # fmt: skip
MALFORMED = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"\0" * 1000, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /" + HEAD + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
    b"GET /" + HEAD + b"".join(b"X%d: y\r\n" % k for k in range(20_000)) + b"\r\n",
    b"POST /api/runs" + HEAD + b"Content-Length: 99999999999999999999\r\n\r\nx",
    b"POST /api/runs" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET http://evil.example/secret HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"OPTIONS *" + HEAD + b"\r\n", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/runs" + HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
)  # fmt: skip
FOREIGN = (
    {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Host": "10.0.0.1"},
    {"Host": "localhost", "Origin": "https://evil.example"},
    {"Host": "localhost", "Origin": "null"}, {"Host": "localhost", "Origin": "file://"},
)  # fmt: skip


@pytest.fixture
def port(tmp_path):
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "link.txt").symlink_to("secret.txt")
    record(tmp_path / "run.h5", ticks=60)
    with served([tmp_path / "run.h5"]) as found:
        yield found


def send(port, content, timeout=20.0):
    """What comes back for these bytes, until the server closes or says no more."""
    received = b""
    with socket.create_connection((LOOPBACK, port), timeout) as client:
        client.settimeout(timeout)
        try:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(65536):
                received += part
        except (ConnectionError, TimeoutError):
            pass
    return received


def ask(port, path, **headers):
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def status(answer):
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else None


def client(port, number, wanted):
    """One client's day, drawn by its number; what is wrong with the answers."""
    rng = np.random.default_rng(number)
    match number % 4:
        case 0:
            path = GOOD[rng.integers(len(GOOD))]
            found = ask(port, path)
            return [] if found == wanted[path] else [f"{path}: {found[0]}"]
        case 1:
            path = PATHS[rng.integers(len(PATHS))]
            answer = send(port, b"GET " + path + HEAD + b"Connection: close\r\n\r\n")
            refused = status(answer) in (None, 400, 403, 404, 414, 431)
            return [] if refused and is_discreet(answer) else [f"{path[:60]}: {answer[:200]}"]
        case 2:
            content = MALFORMED[rng.integers(len(MALFORMED))]
            answer = send(port, content)
            mild = status(answer) in (None, 200, 400, 403, 404, 405, 431)
            return [] if mild and is_discreet(answer) else [f"{content[:60]}: {answer[:200]}"]
    headers = FOREIGN[rng.integers(len(FOREIGN))]
    found = ask(port, GOOD[rng.integers(len(GOOD))], **headers)
    return [] if found[0] == 403 and len(found[1]) < 100 else [f"{headers}: {found[0]}"]


def is_discreet(answer):
    return SECRET.encode() not in answer and b"root:" not in answer and b"Traceback" not in answer


def siege(port, n_clients, n_slow):
    """Many clients at once, beside some that hardly send or hardly read; what went wrong."""
    wanted = {path: ask(port, path) for path in GOOD}
    slow = [socket.create_connection((LOOPBACK, port)) for _ in range(n_slow)]
    for k, idle in enumerate(slow):  # half never end their request, half never read the answer
        request = b"GET /app.js" + HEAD
        idle.sendall(request if k % 2 else request + b"\r\n")
    stop = threading.Event()
    dripping = threading.Thread(target=drip, args=(slow, stop))
    dripping.start()
    try:
        with ThreadPoolExecutor(n_clients) as pool:
            found = list(pool.map(lambda k: client(port, k, wanted), range(4 * n_clients)))
        assert ask(port, "/api/runs/0/frames/1") == wanted["/api/runs/0/frames/1"]
    finally:
        stop.set()
        dripping.join()
        for idle in slow:
            idle.close()
    assert json.loads(ask(port, "/api/runs/0/state")[1])["frames"] == 7
    return [fault for faults in found for fault in faults]


def drip(clients, stop):
    """Send one byte of a header every now and then, as slow clients do."""
    while not stop.wait(0.2):
        for idle in clients[1::2]:
            try:
                idle.sendall(b"x")
            except OSError:
                continue


def test_a_few_hostile_clients_get_nothing(port):
    assert siege(port, 8, 10) == []


@pytest.mark.campaign
def test_200_hostile_clients_at_once_get_nothing(port):
    assert siege(port, 200, 200) == []
