"""Measure a trained network against its teacher and trivial baselines, and write its card.

Everything is measured on courses that training never saw: pairs of drugs that were never together
in training (`data.conditions.HELD_OUT_PAIRS`), and nodes knocked out. The teacher is a model,
not an experiment: these figures say how well it was learned, not how true it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from surrogates.channels import (
    CELL_TYPES,
    INPUTS,
    NODES,
    OUTPUT_CHANNELS,
    SURROUNDINGS,
    basal_inputs,
)
from surrogates.contract import CellModel, Cells
from surrogates.data.conditions import HELD_OUT_PAIRS, Courses, draw_courses
from surrogates.data.sampling import Rows, Sampling, sample
from surrogates.evaluation.baselines import baseline_scores
from surrogates.evaluation.calibration import calibrate, coverage_scores, held_out_errors
from surrogates.evaluation.card import Entries, render
from surrogates.evaluation.domain_detection import auroc, many_drugs, outside_situations
from surrogates.evaluation.edge_recovery import drive_ratio
from surrogates.evaluation.fidelity import drive_of, drive_scores
from surrogates.evaluation.folds import Models
from surrogates.evaluation.free_runs import follow
from surrogates.evaluation.metrics import r2
from surrogates.evaluation.real_data import default_cache, find_data, keep_in_card, score
from surrogates.network.domain import outlyingness
from surrogates.network.ensemble import TmeCell
from surrogates.network.residual import Share, share
from surrogates.phenotype import HIGH, LOW, net_growth_rate
from surrogates.prior.graph import load_network
from surrogates.registry import find_weights, load_card, load_weights, weights_hash, write_card
from surrogates.teacher.model import Teacher
from surrogates.training.config import Config

KNOCK_OUTS = (
    "ERK",
    "AKT",
    "mTORC1",
    "STAT1",
    "STAT3",
    "HIF1A",
    "p53",
    "NFkB",
    "CDK2",
    "BIM",
    "CASP3",
    "SRC_FAK",
)
N_ROLLOUTS = 300
N_KNOCK_OUT_CELLS = 60
N_CROWDED = 2000  # situations with many drugs at once, for the domain check
MIN_RANGE = 0.05  # a node that moves less than this over all rollouts is not scored
Progress = Callable[[str, float], None]


def evaluate(
    name: str = "tme-cell",
    *,
    path: str | Path | None = None,
    data: str | Path | None = None,
    progress: Progress | None = None,
) -> str:
    """Recompute the figures of a network's card and return them as text.

    With a folder of public data sets (`data`, or the variable TME_SIM_DATA) the table of scores on
    them, which is also kept in the card; without one the figures against the teacher.
    """
    folder = find_weights(name, path)
    data_folder = find_data(data)
    if data_folder is not None:
        return _evaluate_on_data(folder, data_folder, progress)
    card = load_card(folder)
    fresh = measure(folder, Sampling(**card["training"]["sampling"]), Teacher(), progress)
    return render(card | fresh)


def _evaluate_on_data(folder: Path, data: Path, progress: Progress | None) -> str:
    network = load_network()
    weights = load_weights(folder, network)
    model = TmeCell(
        network, weights.raw, weights.domain, name=folder.name, hash=weights_hash(folder)
    )
    scores = score(data, Models(model, Teacher()), cache=default_cache(), progress=progress)
    stored = keep_in_card(folder, scores)
    where = "kept in the card" if stored else f"not kept: the card in {folder} cannot be written"
    return f"{scores.text()}\nThe table is {where}.\n"


def card_of(
    folder: Path,
    config: Config,
    teacher: Teacher,
    *,
    stages: Sequence[Mapping[str, str | float]] = (),
    progress: Progress | None = None,
) -> Entries:
    """Measure freshly trained weights and write their card; `stages` as in `Trained`."""
    measured = any(stage["stage"] == "measurements" for stage in stages)
    entered = (
        "pERK of the training split of A375 cells entered the last stage"
        if measured
        else "no measurement entered the network directly"
    )
    card = {
        "name": config.name,
        "about": "ensemble of scaffolded monotone networks, trained on the mechanistic teacher",
        "hash": weights_hash(folder),
        "training": asdict(config)
        | {"teacher_hash": teacher.hash, "held_out_pairs": [list(p) for p in HELD_OUT_PAIRS]},
        "data": "samples of the mechanistic teacher, whose ERK pathway is fitted to pERK of A375 "
        "cells (Gerosa 2020, Froehlich 2023) and whose growth under a RAF inhibitor to "
        f"counts of A375 (Harris 2016); {entered}",
        "stages": list(stages),
        "drug_unit": "nominal concentration in a medium with 10 % serum",
        "outputs": [
            {"name": c.name, "unit": c.unit, "low": c.low, "high": c.high, "evidence": c.evidence}
            for c in OUTPUT_CHANNELS
        ],
    }
    card |= measure(folder, config.sampling, teacher, progress)
    write_card(folder, card, render(card))
    return card


def measure(
    folder: Path, sampling: Sampling, teacher: Teacher, progress: Progress | None = None
) -> Entries:
    """All figures, as the entries `metrics`, `domain` and `intervals` of a card."""
    report = progress or (lambda _what, _share: None)
    network = load_network()
    weights = load_weights(folder, network)
    model = TmeCell(network, weights.raw, weights.domain, name="evaluated", hash="")
    report("held-out samples", 0.0)
    held_out = sample(teacher, sampling, held_out=True)
    report("one step", 0.2)
    metrics = {"one_step": drive_scores(model, held_out)}
    report("baselines", 0.3)
    metrics["baselines"] = baseline_scores(teacher, sampling, held_out, metrics["one_step"])
    report("free rollouts", 0.7)
    metrics["rollout"] = rollout_scores(model, teacher, sampling.seed)
    report("knock-outs", 0.85)
    metrics["knock_outs"] = knock_out_scores(model, teacher, sampling.seed)
    metrics["uncertainty"] = uncertainty_scores(model, teacher, held_out, sampling.seed)
    report("intervals", 0.9)
    metrics["self_pruning"] = drive_ratio(
        progress=lambda what, _share: report(f"injected edges: {what}", 0.9)
    )
    held = held_out_errors(model, teacher, sampling.seed)
    metrics["intervals"] = coverage_scores(held)
    intervals = calibrate(held, np.ones(len(held.pair), bool)).stored()
    domain = {
        name: [float(low), float(high)]
        for name, low, high in zip(INPUTS, weights.domain.low, weights.domain.high, strict=True)
    }
    limits = [float(limit) for limit in weights.domain.limits]
    most = [float(count) for count in weights.domain.most]
    return {
        "metrics": metrics,
        "intervals": intervals,
        "residual_share": residual_share(model, held_out),
        "domain": {"box": domain, "limits": limits, "most": most},
    }


def residual_share(model: TmeCell, rows: Rows) -> Share:
    """What the residual is of the drives of nodes, see `residual.share`."""
    plain = TmeCell(
        model.network, replace(model.raw, residual=None), model.domain, name="", hash=""
    )
    nodes = slice(len(NODES))
    drives = [drive_of(m, rows).mean(axis=1)[:, nodes] for m in (plain, model)]
    mask = model.network.competence[rows.cell_type, nodes] > 0.0
    return share(drives[0], drives[1], mask, NODES)


def rollout_scores(model: TmeCell, teacher: Teacher, seed: int) -> Entries:
    """Free rollouts of 72 h under held-out pairs: error relative to each node's range."""
    courses = draw_courses(np.random.default_rng([seed, 72]), N_ROLLOUTS, 4, held_out=True)
    truth = follow(teacher, courses)
    found = follow(model, courses)
    start = teacher.initial_state(courses.cell_type, courses.genotype)
    width = truth.nodes.max(axis=(0, 1)) - truth.nodes.min(axis=(0, 1))
    moving = width > MIN_RANGE
    error = np.sqrt(((found.nodes - truth.nodes) ** 2).mean(axis=(0, 1)))[moving] / width[moving]
    lazy = np.sqrt(((start - truth.nodes) ** 2).mean(axis=(0, 1)))[moving] / width[moving]
    names = np.array(NODES)[moving]
    growth, wanted = net_growth_rate(found.outputs), net_growth_rate(truth.outputs)
    tumor = courses.cell_type == CELL_TYPES.index("tumor")
    return {
        "nrmse_mean": float(error.mean()),
        "nrmse_median": float(np.median(error)),
        "nrmse_worst": float(error.max()),
        "worst_node": str(names[error.argmax()]),
        "nrmse_persistence": float(lazy.mean()),
        "tumor_growth_r2": r2(wanted[:, tumor], growth[:, tumor]),
        "tumor_growth_bias_per_day": float((growth - wanted)[:, tumor].mean() * 1440.0),
    }


