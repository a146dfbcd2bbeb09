"""Tables of a few rows in the format of a data set, for tests of its reader and its scores."""

import numpy as np

from surrogates.data import ligand_tf, petab, viability


def viability_tables(path):
    """Two lines, two drugs, one dose each; the second gene row is a repeat."""
    folder = path / viability.FOLDER
    folder.mkdir()
    ids = ["C_1", "C_2", "C_3"]
    _write(folder, "viability.tsv", ["Row", "viability"], zip(ids, [0.9, 0.4, 1.1], strict=True))
    _write(
        folder,
        "drug.tsv",
        ["Row", "Erlotinib", "PLX_{4720}"],
        [["C_1", 3.0, 0], ["C_2", 0, 2.0], ["C_3", 0, 3.0]],
    )
    _write(folder, "cellLine.tsv", ["Row", "A", "B"], [["C_1", 1, 0], ["C_2", 0, 1], ["C_3", 1, 0]])
    _write(
        folder,
        "mutations.tsv",
        ["Row", "B", "A"],
        [
            ["MUT_MutAA[V600K]-BRAF", 1, 0],
            ["MUT_MutAA[G466R]-BRAF", 0, 1],
            ["MUT_MutAA[G12D]-KRAS", 0, 1],
        ],
    )
    _write(folder, "CVtest.tsv", ["Row", "testfold"], [["C_3", 1], ["C_2", 2], ["C_1", 1]])
    _write(
        folder,
        "cellLineRKPMZscored_subset.tsv",
        ["", "A", "B"],
        [["EGFR", 1.5, -0.5], ["EGFR", 1.5, -0.5], ["MET", 0.0, 2.0]],
    )
    return path


def _write(folder, name, header, rows):
    text = "\n".join("\t".join(map(str, line)) for line in (header, *rows))
    (folder / name).write_text(text + "\n")


def petab_tables(path):
    """Two conditions, two gels, an observable without a node, one on a log scale."""
    folder = path / petab.FOLDER / petab.STUDIES[0].name
    folder.mkdir(parents=True)
    tables = {
        "experimentalCondition": "conditionId\tconditionName\tSorafenib\tUO126\n"
        "c1\t\t0\t0\nc2\t\t0\t30\n",
        "observables": "observableId\tobservableFormula\tobservableTransformation\n"
        "pErk\ts*pERK\tlog10\npMek\ts*pMEK\tlin\nRaf\tRAF\tlin\n",
        "measurementData": "observableId\tsimulationConditionId\tmeasurement\ttime\t"
        "observableParameters\n"
        "pErk\tc1\t10\t0\tgel1\npErk\tc1\t1000\t1\tgel1\n"
        "pErk\tc2\t7\t1\tgel2\npMek\tc2\t5\t0.5\tgel2\nRaf\tc1\t3\t1\tgel1\n",
    }
    for name, text in tables.items():
        (folder / f"{name}_{petab.STUDIES[0].name}.tsv").write_text(text)
    return path


def ligand_tables(path):
    """Twelve conditions of two ligands, two factors, two folds."""
    folder = path / ligand_tf.FOLDER
    folder.mkdir()
    names = [f"c{k}" for k in range(12)]
    draw = np.random.default_rng(2)
    x, y = draw.integers(0, 2, (12, 2)), draw.random((12, 2))
    for name, columns, values in (("Ligands", "L1\tL2", x), ("TFs", "T1\tT2", y)):
        lines = [
            "\t" + columns,
            *("\t".join([n, *map(str, row)]) for n, row in zip(names, values, strict=True)),
        ]
        (folder / f"ligandScreen-{name}.tsv").write_text("\n".join(lines) + "\n")
    (folder / "ligandScreen-Model.tsv").write_text(
        "source\ttarget\tstimulation\tinhibition\treferences\n"
        "L1\tT1\t1\t0\t\nL2\tT2\t0\t0\t\nT1\tT2\t0\t1\t\n",
    )
    (folder / "CVligandScreen-conditions.tsv").write_text(
        "Index\tCondition\n0\tc0\n0\tc1\n1\tc5\n1\tc7\n"
    )
    return folder
