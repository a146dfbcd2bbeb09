"""The command line ``tme-sim``: argument parsing and messages, nothing else.

Modules that are slow to import (torch, numba, mesa, matplotlib) load inside the command that needs
them, so that ``tme-sim --help`` answers at once.
"""

import argparse
import contextlib
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from tme_sim import __version__
from tme_sim.errors import InputError

MAX_WIDTH = 100  # columns of a text
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 3
Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 2 bad input, 3 interrupted, 1 otherwise)."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except InputError as error:
        print(f"tme-sim: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("tme-sim: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tme-sim",
        description="Simulate the tumor microenvironment; every cell decided by a trained network.",
    )
    parser.add_argument("--version", action="version", version=f"tme-sim {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_validate(commands)
    _add_schema(commands)
    _add_examples(commands)
    _add_branch(commands)
    _add_scan(commands)
    _add_optimize(commands)
    _add_sensitivity(commands)
    _add_replay(commands)
    _add_report(commands)
    _add_info(commands)
    _add_export(commands)
    _add_explain(commands)
    _add_lineage(commands)
    _add_surrogate(commands)
    _add_bench(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "run", _run, "simulate a scenario and record it")
    parser.add_argument("scenario", type=Path, metavar="SCENARIO", help="a YAML file")
    parser.add_argument("-o", "--output", type=Path, metavar="RUN.h5",
                        help="the run file (outputs/<scenario>-<seed>.h5)")  # fmt: skip
    parser.add_argument("--seed", type=int, metavar="N", help="in place of the scenario's")
    _add_running(parser)
    parser.add_argument("--until", metavar="TIME", help='stop earlier, such as "10 d"')
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--watch", action="store_true", help="show it in the browser as it goes on")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="of the page to watch")
    parser.add_argument("--no-browser", action="store_true", help="only print its address")


def _add_branch(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "branch", _branch, "continue a run under other conditions")
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument("--at", required=True, metavar="TIME", help='when to branch, such as "5 d"')
    parser.add_argument("-o", "--output", type=Path, metavar="OTHER.h5")
    _add_running(parser)


def _add_scan(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "scan", _scan, "run a scenario under many conditions")
    _add_computing(parser, "SCAN.yaml")
    parser.add_argument("--plan", action="store_true", help="say what would be run, and stop")


def _add_optimize(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "optimize", _optimize, "search for schedules")
    _add_computing(parser, "STUDY.yaml")


def _add_sensitivity(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "sensitivity", _sensitivity, "rank the parameters of a scenario")
    _add_computing(parser, "STUDY.yaml")


def _add_computing(parser: argparse.ArgumentParser, study: str) -> None:
    parser.add_argument("study", type=Path, metavar=study)
    parser.add_argument("--workers", type=int, metavar="N", help="one per core unless said")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask scheduler")
    parser.add_argument("--resume", action="store_true", help="compute only what is not done")


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", dest="overrides",
                        help='a value of the scenario: therapy.0.dose="480 mg"')  # fmt: skip
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto",
                        help="where the cell model is evaluated")  # fmt: skip
    parser.add_argument("--threads", type=int, metavar="N", help="the result is the same for any")
    parser.add_argument("--force", action="store_true", help="overwrite an existing run")
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary")


def _add_validate(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "validate", _validate, "check a scenario, say what it implies")
    parser.add_argument("scenarios", type=Path, nargs="+", metavar="SCENARIO")


def _add_schema(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "schema", _schema, "print the JSON Schema of scenario files")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")


def _add_examples(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "examples", _examples, "list or copy the scenarios that ship")
    parser.add_argument("--copy", type=Path, metavar="DIR")


def _add_replay(commands: argparse._SubParsersAction) -> None:
    from tme_sim.replay.command import add_arguments

    summary = "show a run, or two side by side, in the browser; or write a page or a movie"
    add_arguments(_command(commands, "replay", _replay, summary))


def _add_report(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "report", _report, "draw the figures of a run")
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.png|.pdf")


def _add_info(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "info", _info, "print scenario, provenance, digest and totals")
    parser.add_argument("run", type=Path, metavar="RUN.h5")


