"""``tme-sim validate``: check scenarios and say what they imply before they run."""

import argparse
from pathlib import Path

from tme_sim.cli.exit_codes import DONE
from tme_sim.progress import compiling

SUMMARY = "check a scenario, say what it implies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which scenarios."""
    parser.add_argument("scenarios", type=Path, nargs="+", metavar="SCENARIO")


def run(options: argparse.Namespace) -> int:
    """Print diffusion lengths, doubling times, penetration, memory, time and file size."""
    from tme_sim.analysis.implications import implications  # numba and torch
    from tme_sim.scenario import load_scenario  # pydantic and pint

    for path in options.scenarios:
        scenario = load_scenario(path)
        with compiling(quiet=False, of_a_run=False):
            text = implications(scenario).text()
        print(text)
    return DONE
