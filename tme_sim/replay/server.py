"""Serve the replay page and the frames of some run files, to this machine only."""

import asyncio
import contextlib
import functools
import re
import socket
import webbrowser
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tme_sim.errors import InputError
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run, open_run
from tme_sim.replay.frames import AXES, Frames

LOOPBACK = "127.0.0.1"
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
CACHED_FRAMES = 32  # parts of frames; a page keeps its own
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/app.css": ("app.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
SAFE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Number(Convertor[int]):
    """A whole number of the page's, as long as the longest identity of a cell and no longer."""

    regex = r"[0-9]{1,19}"

    def convert(self, value: str) -> int:
        """The number of a part of a path."""
        return int(value)

    def to_string(self, value: int) -> str:
        """The part of a path that stands for a number."""
        return str(value)


register_url_convertor("number", Number())


def serve(paths: Iterable[str | Path], port: int = 0, *, open_browser: bool = True) -> None:
    """Serve runs on a loopback address until interrupted; prints the address.

    With two runs the page shows them side by side.

    Args:
        paths: run files.
        port: the port to use; another free one is taken where it is in use, or 0.
        open_browser: open the page in the user's browser.

    Raises:
        RunFileError: one of the files cannot be read as a run.
    """
    import uvicorn  # only once there is something to serve

    app = application(paths)
    listener = listen(port)
    address = address_of(listener)
    print(f"replay at {address}  (stop with Ctrl-C)", flush=True)
    if open_browser:
        webbrowser.open(address)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def application(paths: Iterable[str | Path], *, running: bool = False) -> Starlette:
    """The server as an ASGI application, which refuses all hosts but this machine.

    Args:
        paths: run files.
        running: this process is still writing them; the page then asks for more.
    """
    runs = [_open_frames(path, running=running) for path in paths]
    app = Starlette(
        routes=[
            *(Route(address, _page_part, methods=["GET"]) for address in PAGE),
            Route("/api/runs", _runs),
            Route("/api/runs/{run:number}", _described),
            Route("/api/runs/{run:number}/state", _state),
            Route("/api/runs/{run:number}/curves", _curves),
            Route("/api/runs/{run:number}/frames/{frame:number}", _cells),
            Route("/api/runs/{run:number}/frames/{frame:number}/columns/{name}", _column),
            Route("/api/runs/{run:number}/frames/{frame:number}/fields/{name}", _field),
            Route("/api/runs/{run:number}/frames/{frame:number}/cells/{row:number}", _cell),
            Route("/api/runs/{run:number}/frames/{frame:number}/ids/{id:number}", _cell_of_id),
            Route("/api/runs/{run:number}/history/{id:number}/{name}", _history),
        ],
        middleware=[Middleware(LoopbackOnly)],
        exception_handlers={InputError: _refused},
    )
    app.state.runs = runs
    app.state.seen = [_file_of(frames) for frames in runs]
    # described while the browser opens, one after the other: the page can be sent meanwhile
    preparing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="describe")
    app.state.described = {f: preparing.submit(f.described) for f in runs if not f.running}
    preparing.shutdown(wait=False)
    app.state.binary = functools.lru_cache(maxsize=CACHED_FRAMES)(
        lambda frames, method, *arguments: getattr(frames, method)(*arguments)
    )
    return app


def _open_frames(path: str | Path, *, running: bool) -> Frames:
    frames = Frames(open_run(path), running=running)
    if len(frames.run.times) == 0:
        msg = f"{frames.run.path}: holds no whole frame yet, so there is nothing to show"
        raise InputError(msg)
    return frames


