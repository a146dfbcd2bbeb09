"""Say why tumor cells survive therapy: what must be put back for their net growth to turn negative.

A cell survives where its net growth over a roll-out of 72 h is at least ``threshold`` (0 doublings
per day); a thing is a cause where putting it back alone brings net growth below. Where no single
one does but two together do, or only everything does, the cause is ``combined``; where not even
everything does, survival is ``unexplained`` (the cell is insensitive as it is). A cell whose net
growth is below the threshold as it is is ``dying``. What is put back: ``counterfactual``.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import surrogates
from surrogates.channels import SURROUNDINGS
from surrogates.contract import CellModel, Cells, Key
from surrogates.registry import count_members
from tme_sim.analysis.explain.counterfactual import (
    N_STEPS,
    STEP,
    Growth,
    PutBack,
    Situation,
    differs,
    everything,
    grow,
    situation,
    tumor_rows,
)
from tme_sim.compute.random import Stream, uniforms
from tme_sim.continuation import (
    checkpoint_folder,
    refuse_other_weights,
    refuse_without_checkpoint,
    saved_state,
)
from tme_sim.errors import InputError
from tme_sim.model.tumor_model import TumorModel
from tme_sim.output.explanation import COMBINED, DYING, FATES, UNEXPLAINED, Explanation
from tme_sim.output.run import Run
from tme_sim.output.summary import dose_times
from tme_sim.scenario.units import DAY, minutes
from tme_sim.state import checkpoint

PROGRESSION = 1.2  # times the nadir
MEMBER_CELLS = 100  # a checkpoint, that each member of the ensemble judges alone
ROLL_OUTS = 4.5  # of a cell, on average: as it is, and what can be put back
_TRIAL = 64  # cells that the cost is measured with
_DRAW = 1  # of Stream.RECORD; 0 draws situations


@dataclass(frozen=True, eq=False)
class Verdict:
    """Why each cell of a situation survives; effects are NaN-free: 0 where nothing changes."""

    put_back: tuple[str, ...]
    cause: np.ndarray  # uint8 (n,), DYING, UNEXPLAINED, COMBINED, or 3 + index of put_back
    causes: np.ndarray  # uint32 (n,), bit set of the single causes
    net: np.ndarray  # (n,) [doublings/day] as it is
    joint: np.ndarray  # (n,) with everything put back; NaN for the dying
    effect: np.ndarray  # (n, n_put_back)
    in_domain: np.ndarray  # (n_put_back + 2,) share of the steps: as is, each put back, joint


@dataclass(frozen=True, eq=False)
class Explained:
    """One checkpoint: where cells are, why they survive, and what that rests on."""

    time: float  # [min]
    n_tumor: int
    ids: np.ndarray
    position: np.ndarray  # (n, 3) [um]
    clone: np.ndarray
    verdict: Verdict
    ligands: tuple[str, ...]
    drugs: dict[str, float]  # level that plasma or bath supply
    changed_by_member: tuple[float, ...]  # share of cells with another class if it decides alone


def explain(
    run: Run,
    *,
    at: Sequence[str | float] | None = None,
    cells: int | None = None,
    threshold: float = 0.0,
    progress: Callable[[str], None] | None = None,
) -> list[Explained]:
    """Explain the surviving tumor cells of a run at some of its checkpoints.

    Args:
        run: the run; its checkpoints must still be beside it.
        at: times; the last checkpoint not after each. Otherwise those around nadir and
            progression, and the last.
        cells: explain this many cells of a checkpoint at most, drawn by a keyed hash.
        threshold: net growth from which on a cell survives [doublings/day].
        progress: called with a line about the cost before the work, and one per checkpoint.

    Raises:
        InputError: no checkpoint, or none of them under therapy.
    """
    ticks, found = choose(run, at), []
    cell_model, members = _cell_model(run), _members(run)
    refuse_other_weights(run, cell_model)
    for tick in ticks:
        own = saved_state(run, at_most=tick)
        _, state = own or refuse_without_checkpoint(run, tick * run.tick)
        model = TumorModel(run.scenario, cell_model=cell_model, state=state["model"])
        if progress is not None:
            progress(_cost(model, cells, members))
        found.append(explain_model(model, cells=cells, threshold=threshold, members=members))
    return found


def explain_model(
    model: TumorModel,
    *,
    cells: int | None = None,
    threshold: float = 0.0,
    members: Sequence[Any] = (),
) -> Explained:
    """Explain the surviving tumor cells of a model as it stands.

    Raises:
        InputError: no drug is in plasma, bath or tissue.
    """
    rows = _sample(model, cells)
    found = situation(model, rows)
    if not _treated(found):
        msg = (
            f"no drug in plasma, bath or tissue at {model.time / DAY:g} d: survival without "
            "therapy needs no explanation"
        )
        raise InputError(msg)
    verdict = judge(model.cell_model, found, threshold=threshold)
    sample = np.arange(min(MEMBER_CELLS, rows.size))  # the rows are in order of their draw
    changed = [
        float(np.mean(judge(m, found, threshold=threshold, rows=sample).cause
                      != verdict.cause[sample]))
        for m in members
        if sample.size
    ]  # fmt: skip
    population = model.population
    return Explained(
        time=model.time,
        n_tumor=tumor_rows(model).size,
        ids=found.ids,
        position=population["position"][rows].copy(),
        clone=population["clone"][rows].copy(),
        verdict=verdict,
        ligands=found.ligands,
        drugs=found.drugs,
        changed_by_member=tuple(changed),
    )


def judge(
    cell_model: CellModel,
    found: Situation,
    *,
    threshold: float = 0.0,
    rows: np.ndarray | None = None,
) -> Verdict:
    """Roll out the cells of a situation (or some rows) and name the causes of their survival."""
    rows = np.arange(len(found.ids)) if rows is None else rows
    cells, put_back = found.cells.take(rows), found.put_back
    as_is = grow(cell_model, cells)
    alive = np.flatnonzero(as_is.net >= threshold)
    variants = [*put_back, everything(put_back)]
    net, inside = _roll_out(cell_model, cells, as_is, [(v, alive) for v in variants], rows)
    flips = net < threshold
    causes = np.zeros(len(rows), np.uint32)
    for k in range(len(put_back)):
        causes[flips[:, k]] |= np.uint32(1 << k)
    effect = net[:, :-1] - as_is.net[:, None]
    effect[as_is.net < threshold] = 0.0
    cause = np.full(len(rows), UNEXPLAINED, np.uint8)
    cause[flips[:, -1]] = COMBINED
    pairs = _pairs(cell_model, cells, as_is, found, rows, alive[~flips[alive].any(axis=1)])
    cause[pairs < threshold] = COMBINED
    single = causes > 0
    strongest = np.argmin(np.where(flips[:, :-1], net[:, :-1], np.inf), axis=1)
    cause[single] = (len(FATES) + strongest[single]).astype(np.uint8)
    cause[as_is.net < threshold], causes[as_is.net < threshold] = DYING, 0
    joint = np.where(as_is.net < threshold, np.nan, net[:, -1])
    names = tuple(one.name for one in put_back)
    return Verdict(names, cause, causes, as_is.net, joint, effect, inside)


def _roll_out(
    cell_model: CellModel,
    cells: Cells,
    as_is: Growth,
    variants: list[tuple[PutBack, np.ndarray]],
    rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Net growth (n, n_variants) where things are put back, all in one batch.

    Variants come with the rows they are asked for; a cell that a variant does not change is not
    rolled out again. Also the share of steps in the domain: as is, then by variant.
    """
    net = np.repeat(as_is.net[:, None], len(variants), axis=1)
    batch, places = [], []
    for k, (one, chosen) in enumerate(variants):
        before = cells.take(chosen)
        after = one.change(before, rows[chosen])
        moved = differs(after, before)
        batch.append(after.take(moved))
        places.append((k, chosen[moved]))
    inside = [float(as_is.in_domain.mean()) if len(rows) else 1.0]
    grown = grow(cell_model, Cells.concatenate(batch))
    ends = np.cumsum([len(place) for _, place in places])
    for (k, place), end in zip(places, ends, strict=True):
        part = slice(end - len(place), end)
        net[place, k] = grown.net[part]
        inside.append(float(grown.in_domain[part].mean()) if len(place) else np.nan)
    return net, np.array(inside)


