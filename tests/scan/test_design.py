"""Arms: all combinations, lists in step, samples that fill their box, tables."""

import numpy as np
import pytest

from tests.scan.scans import write
from tme_sim.scan.design import Scan, arms_of
from tme_sim.scan.study import read_study


def arms(tmp_path, **sections):
    return arms_of(read_study(write(tmp_path, **sections), Scan))


def test_axes_are_combined_and_zipped_lists_step_together(tmp_path):
    found = arms(
        tmp_path,
        axes={"cells.tumor.count": [10, 20]},
        zip={"therapy.0.dose": ["1 mg", "2 mg"], "therapy.0.every": ["1 h", "2 h"]},
    )

    assert [arm.overrides["cells.tumor.count"] for arm in found] == [10, 10, 20, 20]
    assert [arm.overrides["therapy.0.dose"] for arm in found] == ["1 mg", "2 mg"] * 2
    assert [arm.overrides["therapy.0.every"] for arm in found] == ["1 h", "2 h"] * 2


@pytest.mark.parametrize("method", ["latin_hypercube", "sobol"])
def test_a_sample_has_one_point_in_every_slice_of_each_range(method, tmp_path):
    ranges = {"therapy.0.dose": {"low": "100 mg", "high": "900 mg"}}
    sample = {"method": method, "n": 8, "ranges": ranges}

    found = arms(tmp_path, axes=None, sample=sample)

    doses = [float(arm.overrides["therapy.0.dose"].split()[0]) for arm in found]
    assert sorted(np.floor((np.array(doses) - 100) / 100)) == list(range(8))


def test_a_range_in_the_logarithm_reads_other_units(tmp_path):
    ranges = {"therapy.0.dose": {"low": "1 mg", "high": "0.1 g", "log": True}}
    sample = {"method": "sobol", "n": 4, "ranges": ranges}
    study = read_study(write(tmp_path, axes=None, sample=sample), Scan)

    spec = study.sample.ranges["therapy.0.dose"]
    assert float(spec.at(0.5).removesuffix(" mg")) == pytest.approx(10.0)


def test_a_table_gives_an_arm_per_row(tmp_path):
    path = write(tmp_path, axes=None, table="arms.csv")
    (tmp_path / "arms.csv").write_text("therapy.0.dose, cells.tumor.count\n1 mg, 10\n2 mg, 20\n")

    found = arms_of(read_study(path, Scan))

    assert [arm.label for arm in found] == [
        "therapy.0.dose=1 mg, cells.tumor.count=10",
        "therapy.0.dose=2 mg, cells.tumor.count=20",
    ]
