"""Cell models: what a cell does, decided from what it senses, behind one contract.

    model = surrogates.load("tme-cell")                    # trained network
    model = surrogates.load("teacher")                     # mechanistic reference
    model = surrogates.load("constant", rates={"tumor": {"g1s_rate": 8e-4}})
    model = surrogates.load(path="my-weights", out_of_domain="clamp", member=2)

A model has `inputs`, `nodes`, `outputs` (tuples of Channel), `name`, `hash` and

    initial_state(cell_type, genotype) -> float32 (n, n_nodes)
    allocate(n) -> Out with .state .outputs .sigma .in_domain
    step(state, inputs, genotype, cell_type, dt, *, out)
    simulate(cell_type=..., genotype=..., minutes=..., dt=..., inputs=..., state=...)

A network's `simulate(...)` also gives `std(name)` and `interval(name, 0.9)`.

This package knows molecules and arrays, nothing of tissue.
"""

from collections.abc import Mapping
from pathlib import Path

OUT_OF_DOMAIN = ("warn", "clamp", "teacher", "stop")


def load(  # noqa: PLR0913 - all but the name by keyword
    name: str = "tme-cell",
    *,
    path: str | Path | None = None,
    device: str = "cpu",
    member: int | None = None,
    out_of_domain: str = "warn",
    rates: Mapping[str, Mapping[str, float]] | None = None,
    mutations: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    untrained_seed: int | None = None,
):
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
        untrained_seed: random weights on the same scaffold and signs.
    """
    from surrogates.out_of_domain import guard

    if out_of_domain not in OUT_OF_DOMAIN:
        msg = f"out_of_domain is {out_of_domain!r}; it must be one of {OUT_OF_DOMAIN}"
        raise ValueError(msg)
    if path is None and name == "constant":
        return _without_weights(name, rates)
    if path is None and name == "teacher":
        return _with_mutations(_without_weights(name, rates), mutations)
    model = _network(name, path, device, untrained_seed)
    model = model if member is None else model.member(member)
    return guard(_with_mutations(model, mutations), out_of_domain)


def _with_mutations(model, mutations: Mapping | None):
    from surrogates.mutations import Mutants

    return Mutants(model, mutations) if mutations else model


def _without_weights(name: str, rates: Mapping | None):
    if name == "teacher":
        from surrogates.teacher.model import Teacher

        return Teacher()
    from surrogates.constant import Constant

    return Constant(rates or {})


def _network(name: str, path: str | Path | None, device: str, seed: int | None):
    from surrogates.intervals import load_intervals
    from surrogates.network.ensemble import TmeCell
    from surrogates.network.parameters import random_raw
    from surrogates.prior.graph import load_network
    from surrogates.registry import find_weights, load_weights, weights_hash

    network = load_network()
    folder = find_weights(name, path)
    weights = load_weights(folder, network)
    raw, digest = weights.raw, weights_hash(folder)
    label = name if path is None else Path(path).name
    intervals = load_intervals(folder, digest)
    if seed is not None:
        raw = random_raw(network, raw.n_members, seed, raw.joint)
        label, digest = f"{label} untrained {seed}", f"untrained-{seed}"
        intervals = None
    return TmeCell(
        network, raw, weights.domain, name=label, hash=digest, device=device, intervals=intervals
    )