def _add_export(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "export", _export, "write a run for other programs")
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument(
        "--to",
        required=True,
        metavar="FORMAT",
        help=("anndata (.h5ad), vtk, simularium, csv or parquet"),
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help=("file, or folder for vtk, csv and parquet; beside the run unless given"),
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        help=('one frame, such as that of "5 d"; otherwise all, for anndata the last'),
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def _add_explain(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "explain", _explain, "say why tumor cells survive therapy")
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument(
        "--at",
        action="append",
        metavar="TIME",
        help=(
            'checkpoint to explain, such as "5 d"; may be repeated. '
            "Otherwise those around nadir and progression, and the last"
        ),
    )
    parser.add_argument(
        "--cells",
        type=int,
        metavar="N",
        help=(
            "explain a random sample of the tumor cells of each checkpoint; all of them otherwise, "
            "at about 9 ms of a core each"
        ),
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        metavar="G",
        help=("net growth from which on a cell survives, in doublings per day (0)"),
    )
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.png|.pdf")


def _add_lineage(commands: argparse._SubParsersAction) -> None:
    parser = _command(commands, "lineage", _lineage, "who descends from whom: trees and clones")
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="every cell that ever lived")
    parser.add_argument("--newick", type=Path, metavar="FILE")
    parser.add_argument("--trees", type=Path, metavar="FILE.trees", help="for tskit")
    parser.add_argument("--muller", type=Path, metavar="FILE.png", help="clone sizes over time")
    parser.add_argument("--tree", type=Path, metavar="FILE.png", help="tree of descent")
    parser.add_argument("--sample", type=int, metavar="N", help="only N of the living tumor cells")
    parser.add_argument("--full", action="store_true", help="the dead and other tissue too")


def _add_surrogate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("surrogate", help="list, show, evaluate or train cell models")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _command(actions, "list", _surrogate_list, "cell models that are installed")
    show = _command(actions, "show", _surrogate_show, "the card of a cell model")
    show.add_argument("name", metavar="NAME")
    evaluate = _command(actions, "evaluate", _surrogate_evaluate, "score it beside its baselines")
    evaluate.add_argument("name", metavar="NAME")
    evaluate.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of public data sets to score it on (or TME_SIM_DATA)",
    )
    train = _command(actions, "train", _surrogate_train, "train a cell model")
    train.add_argument("config", type=Path, metavar="CONFIG")
    train.add_argument("-o", "--output", type=Path, metavar="DIR")
    train.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of public data sets whose training split enters",
    )
    train.add_argument(
        "--from",
        type=Path,
        metavar="DIR",
        dest="start",
        help="weights to go on from, instead of the first stage",
    )


def _add_bench(commands: argparse._SubParsersAction) -> None:
    summary = "measure speed and memory on this machine"
    parser = _command(commands, "bench", _bench, summary)
    parser.add_argument("part", choices=("fields", "cells", "tick"))
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="see PART --help")


def _command(
    commands: argparse._SubParsersAction, name: str, command: Command, summary: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(command=command)
    return parser


def _run(options: argparse.Namespace) -> int:
    from tme_sim.scenario import load_scenario

    overrides = _overrides(options.overrides)
    if options.seed is not None:
        overrides["seed"] = options.seed
    scenario = load_scenario(options.scenario, overrides)

    from tme_sim import simulation  # slow: only once the scenario is known to be good

    path = options.output or simulation.default_path(scenario)
    running = {"until": options.until, "device": options.device, "threads": options.threads}
    resumed = options.resume and path.exists()
    with _watch(options, path, resumed=resumed) as watch:
        with _progress(scenario, quiet=options.quiet) as progress:
            if resumed:
                run = simulation.resume(path, progress=progress, **running)
            else:
                run = simulation.simulate(
                    scenario, path, force=options.force, progress=progress, **running
                )
        code = _conclude(run, path, quiet=options.quiet)
        if watch is not None and code == DONE:
            watch.wait()
    return code


def _watch(options: argparse.Namespace, path: Path, *, resumed: bool) -> "object":
    if not options.watch:
        return contextlib.nullcontext()
    from tme_sim.replay.watch import watching

    open_browser = not options.no_browser
    return watching(path, port=options.port, open_browser=open_browser, resumed=resumed)


def _branch(options: argparse.Namespace) -> int:
    from tme_sim import simulation
    from tme_sim.output.run import open_run

    scenario = open_run(options.run).scenario
    with _progress(scenario, quiet=options.quiet) as progress:
        run = simulation.branch(
            options.run,
            options.at,
            overrides=_overrides(options.overrides),
            output=options.output,
            device=options.device,
            threads=options.threads,
            force=options.force,
            progress=progress,
        )
    return _conclude(run, run.path, quiet=options.quiet)


def _scan(options: argparse.Namespace) -> int:
    scan, cluster = _scanning("scan", options), _scanning("cluster", options)
    planned = scan.plan(options.study)
    scan.check_store(planned.study, resume=options.resume or options.plan)
    forecast = planned.forecast(options.workers or cluster.n_cores())
    print(planned.text(forecast), flush=True)
    if options.plan:
        return DONE
    with _scanning("telling", options).telling(planned.study.name, forecast) as told:
        table = scan.run(planned, told=told, **_computing(options))
    n_failed = int((table["status"] != "done").sum())
    print(f"{len(table)} runs, {n_failed} failed: tables and figures in {planned.store.folder}")
    return DONE if n_failed == 0 else FAILED


def _optimize(options: argparse.Namespace) -> int:
    optimize = _scanning("optimize", options)
    study = optimize.plan(options.study)
    found = optimize.run(study, told=_tell_line, **_computing(options))
    print(found.best.drop(columns=["state", "message"]).to_string(index=False))
    print(f"{len(found.trials)} trials: tables and figure in {study.folder()}")
    return DONE


def _sensitivity(options: argparse.Namespace) -> int:
    sensitivity, cluster = _scanning("sensitivity", options), _scanning("cluster", options)
    sampled = sensitivity.plan(options.study)
    sensitivity.scan.check_store(sampled.study, resume=options.resume)
    forecast = sampled.planned.forecast(options.workers or cluster.n_cores())
    print(sampled.planned.text(forecast), flush=True)
    with _scanning("telling", options).telling(sampled.study.name, forecast) as told:
        table = sensitivity.run(sampled, told=told, **_computing(options))
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3g}"))
    print(f"tables and figures in {sampled.study.folder()}")
    return DONE


