"""The benchmark of the fields runs and fits the page; its baselines do what they claim."""

import json
import math

import numpy as np
import pytest

from tests.benchmarks.baselines import Box, Explicit, LineSplit
from tests.reference.fields import FACES, Problem
from tme_sim.bench.substrates import KINDS, Tissue
from tme_sim.cli.main import main
from tme_sim.fields import Grid

KEYS = {"solve_ms", "tick_ms", "first_tick_ms", "cycles", "residual", "ns_per_voxel_substrate"}
SIZES = {"bytes_per_voxel_substrate", "workspace_bytes_per_voxel", "copy_share"}


def test_the_table_fits_eighty_columns(capsys):
    assert main(["bench", "fields", "--size", "12", "--repeat", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[:2] for line in lines[2:]] == [
        [shape, n] for shape in ("12x12", "12x12x12") for n in ("1", "4", "10")
    ]


def test_the_json_holds_every_case(capsys):
    assert main(["bench", "fields", "--size", "12", "--dim", "3", "--repeat", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [case["n_substrates"] for case in result["cases"]] == [1, 4, 10]
    assert all(set(case) >= KEYS | SIZES for case in result["cases"])
    assert all(case[key] > 0.0 for case in result["cases"] for key in KEYS | SIZES)
    assert result["copy_bandwidth"] > 1e8


@pytest.mark.parametrize("option", [["--size", "1"], ["--repeat", "0"], ["--threads", "0"]])
def test_impossible_options_are_named(option, capsys):
    assert main(["bench", "fields", *option]) == 2
    assert option[1] in capsys.readouterr().err


def test_sources_of_the_tissue_grow_by_a_hundredth_in_a_tick():
    tissue = Tissue(Grid((12, 12, 12)), len(KINDS))
    before = {key: rate.sum(dtype=float) for key, rate in tissue.rates.items()}
    tissue.grow()
    for key, rate in tissue.rates.items():
        assert rate.sum(dtype=float) == pytest.approx(1.01 * before[key], rel=1e-3)


@pytest.mark.parametrize(("dt", "amplitude"), [(0.01, 0.04762452), (0.005, 0.04725810)])
def test_line_split_has_the_error_that_theory_gives_it(dt, amplitude):
    """Validation case A9: the exact answer of the scheme for a cosine mode between closed walls."""
    grid = Grid((50, 50, 50), 20.0)
    waves = [np.cos(math.pi * grid.centres(axis) / 1000.0) for axis in "zyx"]
    mode = np.prod(np.broadcast_arrays(*np.ix_(*waves)), axis=0)
    box = Box(grid.shape, 20.0, 1e5, 0.1, None, np.zeros(grid.shape))
    method = LineSplit(box, mode, dt)
    method.advance(1.0)
    assert (method.c * mode).sum() / (mode**2).sum() == pytest.approx(amplitude, abs=2e-8)


@pytest.mark.parametrize("wall", [None, 3.0])
@pytest.mark.parametrize("shape", [(1, 1, 9), (1, 7, 20), (3, 11, 5)])
def test_both_baselines_converge_to_the_twin_at_first_order(shape, wall):
    rng = np.random.default_rng(8)
    uptake, source, start = (rng.random(shape) for _ in range(3))
    walls = {} if wall is None else dict.fromkeys(FACES, ("exchange", np.inf, wall))
    for face, n in zip(FACES, np.repeat(shape, 2), strict=True):
        if n == 1:
            walls.pop(face, None)
    exact = Problem(shape, 20.0, 4e3, 0.1, walls, source, uptake).exact(start, 0.512)
    box = Box(shape, 20.0, 4e3, 0.1, wall, uptake, source)
    split, explicit = [], []
    for refinement in (1, 2, 4, 8):
        for errors, method in (
            (split, LineSplit(box, start, 0.008 / refinement)),
            (explicit, Explicit(box, start, 0.5 / refinement)),
        ):
            method.advance(0.512)
            errors.append(np.abs(method.c - exact).max())
    for errors in (split, explicit):
        slope, _ = np.polyfit(np.log([1, 2, 4, 8]), np.log(errors), 1)
        assert slope == pytest.approx(-1.0, abs=0.1)
