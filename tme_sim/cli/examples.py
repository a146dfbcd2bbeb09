"""``tme-sim examples``: the scenarios that ship."""

import argparse
import shutil
from pathlib import Path

from tme_sim.cli.exit_codes import DONE
from tme_sim.errors import InputError

SUMMARY = "list or copy the scenarios that ship"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to copy them."""
    parser.add_argument("--copy", type=Path, metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """List every scenario with its first comment; copy it where asked to."""
    folder = _folder()
    for file in sorted(folder.glob("*.yaml")) + sorted(folder.glob("scans/*.yaml")):
        name = file.relative_to(folder)
        print(f"{name!s:38s} {_first_comment(file)}")
        if options.copy is not None:
            _copy(file, options.copy / name)
    copied = f"copied to {options.copy}"
    print(copied if options.copy else "copy them with: tme-sim examples --copy DIR")
    return DONE


def _copy(file: Path, to: Path) -> None:
    """Copy a scenario; one that was changed since it was copied is the user's."""
    if to.exists() and to.read_bytes() != file.read_bytes():
        msg = f"{to}: exists and is another text; move it, or choose another folder"
        raise InputError(msg)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, to)


def _folder() -> Path:
    """The scenarios as installed, or those of the source tree."""
    package = Path(__file__).parents[1]
    installed = package / "examples"
    return installed if installed.is_dir() else package.parent / "scenarios"


def _first_comment(file: Path) -> str:
    first = file.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ")
