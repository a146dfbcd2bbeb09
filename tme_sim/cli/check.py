"""``tme-sim check``: whether a run file is what was written."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tme_sim.cli.exit_codes import DONE, FAILED

if TYPE_CHECKING:
    import numpy as np

SUMMARY = "verify every block of a run file and its checkpoints"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    parser.add_argument("run", type=Path, metavar="RUN.h5")


def run(options: argparse.Namespace) -> int:
    """Print what is whole; 1 where something is not."""
    from tme_sim.continuation import checkpoint_folder  # numba, torch
    from tme_sim.output.check import check  # h5py

    found = check(options.run, checkpoint_folder(options.run))
    state = "is whole" if found.is_whole else "is damaged"
    print(f"{options.run} {state}{f': {found.note}' if found.note else ''}")
    for fault in found.faults:
        print(f"  {fault}")
    print(f"  whole: {_frames(found.frames)}")
    print(
        f"         {', '.join(f'{n} of {all_} {name}' for name, (n, all_) in found.rows.items())}"
    )
    if found.is_whole:
        return DONE
    print(f"next: tme-sim repair {options.run}")
    return FAILED


def _frames(whole: "np.ndarray") -> str:
    """Whole frames, as ranges of their numbers."""
    ranges: list[list[int]] = []
    for k in (k for k, is_whole in enumerate(whole) if is_whole):
        if ranges and ranges[-1][1] == k - 1:
            ranges[-1][1] = k
        else:
            ranges.append([k, k])
    told = [f"{a}-{b}" if b > a else f"{a}" for a, b in ranges[:5]]
    more = ", ..." if len(ranges) > 5 else ""
    numbers = f" (number {', '.join(told)}{more})" if told else ""
    return f"{int(whole.sum())} of {len(whole)} frames{numbers}"
