"""Write the replay page with its run inside: one HTML file that opens from disk, with no server.

The file holds what the server would send, under the same paths, deflated and in base 64. It keeps
to a size limit: frames are thinned evenly, and where that would leave too few, fields and then
columns that few look at are left out.
"""

import base64
import hashlib
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from tme_sim.errors import InputError
from tme_sim.files import written
from tme_sim.output.run import Run
from tme_sim.replay.frames import NOT_SHOWN, SURVIVAL, Frames

MEGABYTE = 1_000_000
DEFAULT_LIMIT = 25 * MEGABYTE
FEWEST_FRAMES = 24  # that are worth more than one more field or column
SAMPLED_FRAMES = 5  # that the size of all is judged from
FIRST_COLUMNS = ("clone", "phase", "in_domain", SURVIVAL, "ERK", "growth_rate", "HIF1A", "PDL1")
IN_CELLS = ("type", "status")  # columns that the bytes of the cells already hold
MAX_FAMILIES = 20_000  # cells whose life is told
Part = dict[str, Any]
Progress = Callable[[str], None]


def write(
    runs: Sequence[Run], path: Path, limit: float = DEFAULT_LIMIT, progress: Progress | None = None
) -> Path:
    """Write the page of one run, or of two side by side.

    Args:
        runs: what to show.
        path: the .html file.
        limit: the largest size that the file may have [bytes].
        progress: called with a line about what was kept.

    Raises:
        InputError: the suffix is not .html, or not even two frames fit.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        msg = f"{path}: a page is a .html file, not {path.suffix!r}"
        raise InputError(msg)
    page = _page()
    room = (limit - len(page)) / len(runs)
    parts: dict[str, Part] = {"runs": _json([_entry(run) for run in runs])}
    for index, run in enumerate(runs):
        parts |= _fitted(Frames(run), f"runs/{index}", room, progress)
    packed = json.dumps(parts, separators=(",", ":")).replace("<", "\\u003c")  # ends no script
    with written(path) as part:
        part.write_text(page.replace(_PLACE, packed), encoding="utf-8")
    return path


def _fitted(frames: Frames, root: str, room: float, progress: Progress | None) -> dict[str, Part]:
    """As many frames, fields and columns of a run as fit into ``room`` [bytes]."""
    run = frames.run
    fixed = _fixed(frames, root)
    for fields, columns in _choices(frames):
        each = _size_of_a_frame(frames, fields, columns)
        n = min(len(run.times), int((room - _size(fixed)) / each))
        if n >= min(FEWEST_FRAMES, len(run.times)) or (not fields and n >= 2):
            break
    else:
        need = (_size(fixed) + 2 * each) / MEGABYTE
        msg = f"{run.path}: two frames need {need:.1f} MB; allow more with --max-size"
        raise InputError(msg)
    while True:
        chosen = np.unique(np.linspace(0, len(run.times) - 1, n).round().astype(int))
        parts = fixed | _described(frames, root, chosen, fields, columns)
        for index, frame in enumerate(chosen.tolist()):
            parts |= _frame(frames, f"{root}/frames/{index}", frame, fields, columns)
        if _size(parts) <= room or n <= 2:
            break
        n = max(2, int(n * 0.97 * room / _size(parts)))
    if progress is not None:
        progress(_summary(run, chosen, fields, columns, frames))
    return parts


def _choices(frames: Frames) -> Iterator[tuple[list[str], list[str]]]:
    """Fields and columns to try, the fullest first."""
    every = [c["name"] for c in frames.described()["columns"] if c["name"] not in IN_CELLS]
    fields = list(frames.run.fields)
    first = [name for name in FIRST_COLUMNS if name in every]
    best = [name for name in ("oxygen", *fields) if name in fields][:1]
    yield fields, every
    yield best, every
    yield best, first
    yield [], first
    yield [], first[:2]


def _fixed(frames: Frames, root: str) -> dict[str, Part]:
    """What does not depend on how many frames are kept, but for the description."""
    return {
        f"{root}/curves": _json(frames.curves()),
        f"{root}/families": _json(_families(frames)),
    }


def _families(frames: Frames) -> list[tuple[str, dict[str, Any]]]:
    """Where the cells of the frames came from, and why they survive; none of a large run."""
    return frames.families() if len(frames.family.ids) <= MAX_FAMILIES else []


def _size_of_a_frame(frames: Frames, fields: list[str], columns: list[str]) -> float:
    n = len(frames.run.times)
    sample = sorted({int(k) for k in np.linspace(n // 3, n - 1, min(n, SAMPLED_FRAMES))})
    sizes = [_size(_frame(frames, "runs/0/frames/100", k, fields, columns)) for k in sample]
    return max(1.0, float(np.mean(sizes)))


def _frame(
    frames: Frames, root: str, frame: int, fields: list[str], columns: list[str]
) -> dict[str, Part]:
    """Every part of one frame."""
    run = frames.run
    ids = run.frame(frame, ("id",))["id"].astype("<i8").tobytes()
    parts = {
        root: _packed(frames.cells(frame)) | {"radius": frames.max_radius},
        f"{root}/ids": _packed(ids),
    }
    encoded = frames.columns(frame, (*columns, *IN_CELLS))
    ranges = frames.column_ranges(tuple(encoded))
    for name, levels in encoded.items():
        parts[f"{root}/columns/{quoted(name)}"] = _packed(levels) | {"range": list(ranges[name])}
    for name in fields:
        ends = {"range": list(frames.field_range(name))}
        for z in range(run.shape[0]):
            part = _packed(frames.field(frame, name, "z", z)) | ends
            parts[f"{root}/fields/{quoted(name)}?z={z}"] = part
    return parts


def quoted(name: str) -> str:
    """A name as the page writes it into a path: ``encodeURIComponent``."""
    return quote(name, safe="!'()*~")


def _described(
    frames: Frames, root: str, chosen: np.ndarray, fields: list[str], columns: list[str]
) -> dict[str, Part]:
    """The description of a run as if it had only what was kept."""
    run, description = frames.run, frames.described()
    shown = {*columns, *IN_CELLS}
    description |= {
        "times": run.times[chosen].tolist(),
        "counts": run.n_cells[chosen].tolist(),
        "every": math.ceil(len(run.times) / len(chosen)),
        "columns": [c for c in description["columns"] if c["name"] in shown],
        "fields": [f for f in description["fields"] if f["name"] in fields],
    }
    return {root: _json(description)}


def _summary(
    run: Run, chosen: np.ndarray, fields: list[str], columns: list[str], frames: Frames
) -> str:
    known = [n for n in run.columns if n not in (*NOT_SHOWN, *IN_CELLS)]
    n_columns = len(known) + (frames.explanation is not None)
    return (
        f"{run.path.name}: {len(chosen)} of {len(run.times)} frames, {len(fields)} of "
        f"{len(run.fields)} fields, {len(columns)} of {n_columns} columns"
    )


def _entry(run: Run) -> dict[str, Any]:
    return {"name": run.name, "seed": run.seed, "file": run.path.name}


def _json(content: Any) -> Part:
    return _packed(json.dumps(content, separators=(",", ":")).encode())


def _packed(content: bytes) -> Part:
    return {"data": base64.b64encode(zlib.compress(content, 6)).decode("ascii")}


def _size(parts: dict[str, Part]) -> int:
    """Bytes that the parts have in the file, to a few per part."""
    return sum(len(path) + len(part["data"]) + 64 for path, part in parts.items())


_PLACE = "@@run@@"


def _allowed(script: str, style: str) -> str:
    """The page's security policy: this script, this style and nothing else."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    """What a content security policy calls an inline script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _page() -> str:
    """The page with its script, style and icon inside, and a place for the run."""
    static = resources.files("tme_sim.replay") / "static"
    page, script, style, icon = (
        (static / name).read_text("utf-8")
        for name in ("index.html", "app.js", "app.css", "icon.svg")
    )
    picture = "data:image/svg+xml;base64," + base64.b64encode(icon.encode()).decode("ascii")
    packed = f'<script type="application/json" id="packed">{_PLACE}</script>'
    script = script.replace("</script", "<\\/script")
    page = re.sub(r'<link rel="preload"[^>]*>\n', "", page)
    return (
        page.replace('<script type="module" src="/app.js"></script>', "")
        .replace('<link rel="stylesheet" href="/app.css">', f"<style>{style}</style>")
        .replace("/icon.svg", picture)
        .replace(
            '<meta charset="utf-8">',
            f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
            f'content="{_allowed(script, style)}">',
            1,
        )
        .replace("</body>", f'{packed}\n<script type="module">{script}</script>\n</body>', 1)
    )
