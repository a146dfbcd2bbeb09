"""Raise an input and the output moves the right way: every path the trained network must have.

A row: (input, from, to, what else the cell meets, {node or output: sign}) and whose cell. Cells
start from their drug-free steady state; before 24 and before 48 h their mean over three hours must
differ with the sign, by more than LEAST of the larger value. Where a mutation, a cell type or an
absent partner cuts a path, at most LEAKS of the whole path's effect may come through. All cells run
in one batch.
"""

import numpy as np
import pytest

import surrogates
from surrogates.channels import (
    NODES,
    OUTPUTS,
    SURROUNDINGS,
    basal_inputs,
    cell_type_code,
    genotype_bits,
)
from surrogates.contract import Cells
from surrogates.phenotype import net_growth_rate

LEAST = 0.01  # of the larger of the two values
LEAKS = 0.25  # of what the whole path carries
NAMES = (*NODES, *OUTPUTS, "growth_rate_net")
BRAF, WILD = ("BRAF_V600E",), ()
DRUG = {"vemurafenib": 1.0}
SEEN = {"antigen": 1.0}
BRAKED = {"antigen": 1.0, "PDL1_contact": 2.0}

TUMOR = [  # in a BRAF-V600E tumor cell
    (
        "vemurafenib",
        0,
        1,
        {},
        {
            "ERK": -1,
            "DUSP6": -1,
            "RTK_expr": 1,
            "BIM": 1,
            "PERSISTER": 1,
            "g1s_rate": -1,
            "growth_rate_net": -1,
            "apoptosis_rate": 1,
            "glucose_uptake": -1,
            "lactate_secretion": -1,
            "MHC1": 1,
            "antigen": 1,
        },
    ),
    ("LY3009120", 0, 1, {}, {"ERK": -1, "growth_rate_net": -1}),
    ("trametinib", 0, 0.01, {}, {"ERK": -1, "growth_rate_net": -1, "lactate_secretion": -1}),
    ("cobimetinib", 0, 0.1, {}, {"ERK": -1, "growth_rate_net": -1}),
    (
        "HGF",
        0,
        1,
        DRUG,
        {"MET": 1, "ERK": 1, "AKT": 1, "g1s_rate": 1, "growth_rate_net": 1, "HGF_clearance": -1},
    ),
    (
        "capmatinib",
        0,
        1,
        DRUG | {"HGF": 1.0},
        {"MET": -1, "ERK": -1, "growth_rate_net": -1, "HGF_clearance": 1},
    ),
    ("EGF", 0.02, 2, DRUG, {"EGFR": 1, "ERK": 1, "EGF_clearance": -1}),
    ("NRG1", 0, 1, DRUG, {"ERBB3": 1, "AKT": 1, "g1s_rate": 1}),
    ("IGF1", 0, 5, {}, {"IGF1R": 1, "AKT": 1}),
    ("FGF2", 0, 2, DRUG, {"FGFR": 1, "ERK": 1}),
    (
        "pictilisib",
        0,
        1,
        {},
        {
            "PI3K": -1,
            "AKT": -1,
            "mTORC1": -1,
            "FOXO": 1,
            "RTK_expr": 1,
            "growth_rate": -1,
            "g1s_rate": -1,
            "glucose_uptake": -1,
        },
    ),
    ("palbociclib", 0, 1, {}, {"CyclinD": -1, "RB": 1, "g1s_rate": -1, "growth_rate_net": -1}),
    (
        "doxorubicin",
        0,
        0.3,
        {},
        {
            "DNA_damage": 1,
            "p53": 1,
            "p21": 1,
            "g2m_rate": -1,
            "apoptosis_rate": 1,
            "s_duration_factor": 1,
            "growth_rate_net": -1,
        },
    ),
    ("galunisertib", 0, 5, {"TGFb": 0.3}, {"SMAD23": -1, "ZEB1": -1, "CDH1": 1}),
    (
        "oxygen",
        5,
        38,
        {},
        {
            "HIF1A": -1,
            "VEGF_secretion": -1,
            "g1s_rate": 1,
            "LDHA": -1,
            "GLUT1": -1,
            "oxygen_uptake": 1,
            "growth_rate_net": 1,
            "adenosine_secretion": -1,
            "PDL1": -1,
            "s_duration_factor": -1,
        },
    ),
    (
        "oxygen",
        0.3,
        5,
        {"glucose": 0.5},
        {"ATP": 1, "AMPK": -1, "necrosis_rate": -1, "g2m_rate": 1},
    ),
    ("glucose", 0.05, 5, {}, {"mTORC1": 1, "growth_rate": 1}),
    ("glucose", 0.05, 5, {"oxygen": 1.0}, {"ATP": 1, "necrosis_rate": -1}),
    ("glutamine", 0.005, 0.6, {}, {"mTORC1": 1, "growth_rate": 1}),
    ("lactate", 1.5, 30, {}, {"CyclinD": -1, "g1s_rate": -1, "HIF1A": 1}),
    ("pH", 6.4, 7.4, {}, {"CyclinD": 1, "g1s_rate": 1}),
    (
        "TGFb",
        0.002,
        0.3,
        {},
        {
            "SMAD23": 1,
            "SMAD7": 1,
            "SNAIL": 1,
            "ZEB1": 1,
            "CDH1": -1,
            "p21": 1,
            "g1s_rate": -1,
            "speed": 1,
            "adhesion": -1,
            "TGFb_secretion": 1,
        },
    ),
    (
        "IFNg",
        0,
        0.3,
        {},
        {
            "STAT1": 1,
            "IRF1": 1,
            "PDL1": 1,
            "MHC1": 1,
            "antigen": 1,
            "CXCL10_secretion": 1,
            "p21": 1,
            "g1s_rate": -1,
            "CASP8": 1,
            "IFNg_clearance": -1,
        },
    ),
    ("IL6", 0, 1, {}, {"STAT3": 1, "SOCS3": 1, "BCL2": 1, "MYC": 1, "PDL1": 1}),
    (
        "TNF",
        0,
        0.3,
        {},
        {
            "NFkB": 1,
            "A20": 1,
            "JNK": 1,
            "IL6_secretion": 1,
            "CCL2_secretion": 1,
            "TNF_clearance": -1,
        },
    ),
    ("IL1", 0, 0.1, {}, {"NFkB": 1, "IL6_secretion": 1}),
    (
        "crowding",
        0,
        15,
        {},
        {"YAP": -1, "g1s_rate": -1, "growth_rate": -1, "CDH1": 1, "growth_rate_net": -1},
    ),
    ("stiffness", 0.05, 1, {}, {"INTEGRIN": 1, "SRC_FAK": 1, "YAP": 1, "speed": 1}),
    ("granzyme_hits", 0, 3, {}, {"GZM_hit": 1, "CASP3": 1, "apoptosis_rate": 1}),
    ("volume_ratio", 0.8, 1.6, {}, {"g1s_rate": 1, "g2m_rate": 1}),
    ("volume_ratio", 1.6, 2.4, {}, {"growth_rate": -1}),
    ("phase_age", 0.2, 6, {"phase_G2M": 1.0}, {"g2m_rate": 1}),
    ("phase_G2M", 0, 1, {}, {"adhesion": -1}),
]
T_CELL = [
    (
        "antigen",
        0,
        1,
        {},
        {
            "TCR": 1,
            "NFAT": 1,
            "PD1": 1,
            "GZMB": 1,
            "kill_rate": 1,
            "IFNg_secretion": 1,
            "IL2_secretion": 1,
            "TNF_secretion": 1,
            "g1s_rate": 1,
            "speed": -1,
            "persistence_time": -1,
        },
    ),
    (
        "PDL1_contact",
        0,
        2,
        SEEN,
        {"PD1_sig": 1, "LCK": -1, "kill_rate": -1, "IFNg_secretion": -1, "IL2_secretion": -1},
    ),
    ("pembrolizumab", 0, 100, BRAKED, {"PD1_sig": -1, "kill_rate": 1, "IFNg_secretion": 1}),
    ("B7_contact", 0, 2, SEEN, {"CD28": 1, "AKT": 1, "NFkB": 1}),
    (
        "IL2",
        0,
        0.1,
        SEEN,
        {"STAT5": 1, "g1s_rate": 1, "BCL2": 1, "GZMB": 1, "apoptosis_rate": -1, "IL2_clearance": 1},
    ),
    (
        "TGFb",
        0.002,
        0.3,
        SEEN,
        {"GZMB": -1, "kill_rate": -1, "IFNg_secretion": -1, "IL2_secretion": -1},
    ),
    ("TGFb", 0.002, 0.3, {"CXCL10": 5.0}, {"CXCR3": -1, "chemotaxis_CXCL10": -1}),
    ("lactate", 1.5, 30, SEEN, {"NFAT": -1, "GZMB": -1, "IFNg_secretion": -1, "g1s_rate": -1}),
    ("pH", 6.4, 7.4, SEEN, {"NFAT": 1, "IFNg_secretion": 1}),
    ("adenosine", 0.05, 10, SEEN, {"PKA": 1, "LCK": -1, "kill_rate": -1, "IFNg_secretion": -1}),
    ("glucose", 0.05, 5, SEEN, {"NFAT": 1, "IFNg_secretion": 1}),
    ("CXCL10", 0, 5, {}, {"CXCR3": 1, "chemotaxis_CXCL10": 1}),
]
MACROPHAGE = [
    ("CSF1", 0, 1, {}, {"CSF1R": 1, "PI3K": 1, "ERK": 1}),
    ("IL4", 0, 0.5, {}, {"STAT6": 1, "ARG1": 1, "IL10_secretion": 1, "phagocytosis_rate": 1}),
    (
        "IFNg",
        0,
        0.3,
        {},
        {"STAT1": 1, "NOS2": 1, "CXCL10_secretion": 1, "PDL1": 1, "MHC1": 1, "kill_rate": 1},
    ),
    ("TNF", 0, 0.3, {}, {"NFkB": 1, "TNF_secretion": 1, "CCL2_secretion": 1}),
    ("IL10", 0, 1, {"TNF": 0.3}, {"STAT3": 1, "NFkB": -1, "TNF_secretion": -1}),
    ("death_contact", 0, 1, {}, {"phagocytosis_rate": 1, "IL10_secretion": 1, "TGFb_secretion": 1}),
    ("CCL2", 0, 5, {}, {"CCR2": 1, "chemotaxis_CCL2": 1}),
    ("oxygen", 3, 38, {}, {"HIF1A": -1, "ARG1": -1, "VEGF_secretion": -1}),
    ("lactate", 1.5, 30, {}, {"ARG1": 1, "VEGF_secretion": 1}),
]
FIBROBLAST = [
    (
        "TGFb",
        0.002,
        0.3,
        {},
        {"SMAD23": 1, "ACTA2": 1, "contraction": 1, "TGFb_secretion": 1, "HGF_secretion": -1},
    ),
    ("galunisertib", 0, 5, {"TGFb": 0.3}, {"HGF_secretion": 1, "ACTA2": -1}),
    (
        "IL1",
        0,
        0.1,
        {"TGFb": 0.05},
        {"NFkB": 1, "HGF_secretion": 1, "IL6_secretion": 1, "CSF1_secretion": 1},
    ),
    ("FGF2", 0, 2, {}, {"FGFR": 1, "ERK": 1}),
]
ENDOTHELIUM = [
    (
        "VEGF",
        0.001,
        1,
        {},
        {
            "VEGFR": 1,
            "PERMEABILITY": 1,
            "vessel_PS": 1,
            "ADHESION_MOL": -1,
            "chemotaxis_VEGF": 1,
            "growth_rate_net": 1,
        },
    ),
    ("TNF", 0, 0.3, {}, {"ADHESION_MOL": 1, "extravasation_rate": 1}),
    ("IFNg", 0, 0.3, {}, {"ADHESION_MOL": 1, "extravasation_rate": 1}),
    ("CXCL10", 0, 5, {}, {"extravasation_rate": 1}),
]
OTHERS = [  # input, from, to, background, cell type, genotype, signs
    ("vemurafenib", 0, 1, {}, "epithelium", WILD, {"ERK": 1}),
    ("vemurafenib", 0, 1, {}, "tumor", ("NRAS_Q61",), {"ERK": 1}),
    ("EGF", 0.02, 1, {}, "epithelium", WILD, {"ERK": 1, "growth_rate_net": 1}),
    ("erlotinib", 0, 1, {}, "tumor", ("EGFR_mut",), {"EGFR": -1, "ERK": -1, "growth_rate_net": -1}),
    ("erlotinib", 0, 1, DRUG | {"EGF": 2.0}, "tumor", BRAF, {"EGFR": -1, "ERK": -1}),
    ("doxorubicin", 0, 0.3, {}, "tumor", (*BRAF, "TP53_loss"), {"g2m_rate": -1}),
    ("IFNg", 0, 0.3, {}, "tumor", (*BRAF, "B2M_loss"), {"PDL1": 1}),
]
CUTS = [  # input, from, to, where the path is cut, where it is whole, what it moves there
    (
        "erlotinib",
        0,
        1,
        ({}, "tumor", ("EGFR_mut", "EGFR_T790M")),
        ({}, "tumor", ("EGFR_mut",)),
        ("EGFR", "ERK"),
    ),
    ("palbociclib", 0, 1, ({}, "tumor", (*BRAF, "RB1_loss")), ({}, "tumor", BRAF), ("g1s_rate",)),
    ("doxorubicin", 0, 0.3, ({}, "tumor", (*BRAF, "TP53_loss")), ({}, "tumor", BRAF), ("p53",)),
    (
        "IFNg",
        0,
        0.3,
        ({}, "tumor", (*BRAF, "JAK1_loss")),
        ({}, "tumor", BRAF),
        ("STAT1", "PDL1", "MHC1", "CXCL10_secretion"),
    ),
    ("IL6", 0, 1, ({}, "tumor", (*BRAF, "JAK1_loss")), ({}, "tumor", BRAF), ("STAT3",)),
    ("IFNg", 0, 0.3, ({}, "tumor", (*BRAF, "B2M_loss")), ({}, "tumor", BRAF), ("MHC1",)),
    (
        "oxygen",
        0.3,
        5,
        ({"glucose": 0.5}, "tumor", (*BRAF, "STK11_loss")),
        ({"glucose": 0.5}, "tumor", BRAF),
        ("AMPK",),
    ),
    (
        "antigen",
        0,
        1,
        ({}, "tumor", BRAF),
        ({}, "cd8_t", WILD),
        ("kill_rate", "IFNg_secretion", "IL2_secretion"),
    ),
    ("antigen", 0, 1, ({}, "fibroblast", WILD), ({}, "cd8_t", WILD), ("TCR", "IL2_secretion")),
    ("TNF", 0, 0.3, ({}, "cd8_t", WILD), ({}, "endothelial", WILD), ("extravasation_rate",)),
    ("HGF", 0, 1, (DRUG, "cd8_t", WILD), (DRUG, "tumor", BRAF), ("MET", "ERK")),
    ("PDL1_contact", 0, 2, ({}, "cd8_t", WILD), (SEEN, "cd8_t", WILD), ("kill_rate",)),
    ("pembrolizumab", 0, 100, (SEEN, "cd8_t", WILD), (BRAKED, "cd8_t", WILD), ("kill_rate",)),
    (
        "capmatinib",
        0,
        1,
        (DRUG, "tumor", BRAF),
        (DRUG | {"HGF": 1.0}, "tumor", BRAF),
        ("MET", "ERK"),
    ),
    ("CXCL10", 0, 5, ({}, "macrophage", WILD), ({}, "cd8_t", WILD), ("chemotaxis_CXCL10",)),
    ("vemurafenib", 0, 1, ({}, "tumor", (*BRAF, "NRAS_Q61")), ({}, "tumor", BRAF), ("ERK",)),
]