def _pairs(
    cell_model: CellModel,
    cells: Cells,
    as_is: Growth,
    found: Situation,
    rows: np.ndarray,
    chosen: np.ndarray,
) -> np.ndarray:
    """Lowest net growth over all pairs that are put back together, for the rows asked for."""
    lowest = as_is.net.copy()
    if chosen.size:
        some = cells.take(chosen)
        moved = [differs(one.change(some, rows[chosen]), some) for one in found.put_back]
        variants = [
            (everything((found.put_back[a], found.put_back[b])), chosen[moved[a] & moved[b]])
            for a, b in itertools.combinations(range(len(moved)), 2)
        ]
        net, _ = _roll_out(cell_model, cells, as_is, variants, rows)
        lowest[chosen] = net[chosen].min(axis=1, initial=np.inf)
    return lowest


def explanation(explained: Sequence[Explained], threshold: float) -> Explanation:
    """What ``output.explanation`` writes; checkpoints may know different mutations."""
    names = tuple(dict.fromkeys(n for e in explained for n in e.verdict.put_back))
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("id", "cause", "causes", "net_growth", "joint", "effect")
    }
    for e in explained:
        verdict = e.verdict
        place = np.array([names.index(n) for n in verdict.put_back], int)
        code = np.array([*range(len(FATES)), *(len(FATES) + place)], np.uint8)
        effect = np.zeros((len(e.ids), len(names)), np.float32)
        effect[:, place] = verdict.effect
        causes = np.zeros(len(e.ids), np.uint32)
        for k, bit in enumerate(place):
            causes |= ((verdict.causes >> np.uint32(k)) & np.uint32(1)) << np.uint32(bit)
        values = (e.ids, code[verdict.cause], causes, verdict.net, verdict.joint, effect)
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return Explanation(
        threshold=threshold,
        put_back=names,
        time=np.array([e.time for e in explained]),
        count=np.array([len(e.ids) for e in explained]),
        n_tumor=np.array([e.n_tumor for e in explained]),
        cells={name: np.concatenate(parts) for name, parts in columns.items()},
    )


