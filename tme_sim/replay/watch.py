"""Serve the page of a run while it goes on: ``tme-sim run --watch``.

The server is a thread of the process that simulates, since HDF5 lets only that process read a file
that it writes; h5py lets one thread at a time into the library.
"""

import contextlib
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tme_sim.errors import InputError
from tme_sim.output.run import open_run
from tme_sim.replay.server import address_of, application, listen

if TYPE_CHECKING:
    import uvicorn

LOOK_EVERY = 0.2  # [s] for the first frame
SLOWEST_STOP = 5.0  # [s] that a request may still take when everything ends


@contextlib.contextmanager
def watching(
    path: Path, *, port: int = 0, open_browser: bool = True, resumed: bool = False
) -> Iterator["Watch"]:
    """Serve ``path`` as soon as the run that is about to start has written a frame of it."""
    watch = Watch(path, port, open_browser=open_browser, resumed=resumed)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


class Watch:
    """A server for a run that is not yet there."""

    def __init__(
        self, path: Path, port: int, *, open_browser: bool = True, resumed: bool = False
    ) -> None:
        self._path, self._open_browser = path, open_browser
        self._before = path.stat().st_ino if path.exists() and not resumed else None
        self._listener = listen(port)
        self._ended = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.address = address_of(self._listener)

    def start(self) -> None:
        """Begin to look for the file."""
        self._thread.start()

    def wait(self) -> None:
        """Serve on, after the run has ended, until interrupted."""
        print(f"replay stays at {self.address}  (stop with Ctrl-C)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while self._thread.is_alive():
                self._thread.join(0.5)

    def stop(self) -> None:
        """End the server."""
        self._ended.set()
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(SLOWEST_STOP)
        self._listener.close()

    @property
    def serving(self) -> bool:
        """Whether the page is up."""
        return self._server is not None and self._server.started

    def _serve(self) -> None:
        import uvicorn  # only once there is something to serve

        while not self.looks_there():
            if self._ended.wait(LOOK_EVERY):
                return
        app = application([self._path], running=True)
        print(f"replay at {self.address}  while the run goes on", flush=True)
        if self._open_browser:
            webbrowser.open(self.address)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        self._server = uvicorn.Server(config)
        self._server.run(sockets=[self._listener])

    def looks_there(self) -> bool:
        """Whether the file is that of this run and holds a frame."""
        try:
            if self._path.stat().st_ino == self._before:
                return False
            return len(open_run(self._path).times) > 0
        except (OSError, InputError):
            return False