def table():
    """Rows of all cell types, and one path per row and output: (number of the row, row, ...)."""
    rows = [(*row[:4], "tumor", BRAF, row[4]) for row in TUMOR]
    for cell_type, group in (
        ("cd8_t", T_CELL),
        ("macrophage", MACROPHAGE),
        ("fibroblast", FIBROBLAST),
        ("endothelial", ENDOTHELIUM),
    ):
        rows += [(*row[:4], cell_type, WILD, row[4]) for row in group]
    rows += OTHERS
    return rows, [
        (k, row, name, sign) for k, row in enumerate(rows) for name, sign in row[6].items()
    ]


ROWS, PATHS = table()
CHANGES = [row[:6] for row in ROWS] + [
    (*cut[:3], *context) for cut in CUTS for context in (cut[3], cut[4])
]


def label(name, background, cell_type, genotype, output):
    with_what = "".join(f"+{other}" for other in background)
    who = "+".join((cell_type, *(g for g in genotype if g != "BRAF_V600E")))
    return f"{name}{with_what}-{who}-{output}"


@pytest.fixture(scope="module")
def answers():
    """Before and after every change, (2 times, n_changes, 2, n_names): means over three hours."""
    model = surrogates.load("tme-cell")
    inputs = basal_inputs(2 * len(CHANGES), model.inputs).reshape(len(CHANGES), 2, -1)
    columns = [channel.name for channel in model.inputs]
    for k, (name, before, after, background, *_) in enumerate(CHANGES):
        for other, level in background.items():
            inputs[k, :, columns.index(other)] = level
        inputs[k, :, columns.index(name)] = before, after
    inputs = inputs.reshape(2 * len(CHANGES), -1)
    code = np.repeat([cell_type_code(row[4]) for row in CHANGES], 2).astype(np.int8)
    bits = np.repeat([genotype_bits(row[5]) for row in CHANGES], 2).astype(np.int32)
    state = model.initial_state(code, bits)
    out, found = model.allocate(len(state)), []
    for _ in range(2):
        for length in (21 * 60.0, *[6.0] * 30):
            model.step(Cells(state, inputs, bits, code), length, out=out)
            state = out.state.copy()
            growth = net_growth_rate(out.outputs)[:, None]
            found.append(np.concatenate([state, out.outputs, growth], axis=1))
    means = np.array(found).reshape(2, 31, -1, len(NAMES))[:, 1:].mean(axis=1)
    return means.reshape(2, len(CHANGES), 2, len(NAMES))


