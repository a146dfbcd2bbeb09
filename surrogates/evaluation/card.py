"""Render a card as text."""

from typing import Any, NamedTuple

from surrogates.evaluation.table import from_entries
from surrogates.evaluation.table import render as render_table

Entries = dict[str, Any]  # of a card, which is JSON
TARGETS = {  # asked of the network against its teacher
    "r2_median": ">= 0.99",
    "r2_worst": ">= 0.95",
    "nrmse_mean": "<= 0.08",
    "knock_out_r": ">= 0.9",
}


class Figure(NamedTuple):
    """A row of the table against the teacher."""

    name: str
    network: str = ""
    target: str = ""
    note: str = ""


def render(card: Entries) -> str:
    """The card as Markdown: what it is, how it was trained, what was measured, what it rests on."""
    metrics = card["metrics"]
    parts = [
        f"# {card['name']}\n\n{card['about']}.\n",
        f"- weights: sha256 {card['hash']}",
        f"- data: {card['data']}; teacher {card['training']['teacher_hash'][:12]}, "
        f"{card['training']['sampling']['n_trajectories']} courses of "
        f"{card['training']['sampling']['minutes'] / 60:g} h, "
        f"{card['training']['n_members']} members, {card['training']['steps']} steps",
        f"- drugs: {card['drug_unit']}",
        f"- never together in training: {_pairs(card['training']['held_out_pairs'])}",
        f"- gated residual: {_residual(card['residual_share'])}\n",
        _stages(card.get("stages", [])),
        _fidelity(metrics),
        _baselines(metrics["baselines"]),
        _real_data(card),
        _outputs(card["outputs"]),
        _domain(card["domain"]),
    ]
    return "\n".join(parts) + "\n"


def _residual(share: Entries | float) -> str:
    """How much of the drives no edge stands behind; older cards say 0."""
    if not isinstance(share, dict) or not share["n_open"]:
        return "none; every drive is the scaffold's"
    return (
        f"{share['overall']:.2%} of the drives of nodes, at most {share['worst']:.1%} "
        f"({share['worst_node']}), open at {share['n_open']} nodes"
    )


def _pairs(pairs: list[list[str]]) -> str:
    return ", ".join(" + ".join(pair) for pair in pairs)


def _stages(stages: list[Entries]) -> str:
    """How far the drives moved from the teacher's, stage by stage; nothing in older cards."""
    if not stages:
        return ""
    lines = [
        "## Stages of training\n",
        "Distance of the drives from the teacher's on validation "
        "courses after each; losses over steps in `curves.csv`.\n",
        "| stage | RMSE | worst unit | its RMSE |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {s['stage']} | {s['drive_rmse']:.5f} | {s['worst_unit']} | {s['worst_rmse']:.4f} |"
        for s in stages
    ]
    return "\n".join([*lines, ""])


