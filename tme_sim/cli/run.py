"""``tme-sim run``: simulate a scenario and record it."""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from tme_sim.cli import simulating
from tme_sim.cli.exit_codes import DONE, FAILED
from tme_sim.cli.replay import port
from tme_sim.errors import InputError
from tme_sim.progress import progress

if TYPE_CHECKING:
    from tme_sim.replay.watch import Watch
    from tme_sim.scenario import Scenario

SUMMARY = "simulate a scenario and record it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is run, where to, and how."""
    parser.add_argument(
        "scenario", type=Path, metavar="SCENARIO", help="a YAML file, or a run file to continue"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="RUN.h5",
        help="the run file (outputs/<scenario>-<seed>.h5)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the scenario's")
    simulating.add_arguments(parser)
    parser.add_argument("--until", metavar="TIME", help='stop earlier, such as "10 d"')
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument(
        "--again", action="store_true", help="repeat RUN.h5 from its own file and compare"
    )
    simulating.add_trust(parser)
    parser.add_argument("--watch", action="store_true", help="show it in the browser as it goes on")
    parser.add_argument("--port", type=port, default=0, metavar="N", help="of the page to watch")
    parser.add_argument("--no-browser", action="store_true", help="only print its address")


def run(options: argparse.Namespace) -> int:
    """Simulate or resume, then draw; with ``--watch``, serve the page until interrupted."""
    if options.again:
        return _again(options)
    overrides = simulating.overrides(options.overrides)
    if options.seed is not None:
        overrides["seed"] = options.seed
    scenario = _scenario(options, overrides)

    from tme_sim import simulation  # numba and torch: only once the scenario is known to be good
    from tme_sim.continuation import refuse_untrusted
    from tme_sim.output.run import open_run

    path = options.output or _place(options) or simulation.default_path(scenario)
    how = {"until": options.until, "device": options.device, "threads": options.threads}
    resumed = options.resume and path.exists()
    if _place(options) is not None:  # what it names, no user named
        refuse_untrusted(open_run(options.scenario, unsealed=True), trust=options.trust)
    with _watch(options, path, resumed=resumed) as watch:
        with progress(scenario, quiet=options.quiet) as show:
            if resumed:
                result = simulation.resume(path, scenario=scenario, progress=show, **how)
            else:
                result = simulation.simulate(
                    scenario, path, force=options.force, progress=show, **how
                )
        code = simulating.conclude(result, path, quiet=options.quiet)
        if watch is not None and code == DONE:
            watch.wait()
    return code


def _scenario(options: argparse.Namespace, overrides: dict[str, object]) -> "Scenario":
    """Of a scenario file, or of the run file that is to be continued."""
    from tme_sim.scenario import load_scenario  # pydantic and pint

    if _place(options) is None:
        return load_scenario(options.scenario, overrides)
    from tme_sim.output.run import open_run  # h5py

    run = open_run(options.scenario, unsealed=True)
    return load_scenario(run.resolved, overrides, files=run.tables)


def _again(options: argparse.Namespace) -> int:
    """Repeat a run; 1 where the result is another one."""
    from tme_sim import repetition  # numba and torch
    from tme_sim.output.run import open_run  # h5py

    _refuse_conditions(options)
    run = open_run(options.scenario)
    with progress(run.scenario, quiet=options.quiet) as show:
        again = repetition.repeat(
            options.scenario,
            options.output,
            trust=options.trust,
            device=options.device,
            threads=options.threads,
            force=options.force,
            progress=show,
        )
    is_same = again.digest() == run.digest()
    print(f"{again.path}: {'the same' if is_same else 'another'} result, digest {again.digest()}")
    if is_same:
        return DONE
    print(f"{run.path} has digest {run.digest()}")
    found = repetition.causes(run, again)
    for cause in found or ["provenance is the same: not a change of code, weights or machine"]:
        print(f"  {cause}")
    return FAILED


def _refuse_conditions(options: argparse.Namespace) -> None:
    """A repetition is under the conditions of the run."""
    given = ("seed", "until", "resume", "watch", "overrides")
    named = ["set" if name == "overrides" else name for name in given if getattr(options, name)]
    if named:
        msg = f"--again repeats a run as it was; --{named[0]} cannot be given with it"
        raise InputError(msg)


def _place(options: argparse.Namespace) -> Path | None:
    """The run file, where it is named in place of a scenario."""
    named = options.resume and options.scenario.suffix == ".h5"
    return options.scenario if named else None


def _watch(
    options: argparse.Namespace, path: Path, *, resumed: bool
) -> "contextlib.AbstractContextManager[Watch | None]":
    if not options.watch:
        return contextlib.nullcontext()
    from tme_sim.replay.watch import watching  # starlette and uvicorn

    open_browser = not options.no_browser
    return watching(path, port=options.port, open_browser=open_browser, resumed=resumed)