def knock_out_scores(model: TmeCell, teacher: Teacher, seed: int) -> Entries:
    """Effect on all outputs, 48 h after a node is lost; no node was ever lost in training."""
    courses = draw_courses(np.random.default_rng([seed, 48]), N_KNOCK_OUT_CELLS, 1)
    untouched = _outputs_at_48h(teacher, courses), _outputs_at_48h(model, courses)
    effects = []
    for node in KNOCK_OUTS:
        competence = model.network.competence.copy()
        competence[:, NODES.index(node)] = 0.0
        network = replace(model.network, competence=competence)
        crippled = TmeCell(network, model.raw, model.domain, name="", hash="")
        pair = (
            _outputs_at_48h(Teacher(network), courses) - untouched[0],
            _outputs_at_48h(crippled, courses) - untouched[1],
        )
        effects.append([(effect / (HIGH - LOW)).ravel() for effect in pair])
    r = {n: float(np.corrcoef(*e)[0, 1]) for n, e in zip(KNOCK_OUTS, effects, strict=True)}
    pooled = np.concatenate(effects, axis=1)
    return {"r": float(np.corrcoef(*pooled)[0, 1]), "r_worst": min(r.values()), "r_by_node": r}


def _outputs_at_48h(model: CellModel, courses: Courses) -> np.ndarray:
    state = model.initial_state(courses.cell_type, courses.genotype)
    out = model.allocate(len(state))
    inputs = np.ascontiguousarray(courses.inputs[0])
    for _ in range(480):
        model.step(Cells(state, inputs, courses.genotype, courses.cell_type), 6.0, out=out)
        state = out.state.copy()
    return out.outputs