def _fidelity(metrics: Entries) -> str:
    rows = [
        *_drive_rows(metrics["one_step"]),
        *_rollout_rows(metrics["rollout"]),
        _knock_out_row(metrics["knock_outs"]),
        *_domain_rows(metrics["uncertainty"]),
        *_interval_rows(metrics["intervals"]),
    ]
    if "self_pruning" in metrics:  # cards of earlier versions have none
        rows.append(_pruning_row(metrics["self_pruning"]))
    lines = [
        "## Against the teacher, drug pairs never seen together\n",
        "| figure | network | wanted | beside it |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def _drive_rows(step: Entries) -> list[Figure]:
    return [
        Figure(
            "R2 of the drive, median unit",
            f"{step['r2_median']:.4f}",
            TARGETS["r2_median"],
            f"one member {step['r2_median_member']:.4f}",
        ),
        Figure(
            f"R2 of the drive, worst unit ({step['worst_unit']})",
            f"{step['r2_worst']:.4f}",
            TARGETS["r2_worst"],
            f"one member {step['r2_worst_member']:.4f}",
        ),
    ]


def _rollout_rows(roll: Entries) -> list[Figure]:
    return [
        Figure(
            "72 h free rollout, NRMSE, mean of nodes",
            f"{roll['nrmse_mean']:.4f}",
            TARGETS["nrmse_mean"],
            f"persistence {roll['nrmse_persistence']:.4f}",
        ),
        Figure(f"the same, worst node ({roll['worst_node']})", f"{roll['nrmse_worst']:.4f}"),
        Figure(
            "R2 of net growth of tumor cells in them",
            f"{roll['tumor_growth_r2']:.4f}",
            note=f"bias {roll['tumor_growth_bias_per_day']:+.4f} doublings a day",
        ),
    ]


def _knock_out_row(knock: Entries) -> Figure:
    return Figure(
        "effects of unseen knock-outs, r",
        f"{knock['r']:.4f}",
        TARGETS["knock_out_r"],
        f"worst of {len(knock['r_by_node'])} nodes {knock['r_worst']:.4f}",
    )


def _domain_rows(doubt: Entries) -> list[Figure]:
    return [
        Figure("held-out situations inside the domain", f"{doubt['held_out_in_domain']:.4f}"),
        Figure(
            "new combinations of known inputs against them, AUROC",
            f"{doubt['auroc']:.4f}",
            ">= 0.9",
            _by_set(doubt["auroc_by_set"]),
        ),
        Figure("of those inside the domain", note=_by_set(doubt["in_domain"])),
        Figure(
            "rank correlation of error and sigma",
            f"{doubt['rank_correlation_error_sigma']:.3f}",
            ">= 0.4",
        ),
    ]


def _interval_rows(cover: Entries) -> list[Figure]:
    lowest, highest = cover["coverage_of_splits"]
    return [
        Figure(
            "coverage of 90 % intervals on pairs kept from calibration",
            f"{cover['coverage']:.3f}",
            "0.87 to 0.93",
            f"splits {lowest:.3f} to {highest:.3f}; {cover['names_in_band']:.0%} of "
            "nodes and outputs between 0.87 and 0.93",
        ),
        Figure("width of those beside constant ones", f"{cover['width']:.2f}"),
    ]


def _pruning_row(ratio: Entries) -> Figure:
    return Figure(
        "20 % random edges in the scaffold, mean weight over the others'",
        f"{ratio['after']:.3f}",
        "<= 0.5",
        f"a small training of one member; before it {ratio['before']:.3f}",
    )


def _by_set(shares: dict[str, float]) -> str:
    return "; ".join(f"{name} {share:.3f}" for name, share in shares.items())


def _baselines(table: dict[str, dict[str, float]]) -> str:
    rivals = list(next(iter(table.values())))
    lines = [
        "## R2 beside trivial rivals, same rows\n",
        f"| unit | {' | '.join(rivals)} |",
        "|---" * (len(rivals) + 1) + "|",
    ]
    lines += [
        f"| {unit} | {' | '.join(f'{scores[r]:.4f}' for r in rivals)} |"
        for unit, scores in table.items()
    ]
    return "\n".join([*lines, ""])


def _real_data(card: Entries) -> str:
    """Scores on public data, if they were measured with these weights."""
    kept = card.get("real_data")
    if kept is None:
        what = "No data set was scored yet: `tme-sim surrogate evaluate NAME --data DIR`.\n"
    elif kept["hash"] != card["hash"]:
        what = "The scores that were kept belong to other weights; evaluate again.\n"
    else:
        what = render_table(from_entries(kept["rows"]))
    return f"## On real data, held-out perturbations\n\n{what}"


def _outputs(outputs: list[Entries]) -> str:
    lines = [
        "## Outputs and what they rest on\n",
        "Every output was fitted to the teacher; the grade is that of the teacher's parameters.\n",
        "| output | unit | range | evidence |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {o['name']} | {o['unit']} | {o['low']:g} to {o['high']:g} | {o['evidence']} |"
        for o in outputs
    ]
    return "\n".join([*lines, ""])


def _domain(domain: Entries) -> str:
    distance, spread = domain["limits"]
    lines = [
        "## Training domain\n",
        f"Squared distance from the training cloud up to "
        f"{distance:.4g}, spread of members up to {spread:.4g} of an output's range, at "
        f"most {domain['most'][0]:g} ligands, {domain['most'][1]:g} drugs and "
        f"{domain['most'][2]:g} alterations at once, and:\n",
        "| input | from | to |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {low:.4g} | {high:.4g} |" for name, (low, high) in domain["box"].items()]
    return "\n".join(lines)
