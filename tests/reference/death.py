"""Slow twin of the volumes of dead cells in ``tme_sim.processes.death``: small explicit steps."""


def decay(kind, body, *, minutes, step=0.01):
    """Total volume over time of a cell that starts healthy: (time, total) after every step."""
    fluid = body.volume * body.fluid_fraction
    solid = body.volume - fluid
    nucleus = solid * body.nuclear_fraction
    cytoplasm = solid - nucleus
    rate = {
        part: getattr(body, f"{kind}_{part}_rate") for part in ("fluid", "cytoplasm", "nucleus")
    }
    target = 1.0 if kind == "necrosis" else 0.0  # of the fluid fraction
    for k in range(round(minutes / step)):
        total = fluid + nucleus + cytoplasm
        fluid += step * rate["fluid"] * (target * total - fluid)
        nucleus -= step * rate["nucleus"] * nucleus
        cytoplasm -= step * rate["cytoplasm"] * cytoplasm
        yield (k + 1) * step, fluid + nucleus + cytoplasm
