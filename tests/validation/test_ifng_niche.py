"""How far interferon gamma reaches from its producers: a niche where few, the tissue where many.

Asked: tumor cells answer within 30 to 40 um of single T cells (Centofanti 2023,
doi:10.1101/2023.01.26.525713) and more than 800 um from dense ones (Hoekstra 2020,
doi:10.1038/s43018-020-0036-4), with one parameter set. Packed tumor cells; T cells stand still:
four far apart, and in dense tissue 40 % of the cells of a strip at one end. The reach is the
distance from the nearest T cell where PD-L1 has fallen halfway to its level far from any.
A day; full size: three days, three seeds. About three minutes, full a quarter of an hour.
Run with ``pytest -m validation -k ifng_niche``.
"""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import surrogates
import tme_sim
from tests.validation.kept_runs import observe

TISSUE = """
format: 1
name: ifng_niche
time: {duration: 1 d, tick: 12 min, checkpoint_every: 6 h}
domain: {size: [400 um, 400 um]}
substrates:
  oxygen: {boundary: {all: 38 mmHg}}
  glucose: {boundary: {all: 5 mM}}
  IFNg: {}
cells:
  cd8: {type: cd8_t, placement: {poisson: {spacing: 200 um}}}
  tumor: {type: tumor, genotype: [BRAF_V600E], count: 600, placement: everywhere}
processes: {motility: off}
"""
STRIP = 200.0  # [um] of dense T cells
DENSE = {
    "name": "ifng_niche_dense",
    "domain.size": "[1200 um, 160 um]",
    "cells.cd8": "{type: cd8_t, count: 50, placement: {box: {size: [200 um, 160 um],"
                 " center: [100 um, 80 um]}}}",
    "cells.tumor.count": 640,
}  # fmt: skip
EDGES = np.arange(0.0, 1000.0, 15.0)  # [um]


def responses(model):
    """Position [um] and PD-L1 of living tumor cells, position of living T cells."""
    columns = model.population
    alive = columns["status"] == 0
    tumor = alive & model.cell_types.tumor[columns["type"]]
    t_cell = alive & (columns["type"] == model.cell_types.code("cd8_t"))
    return {
        "tumor": columns["position"][tumor, :2].round(1).tolist(),
        "PDL1": model.outputs["PDL1"][tumor].round(4).tolist(),
        "IFNg": float(model.env["IFNg"].max()),
        "cd8": columns["position"][t_cell, :2].round(1).tolist(),
    }


def by_distance(overrides, full):
    """Mean PD-L1 of tumor cells by distance from the nearest T cell [um] at the end."""
    distances, levels = [], []
    for seed in (1, 2, 3) if full else (1,):
        more = {"seed": seed, "time.duration": "3 d" if full else "1 d"}
        scenario = tme_sim.load_scenario(TISSUE, overrides | more)
        last = observe(scenario, responses, every=360.0, cell_model=surrogates.load("tme-cell"))[-1]
        tumor, t_cells = np.array(last["tumor"]), np.array(last["cd8"])
        apart = tumor[:, None] - t_cells
        distances.append(np.sqrt((apart**2).sum(axis=-1)).min(axis=1))
        levels.append(last["PDL1"])
    distances, levels = np.concatenate(distances), np.concatenate(levels)
    bins = np.digitize(distances, EDGES) - 1
    kept = [k for k in range(len(EDGES)) if (bins == k).sum() >= 3]
    middle = np.array([distances[bins == k].mean() for k in kept])
    return middle, np.array([levels[bins == k].mean() for k in kept])


def reach(distance, level, far):
    """Distance at which the level is halfway from that at the nearest cells to ``far`` [um]."""
    half = 0.5 * (level[0] + far)
    below = np.flatnonzero(level < half)
    if not below.size:
        return np.inf
    k = below[0]
    return np.interp(half, [level[k], level[k - 1]], [distance[k], distance[k - 1]])


@pytest.fixture(scope="module")
def found(full, save):
    none = {"cells.cd8.placement.poisson.spacing": "400 um", "processes.exchange": "off"}
    basal = by_distance(none, full)[1].mean()  # nothing secreted
    courses = {"sparse": by_distance({}, full), "dense": by_distance(DENSE, full)}
    reaches = {name: reach(*course, basal) for name, course in courses.items()}
    figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, (distance, level) in courses.items():
        axis.plot(distance, level, ".-", label=f"{name}: {reaches[name]:.0f} um")
    axis.axhline(basal, color="0.6", linestyle=":", label="no interferon")
    axis.axvspan(30.0, 40.0, color="0.9")
    axis.axvline(800.0, color="0.8")
    axis.set(
        xlabel="distance from the nearest T cell [um]",
        ylabel="PD-L1 of tumor cells",
        ylim=(0, None),
    )
    axis.legend()
    save(figure, "ifng_niche")
    return reaches


@pytest.mark.validation
def test_ifng_niche_of_single_cells_is_a_few_cells_wide(found):
    assert 30.0 <= found["sparse"] <= 40.0


@pytest.mark.validation
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="81 um: packed tumor cells take up all that their receptors bind; past the reach of "
    "saturated ones the level falls steeply",
)
def test_ifng_niche_of_dense_cells_is_the_tissue(found):
    assert found["dense"] > 800.0
