"""The parser of ``tme-sim``, and how any command ends: exit codes, errors in one message.

A command is a module of this folder with ``SUMMARY``, ``add_arguments(parser)`` and
``run(options) -> exit code``. What is slow to import (torch, numba, mesa, pandas, matplotlib) loads
inside ``run``, so that ``tme-sim --help`` answers at once.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from tme_sim.cli import (
    bench,
    branch,
    check,
    examples,
    explain,
    export,
    info,
    lineage,
    optimize,
    repair,
    replay,
    report,
    run,
    scan,
    schema,
    sensitivity,
    surrogate,
    validate,
)
from tme_sim.cli.exit_codes import BAD_INPUT, FAILED, INTERRUPTED
from tme_sim.errors import InputError, TickError
from tme_sim.release import VERSION
from tme_sim.text import printable


class Command(Protocol):
    """What a module of this folder declares to become a command."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it; returns the exit code."""
        ...


_OF_THE_PLACE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG),
    *(errno.EEXIST, errno.EISDIR, errno.ENOENT, errno.ELOOP),
)
COMMANDS: dict[str, Command] = {  # in the order of the help
    "run": run,
    "validate": validate,
    "schema": schema,
    "examples": examples,
    "branch": branch,
    "scan": scan,
    "optimize": optimize,
    "sensitivity": sensitivity,
    "replay": replay,
    "report": report,
    "info": info,
    "check": check,
    "repair": repair,
    "export": export,
    "explain": explain,
    "lineage": lineage,
    "surrogate": surrogate,
    "bench": bench,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 2 bad input, 3 interrupted, 1 otherwise)."""
    _print_what_no_letter_stands_for()
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command.run(options)
    except InputError as error:
        print(f"tme-sim: {printable(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except TickError as error:
        print(f"tme-sim: {error}", file=sys.stderr)
        return FAILED
    except MemoryError as error:
        print(f"tme-sim: out of memory: {error or 'nothing is left'}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except OSError as error:
        if error.errno not in _OF_THE_PLACE:
            raise
        print(f"tme-sim: {printable(_of_the_place(error))}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as stop:
        advice = f"; continue with: {stop}" if str(stop) else ""
        print(f"tme-sim: interrupted{advice}", file=sys.stderr)
        return INTERRUPTED


def _print_what_no_letter_stands_for() -> None:
    """Write letters that a stream has no code for as in Python, such as µ where it is ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _of_the_place(error: OSError) -> str:
    """An error of a disk or folder in one line, with what HDF5 tells of it left out."""
    where = f"{error.filename}: " if error.filename else ""
    advice = "; make room, then continue with --resume" if error.errno == errno.ENOSPC else ""
    return f"{where}cannot be written or read: {os.strerror(error.errno or 0)}{advice}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tme-sim",
        description="Simulate the tumor microenvironment; every cell decided by a trained network.",
    )
    parser.add_argument("--version", action="version", version=f"tme-sim {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.SUMMARY, description=command.SUMMARY)
        own.set_defaults(command=command)
        command.add_arguments(own)
    return parser