def uncertainty_scores(model: TmeCell, teacher: Teacher, rows: Rows, seed: int) -> Entries:
    """Share of held-out situations in the domain; whether sigma knows where the error is.

    Error and sigma are those of the outputs, over their ranges: the largest of a situation.
    """
    cells = (rows.state, rows.inputs, rows.genotype, rows.cell_type)
    out, truth = model.allocate(len(rows)), teacher.allocate(len(rows))
    for which, results in ((model, out), (teacher, truth)):
        which.step(Cells(*cells), 0.0, out=results)
    error = (np.abs(out.outputs - truth.outputs) / (HIGH - LOW)).max(axis=1)
    sigma = (out.sigma / (HIGH - LOW)).max(axis=1)
    known = outlyingness(model.domain, rows.inputs, rows.genotype, sigma)
    crowded = crowded_inputs(np.random.default_rng([seed, 7]), N_CROWDED)
    plain = np.ones(N_CROWDED, np.int32), np.zeros(N_CROWDED, np.int8)
    outside = {"eight drugs, plain melanoma": (crowded, *plain)}
    outside |= outside_situations(np.random.default_rng([seed, 8]), N_CROWDED)
    scores = {name: _outlyingness_of(model, *cells) for name, cells in outside.items()}
    return {
        "held_out_in_domain": float(out.in_domain.mean()),
        "many_drugs_in_domain": float((scores["eight drugs, plain melanoma"] <= 1.0).mean()),
        "in_domain": {name: float((found <= 1.0).mean()) for name, found in scores.items()},
        "auroc": auroc(known, np.concatenate(list(scores.values()))),
        "auroc_by_set": {name: auroc(known, found) for name, found in scores.items()},
        "rank_correlation_error_sigma": float(spearmanr(error, sigma).statistic),
    }


def _outlyingness_of(
    model: TmeCell, inputs: np.ndarray, genotype: np.ndarray, cell_type: np.ndarray
) -> np.ndarray:
    """Outlyingness of cells that meet these inputs in their drug-free steady state."""
    out = model.allocate(len(inputs))
    state = model.initial_state(cell_type, genotype)
    model.step(Cells(state, inputs, genotype, cell_type), 0.0, out=out)
    disagreement = (out.sigma / (HIGH - LOW)).max(axis=1)
    return outlyingness(model.domain, inputs, genotype, disagreement)


def crowded_inputs(rng: np.random.Generator, n: int) -> np.ndarray:
    """Situations never trained on whose single inputs are all in range: eight drugs at once."""
    inputs = basal_inputs(n)
    inputs[:, len(SURROUNDINGS) :] = many_drugs(rng, np.zeros(n, np.int32), 8)
    return inputs


__all__ = ["card_of", "evaluate", "measure"]
