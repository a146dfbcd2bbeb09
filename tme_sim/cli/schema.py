"""``tme-sim schema``: the JSON Schema of scenario files."""

import argparse
import json
from pathlib import Path

from tme_sim.cli.exit_codes import DONE
from tme_sim.files import written

SUMMARY = "print the JSON Schema of scenario files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")


def run(options: argparse.Namespace) -> int:
    """Print the schema, or write it."""
    from tme_sim.scenario import schema  # pydantic and pint

    text = json.dumps(schema(), indent=2)
    if options.output is None:
        print(text)
    else:
        with written(options.output) as part:
            part.write_text(text + "\n", encoding="utf-8")
        print(f"wrote {options.output}")
    return DONE
