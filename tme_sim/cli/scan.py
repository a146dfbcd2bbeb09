"""``tme-sim scan``: run a scenario under many conditions."""

import argparse

from tme_sim.cli import computing
from tme_sim.cli.exit_codes import DONE, FAILED

SUMMARY = "run a scenario under many conditions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which scan, on what, or only its plan."""
    computing.add_arguments(parser, "SCAN.yaml")
    parser.add_argument("--plan", action="store_true", help="say what would be run, and stop")


def run(options: argparse.Namespace) -> int:
    """Print the plan with its cost, then compute what is not done."""
    computing.check_workers(options)
    computing.check_libraries()
    from tme_sim.scan import cluster, scan  # numba, torch, dask
    from tme_sim.scan.progress import progress

    planned = scan.plan(options.study)
    scan.check_store(planned.study, resume=options.resume or options.plan)
    if not options.plan:
        cluster.check(planned.study, scheduler=options.scheduler)
    with computing.resumable(options, "scan"):
        forecast = planned.forecast(options.workers or cluster.n_cores())
        print(planned.text(forecast), flush=True)
        if options.plan:
            return DONE
        with progress(planned.study.name, forecast) as show:
            table = scan.run(
                planned,
                workers=options.workers,
                scheduler=options.scheduler,
                resume=options.resume,
                progress=show,
            )
    n_failed = int((table["status"] != "done").sum())
    print(f"{len(table)} runs, {n_failed} failed: tables and figures in {planned.store.folder}")
    return DONE if n_failed == 0 else FAILED
