"""Cell models: what a cell does, decided from what it senses, behind one contract.

    model = surrogates.load("tme-cell")                    # trained network
    model = surrogates.load("teacher")                     # mechanistic reference
    model = surrogates.load("constant", rates={"tumor": {"g1s_rate": 8e-4}})
    model = surrogates.load(path="my-weights", out_of_domain="clamp", member=2)
    model = surrogates.load(drugs={"trametinib": None, "mine": {"MEK": 0.01}})

What a model has and does is `contract.CellModel`; a loaded one also follows a cell by itself:

    course = model.simulate(cell_type=..., genotype=..., minutes=..., dt=..., inputs=..., state=...)
    course = model.simulate(inputs={"vemurafenib": [(0, 0), (60, 1.0)], "occupancy": {"AKT": 0.9}})
    course["ERK"], course["growth_rate_net"], course.std("ERK"), course.interval("ERK", 0.9)

This package knows molecules and arrays, nothing of tissue.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # kernels and torch load with the model that needs them
    from surrogates.dosed import Dosed
    from surrogates.drugs import Drug, Targets
    from surrogates.mutations import Changes
    from surrogates.network.ensemble import TmeCell
    from surrogates.occupancy import DrugTable
    from surrogates.trajectory import Surrogate
    from surrogates.variants import NetworkModel

__all__ = ["list", "load"]


def load(  # noqa: PLR0913 - all but the name by keyword
    name: str = "tme-cell",
    *,
    path: str | Path | None = None,
    device: str = "cpu",
    member: int | None = None,
    out_of_domain: Literal["warn", "clamp", "teacher", "stop"] = "warn",
    rates: Mapping[str, Mapping[str, float]] | None = None,
    mutations: "Mapping[str, Changes] | None" = None,
    drugs: "Mapping[str, Drug | Targets | None] | None" = None,
    untrained_seed: int | None = None,
) -> "Dosed":
    """A cell model by name, or from a folder of weights.

    Args:
        name: "tme-cell" (or other shipped weights), "teacher" or "constant".
        path: a folder written by training; then `name` is only a label.
        device: "cpu" or a torch device such as "cuda"; arrays stay on the host.
        member: one member of the ensemble alone, counted from 0.
        out_of_domain: "warn" only marks cells, "clamp" moves inputs into the training box,
            "teacher" lets the teacher decide for those cells, "stop" raises OutOfDomain.
        rates: for "constant": outputs by cell type in the contract's units.
        mutations: a user's own, {name: {node: {"times": 3} or {"held": 0.9}}}, see `mutations`.
        drugs: those whose concentrations are inputs, in this order; a user's own with the
            concentration [uM] that occupies half of each target, None for a shipped one. All
            shipped ones unless given.
        untrained_seed: random weights on the same scaffold and signs.
    """
    from surrogates.constant import Constant
    from surrogates.dosed import Dosed
    from surrogates.out_of_domain import POLICIES, guard
    from surrogates.teacher.model import Teacher

    if out_of_domain not in POLICIES:
        msg = f"out_of_domain is {out_of_domain!r}; it must be one of {POLICIES}"
        raise ValueError(msg)
    table = _drug_table(drugs)
    if path is None and name == "constant":
        return Dosed(Constant(rates or {}), table)
    if path is None and name == "teacher":
        return Dosed(_with_mutations(Teacher(), mutations), table)
    network = _network(name, path, device, untrained_seed)
    network = network if member is None else network.member(member)
    guarded = guard(
        _with_mutations(network, mutations),
        out_of_domain,
        domain=network.domain,
        teacher=lambda: _with_mutations(Teacher(), mutations),
    )
    return Dosed(guarded, table)


def list() -> Sequence[Mapping[str, str]]:
    """Name and hash of every model that can be loaded by name, and one line about it."""
    from surrogates.registry import list_surrogates

    return list_surrogates()


def _drug_table(drugs: "Mapping[str, Drug | Targets | None] | None") -> "DrugTable":
    from surrogates.channels import find
    from surrogates.drugs import SHIPPED, Drug, own_drug
    from surrogates.occupancy import SHIPPED_TABLE, DrugTable

    if drugs is None:
        return SHIPPED_TABLE
    found = []
    for name, given in drugs.items():
        if given is None:
            find(name, tuple(SHIPPED), "drug")
            found.append(SHIPPED[name])
        else:
            found.append(given if isinstance(given, Drug) else own_drug(name, "uM", given))
    return DrugTable(found)


def _with_mutations(
    model: "NetworkModel", mutations: "Mapping[str, Changes] | None"
) -> "Surrogate":
    from surrogates.mutations import Mutants

    return Mutants(model, mutations) if mutations else model


def _network(name: str, path: str | Path | None, device: str, seed: int | None) -> "TmeCell":
    from surrogates.intervals import load_intervals
    from surrogates.network.ensemble import TmeCell
    from surrogates.network.parameters import random_raw
    from surrogates.prior.graph import load_network
    from surrogates.registry import (
        find_weights,
        load_weights,
        refuse_foreign_card,
        weights_hash,
    )

    network = load_network()
    folder = find_weights(name, path)
    weights = load_weights(folder, network)
    raw, digest = weights.raw, weights_hash(folder)
    refuse_foreign_card(folder, digest)
    label = name if path is None else Path(path).name
    intervals = load_intervals(folder, digest)
    if seed is not None:
        raw = random_raw(network, raw.n_members, seed, raw.joint)
        label, digest = f"{label} untrained {seed}", f"untrained-{seed}"
        intervals = None
    try:
        return TmeCell(
            network,
            raw,
            weights.domain,
            name=label,
            hash=digest,
            device=device,
            intervals=intervals,
        )
    except ValueError as err:  # weights that the kernels cannot take
        msg = f"{folder}: {err}"
        raise ValueError(msg) from err
