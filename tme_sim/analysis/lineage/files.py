"""Write what the user asked for of a run's lineage, and say what was written."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tme_sim.analysis.figures.style import refuse_suffix
from tme_sim.analysis.lineage.figures import draw_muller, draw_tree
from tme_sim.analysis.lineage.tree_files import tree_sequence, write_newick
from tme_sim.analysis.lineage.trees import sample_of_living, tree_of
from tme_sim.files import written
from tme_sim.output.run import Run
from tme_sim.output.tables import write_csv

FIGURES = {"muller", "tree"}
DRAWN_LEAVES = 300  # more lines cannot be told apart in a figure


def write(
    run: Run, files: Mapping[str, Path], *, full: bool = False, sample: int | None = None
) -> Iterator[str]:
    """Write files by kind (csv, newick, trees, muller, tree); yields a line about each.

    Trees are those of the living tumor cells, of ``sample`` of them drawn by lot, or, ``full``, of
    everyone who ever lived. A figure of a tree shows at most 300 cells unless told otherwise.

    Raises:
        InputError: a figure has a suffix that cannot be drawn, or a file cannot be written.
    """
    for kind in FIGURES & files.keys():
        refuse_suffix(files[kind])
    table, end = run.pedigree, float(run.metrics["time"].iloc[-1])
    yield (
        f"{run.name}: {len(table)} cells ever, {int(table['death'].isna().sum())} living at the "
        f"end, {int((table['origin'] == 'birth').sum())} births, {len(run.clones)} clones, "
        f"{int((table['mutation'] != '').sum())} mutations"
    )
    chosen = None if full else sample_of_living(table, end, sample, seed=run.seed)
    for kind, path in files.items():
        with written(path) as part:
            if kind == "csv":
                write_csv(table, part)
            elif kind == "newick":
                write_newick(part, tree_of(table, end, sample=chosen), table)
            elif kind == "trees":
                tree_sequence(run, chosen).dump(part)
            elif kind == "muller":
                draw_muller(run, part)
            elif kind == "tree":
                few = sample_of_living(table, end, sample or DRAWN_LEAVES, seed=run.seed)
                draw_tree(run, tree_of(table, end, sample=None if full else few), part)
        yield f"wrote {path}"
