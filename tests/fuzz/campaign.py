"""Mutate and read, many times: ``python -m tests.fuzz.campaign FOLDER --count 10000``.

Mutations are numbered, and a number always makes the same one. What is done is kept in the folder,
so that a campaign goes on where it was interrupted; ``LOADER.failures`` lists what failed, and
``kept/LOADER-NUMBER`` holds the smallest input that does.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.loaders import LOADERS

ROOT = Path(__file__).parents[2]


def run(folder, names, count, first=0):
    """Carry mutations ``first`` to ``first + count`` of each loader out; failures by loader."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: one(folder, name, first + count, first) for name in names}


def one(folder, name, end, first=0):
    """All mutations of a loader up to ``end``; a worker that dies is a failure and is replaced."""
    began, at = time.monotonic(), folder / f"{name}.at"
    failures = folder / f"{name}.failures"
    start = max(first, int(at.read_text() or 0) if at.exists() else 0)
    done = start
    while done < end:
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.worker",
            str(folder),
            name,
            str(done),
            str(end),
        ]
        worker = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if worker.returncode == 0:
            break
        done = int(at.read_text() or done) + 1
        last = worker.stderr.strip().splitlines()[-12:]
        with failures.open("a") as log:
            told = {
                "number": done - 1,
                "fault": f"worker ended with {worker.returncode}",
                "told": last,
            }
            log.write(json.dumps(told) + "\n")
        at.write_text(str(done))
    found = (
        [json.loads(line) for line in failures.read_text().splitlines()]
        if failures.exists()
        else []
    )
    seconds = time.monotonic() - began
    print(f"{name:12s} {end:8d} mutations, {len(found)} failures, {seconds:.0f} s", flush=True)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--loaders", nargs="*", choices=list(LOADERS), default=list(LOADERS))
    parser.add_argument("--count", type=int, default=1000, help="mutations of each loader in all")
    options = parser.parse_args()
    failed = run(options.folder, options.loaders, options.count)
    sys.exit(any(failed.values()))