def changes(answers, number, name):
    """At both times: change, and the same as a share of the larger value."""
    before, after = answers[:, number, :, NAMES.index(name)].T
    return after - before, (after - before) / np.maximum(np.maximum(abs(before), abs(after)), 1e-12)


def name_of(row, name, sign):
    arrow = {1: "up", -1: "down"}[sign]
    return f"{label(row[0], *row[3:6], name)}-{arrow}"


@pytest.mark.parametrize(
    ("number", "name", "sign"),
    [pytest.param(k, name, sign, id=name_of(row, name, sign)) for k, row, name, sign in PATHS],
)
def test_an_output_moves_the_right_way(answers, number, name, sign):
    _, share = changes(answers, number, name)
    assert (share * sign > LEAST).all(), share


@pytest.mark.parametrize(
    ("number", "name"),
    [
        pytest.param(k, name, id=label(cut[0], *cut[3], name))
        for k, cut in enumerate(CUTS)
        for name in cut[5]
    ],
)
def test_a_path_that_is_cut_carries_little(answers, number, name):
    cut, _ = changes(answers, len(ROWS) + 2 * number, name)
    whole, share = changes(answers, len(ROWS) + 2 * number + 1, name)
    assert (abs(share) > LEAST).all()
    assert (abs(cut) <= LEAKS * abs(whole)).all(), cut / whole


def test_every_input_and_every_output_has_a_path():
    moved = {row[0] for _, row, _, _ in PATHS}
    answered = {name for _, _, name, _ in PATHS}
    assert set(SURROUNDINGS) - moved == {"phase_S"}  # moves little by itself, gates doxorubicin
    unread = {
        "chemotaxis_oxygen",
        "glutamine_uptake",
        "EGF_secretion",
        "TGFb_clearance",
        "VEGF_clearance",
        "CXCL10_clearance",
    }
    assert set(OUTPUTS) - answered == unread