def _computing(options: argparse.Namespace) -> dict[str, object]:
    return {name: getattr(options, name) for name in ("workers", "scheduler", "resume")}


def _tell_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _scanning(name: str, options: argparse.Namespace) -> ModuleType:
    """A module of scans; their libraries are an extra."""
    if options.workers is not None and options.workers < 1:
        msg = f"--workers {options.workers}: at least 1 is needed"
        raise InputError(msg)
    try:
        return importlib.import_module(f"tme_sim.scan.{name}")
    except ModuleNotFoundError as error:
        msg = f"{error.name} is not installed; scans need: pip install 'tme-sim[scan]'"
        raise InputError(msg) from error


def _conclude(run: "object", path: Path, *, quiet: bool) -> int:
    from tme_sim.analysis.figures import report
    from tme_sim.output.layout import INTERRUPTED as STOPPED

    if run.reason == STOPPED:
        print(f"interrupted; continue with: tme-sim run {run.scenario.path} -o {path} --resume")
        return INTERRUPTED
    figure = report.draw(run, path.with_suffix(".png"))
    if not quiet:
        print("\n".join(run.summary_lines(figure)))
        print(f"next: tme-sim replay {path}    tme-sim info {path}")
    return DONE


def _progress(scenario: "object", *, quiet: bool) -> "object":
    from tme_sim.progress import progress

    return progress(scenario, quiet=quiet)


def _validate(options: argparse.Namespace) -> int:
    from tme_sim.analysis.implications import implications
    from tme_sim.scenario import load_scenario

    for path in options.scenarios:
        print(implications(load_scenario(path)).text())
    return DONE


def _schema(options: argparse.Namespace) -> int:
    import json

    from tme_sim.scenario import schema

    text = json.dumps(schema(), indent=2)
    if options.output is None:
        print(text)
    else:
        options.output.write_text(text + "\n", encoding="utf-8")
        print(f"wrote {options.output}")
    return DONE


def _examples(options: argparse.Namespace) -> int:
    import shutil

    folder = _examples_folder()
    for file in sorted(folder.glob("*.yaml")) + sorted(folder.glob("scans/*.yaml")):
        name = file.relative_to(folder)
        print(f"{name!s:38s} {_first_comment(file)}")
        if options.copy is not None:
            (options.copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, options.copy / name)
    copied = f"copied to {options.copy}"
    print(copied if options.copy else "copy them with: tme-sim examples --copy DIR")
    return DONE


def _examples_folder() -> Path:
    """The scenarios as installed, or those of the source tree."""
    here = Path(__file__).parents[1]
    installed = here / "examples"
    return installed if installed.is_dir() else here.parent / "scenarios"


def _first_comment(file: Path) -> str:
    first = file.read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ")


def _replay(options: argparse.Namespace) -> int:
    from tme_sim.replay.command import replay

    replay(options)
    return DONE


def _report(options: argparse.Namespace) -> int:
    from tme_sim.analysis.figures import report
    from tme_sim.output.run import open_run

    print(report.draw(open_run(options.run), options.output or options.run.with_suffix(".png")))
    return DONE


