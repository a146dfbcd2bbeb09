"""Growth rates of four BRAF-mutant melanoma lines against the dose of PLX4720.

Measured: slopes of log2 counts from 24 h on, 0 to 32 uM (Harris 2016, doi:10.1038/nmeth.3852); the
network's: mean net growth over the same time under vemurafenib of the same nominal dose, one cell
without tissue, of each line's genotype. Asked: 0.2 doublings/day, root mean square over doses. The
teacher was tuned to A375 at all doses: that line is no test of it. A minute; needs the counts in
the folder that TME_SIM_DATA names.
Run with ``pytest -m validation -k dip_rates``.
"""

import functools

import matplotlib.pyplot as plt
import numpy as np
import pytest

import surrogates
from surrogates.data import growth
from tests.surrogates.data.data_folder import real


@functools.cache
def line_rates(line):
    """Doses [uM], measured rates and the network's [doublings/day]."""
    doses, measured = growth.rates(real(growth.FOLDER), line)
    return doses, measured, growth.predict(surrogates.load("tme-cell"), line, doses)


def draw(save):
    figure, axes = plt.subplots(1, 4, figsize=(12, 3), sharey=True, layout="constrained")
    for axis, line in zip(axes, growth.LINES, strict=True):
        doses, measured, found = line_rates(line)
        axis.plot(doses, measured, "o", label="measured")
        axis.plot(doses, found, "k.-", label="network")
        axis.axhline(0.0, color="0.8", linewidth=0.8)
        axis.set_xscale("symlog", linthresh=0.1)
        axis.set(title=line, xlabel="PLX4720 [uM]", xlim=(-0.02, 45))
    axes[0].set_ylabel("growth rate [doublings/day]")
    axes[0].legend()
    save(figure, "dip_rates")


NOT_REACHED = {
    "A2058": "RMSE 0.202: at 16 and 32 uM the line still grows at half its rate, the network at a "
    "fifth",
}


@pytest.mark.validation
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(
            line,
            marks=pytest.mark.xfail(strict=True, raises=AssertionError, reason=NOT_REACHED[line])
            if line in NOT_REACHED
            else (),
        )
        for line in growth.LINES
    ],
)
def test_dip_rates_are_within_a_fifth_of_a_doubling_a_day(line, save):
    draw(save)
    doses, measured, found = line_rates(line)

    assert len(doses) == 10
    assert np.sqrt(((found - measured) ** 2).mean()) <= 0.2
