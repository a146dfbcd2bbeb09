"""The teacher's equations, one cell, one unit and one edge at a time (slow twin of its kernels)."""

import math

import numpy as np
from scipy.integrate import solve_ivp

from surrogates.channels import (
    GENOTYPES,
    INPUTS,
    NODES,
    OCCUPANCY,
    SATURATING,
    TRANSFORM_A,
    TRANSFORM_B,
    TRANSFORM_KIND,
)
from surrogates.prior.graph import load_network
from surrogates.teacher.parameters import teacher_parameters

NETWORK = load_network()
PARAMETERS = teacher_parameters()


def transformed(name, value):
    k = INPUTS.index(name)
    a, b = TRANSFORM_A[k], TRANSFORM_B[k]
    if TRANSFORM_KIND[k] == SATURATING:
        return value / (value + a)
    if TRANSFORM_KIND[k] == OCCUPANCY:
        dose = value / (1 - value) if value < 1 else math.inf
        return min(math.log(1 + dose / a) / math.log(1 + b / a), 1.0)
    return min(max((value - a) / (b - a), 0.0), 1.0)


def sources(state, inputs, genotype):
    table = {name: transformed(name, value) for name, value in zip(INPUTS, inputs, strict=True)}
    table |= {name: float(genotype >> k & 1) for k, name in enumerate(GENOTYPES)}
    return table | dict(zip(NODES, state, strict=True))


def act(edge, raw, table):
    """Activation of one edge: Hill in the dose, or normalised Hill where a node takes part."""
    strength, half, n = PARAMETERS[edge.source, edge.target, edge.gate]
    gate = table[edge.gate] if edge.gate else 1.0
    touches_node = edge.source in NODES or edge.gate in NODES
    kind = TRANSFORM_KIND[INPUTS.index(edge.source)] if edge.source in INPUTS else None
    if kind in (SATURATING, OCCUPANCY) and not touches_node:
        dose = raw[edge.source]
        if kind == OCCUPANCY:
            dose = dose / (1.0 - dose)
        return strength, gate * dose**n / (half**n + dose**n) if dose > 0.0 else 0.0
    value = table[edge.source] * gate
    if value <= 0.0:
        return strength, 0.0
    plain = value**n / (half**n + value**n)
    normalised = touches_node and edge.sign > 0
    return strength, plain * (1.0 + half**n) if normalised else plain


def fraction(unit, raw, table):
    """F of one unit."""
    basal = PARAMETERS.get(("basal", NETWORK.units[unit], ""), (0.0,))[0]
    silent, factor = 1.0 - basal, 1.0
    for edge in NETWORK.edges[unit]:
        strength, activity = act(edge, raw, table)
        if edge.role == "activates":
            silent *= 1.0 - strength * activity
        elif edge.role == "requires":
            factor *= 1.0 - strength + strength * activity
        else:
            factor *= 1.0 - strength * activity
    return (1.0 - silent) * factor


def drive(state, inputs, genotype, cell_type):
    """Drives of all units: competence x F for nodes, F for heads."""
    raw = dict(zip(INPUTS, inputs, strict=True))
    table = sources(state, inputs, genotype)
    values = [fraction(unit, raw, table) for unit in range(NETWORK.n_units)]
    values[: len(NODES)] *= NETWORK.competence[cell_type, : len(NODES)].astype(float)
    return np.array(values)


def integrate(state, inputs, genotype, cell_type, minutes):
    """Nodes after `minutes` at constant inputs, by LSODA."""
    raw = dict(zip(INPUTS, map(float, inputs), strict=True))
    competence = NETWORK.competence[cell_type, : len(NODES)].astype(float)
    tau = NETWORK.tau.astype(float)

    def slope(_, h):
        table = sources(h, inputs, genotype)
        u = np.array([fraction(unit, raw, table) for unit in range(len(NODES))])
        return (competence * u - h) / tau

    solution = solve_ivp(
        slope, (0.0, minutes), np.asarray(state, float), method="LSODA", rtol=1e-6, atol=1e-8
    )
    return solution.y[:, -1]
