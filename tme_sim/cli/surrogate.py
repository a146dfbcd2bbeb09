"""``tme-sim surrogate``: list, show, evaluate or train cell models."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tme_sim.cli.exit_codes import DONE
from tme_sim.errors import InputError

SUMMARY = "list, show, evaluate or train cell models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions and their arguments."""
    parser.description = None  # each action has its own
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_action(actions, "list", _list, "cell models that are installed")
    show = _add_action(actions, "show", _show, "the card of a cell model")
    show.add_argument("name", metavar="NAME")
    evaluate = _add_action(actions, "evaluate", _evaluate, "score it beside its baselines")
    evaluate.add_argument("name", metavar="NAME")
    evaluate.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of public data sets to score it on (or TME_SIM_DATA)",
    )
    _add_training(_add_action(actions, "train", _train, "train a cell model"))


def run(options: argparse.Namespace) -> int:
    """Do the action that was chosen."""
    action: Callable[[argparse.Namespace], int] = options.action
    return action(options)


def _add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary, description=summary)
    parser.set_defaults(action=action)
    return parser


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of public data sets whose training split enters",
    )
    parser.add_argument(
        "--from",
        type=Path,
        metavar="DIR",
        dest="start",
        help="weights to go on from, instead of the first stage",
    )


def _list(_options: argparse.Namespace) -> int:
    from surrogates import registry  # numba

    for entry in registry.list_surrogates():
        print(f"{entry['name']:14s} {entry['about']}")
    return DONE


def _show(options: argparse.Namespace) -> int:
    from surrogates import registry  # numba

    with _as_bad_input():
        card = registry.show(options.name)
    print(card)
    return DONE


def _evaluate(options: argparse.Namespace) -> int:
    from surrogates.evaluation.evaluate import evaluate  # torch, pandas, scikit-learn

    with _as_bad_input():
        text = evaluate(options.name, data=options.data, progress=_show_progress)
    print(file=sys.stderr)  # after the line of progress
    print(text)
    return DONE


def _train(options: argparse.Namespace) -> int:
    from surrogates.training.train import train  # torch

    output = options.output or Path("outputs") / options.config.stem
    with _as_bad_input():
        folder = train(options.config, output, _show_progress, options.data, options.start)
    print(f"\nweights and card in {folder}; use them with surrogate: {{path: {folder}}}")
    return DONE


def _show_progress(what: str, share: float) -> None:
    print(f"\r{share:4.0%} {what:60s}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _as_bad_input() -> Iterator[None]:
    """Calls into ``surrogates``, which knows nothing of exit codes, on behalf of a user."""
    try:
        yield
    except (ValueError, LookupError, OSError) as error:
        message = error.args[0] if isinstance(error, LookupError) else error
        raise InputError(message) from error
