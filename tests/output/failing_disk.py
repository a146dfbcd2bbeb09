"""Record a run while its n-th operation on the disk fails; then continue it, and compare.

Run under LD_PRELOAD of ``faults.c``: python -m tests.output.failing_disk FOLDER FIRST STEP KIND
Prints a line for every n: what became of it. Ends with the first n that the run does not reach.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path

from tests.output.stand_in import StandIn
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import open_run
from tme_sim.state import checkpoint

TICKS, FRAME, SAVED = 40, 10, 20
WORD = b"/run.h5"
LOST, DIFFERENT = "nothing is left", "ANOTHER RESULT"


def record(path):
    """A run with checkpoints, from its start."""
    model = StandIn()
    recorder = Recorder(path, model)
    recorder.frame(model)
    go_on(path, model, recorder)


def resume(path):
    """The same from its last checkpoint, as ``tme_sim.simulation`` does it.

    What the stand-in was at that tick is found by going there again.
    """
    run = open_run(path, unsealed=True)
    found = checkpoint.find(
        folder(path), fault=lambda s: "" if run.holds(s["recorder"]["extent"]) else "is ahead"
    )
    if found is None:
        record(path)
        return
    tick, state = found
    model = StandIn()
    for _ in range(tick):
        model.step()
    go_on(path, model, Recorder(path, model, resume_from=state["recorder"]))


def go_on(path, model, recorder):
    try:
        while model.tick_index < TICKS:
            model.step()
            recorder.tick(model)
            if model.tick_index % FRAME == 0:
                recorder.frame(model)
            if model.tick_index % SAVED == 0:
                checkpoint.save(folder(path), model.tick_index, {"recorder": recorder.state()})
    except BaseException:
        recorder.close()
        raise
    recorder.finish(model, "duration")


def folder(path):
    return path.with_name("checkpoints of run.h5")


def clean(path):
    for file in [*path.parent.glob("run.h5*"), *folder(path).glob("*")]:
        file.unlink()


def in_child(function, path):
    """Exit status of a process of its own: 0 done, 1 an error of the disk, others are faults."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        function(path)
    except OSError as err:
        sys.stderr.flush()
        os._exit(1 if err.filename or err.errno in (errno.ENOSPC, errno.EIO) else 3)
    except BaseException:
        os._exit(4)
    os._exit(0)


def outcome(path, status, good):
    """What became of a run that ended with this status."""
    if status == 0:
        run = open_run(path)
        return "done" if run.digest() == good and run.complete else DIFFERENT
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 1:
        return f"UNTOLD, status {os.WEXITSTATUS(status)}"
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) != 9:
        return f"CRASHED, signal {os.WTERMSIG(status)}"
    if not path.exists():
        return LOST
    if in_child(resume, path) != 0:
        return "NOT RESUMED"
    run = open_run(path)
    return "resumed" if run.digest() == good and run.complete else DIFFERENT


def main(place, first, step, kind):
    shim = ctypes.CDLL(None)
    arm = shim.fault_arm
    arm.argtypes = [ctypes.c_char_p, ctypes.c_char, ctypes.c_int, ctypes.c_long]
    path = Path(place) / "run.h5"
    record(path)
    good = open_run(path).digest()
    clean(path)
    n = int(first)
    while True:

        def faulty(path, n=n):
            arm(WORD, kind[0].encode(), getattr(errno, kind[1:] or "EIO"), n)
            record(path)
            if shim.fault_count() < n:
                os._exit(7)  # the run was over before

        status = in_child(faulty, path)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 7:
            return
        print(n, outcome(path, status, good), flush=True)
        clean(path)
        n += int(step)


if __name__ == "__main__":
    main(*sys.argv[1:])
