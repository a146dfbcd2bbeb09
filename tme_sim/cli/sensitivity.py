"""``tme-sim sensitivity``: rank the parameters of a scenario."""

import argparse

from tme_sim.cli import computing
from tme_sim.cli.exit_codes import DONE, FAILED

SUMMARY = "rank the parameters of a scenario"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which study, on what."""
    computing.add_arguments(parser, "STUDY.yaml")


def run(options: argparse.Namespace) -> int:
    """Print the plan with its cost, compute it, and print the ranks."""
    computing.check_workers(options)
    computing.check_libraries()
    from tme_sim.scan import cluster, scan, sensitivity  # numba, torch, dask, SALib
    from tme_sim.scan.progress import progress

    sampled = sensitivity.plan(options.study)
    scan.check_store(sampled.study, resume=options.resume)
    cluster.check(sampled.study, scheduler=options.scheduler)
    with computing.resumable(options, "sensitivity"):
        forecast = sampled.planned.forecast(options.workers or cluster.n_cores())
        print(sampled.planned.text(forecast), flush=True)
        with progress(sampled.study.name, forecast) as show:
            table = sensitivity.run(
                sampled,
                workers=options.workers,
                scheduler=options.scheduler,
                resume=options.resume,
                progress=show,
            )
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3g}"))
    status = scan.results(sampled.planned)["status"]
    n_failed = int((status != "done").sum())
    for line in sensitivity.gaps(sampled.study, table):
        print(line)
    failed = f"{len(status)} runs, {n_failed} failed: "
    print(f"{failed if n_failed else ''}tables and figures in {sampled.study.folder()}")
    return FAILED if n_failed else DONE