def _info(options: argparse.Namespace) -> int:
    import shutil

    from tme_sim.output.run import open_run

    width = min(MAX_WIDTH, shutil.get_terminal_size().columns)
    print(open_run(options.run).info(width))
    return DONE


def _export(options: argparse.Namespace) -> int:
    from tme_sim.analysis.exports import export
    from tme_sim.output.run import open_run

    run = open_run(options.run)
    path = export(run, options.to, options.output, at=options.at, force=options.force)
    print(f"wrote {path}")
    return DONE


def _explain(options: argparse.Namespace) -> int:
    from tme_sim.analysis.explain import report as explain_report
    from tme_sim.analysis.explain import survival as explain
    from tme_sim.compute.launch import set_threads
    from tme_sim.output import explanation
    from tme_sim.output.run import open_run

    if options.threads is not None:
        set_threads(options.threads)
    if options.cells is not None and options.cells < 1:
        msg = f"--cells {options.cells}: at least one cell is needed"
        raise InputError(msg)
    run, threshold = open_run(options.run), options.threshold
    figure = options.output or options.run.with_suffix(".explain.png")
    explain_report.refuse_suffix(figure)
    found = explain.explain(
        run, at=options.at, cells=options.cells, threshold=threshold,
        tell=lambda line: print(line, file=sys.stderr),
    )  # fmt: skip
    table = options.run.with_suffix(".explain.csv")
    explain_report.frame(found).to_csv(table, index=False, float_format="%.5g")
    beside = explanation.write(explain.explanation(found, threshold), run)
    explain_report.draw(found, run, figure)
    print(explain_report.table(found, run, threshold))
    print(f"  files: {figure}, {table}, {beside}")
    return DONE


def _lineage(options: argparse.Namespace) -> int:
    from tme_sim.analysis.lineage.files import write
    from tme_sim.output.run import open_run

    if options.full and options.sample is not None:
        msg = "--full keeps every cell and --sample a few of the living; give one of them"
        raise InputError(msg)
    if options.sample is not None and options.sample < 1:
        msg = f"--sample {options.sample}: at least 1 cell is needed"
        raise InputError(msg)
    wanted = ("csv", "newick", "trees", "muller", "tree")
    files = {kind: path for kind in wanted if (path := getattr(options, kind)) is not None}
    for line in write(open_run(options.run), files, full=options.full, sample=options.sample):
        print(line)
    return DONE


def _surrogate_list(_options: argparse.Namespace) -> int:
    from surrogates import registry

    for entry in registry.list_surrogates():
        print(f"{entry['name']:14s} {entry['about']}")
    return DONE


def _surrogate_show(options: argparse.Namespace) -> int:
    from surrogates import registry

    print(_asked(registry.show, options.name))
    return DONE


def _surrogate_evaluate(options: argparse.Namespace) -> int:
    from surrogates.evaluation.evaluate import evaluate

    text = _asked(lambda: evaluate(options.name, data=options.data, progress=_tell))
    print(file=sys.stderr)  # after the line of progress
    print(text)
    return DONE


def _tell(what: str, share: float) -> None:
    print(f"\r{share:4.0%} {what:60s}", end="", file=sys.stderr, flush=True)


def _surrogate_train(options: argparse.Namespace) -> int:
    from surrogates.training.train import train

    output = options.output or Path("outputs") / options.config.stem
    folder = _asked(train, options.config, output, _tell, options.data, options.start)
    print(f"\nweights and card in {folder}; use them with surrogate: {{path: {folder}}}")
    return DONE


def _bench(options: argparse.Namespace) -> int:
    part = importlib.import_module(f"tme_sim.bench.{options.part}")
    parser = argparse.ArgumentParser(
        prog=f"tme-sim bench {options.part}",
        description=part.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_arguments(parser)
    return part.main(parser.parse_args(options.rest))


def _asked(function: Callable, *arguments: object) -> object:
    """Call into ``surrogates``, which knows nothing of exit codes, on behalf of a user."""
    try:
        return function(*arguments)
    except (ValueError, LookupError, OSError) as error:
        message = error.args[0] if isinstance(error, LookupError) else error
        raise InputError(message) from error


def _overrides(pairs: Sequence[str]) -> dict[str, object]:
    overrides: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            msg = f"--set {pair!r}: expected A.B=VALUE, such as --set therapy.0.dose='480 mg'"
            raise InputError(msg)
        overrides[key.strip()] = value.strip()
    return overrides


if __name__ == "__main__":
    sys.exit(main())
