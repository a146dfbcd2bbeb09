"""A real server on a loopback port, showing stand-in runs."""

import contextlib
import threading
import time

import pytest

from tests.output.stand_in import StandIn, record


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    record(folder / "flat.h5", ticks=60)
    record(folder / "deep.h5", StandIn(dim=3), ticks=60)
    record(folder / "other.h5", StandIn(seed=2), ticks=60)
    return [folder / "flat.h5", folder / "deep.h5", folder / "other.h5"]


@pytest.fixture(scope="module")
def port(runs):
    with served(runs) as found:
        yield found


@pytest.fixture
def serving():
    return served


@contextlib.contextmanager
def served(paths, *, running=False):
    """The port of a server that shows some run files."""
    import uvicorn

    from tme_sim.replay.server import application, listen

    listener = listen(0)
    app = application(paths, running=running)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
