"""The lineage of a recorded run: complete, over resume and branch, and readable elsewhere."""

import numpy as np
import pandas as pd
import pytest

import tme_sim
from tests.model.small import SMALL, small
from tme_sim import cli, simulation
from tme_sim.analysis.lineage.figures import nested
from tme_sim.analysis.lineage.tree_files import tree_sequence, write_newick
from tme_sim.analysis.lineage.trees import clone_sizes, descendants, sample_of_living, tree_of
from tme_sim.output.pedigree import living


def mutable():
    """The small scenario with a mutation in every fifth daughter and none from before the run."""
    tumor = {key: value for key, value in SMALL["cells"]["tumor"].items() if key != "represents"}
    cells = {**SMALL["cells"], "tumor": tumor}
    return small({"evolution.NRAS_Q61.rate": "0.2 per division"}, cells=cells)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("lineage") / "run.h5"
    return tme_sim.simulate(mutable(), path)


def test_every_cell_of_every_frame_has_its_place_in_the_pedigree(run):
    table = run.pedigree

    assert table["id"].is_unique
    for time in run.times:
        cells = run.cells(float(time)).set_index("id")
        there = (table["birth"] <= time) & ~(table["cleared"] <= time)
        assert set(table["id"][there]) == set(cells.index)
        alive = set(cells.index[cells["status"] == "alive"])
        assert set(table["id"][living(table, time)]) == alive
        known = table.set_index("id").loc[cells.index]
        for column in ("type", "clone"):
            assert (known[column].to_numpy() == cells[column].to_numpy()).all()


def test_births_have_mothers_deaths_have_causes_and_mutations_have_clones(run):
    table = run.pedigree.set_index("id", drop=False)
    born, died = table[table["origin"] == "birth"], table[table["death"].notna()]
    assert len(born) > 20
    assert born["mother"].isin(table["id"]).all()
    assert (table.loc[born["mother"], "birth"].to_numpy() < born["birth"].to_numpy()).all()
    assert died["cause"].isin(["apoptosis", "necrosis"]).all()
    mutants = table[table["mutation"] != ""]
    assert len(mutants) > 2
    assert set(mutants["mutation"]) == {"NRAS_Q61"}
    arisen = run.clones[run.clones["time"] > 0]
    assert sorted(mutants["clone"]) == sorted(arisen["index"])


def test_lineage_is_whole_after_an_interruption_and_in_a_branch(run, tmp_path):
    again = tme_sim.simulate(mutable(), tmp_path / "run.h5", until="7 h")
    assert len(again.pedigree) < len(run.pedigree)
    resumed = simulation.resume(tmp_path / "run.h5")
    pd.testing.assert_frame_equal(resumed.pedigree, run.pedigree)
    branch = simulation.branch(tmp_path / "run.h5", "6 h", output=tmp_path / "branch.h5")
    pd.testing.assert_frame_equal(branch.pedigree, run.pedigree)


def test_clone_sizes_are_those_of_the_frames(run):
    sizes = clone_sizes(run, run.times)
    for time in run.times:
        cells = run.cells(float(time))
        clones = cells["clone"][(cells["status"] == "alive") & (cells["clone"] >= 0)]
        counts = np.bincount(clones, minlength=len(run.clones))
        assert sizes.loc[time].tolist() == counts.tolist()


FAMILY = pd.DataFrame(  # 1 divides at 10 (2) and 30 (4), 2 at 20 (3); 3 dies at 25; 9 came alone
    {
        "id": [1, 9, 2, 3, 4],
        "mother": [0, 0, 1, 2, 1],
        "origin": ["founder", "founder", "birth", "birth", "birth"],
        "birth": [0.0, 0.0, 10.0, 20.0, 30.0],
        "death": [np.nan, np.nan, np.nan, 25.0, np.nan],
        "clone": [0, 0, 0, 0, 0],
    }
)


def test_the_full_tree_of_a_small_family(tmp_path):
    tree = tree_of(FAMILY, 40.0)
    write_newick(tmp_path / "tree.nwk", tree, FAMILY)

    lines = (tmp_path / "tree.nwk").read_text().replace(" ", "").splitlines()
    assert len(tree) == 3 + 5
    day = 10.0 / 1440.0
    second = f"(3:{day / 2:.9g},2:{2 * day:.9g}):{day:.9g}"
    third = f"(1:{day:.9g},4:{day:.9g}):{2 * day:.9g}"
    assert lines[0] == f"({second},{third}):{day:.9g};"
    assert lines[1] == f"9:{4 * day:.9g};"