def choose(run: Run, at: Sequence[str | float] | None = None) -> list[int]:
    """Ticks of the checkpoints to explain.

    Raises:
        InputError: the run has no checkpoint, or none of those asked for is under therapy.
    """
    tick = run.scenario.time.tick
    saved = np.array(checkpoint.ticks(checkpoint_folder(run.path)))
    if saved.size == 0:
        msg = (
            f"{run.path} has no checkpoints beside it ({checkpoint_folder(run.path)}); cells are "
            "explained from a checkpoint, so run it again"
        )
        raise InputError(msg)
    first = _therapy_begins(run)
    if at:
        chosen = [_last_before(run, saved * tick, minutes(time)) for time in at]
        early = [c for c in chosen if saved[c] * tick <= first]
        if early:
            msg = (
                f"{run.path}: the checkpoint at {saved[early[0]] * tick / DAY:g} d is without "
                f"therapy ({_start_text(first)})"
            )
            raise InputError(msg)
        return sorted({int(saved[c]) for c in chosen})
    treated = saved[saved * tick > first]
    if treated.size == 0:
        msg = f"{run.path}: no checkpoint is under therapy: {_start_text(first)}"
        raise InputError(msg)
    return sorted({int(t) for t in _around(run, treated, tick)})


def _around(run: Run, treated: np.ndarray, tick: float) -> list[int]:
    """Checkpoints before and after nadir and progression, and the last."""
    metrics = run.metrics[run.metrics["time"] >= treated[0] * tick]
    burden, times = metrics["burden"].to_numpy(), metrics["time"].to_numpy()
    marks = [treated[-1] * tick]
    if len(burden):
        nadir = int(np.argmin(burden))
        above = np.flatnonzero(burden[nadir:] >= PROGRESSION * max(burden[nadir], 1.0))
        marks += [times[nadir], *(times[nadir + above[:1]])]
    after = np.searchsorted(treated * tick, np.array(marks) - 1e-6)
    near = np.concatenate([after - 1, after])
    ticks: list[int] = treated[near[(near >= 0) & (near < treated.size)]].tolist()
    return ticks


