"""``tme-sim optimize``: search for schedules."""

import argparse

from tme_sim.cli import computing
from tme_sim.cli.exit_codes import DONE

SUMMARY = "search for schedules"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which study, on what."""
    computing.add_arguments(parser, "STUDY.yaml")


def run(options: argparse.Namespace) -> int:
    """Search, then print the best trials."""
    computing.check_workers(options)
    computing.check_libraries()
    from tme_sim.scan import optimize  # numba, torch, dask, Optuna

    study = optimize.plan(options.study)
    with computing.resumable(options, "optimize"):
        found = optimize.run(
            study,
            workers=options.workers,
            scheduler=options.scheduler,
            resume=options.resume,
            progress=computing.print_line,
        )
    print(found.best.drop(columns=["state", "message"]).to_string(index=False))
    print(f"{len(found.trials)} trials: tables and figure in {study.folder()}")
    return DONE
