"""Everything a run says of itself, as text for a terminal: scenario, totals, digest, provenance."""

import shlex
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tme_sim.output.layout import POLICY, REPAIRED, RESUMED, RunFileError
from tme_sim.scenario.units import DAY, HOUR
from tme_sim.text import printable

if TYPE_CHECKING:
    from tme_sim.output.run import Run

WIDTH = 80
INDENT = 12
RULES = ("loading", "cycle", "escalate", "missed", "adaptive", "toxicity")
NO_PACKAGES = (
    *("surrogate", "surrogate_hash", "evidence", "seed", "started", "tme_sim", "machine"),
    *("parent", "branch_time", "parent_digest"),
)


def info(run: "Run", width: int = WIDTH) -> str:
    """Scenario, provenance, digest and totals of a run, at most ``width`` columns wide."""
    lines = []
    for name, text in _facts(run):
        lines += textwrap.wrap(
            f"{name:{INDENT}s}{text}",
            width,
            subsequent_indent=" " * INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return printable("\n".join(lines))


def _facts(run: "Run") -> Iterator[tuple[str, str]]:
    """Name and text of each paragraph."""
    yield "run", f"{run.name}, seed {run.seed}; {_state(run)}"
    yield (
        "file",
        f"{run.path}, {_bytes(run.path.stat().st_size)}, run file format {run.format_version}",
    )
    yield "digest", run.digest()
    yield from _scenario(run)
    if len(run.metrics):
        for line in run.summary_lines()[:-1]:  # the last one names files
            name, _, text = line.partition(" ")
            yield name, text.strip()
    yield from _happened(run)
    yield "frames", f"{len(run.times)} up to {_duration(max(run.times, default=0.0))}"
    yield "columns", f"{len(run.columns)}: {' '.join(run.columns)}"
    yield "fields", ", ".join(f"{name} [{unit}]" for name, unit in run.fields.items()) or "none"
    yield from _origin(run)


def _state(run: "Run") -> str:
    if run.complete:
        return f"complete, ended by: {run.reason}"
    if run.reason.startswith(REPAIRED):
        return f"incomplete, {run.reason}"
    return f"incomplete: continue it with tme-sim run {shlex.quote(str(run.path))} --resume"


def _scenario(run: "Run") -> Iterator[tuple[str, str]]:
    try:
        yield from _as_recorded(run)
    except (AttributeError, LookupError, TypeError, ValueError) as err:  # text of anybody's
        msg = f"{run.path}: the scenario in it is damaged ({err})"
        raise RunFileError(msg) from err


def _as_recorded(run: "Run") -> Iterator[tuple[str, str]]:
    nz, ny, nx = run.shape
    size = " x ".join(f"{s:g}" for s in run.size)
    resolved = run.resolved
    time = resolved.get("time", {})
    steps = f"; ticks of {_plain(time['tick'])} for {_plain(time['duration'])}" if time else ""
    yield "tissue", f"{size} um, {nx} x {ny} x {nz} voxels of {run.voxel:g} um{steps}"
    groups = resolved.get("cells", {}).items()
    yield "groups", "; ".join(_group(name, g) for name, g in groups) or "none"
    yield "therapy", "; ".join(_dose(entry) for entry in resolved.get("therapy", ())) or "none"


def _group(name: str, group: dict[str, Any]) -> str:
    kind = "" if group["type"] == name else f"{group['type']} "
    genotype = " ".join(group.get("genotype") or ())
    return f"{name} ({kind}{genotype})".replace(" )", ")").replace(" ()", "")


def _dose(entry: dict[str, Any]) -> str:
    text = f"{entry['drug']} {_plain(entry['dose'])}"
    text += f" every {_plain(entry['every'])}" if entry["every"] else ""
    text += f" from {_plain(entry['start'])}"
    text += f" until {_plain(entry['until'])}" if entry["until"] else ""
    rules = [rule for rule in RULES if entry[rule]]
    return f"{text} ({', '.join(rules)})" if rules else text


def _happened(run: "Run") -> Iterator[tuple[str, str]]:
    counts = run.events["kind"].value_counts()
    if len(counts):
        yield "events", ", ".join(f"{n} {kind}" for kind, n in counts.items())
    for (drug, part), row in run.balances.iterrows():
        yield "balance", f"{drug} in {part}: {row['gap']:.1e} of its throughput unexplained"


def _origin(run: "Run") -> Iterator[tuple[str, str]]:
    origin = run.provenance
    yield "cell model", f"{origin['surrogate']}, {origin['surrogate_hash']}"
    yield "evidence", f"of its rates: {origin['evidence']}"
    if run.parent is not None:
        parent = f"{run.parent} at {origin['branch_time']}, digest {origin['parent_digest']}"
        yield "branch of", parent
    for found in run.inputs:
        yield found.what, f"{found.path}, sha256 {found.sha256[:12]}, kept in this file"
    versions = [
        f"{n} {v}"
        for n, v in origin.items()
        if n not in NO_PACKAGES and not n.startswith((POLICY, RESUMED))
    ]
    yield "made with", f"tme-sim {origin['tme_sim']}, {', '.join(versions)}; {origin['machine']}"
    yield "started", str(origin["started"])
    for name in (name for name in origin if name.startswith(RESUMED)):
        yield "resumed", f"{name.removeprefix(RESUMED)}: {origin[name]}"
    if run.timers:
        spent = sorted(run.timers.items(), key=lambda item: -item[1])
        total = sum(run.timers.values()) or 1.0
        shares = ", ".join(f"{name} {s / total:.0%}" for name, s in spent if s >= 0.005 * total)
        yield "wall time", f"{total:.1f} s in the tick: {shares}"


def _plain(text: str) -> str:
    """A resolved quantity as people write it: whole days or hours for minutes."""
    number, _, unit = str(text).partition(" ")
    return _duration(float(number)) if unit == "min" else f"{float(number):g} {unit}"


def _duration(time: float) -> str:
    for unit, length in (("d", DAY), ("h", HOUR)):
        if time >= length and (time / length * 100) % 1 < 1e-9:
            return f"{time / length:g} {unit}"
    return f"{time:g} min"


def _bytes(n: int) -> str:
    size, units = float(n), ["B", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
