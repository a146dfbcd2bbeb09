"""One process of a campaign: mutations of one loader, each within limits of time and memory."""

import contextlib
import faulthandler
import json
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
import zlib
from pathlib import Path

from tests.fuzz.loaders import LOADERS
from tests.fuzz.mutations import changes, mutate, pick
from tme_sim.errors import InputError

SECONDS = 5.0  # of processor time for one input
HANGS = 60.0  # [s] of any time, after which the process ends
MEMORY = 10**9  # [bytes] above what the process had before the first
MESSAGE = 2000  # characters


class TooLongError(BaseException):
    """An input took more than its time."""


def main(folder, name, first, end):
    """Read mutations ``first`` to ``end``; failures go to a file, a line of JSON each."""
    warnings.simplefilter("ignore")
    loader = LOADERS[name]
    place = folder / "work" / f"{name}-{os.getpid()}"
    valid = place / "valid"
    valid.mkdir(parents=True)
    loader.prepare(valid)
    case = place / "case"
    fresh(valid, case)
    for target in loader.targets:
        loader.read(case, target)  # also compiles and imports what is needed
    signal.signal(signal.SIGPROF, _stop)
    limit = _address_space() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    seed, at = zlib.crc32(name.encode()), folder / f"{name}.at"
    with at.open("w") as progress, (folder / f"{name}.failures").open("a") as log:
        for number in range(first, end):
            progress.seek(0)
            progress.write(f"{number}")
            progress.flush()
            faulthandler.dump_traceback_later(HANGS, exit=True)
            told = one(loader, valid, case, number, seed)
            faulthandler.cancel_dump_traceback_later()
            if told:
                kept = folder / "kept" / f"{name}-{number}"
                shutil.rmtree(kept, ignore_errors=True)
                smaller(loader, valid, kept, number, seed, told)
                log.write(json.dumps({"number": number, "fault": told}) + "\n")
                log.flush()
        progress.seek(0)
        progress.write(f"{end}")
    shutil.rmtree(place)


def fresh(valid, case):
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(valid, case)


def one(loader, valid, case, number, seed, without=()):
    """The fault of one mutation, or nothing; ``without`` leaves some of its changes out."""
    first = changes("any", number, seed)[0]
    target = pick(first, list(loader.targets))
    kind = pick(first, loader.targets[target])
    generators = [g for k, g in enumerate(changes(kind, number, seed)) if k not in without]
    fresh(valid, case)
    try:
        mutate(case / target, kind, generators)
    except Exception:  # a change that cannot be made of what an earlier one left
        return ""
    return fault(loader, case, target)


def fault(loader, case, target):
    """What is wrong with how an input is read: an error of another kind, a limit, a message."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with contextlib.redirect_stdout(None):
            loader.read(case, target)
    except InputError as error:
        return unfit(loader, case, str(error))
    except TooLongError:
        return f"took more than {SECONDS:g} s\n{''.join(traceback.format_exc()[-1500:])}"
    except loader.refusals as error:
        return unfit(loader, case, str(error))
    except BaseException:
        return traceback.format_exc()[-2500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    return ""


def unfit(loader, case, message):
    if len(message) > MESSAGE:
        return f"a message of {len(message)} characters: {message[:300]}"
    names = [path.name for path in case.rglob("*")]
    if loader.tells_file and not any(name in message for name in names):
        return f"names no file: {message[:500]}"
    return ""


def smaller(loader, valid, kept, number, seed, told):
    """Keep the input with as few of its changes as still fail."""
    n = len(changes("any", number, seed))
    for out in range(n):
        without = tuple(k for k in range(n) if k != out)
        if n > 1 and one(loader, valid, kept, number, seed, without):
            break
    else:
        one(loader, valid, kept, number, seed)
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "fault.txt").write_text(told, "utf-8", "backslashreplace")


def _stop(*_):
    raise TooLongError


def _address_space():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
