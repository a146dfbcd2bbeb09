"""What makes a finished run new: the code that a run reads, and nothing else."""

import shutil

import pytest

from tests.scan.scans import write
from tme_sim.scan import scan, version

READ = [
    "tme_sim/processes/contact.py",
    "tme_sim/compute/launch.py",
    "tme_sim/scenario/catalogue/drugs.yaml",
    "surrogates/network/kernels/tiles.py",
    "surrogates/prior/edges.tsv",
]
NOT_READ = [
    "tme_sim/analysis/metrics.py",
    "tme_sim/bench/tick.py",
    "tme_sim/cli/run.py",
    "tme_sim/output/info.py",
    "tme_sim/replay/frames.py",
    "tme_sim/scan/design.py",
    "surrogates/data/cytof.py",
    "surrogates/evaluation/evaluate.py",
    "surrogates/own_network/fit.py",
    "surrogates/training/pipeline.py",
]


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of both packages, which is what runs are said to have been made with."""
    for package in ("tme_sim", "surrogates"):
        for file in (version.ROOT / package).rglob("*"):
            if file.suffix in (".py", ".yaml", ".tsv") and "node_modules" not in file.parts:
                copy = tmp_path / "sources" / file.relative_to(version.ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
    monkeypatch.setattr(version, "ROOT", tmp_path / "sources")
    version.code.cache_clear()
    yield tmp_path / "sources"
    version.code.cache_clear()


def edit(file):
    version.code.cache_clear()
    file.write_text(file.read_text() + "# edited\n")


def test_a_finished_scan_stays_finished_unless_what_a_run_reads_is_edited(sources, tmp_path, here):
    path = write(tmp_path, replicates=1)
    scan.run(scan.plan(path))
    n_tasks = len(here.submitted)

    edit(sources / "surrogates/data/cytof.py")
    edit(sources / "surrogates/evaluation/evaluate.py")
    scan.run(scan.plan(path), resume=True)
    assert len(here.submitted) == n_tasks > 0

    edit(sources / "tme_sim/processes/contact.py")
    scan.run(scan.plan(path), resume=True)
    assert len(here.submitted) == 2 * n_tasks


@pytest.mark.parametrize("name", READ)
def test_what_a_run_reads_enters_the_hash(sources, name):
    before = version.code()
    edit(sources / name)

    assert version.code() != before


def test_what_no_run_reads_leaves_the_hash_alone(sources):
    before = version.code()
    for name in NOT_READ:
        edit(sources / name)

    assert version.code() == before


def test_the_hash_does_not_depend_on_where_the_packages_are(request):
    installed = version.code()
    request.getfixturevalue("sources")

    assert version.code() == installed
