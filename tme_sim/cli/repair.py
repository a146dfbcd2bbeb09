"""``tme-sim repair``: copy what is whole of a damaged run file."""

import argparse
from pathlib import Path

from tme_sim.cli.exit_codes import DONE

SUMMARY = "copy what is whole of a damaged run file into a new one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, where to."""
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument("-o", "--output", type=Path, metavar="NEW.h5", help="(RUN-repaired.h5)")
    parser.add_argument("--force", action="store_true", help="overwrite another file")


def run(options: argparse.Namespace) -> int:
    """Copy, and tell what the copy holds."""
    from tme_sim.output.repair import repair  # h5py

    path: Path = options.run
    output = options.output or path.with_name(f"{path.stem}-repaired{path.suffix}")
    copy = repair(path, output, force=options.force)
    state = "nothing was lost" if not copy.reason.startswith("repaired") else copy.reason
    print(f"{output}: {state}; it holds {len(copy.times)} frames")
    print(f"next: tme-sim info {output}")
    return DONE