class LoopbackOnly:
    """Refuse requests that name another host, or come from another site's page.

    A page of a foreign site can make a browser ask 127.0.0.1; it cannot choose these two headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if not _is_local(f"//{host}") or (origin is not None and not _is_local(origin)):
            refusal = Response("this server answers this machine only", 403, headers=SAFE)
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_local(address: str) -> bool:
    try:
        return urlsplit(address).hostname in LOCAL_HOSTS
    except ValueError:
        return False


async def _page_part(request: Request) -> Response:
    name, media_type = PAGE[request.url.path]
    content = (resources.files("tme_sim.replay") / "static" / name).read_bytes()
    return Response(content, media_type=media_type, headers=SAFE)


async def _runs(request: Request) -> Response:
    runs = request.app.state.runs
    return _json([{"name": f.run.name, "seed": f.run.seed, "file": f.run.path.name} for f in runs])


async def _described(request: Request) -> Response:
    prepared = request.app.state.described.get(_run(request))
    if prepared is not None:
        return _json(await asyncio.wrap_future(prepared))
    return _json(await run_in_threadpool(_renewed(request).described))


async def _state(request: Request) -> Response:
    """How far a run that goes on has come; asked for often, so it reads next to nothing."""
    frames = _run(request)
    run = await run_in_threadpool(_reopened, frames) if frames.running else frames.run
    running = frames.running and run.reason == ""
    return _json({"frames": len(run.times), "complete": run.complete, "running": running})


def _renewed(request: Request) -> Frames:
    """The run as its file is now, where it may have grown since it was opened."""
    frames = _run(request)
    if not frames.running:
        return frames
    run = _reopened(frames)
    fresh = Frames(run, running=run.reason == "")
    request.app.state.runs[request.path_params["run"]] = fresh
    return fresh


async def _curves(request: Request) -> Response:
    return _json(await run_in_threadpool(_run(request).curves))


async def _cells(request: Request) -> Response:
    radius = await run_in_threadpool(lambda: _run(request).max_radius)
    return await _binary(request, "cells", headers={"X-Radius": repr(radius)})


async def _column(request: Request) -> Response:
    name = request.path_params["name"]
    low, high = await run_in_threadpool(_run(request).column_range, name)
    return await _binary(request, "column", name, headers={"X-Range": f"{low!r} {high!r}"})


async def _field(request: Request) -> Response:
    slices = [(axis, at) for axis, at in request.query_params.items() if axis in AXES]
    axis, at = slices[0] if slices else ("z", "0")
    if not re.fullmatch(Number.regex, at):
        msg = f"{axis} is {at!r}, but must be the number of a slice"
        raise InputError(msg)
    name = request.path_params["name"]
    low, high = await run_in_threadpool(_run(request).field_range, name)
    headers = {"X-Range": f"{low!r} {high!r}"}
    return await _binary(request, "field", name, axis, int(at), headers=headers)


async def _cell(request: Request) -> Response:
    run, frame = _run(request), _frame(request)
    return _json(await run_in_threadpool(run.cell, frame, request.path_params["row"]))


async def _cell_of_id(request: Request) -> Response:
    run, frame = _run(request), _frame(request)
    row = await run_in_threadpool(run.row_of, frame, request.path_params["id"])
    return _json(None if row is None else await run_in_threadpool(run.cell, frame, row))


async def _history(request: Request) -> Response:
    identity, name = request.path_params["id"], request.path_params["name"]
    return _json(await run_in_threadpool(_run(request).history, identity, name))


async def _binary(
    request: Request, method: str, *arguments: Any, headers: Mapping[str, str] | None = None
) -> Response:
    make: Callable[..., bytes] = request.app.state.binary
    content = await run_in_threadpool(make, _run(request), method, _frame(request), *arguments)
    return Response(
        content, media_type="application/octet-stream", headers={**SAFE, **(headers or {})}
    )


def _run(request: Request) -> Frames:
    runs: list[Frames] = request.app.state.runs
    index: int = request.path_params["run"]
    if index >= len(runs):
        msg = f"no run {index}; there are {len(runs)}"
        raise InputError(msg)
    frames, seen = runs[index], request.app.state.seen
    now = _file_of(frames)
    if now != seen[index]:
        _reopened(frames)
        seen[index] = now
    return frames


def _file_of(frames: Frames) -> tuple[int, int]:
    """What changes when another file takes the place of a run's, or when somebody writes to it."""
    try:
        file = frames.run.path.stat()
    except OSError:
        return 0, 0
    return file.st_ino, 0 if frames.running else file.st_mtime_ns


def _reopened(frames: Frames) -> Run:
    """A run as its file is now.

    Raises:
        RunFileError: the file cannot be read, or is that of another run by now.
    """
    run = open_run(frames.run.path)
    if run.id is None or run.id != frames.run.id:
        msg = f"{run.path}: is another run than the one opened; start tme-sim replay again"
        raise RunFileError(msg)
    return run


def _frame(request: Request) -> int:
    frame: int = request.path_params["frame"]
    n_frames = len(_run(request).run.times)
    if frame >= n_frames:
        msg = f"no frame {frame}; the run has {n_frames}"
        raise InputError(msg)
    return frame


async def _refused(_request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 404)


def _json(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status, headers=SAFE)


def listen(port: int) -> socket.socket:
    """A listening socket on the loopback address; on any free port where ``port`` is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        listener.bind((LOOPBACK, 0))
    return listener


def address_of(listener: socket.socket) -> str:
    """The address of the page that is served on a socket."""
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
