"""A run of an older version is read, drawn and exported; going on from it is refused.

`format_1` is a run of 2 h by the last version that wrote format 1: BRAF-V600E cells under
dabrafenib, which that version sensed as a multiple of vemurafenib.
"""

import gzip
import shutil
from pathlib import Path

import pytest

import tme_sim
from tme_sim import simulation
from tme_sim.cli.main import main
from tme_sim.errors import InputError

OLD = Path(__file__).parent / "format_1"
DIGEST = "fea59ac1f8710dcc"


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.h5"
    path.write_bytes(gzip.decompress((OLD / "run.h5.gz").read_bytes()))
    saved = tmp_path / "old.h5.checkpoints"
    saved.mkdir()
    for file in OLD.glob("*.npz"):
        shutil.copy(file, saved)
    return path


def test_what_it_holds_is_read_as_it_was(old):
    run = tme_sim.open_run(old)
    assert run.format_version == 1
    assert run.digest().startswith(DIGEST)
    assert "erlotinib_affinity" not in run.columns
    assert {"ERK", "g1s_rate"} <= set(run.columns)
    assert len(run.cells("2 h")) >= 6
    assert run.field("dabrafenib", "2 h").max() > 0.0


def test_its_scenario_is_in_words_of_today(old):
    scenario = tme_sim.open_run(old).scenario
    assert scenario.drugs["dabrafenib"].acts_as == "dabrafenib"
    assert list(scenario.sensed_drugs) == ["dabrafenib"]


def test_it_is_reported_exported_and_described(old, tmp_path, capsys):
    assert main(["info", str(old)]) == 0
    assert "run file format 1" in capsys.readouterr().out
    assert main(["report", str(old), "-o", str(tmp_path / "a.png")]) == 0
    assert main(["export", str(old), "--to", "csv", "-o", str(tmp_path / "csv")]) == 0
    assert main(["replay", str(old), "--html", str(tmp_path / "a.html")]) == 0


def test_what_would_go_on_from_its_cells_is_refused_by_its_weights(old, tmp_path):
    with pytest.raises(InputError, match=r"weights are not those.*d628f6dbef00"):
        simulation.branch(old, "2 h", output=tmp_path / "b.h5")
    assert not (tmp_path / "b.h5").exists()
    assert main(["explain", str(old)]) == 2