def _last_before(run: Run, times: np.ndarray, time: float) -> int:
    index = int(np.searchsorted(times, time + 1e-6)) - 1
    if index < 0:
        msg = f"{run.path}: no checkpoint at or before {time / DAY:g} d; first {times[0] / DAY:g} d"
        raise InputError(msg)
    return index


def _therapy_begins(run: Run) -> float:
    """Time of the first dose [min]; before the start where a drug is in the medium."""
    drugs = run.scenario.sensed_drugs
    for spec in run.scenario.substrates.values():
        walls = [w for w in (spec.boundary or {}).values() if not isinstance(w, str)]
        levels = [w["bath"] if isinstance(w, dict) else w for w in walls]
        if spec.input in drugs and max([spec.initial, spec.plasma, *levels]) > 0.0:
            return -1.0
    doses = dose_times(run)
    return float(doses.min()) if len(doses) else np.inf


def _start_text(first: float) -> str:
    if np.isinf(first):
        return "the run gives no drug, and none is in its medium"
    return f"its first dose is at {first / DAY:g} d"


def _treated(found: Situation) -> bool:
    inside = found.cells.inputs[:, len(SURROUNDINGS) :].max(initial=0.0)
    return bool(inside > 0.0 or max(found.drugs.values(), default=0.0) > 0.0)


def _sample(model: TumorModel, cells: int | None) -> np.ndarray:
    """Rows of the tumor cells, in order of a keyed draw; the first ``cells`` of them."""
    rows = tumor_rows(model)
    ids = model.population["id"][rows]
    draw = uniforms(model.seed, Stream.RECORD, model.tick_index, ids, _DRAW)
    return rows[np.lexsort((ids, draw))][:cells]


def _cell_model(run: Run, member: int | None = None) -> CellModel:
    """The run's cell model; where it would stop outside its domain it goes on and is counted."""
    options = run.scenario.cell_model_options()
    if options["out_of_domain"] == "stop":
        options["out_of_domain"] = "warn"
    if member is not None:
        options["member"] = member
    return surrogates.load(**options)


def _members(run: Run) -> list[CellModel]:
    """Each member of the ensemble alone; none where the run's cell model has no members."""
    options = run.scenario.surrogate.options()
    if options.get("name") in ("teacher", "constant") or options.get("member") is not None:
        return []
    n_members = count_members(options.get("name"), options.get("path"))
    return [_cell_model(run, member) for member in range(n_members)]


def _cost(model: TumorModel, cells: int | None, members: Sequence[CellModel]) -> str:
    """What the work will take, measured on a few cells."""
    n_tumor = tumor_rows(model).size
    n = min(n_tumor, cells or n_tumor)
    code, bits = np.zeros(_TRIAL, np.int8), np.zeros(_TRIAL, np.int32)
    inputs = np.tile(np.array(list(model.coupling.basal.values()), np.float32), (_TRIAL, 1))
    state, out = model.cell_model.initial_state(code, bits), model.cell_model.allocate(_TRIAL)
    trial = Cells(state, inputs, bits, code, key=Key(np.arange(_TRIAL), 0, seed=0))
    model.cell_model.step(trial, STEP, out=out)
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        model.cell_model.step(trial, STEP, out=out)
        spent.append(time.perf_counter() - start)
    each = min(spent) / _TRIAL
    n_rolled_out = n + 0.5 * len(members) * min(n, MEMBER_CELLS)
    seconds = n_rolled_out * ROLL_OUTS * N_STEPS * each
    hint = " (fewer with --cells N)" if cells is None and seconds > 60.0 else ""
    return (
        f"{model.time / DAY:g} d: {n} of {n_tumor} living tumor cells, "
        f"about {seconds:.0f} s on one thread{hint}"
    )


__all__ = [
    "Explained", "Verdict", "choose", "explain", "explain_model", "explanation", "judge",
]  # fmt: skip
