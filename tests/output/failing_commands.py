"""Run a command while its n-th operation on the disk fails; do it again, and compare.

Run under LD_PRELOAD of ``faults.c``, in one thread, so that the process may be forked:
python -m tests.output.failing_commands COMMAND FOLDER FIRST STEP KIND
Prints a line for every n: what became of it. Ends with the first n that the command does not reach.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
import sys
import traceback
from pathlib import Path
from unittest import mock

import yaml

from tests.scan import scans
from tme_sim.cli import main as tme_sim
from tme_sim.errors import InputError
from tme_sim.output.run import open_run
from tme_sim.scan import scan

LOST, DIFFERENT, HARMED = "nothing is left", "ANOTHER RESULT", "THE INPUT IS CHANGED"
TOLD = (1, 2)  # exit codes of a command that says what is wrong
AT = ["--at", "2.4 h", "--set", "therapy.0.dose=480 mg"]


def run(folder, *, again):
    out = folder / "out.h5"
    go_on = ["--resume"] if again and out.exists() else []
    return tme_sim(["run", str(folder / "small.yaml"), "-o", str(out), "--threads", "1", *go_on])


def branch(folder, *, again):
    force = ["--force"] if again else []
    out = ["-o", str(folder / "out.h5"), "--threads", "1"]
    return tme_sim(["branch", str(folder / "in.h5"), *AT, *out, *force])


def export(folder, *, again):
    force = ["--force"] if again else []
    out = str(folder / "out")
    return tme_sim(["export", str(folder / "in.h5"), "--to", "csv", "-o", out, *force])


def a_scan(folder, *, again):
    here = contextlib.nullcontext(scans.Here())
    client = mock.patch.object(scan, "connect", return_value=here)
    try:
        with client, mock.patch("dask.distributed.wait"):
            planned = scan.plan(folder / "scan.yaml")
            table = scan.run(planned, resume=again and (folder / "out").exists())
    except InputError:
        return 2
    except OSError as err:
        if not err.filename:
            raise
        return 1  # told, with the file's name
    return int((table["status"] != "done").any())


def of_run(folder):
    found = open_run(folder / "out.h5")
    return f"{found.complete} {found.digest()}"


def of_files(folder):
    found = sorted(p for p in (folder / "out").rglob("*") if p.is_file())
    return [(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in found]


def of_scan(folder):
    rows = (folder / "out" / "results.csv").read_text()
    return rows, len(list((folder / "out" / "figures").iterdir()))


COMMANDS = {
    "run": (run, of_run), "branch": (branch, of_run), "export": (export, of_files),
    "scan": (a_scan, of_scan),
}  # fmt: skip


def prepare(folder):
    """The inputs of all commands."""
    folder.mkdir(parents=True, exist_ok=True)
    scans.write(folder, store="out", axes={"therapy.0.dose": ["240 mg", "960 mg"]}, replicates=1)
    text = yaml.safe_dump(scans.SCENARIO | {"cells": few()}, sort_keys=False)
    (folder / "small.yaml").write_text(text)
    tme_sim(["run", str(folder / "small.yaml"), "-o", str(folder / "in.h5"), "--quiet"])


def few():
    """The groups of the scenario, smaller."""
    return scans.SCENARIO["cells"] | {"tumor": scans.SCENARIO["cells"]["tumor"] | {"count": 20}}


def clean(folder):
    for path in folder.glob("*out*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def inputs(folder):
    found = [folder / "in.h5", *sorted((folder / "in.h5.checkpoints").iterdir())]
    return [path.read_bytes() for path in found]


def in_child(function):
    """Exit status of a process of its own, and what it said last; 9 where an error went through."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        with os.fdopen(reader) as stream:
            said = stream.read()
        return os.waitpid(pid, 0)[1], said.strip().splitlines()[-1:]
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    sys.stderr = os.fdopen(2, "w")  # the old one may take the pipe for the file that was there
    code = 9
    try:
        code = function()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def outcome(folder, command, result, status, said, good):
    """What became of a command that ended with this status."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) != 9:
        return f"CRASHED, signal {os.WTERMSIG(status)}"
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    if code == 9:
        return f"UNTOLD: {said}"
    if code == 0:
        return "done" if result(folder) == good else DIFFERENT
    status, said = in_child(lambda: command(folder, again=True))
    if status != 0:
        return f"NOT DONE AGAIN: {said}"
    return "done again" if result(folder) == good else DIFFERENT


def main(report, name, place, first, step, kind):
    shim = ctypes.CDLL(None)
    arm = shim.fault_arm
    arm.argtypes = [ctypes.c_char_p, ctypes.c_char, ctypes.c_int, ctypes.c_long]
    folder = Path(place) / name
    prepare(folder)
    command, result = COMMANDS[name]
    command(folder, again=False)  # kernels are compiled once, before the first fork
    good, untouched = result(folder), inputs(folder)
    clean(folder)
    n = int(first)
    while True:

        def faulty(n=n):
            arm(f"{folder}/".encode(), kind[0].encode(), getattr(errno, kind[1:] or "EIO"), n)
            code = command(folder, again=False)
            return 7 if shim.fault_count() < n else code

        status, said = in_child(faulty)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 7:
            return
        found = outcome(folder, command, result, status, said, good)
        print(n, HARMED if inputs(folder) != untouched else found, flush=True, file=report)
        clean(folder)
        n += int(step)


if __name__ == "__main__":
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        main(sys.__stdout__, *sys.argv[1:])
