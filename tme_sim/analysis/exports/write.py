"""Choose the writer of a format, check what was asked, and move what is whole into place."""

import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tme_sim.analysis.exports import tables
from tme_sim.errors import InputError
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run

MARK = ".tme-sim-export"  # in a folder that an export made, and may write anew


@dataclass(frozen=True)
class Format:
    """A format that a run can be written in.

    ``write`` is called with run, frames and path; ``ending`` is that of the file, or of the folder
    where ``folder`` is set; ``package`` is what it needs of the extra ``export``; ``one_frame``
    where it holds a single moment, else all frames are written unless one is chosen.
    """

    write: Callable[[Run, range, Path], None]
    ending: str
    package: str = ""
    folder: bool = False
    one_frame: bool = False


def _write_anndata(run: Run, frames: range, path: Path) -> None:
    from tme_sim.analysis.exports import annotated  # anndata, an extra

    annotated.write(run, frames, path)


def _write_vtk(run: Run, frames: range, path: Path) -> None:
    from tme_sim.analysis.exports import vtk  # pyvista, an extra

    vtk.write(run, frames, path)


def _write_simularium(run: Run, frames: range, path: Path) -> None:
    from tme_sim.analysis.exports import simularium  # simulariumio, an extra

    simularium.write(run, frames, path)


FORMATS = {
    "anndata": Format(
        _write_anndata,
        ".h5ad",
        "anndata",
        one_frame=True,
    ),
    "vtk": Format(_write_vtk, "-vtk", "pyvista", folder=True),
    "simularium": Format(_write_simularium, ".simularium", "simulariumio"),
    "csv": Format(tables.write_csv, "-csv", folder=True),
    "parquet": Format(tables.write_parquet, "-parquet", "pyarrow", folder=True),
}


def export(
    run: Run,
    to: str,
    path: str | Path | None = None,
    *,
    at: str | float | None = None,
    force: bool = False,
) -> Path:
    """Write a run in another format.

    Args:
        run: with at least one whole frame.
        to: one of ``FORMATS``.
        path: file or folder; beside the run file unless given.
        at: only the last frame not after this time. Otherwise all frames, for ``anndata`` the last.
        force: overwrite what is there.

    Returns:
        The path, where everything is whole: it is written beside it first.

    Raises:
        InputError: unknown format, wrong ending, existing path, a package that is not installed.
        RunFileError: the run holds no whole frame, or none that early.
    """
    if to not in FORMATS:
        msg = f"cannot export to {to!r}; the formats are {', '.join(FORMATS)}"
        raise InputError(msg)
    chosen = FORMATS[to]
    path = _place(run, chosen, path)
    frames = _frames(run, chosen, at)
    _check_package(to, chosen)
    _refuse_overwrite(path, chosen, force=force)
    _write_whole(chosen, run, frames, path)
    return path


def _place(run: Run, chosen: Format, path: str | Path | None) -> Path:
    if path is None:
        return run.path.with_name(run.path.stem + chosen.ending)
    path = Path(path)
    if not chosen.folder and path.suffix != chosen.ending:
        msg = f"{path}: the file needs the ending {chosen.ending}, not {path.suffix!r}"
        raise InputError(msg)
    return path


def _frames(run: Run, chosen: Format, at: str | float | None) -> range:
    n_frames = len(run.times)
    if n_frames == 0:
        msg = f"{run.path}: holds no whole frame, so there is nothing to export"
        raise RunFileError(msg)
    if at is not None:
        frame = run.frame_at(at)
        return range(frame, frame + 1)
    return range(n_frames - 1 if chosen.one_frame else 0, n_frames)


def _check_package(to: str, chosen: Format) -> None:
    if chosen.package and importlib.util.find_spec(chosen.package) is None:
        msg = (
            f"--to {to} needs the package {chosen.package}, which is not installed; get it with: "
            "pip install 'tme-sim[export]'"
        )
        raise InputError(msg)


def _refuse_overwrite(path: Path, chosen: Format, *, force: bool) -> None:
    if not path.exists():
        return
    if path.is_dir() != chosen.folder:
        found, needed = ("folder", "file") if path.is_dir() else ("file", "folder")
        msg = f"{path}: is a {found}, but this format is a {needed}; choose another -o"
        raise InputError(msg)
    if path.is_dir() and any(path.iterdir()) and not (path / MARK).exists():
        msg = f"{path}: is a folder that no export made; choose another -o"
        raise InputError(msg)
    if not force:
        msg = f"{path}: exists; overwrite it with --force, or choose another -o"
        raise InputError(msg)


def _write_whole(chosen: Format, run: Run, frames: range, path: Path) -> None:
    """Write beside the path, and move what was written there once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    _remove(partial)
    try:
        chosen.write(run, frames, partial)
        if chosen.folder:
            (partial / MARK).touch()
        _remove(path)
        partial.replace(path)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
