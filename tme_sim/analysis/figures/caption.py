"""Say in a caption what a figure shows, what was run, and how far its numbers can be trusted."""

import numpy as np

from surrogates.channels import SURROUNDINGS
from surrogates.evaluation.two_sample import two_sample
from surrogates.occupancy import DrugTable
from tme_sim.analysis.metrics import treatments
from tme_sim.output.run import Run
from tme_sim.output.summary import DOSE, share_outside
from tme_sim.scenario.units import DAY, HOUR

LEAST_SITUATIONS = 50  # fewer say nothing about a run


def caption(run: Run) -> str:
    """What was run: tissue, therapy, cell model, trust, origin; a paragraph for each."""
    origin = run.provenance
    return "\n".join(
        (
            f"{_tissue(run)} {_medium(run)}Therapy: {'; '.join(therapy_lines(run)) or 'none'}. "
            f"{_end(run)}",
            f"Cell decisions: {origin['surrogate']} ({str(origin['surrogate_hash'])[:12]}); "
            f"evidence of its rates: {origin['evidence']}. {inputs_line(run)}",
            f"tme-sim {origin['tme_sim']}, digest {run.digest()[:16]}. A simulation, not a "
            "prediction for a patient.",
        )
    )


def therapy_lines(run: Run) -> list[str]:
    """Each course of a drug as given, such as "A 960 mg every 12 h, 10 doses, day 2 to 7"."""
    events = run.events
    doses = events[events["kind"] == DOSE]
    lines = []
    for course in treatments(run):
        of_drug = doses[doses["text"].str.split().str[0] == course.drug]
        given = of_drug[of_drug["time"].isin(course.doses)]["text"].str.split(n=1).str[1]
        every = _every(course.doses)
        n = len(course.doses)
        when = f"day {course.start / DAY:.3g}" + (f" to {course.end / DAY:.3g}" if n > 1 else "")
        count = f"{n} doses" if n > 1 else "1 dose"
        lines.append(f"{course.drug} {_amounts(list(given))}{every}, {count}, {when}")
    return lines


def inputs_line(run: Run) -> str:
    """How the situations that the cells met compare with those of training, in words."""
    met, names = run.situations()
    n = len(SURROUNDINGS)
    if names[:n] != SURROUNDINGS or len(met.type) < LEAST_SITUATIONS:
        return "Inputs: too few are kept to compare them with training."
    drugs = run.scenario.sensed_drugs if names[n:] else {}
    table = DrugTable([drugs[name] for name in names[n:]])
    found = two_sample(table.at_targets(met.inputs, met.genotype), met.genotype, met.type)
    outside = share_outside(run)
    return (
        f"Inputs: {found}. A run fills a part of what training covers, so a difference is the "
        f"rule; outside the training domain were {outside:.2%} of its living cells."
    )


def _tissue(run: Run) -> str:
    size = " x ".join(f"{s:g}" for s in run.size)
    first = run.metrics.iloc[0]
    counts = ((group, int(first[f"n_{group}"])) for group in run.columns["group"]["categories"])
    cells = ", ".join(f"{n} {group}" for group, n in counts if n) or "no cells"
    scale = "; the tissue is drawn as a slice through its middle" if len(run.size) == 3 else ""
    return f"{run.name}, seed {run.seed}: {size} µm, at the start {cells}{scale}."


def _medium(run: Run) -> str:
    """What the walls hold, where they hold anything."""
    held = []
    for name, substrate in run.resolved.get("substrates", {}).items():
        levels = (substrate.get("boundary") or {}).values()
        values = dict.fromkeys(level for level in levels if _is_level(level))
        held += [f"{name} {_level(value)}" for value in values]
    return f"Walls hold {', '.join(held)}. " if held else ""


def _is_level(level: object) -> bool:
    number, _, unit = str(level).partition(" ")
    return bool(unit) and number.replace(".", "", 1).replace("e-", "", 1).isdigit()


def _level(text: str) -> str:
    number, _, unit = str(text).partition(" ")
    return f"{float(number):g} {unit.replace('uM', 'µM')}"


def _end(run: Run) -> str:
    if not run.complete:
        return f"The run is not complete: it has {len(run.times)} frames up to day {_last(run)}."
    return f"{len(run.times)} frames up to day {_last(run)}; ended by: {run.reason}."


def _last(run: Run) -> str:
    return f"{run.times[-1] / DAY:.3g}"


def _every(times: tuple[float, ...]) -> str:
    if len(times) < 2:
        return ""
    usual = float(np.median(np.diff(times)))
    return f" every {usual / HOUR:g} h" if usual < 2 * DAY else f" every {usual / DAY:g} d"


def _amounts(given: list[str]) -> str:
    """The dose, or the first and the last where they change."""
    return given[0] if len(set(given)) == 1 else f"{given[0]} to {given[-1]}"
