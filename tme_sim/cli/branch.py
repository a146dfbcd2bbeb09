"""``tme-sim branch``: continue a run under other conditions."""

import argparse
from pathlib import Path

from tme_sim.cli import simulating
from tme_sim.progress import progress

SUMMARY = "continue a run under other conditions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, from when, and under what."""
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument("--at", required=True, metavar="TIME", help='when to branch, such as "5 d"')
    parser.add_argument("-o", "--output", type=Path, metavar="OTHER.h5")
    simulating.add_arguments(parser)
    simulating.add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """Continue from the checkpoint, then draw."""
    from tme_sim import simulation  # numba and torch
    from tme_sim.output.run import open_run  # h5py

    scenario = open_run(options.run).scenario
    with progress(scenario, quiet=options.quiet) as show:
        result = simulation.branch(
            options.run,
            options.at,
            overrides=simulating.overrides(options.overrides),
            output=options.output,
            trust=options.trust,
            device=options.device,
            threads=options.threads,
            force=options.force,
            progress=show,
        )
    return simulating.conclude(result, result.path, quiet=options.quiet)
