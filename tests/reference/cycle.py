"""Slow twin of ``tme_sim.processes.cycle``: one cell, event by event."""

import math

from tme_sim.compute.random import Stream, uniform

G1, S, G2M = 0, 1, 2


def live(cell, rates, body, *, dt, seed, tick):
    """One tick of a cell (a dict of its columns); returns whether it divides."""

    def wait(rate, draw):
        return (
            -math.log(uniform(seed, Stream.CYCLE, tick, cell["id"], draw)) / rate
            if rate
            else math.inf
        )

    now, end = 0.0, dt
    if cell["phase"] == G1 and cell["phase_age"] < dt:
        now -= cell["phase_age"]  # born before the tick began
    entered = now if cell["phase"] == G1 and now < 0 else -cell["phase_age"]
    divides = False
    s_duration = body.s_duration * rates["s_duration_factor"]
    events = {
        G1: lambda: now + wait(rates["g1s_rate"], 0),
        S: lambda: now + (1.0 - cell["phase_progress"]) * s_duration,
        G2M: lambda: now + wait(rates["g2m_rate"], 1),
    }
    for phase in (G1, S, G2M):
        if cell["phase"] != phase or divides:
            continue
        moment = events[phase]()
        if moment > end:
            if phase == S:
                cell["phase_progress"] += (end - now) / s_duration
            break
        now = entered = moment
        cell["phase"] = (phase + 1) % 3
        cell["phase_progress"] = 0.0
        divides = phase == G2M
    cell["phase_age"] = end - entered
    grow(cell, rates["growth_rate"], body, doubled=divides or cell["phase"] != G1, dt=dt)
    return divides


def grow(cell, growth_rate, body, *, doubled, dt, steps=20_000):
    """Solids up to their target or down to it, then fluid by small explicit steps."""
    solid = cell["volume"] - cell["fluid_volume"]
    target = body.volume * (1.0 - body.fluid_fraction) * (2.0 if doubled else 1.0)
    grown = solid if solid >= target else min(target, solid * math.exp(growth_rate * dt))
    nucleus = cell["nuclear_volume"] * grown / solid
    if solid > 1.01 * target:
        of_nucleus = body.nuclear_fraction * target
        nucleus, cytoplasm = cell["nuclear_volume"], solid - cell["nuclear_volume"]
        for _ in range(steps):
            nucleus += dt / steps * body.nucleus_rate * (of_nucleus - nucleus)
            cytoplasm += dt / steps * body.cytoplasm_rate * (target - of_nucleus - cytoplasm)
        grown = nucleus + cytoplasm
    fluid = cell["fluid_volume"]
    for _ in range(steps):
        fluid += dt / steps * body.fluid_rate * (body.fluid_fraction * (fluid + grown) - fluid)
    cell["nuclear_volume"] = nucleus
    cell["fluid_volume"], cell["volume"] = fluid, fluid + grown
    cell["radius"] = (3.0 * cell["volume"] / (4.0 * math.pi)) ** (1.0 / 3.0)
