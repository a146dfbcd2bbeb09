"""Repeat a run from what its own file says, and tell why the two differ where they do."""

import functools
import tempfile
from pathlib import Path

from tme_sim.continuation import refuse_untrusted
from tme_sim.errors import InputError
from tme_sim.output.layout import RESUMED
from tme_sim.output.run import Run, open_run
from tme_sim.scenario import Scenario, load_scenario
from tme_sim.simulation import Progress, branch, simulate

NO_CAUSES = ("started", "seed", "evidence", "parent", "branch_time", "parent_digest")


def repeat(
    path: str | Path,
    output: str | Path | None = None,
    *,
    trust: bool = False,
    device: str = "auto",
    threads: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Simulate a run again from its beginning, with the tables that its file keeps.

    A branch is repeated with its past, under the conditions that each part of it had.

    Args:
        path: the run file.
        output: of the repetition; ``<name>-again.h5`` beside it unless given.
        trust: import policies that the file names.
        device: as of ``simulate``, like the rest.
        threads: number of threads.
        force: overwrite an existing run.
        progress: called with the model after every tick.

    Raises:
        InputError: the run has not ended, or names code that is not trusted.
    """
    run = open_run(path)
    if not run.complete:
        msg = f"{path} has not ended, so that there is no whole result to compare with"
        raise InputError(msg)
    refuse_untrusted(run, trust=trust)
    output = run.path.with_stem(f"{run.path.stem}-again") if output is None else Path(output)
    if output.exists() and (not force or output.resolve() == run.path.resolve()):
        msg = f"{output} exists; choose another file with -o"
        raise InputError(msg)
    scenarios = [(_load(run, p["resolved"]), float(p["until"])) for p in run.past]
    scenarios.append((run.scenario, run.end))
    with tempfile.TemporaryDirectory(prefix=".again-", dir=_folder(output)) as folder:
        before: tuple[Path, float] | None = None
        for k, (scenario, until) in enumerate(scenarios):
            place = output if k == len(scenarios) - 1 else Path(folder) / f"{k}.h5"
            if before is None:
                begin = functools.partial(simulate, scenario, place)
            else:
                begin = functools.partial(
                    branch, *before, scenario=scenario, output=place, trust=True
                )
            again = begin(
                until=until, device=device, threads=threads, force=force, progress=progress
            )
            before = place, until
    return again


def causes(run: Run, again: Run) -> list[str]:
    """In what the provenance of two runs differs, as "numpy 2.1, now 2.2"."""
    old, new = run.provenance, again.provenance
    return [
        f"{name.replace('_', ' ')} {old.get(name, 'none')}, now {new.get(name, 'none')}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name) and name not in NO_CAUSES
        if not name.startswith(RESUMED)
    ]


def _load(run: Run, resolved: dict[str, object]) -> Scenario:
    return load_scenario(resolved, files=run.tables)


def _folder(output: Path) -> Path:
    output.parent.mkdir(parents=True, exist_ok=True)
    return output.parent