def test_a_sampled_tree_keeps_only_what_splits():
    sample = sample_of_living(FAMILY, 40.0)
    tree = tree_of(FAMILY, 40.0, sample=sample & (FAMILY["id"] != 9).to_numpy())
    assert tree.leaf.sum() == 3
    assert tree.time[~tree.leaf].tolist() == [10.0, 30.0]
    own = tree.cell == 2  # the line of cell 2, past the division of which nothing is left
    assert tree.start[own].tolist() == [10.0]
    assert tree.time[own].tolist() == [40.0]


def test_descendants_count_the_living():
    assert descendants(FAMILY, 40.0).tolist() == [3, 1, 1, 0, 1]
    assert descendants(FAMILY, 22.0).tolist() == [3, 1, 2, 1, 0]


def test_bands_of_clones_lie_within_those_they_arose_in():
    assert nested(np.array([-1, 0, 1, -1, 0])) == [0, 1, 2, 2, 1, 4, 4, 0, 3, 3]


@pytest.mark.parametrize("full", [True, False])
def test_newick_is_read_back_by_dendropy(run, tmp_path, full):
    dendropy = pytest.importorskip("dendropy", reason="dendropy reads Newick")
    table, end = run.pedigree, run.times[-1]
    sample = None if full else sample_of_living(table, end)
    write_newick(tmp_path / "t.nwk", tree_of(table, end, sample=sample), table)

    trees = dendropy.TreeList.get(path=tmp_path / "t.nwk", schema="newick")
    leaves = {int(leaf.taxon.label): leaf for tree in trees for leaf in tree.leaf_node_iter()}
    wanted = table if full else table[sample]
    assert set(leaves) == set(wanted["id"])
    founder = table.set_index("id")["birth"].to_dict()
    mother = table.set_index("id")["mother"].to_dict()
    for row in wanted.itertuples():
        root = row.id
        while mother.get(root, 0) in founder:
            root = mother[root]
        length, above = 0.0, leaves[row.id]
        while above is not None:
            length, above = length + above.edge_length, above.parent_node
        last = end if np.isnan(row.death) else row.death
        assert length * 1440.0 == pytest.approx(last - founder[root], abs=1e-3)


def test_tree_sequences_hold_mutations_and_living_samples(run):
    pytest.importorskip("tskit", reason="tskit writes tree sequences")
    table, end = run.pedigree, run.times[-1]
    whole = tree_sequence(run)
    assert whole.num_samples == table["death"].isna().sum()
    mutants = table[table["mutation"] != ""]
    ages = sorted(mutation.time for mutation in whole.mutations())
    np.testing.assert_allclose(ages, np.sort(end - mutants["birth"]), atol=1e-4)
    sample = sample_of_living(table, end, 12)
    few = tree_sequence(run, sample)
    assert {node.metadata["id"] for node in few.nodes() if node.is_sample()} == set(
        table["id"][sample]
    )
    clones = run.clones.set_index("index")
    carriers = {node.metadata["id"]: set() for node in few.nodes() if node.is_sample()}
    for variant in few.variants():
        for node, state in zip(few.samples(), variant.genotypes, strict=True):
            if state:
                carriers[few.node(node).metadata["id"]].add(variant.alleles[state])
    for row in table[sample].itertuples():
        arose_in_the_run = clones.loc[row.clone, "time"] > 0
        assert carriers[row.id] == ({"NRAS_Q61"} if arose_in_the_run else set())


def test_the_command_writes_what_it_is_asked_for(run, tmp_path, capsys):
    pytest.importorskip("tskit", reason="tskit writes tree sequences")
    names = {
        "csv": "a.csv",
        "newick": "a.nwk",
        "trees": "a.trees",
        "muller": "m.png",
        "tree": "t.png",
    }
    asked = [part for kind, name in names.items() for part in (f"--{kind}", str(tmp_path / name))]
    assert cli.main(["lineage", str(run.path), *asked]) == 0
    assert all((tmp_path / name).stat().st_size > 100 for name in names.values())
    assert f"{len(run.pedigree)} cells ever" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "a.csv")) == len(run.pedigree)
    assert cli.main(["lineage", str(run.path), "--full", "--sample", "3"]) == 2
