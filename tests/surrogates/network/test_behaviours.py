"""What the trained network must do, from the literature; ordinal where there is no number.

Expected failures are strict: what the network learns to do turns them green, and then they must go.
"""

from dataclasses import replace

import numpy as np
import pytest

import surrogates
from surrogates.channels import (
    INPUTS,
    NODES,
    OUTPUTS,
    basal_inputs,
    cell_type_code,
    genotype_bits,
)
from surrogates.contract import Cells
from surrogates.data.conditions import draw_courses
from surrogates.dosed import dosed
from surrogates.metabolism import (
    BIOMASS_PYRUVATE,
    GLUCOSE_HALF,
    OXYGEN_HALF,
    OXYGEN_PER_PYRUVATE,
)
from surrogates.network.ensemble import TmeCell
from surrogates.out_of_domain import Guarded
from surrogates.trajectory import Trajectory
from tests.surrogates.doses import NAMES

MELANOMA = ("BRAF_V600E",)
DAY = 24  # hours
EGF = 16.0  # [nM], 100 ng/mL
OXYGEN = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 38.0, 140.0)  # [mmHg]
PAIR = {"vemurafenib": 0.03, "trametinib": 3e-4}
TREATMENTS = [  # of the melanoma cell, run in one batch
    *({"vemurafenib": dose} for dose in (0.03, 1.0, 8.0, 16.0, 32.0)),
    {"trametinib": 3e-4},
    PAIR,
    {"vemurafenib": 1.0, "HGF": 1.0},
    {"vemurafenib": 1.0, "HGF": 1.0, "capmatinib": 1.0},
    {"EGF": 2.0},
    {"vemurafenib": 1.0, "EGF": 2.0},
    {"IFNg": 0.3},
    {"TNF": 0.3},
    {"TGFb": 0.3},
    {"doxorubicin": 0.3},
    {"NRG1": 0.1},
    {"NRG1": 0.1, "pictilisib": 1.0},
    *({"oxygen": level} for level in OXYGEN),
]


def without_members(model):
    """The ensemble without the members' free runs that `simulate` adds for `std`."""
    return dosed(Guarded(model, lambda *_: None))


class Lab:
    """Courses of a model, each run once."""

    def __init__(self, model):
        self.model, self._courses = model, {}

    def run(self, hours=24, genotype=MELANOMA, cell_type="tumor", *, dt=6.0, **inputs):
        key = repr((hours, genotype, cell_type, dt, sorted(inputs.items())))
        if key not in self._courses:
            self._courses[key] = self.model.simulate(
                cell_type=cell_type, genotype=genotype, minutes=hours * 60, dt=dt, inputs=inputs
            )
        return self._courses[key]

    def together(self, conditions, hours=24, genotype=MELANOMA, cell_type="tumor"):
        """Run conditions of constant inputs in one batch, for `run` to find."""
        n, n_ticks = len(conditions), hours * 10
        inputs = basal_inputs(n, self.model.inputs)
        for row, condition in zip(inputs, conditions, strict=True):
            for name, level in condition.items():
                row[NAMES.index(name)] = level
        bits = np.full(n, genotype_bits(genotype), np.int32)
        code = np.full(n, cell_type_code(cell_type), np.int8)
        state, out = self.model.initial_state(code, bits), self.model.allocate(n)
        nodes, outputs = [], []
        for tick in range(n_ticks + 1):
            self.model.step(Cells(state, inputs, bits, code), 6.0 if tick else 0.0, out=out)
            state = out.state.copy()
            nodes.append(state)
            outputs.append(out.outputs.copy())
        time = np.arange(n_ticks + 1) * 6.0
        for k, condition in enumerate(conditions):
            key = repr((hours, genotype, cell_type, 6.0, sorted(condition.items())))
            self._courses[key] = Trajectory(
                time, np.array(nodes)[:, k], np.array(outputs)[:, k], np.ones(n_ticks + 1, bool)
            )

    def end(self, name, *args, last=30, **conditions):
        """Mean over the last `last` ticks."""
        return float(self.run(*args, **conditions)[name][-last:].mean())


@pytest.fixture(scope="module")
def network():
    return surrogates.load("tme-cell").model


@pytest.fixture(scope="module")
def lab(network):
    lab = Lab(without_members(network))
    lab.together([{}, *TREATMENTS], hours=48)
    lab.together([{}, *TREATMENTS])
    return lab


def without(network, node):
    """The same network with a node lost."""
    competence = network.network.competence.copy()
    competence[:, NODES.index(node)] = 0.0
    return Lab(
        without_members(
            TmeCell(
                replace(network.network, competence=competence),
                network.raw,
                network.domain,
                name="",
                hash="",
            )
        )
    )


# --- MAPK -----------------------------------------------------------------------------------


def test_erk_rebounds_2_to_4_fold_within_a_day_of_raf_inhibitor(lab):
    """Lito 2012, doi:10.1016/j.ccr.2012.10.009."""
    erk = lab.run(vemurafenib=1.0)["ERK"]
    assert 2.0 <= erk[-1] / erk.min() <= 4.0


def test_erk_comes_back_after_its_nadir(lab):
    erk = lab.run(vemurafenib=1.0)["ERK"]
    assert erk.argmin() < 60
    assert erk[-1] > 1.5 * erk.min()


def test_erk_stays_low_on_drug(lab):
    erk = lab.run(vemurafenib=1.0)["ERK"]
    assert erk[-1] < 0.12 * erk[0]


def pulse(lab, hours_on_drug, hours_after=1, **ligand):
    """ERK over untreated ERK after a ligand is given, from the tick that gives it on."""
    start = DAY * 60
    inputs = {"vemurafenib": [(0, 0.0), (start - hours_on_drug * 60, 1.0)]}
    for name, level in ligand.items():
        inputs[name] = [(0, 0.02 if name == "EGF" else 0.0), (start, level)]
    course = lab.run(DAY + hours_after, **inputs)
    return course["ERK"][DAY * 10 :] / lab.run()["ERK"][-1]


def test_relieved_feedback_lets_egf_exceed_the_untreated_level(lab):
    """Gerosa 2020, doi:10.1016/j.cels.2020.10.002: 1.5 to 1.9 times at 1 uM after 24 h."""
    assert 1.5 <= pulse(lab, 24, EGF=EGF).max() <= 1.9
    assert pulse(lab, 0.0, EGF=EGF).max() < 1.3


def test_the_response_to_egf_comes_back_with_time_on_drug(lab):
    peaks = [pulse(lab, hours, EGF=EGF).max() for hours in (0.5, 1, 2, 4, 24)]
    assert peaks == sorted(peaks)


RECOVERY = {  # ERK over control 15 min after the ligand, by hours on drug; Gerosa 2020
    "EGF": {0.5: 0.31, 1: 0.46, 2: 0.66, 4: 1.17, 8: 1.39, 24: 1.60},
    "HGF": {0.5: 0.75, 1: 0.96, 2: 2.06, 4: 2.12, 8: 2.11, 24: 1.67},
}


@pytest.mark.xfail(
    strict=True,
    reason="RMSE 0.46 for EGF, 0.33 for HGF, without offset and "
    "scale of a plate and at ticks of 6 min (teacher 0.16, 0.19)",
)
@pytest.mark.parametrize(("ligand", "level"), [("EGF", EGF), ("HGF", 1.2)])
def test_the_recovery_of_the_response_has_the_measured_course(lab, ligand, level):
    found = [
        np.interp(15.0, np.arange(0.0, 66.0, 6.0), pulse(lab, hours, **{ligand: level})[:11])
        for hours in RECOVERY[ligand]
    ]
    error = np.array(found) - np.array(list(RECOVERY[ligand].values()))
    assert np.sqrt((error**2).mean()) <= 0.2


def test_the_pulse_is_a_pulse(lab):
    response = pulse(lab, 24, 8, EGF=EGF)
    assert response[-30:].mean() < 0.5 * response.max()


def test_the_pulse_is_over_after_two_hours(lab):
    assert pulse(lab, 24, 2, EGF=EGF)[20] <= 0.3


def half_dose(lab, drug, doses, **background):
    lab.together([background, *(background | {drug: dose} for dose in doses)])
    control = lab.end("ERK", **background)
    left = [lab.end("ERK", **background, **{drug: dose}) / control for dose in doses]
    return float(np.exp(np.interp(-0.5, -np.array(left), np.log(doses))))


@pytest.mark.xfail(strict=True, reason="26 times since pERK itself entered training (teacher 68)")
def test_mek_inhibitor_needs_thirty_times_the_dose_against_dimers(lab):
    basal = half_dose(lab, "trametinib", [3e-5, 1e-4, 3e-4, 1e-3, 3e-3])
    driven = half_dose(lab, "trametinib", [3e-3, 0.01, 0.03, 0.1, 0.3], vemurafenib=1.0, HGF=1.0)
    assert driven / basal >= 30.0


def doublings(lab, *args, **conditions):
    return lab.end("growth_rate_net", 48, *args, **conditions) * 1440.0


def test_hgf_rescues_and_a_met_inhibitor_takes_it_away(lab):
    """Straussman 2012, doi:10.1038/nature11183; Wilson 2012, doi:10.1038/nature11249."""
    free, alone = doublings(lab), doublings(lab, vemurafenib=1.0)
    rescued = doublings(lab, vemurafenib=1.0, HGF=1.0)
    blocked = doublings(lab, vemurafenib=1.0, HGF=1.0, capmatinib=1.0)
    assert rescued - alone > 0.5 * (free - alone)
    assert blocked - alone < 0.2 * (free - alone)


@pytest.mark.parametrize(("dose", "measured"), [(8.0, 0.242), (16.0, 0.070), (32.0, -0.016)])
def test_growth_against_dose_is_that_of_a375(lab, dose, measured):
    """Harris 2016, doi:10.1038/nmeth.3852 (PLX4720)."""
    assert doublings(lab, vemurafenib=dose) == pytest.approx(measured, abs=0.2)


@pytest.mark.parametrize(
    ("genotype", "cell_type"),
    [
        ((), "epithelium"),
        (("NRAS_Q61",), "tumor"),
    ],
)
def test_raf_inhibitor_raises_erk_where_raf_is_wild_type(lab, genotype, cell_type):
    """Poulikakos 2010, doi:10.1038/nature08902."""
    erk = lab.run(24, genotype, cell_type, vemurafenib=1.0)["ERK"]
    assert erk.max() > 1.1 * erk[0]


def test_raf_inhibitor_reactivates_egfr(lab):
    """Prahallad 2012, doi:10.1038/nature10868."""
    assert lab.end("EGFR", vemurafenib=1.0, EGF=2.0) > 1.1 * lab.end("EGFR", EGF=2.0)


def test_pi3k_inhibitor_raises_receptors_through_foxo(lab):
    """Chandarlapaty 2011, doi:10.1016/j.ccr.2010.10.031."""
    for name, least in (("FOXO", 1.3), ("RTK_expr", 1.05), ("IGF1R", 1.05), ("ERBB3", 1.01)):
        treated = lab.end(name, 48, NRG1=0.1, pictilisib=1.0)
        assert treated > least * lab.end(name, 48, NRG1=0.1), name


def test_raf_and_mek_inhibitor_do_more_together(lab):
    single = [{name: dose} for name, dose in PAIR.items()]
    assert lab.end("ERK", **PAIR) < 0.8 * min(lab.end("ERK", **one) for one in single)
    assert doublings(lab, **PAIR) < min(doublings(lab, **one) for one in single) - 0.05


def test_bim_is_stable_where_erk_is_off(lab):
    assert lab.end("BIM", vemurafenib=1.0) > 1.5 * lab.end("BIM")


# --- NFkB, p53, hypoxia, metabolism ---------------------------------------------------------


def test_tnf_makes_a_pulse_of_nfkb(lab):
    """Hoffmann 2002, doi:10.1126/science.1071914."""
    nfkb = lab.run(TNF=0.3)["NFkB"]
    assert nfkb.max() > 3.0 * nfkb[0]
    assert nfkb.argmax() * 6 < 180
    assert nfkb[-1] < 0.9 * nfkb.max()


def test_tnf_kills_only_where_nfkb_is_blocked(lab, network):
    blocked = without(network, "NFkB")
    assert lab.end("apoptosis_rate", TNF=0.3) < 2.0 * lab.end("apoptosis_rate")
    assert blocked.end("apoptosis_rate", TNF=0.3) > 10.0 * blocked.end("apoptosis_rate")


def test_p53_pulses_after_damage(lab):
    """Lahav 2004, doi:10.1038/ng1293: pulses about 5.5 h apart."""
    p53 = lab.run(48, doxorubicin=0.3)["p53"]
    peaks = (p53[1:-1] > p53[:-2] + 1e-5) & (p53[1:-1] > p53[2:])
    assert peaks.sum() >= 2


def test_interferon_raises_pdl1_and_mhc1_and_needs_jak1(lab):
    """Garcia-Diaz 2017, doi:10.1016/j.celrep.2017.04.031."""
    deaf = (*MELANOMA, "JAK1_loss")
    for name, fold in (("PDL1", 2.0), ("MHC1", 1.5)):
        assert lab.end(name, IFNg=0.3) > fold * lab.end(name)
        assert lab.end(name, 24, deaf, IFNg=0.3) < 1.05 * lab.end(name, 24, deaf)


def test_hif_is_half_maximal_at_10_to_15_mmhg(lab):
    """Jiang 1996 Am J Physiol 271:C1172."""
    hif = np.array([lab.end("HIF1A", oxygen=p) for p in OXYGEN])
    half = np.interp(-0.5 * (hif.max() + hif.min()), -hif, OXYGEN)
    assert 10.0 <= half <= 15.0


def test_hif_falls_with_oxygen_and_decays_within_an_hour_of_reoxygenation(lab):
    hif = [lab.end("HIF1A", oxygen=p) for p in OXYGEN]
    assert hif == sorted(hif, reverse=True)
    course = lab.run(30, oxygen=[(0, 1.0), (DAY * 60, 38.0)])
    assert course["HIF1A"][DAY * 10 + 10] < 0.5 * course["HIF1A"][DAY * 10]
    assert course["VEGF_secretion"][60] > 1.5 * course["VEGF_secretion"][0]


def lactate_per_glucose(lab, *more, oxygen=38.0, glucose=5.0):
    end = {
        name: lab.end(name, 48, (*MELANOMA, *more), oxygen=oxygen, glucose=glucose)
        for name in ("lactate_secretion", "glucose_uptake")
    }
    return end["lactate_secretion"] / (end["glucose_uptake"] * glucose / (GLUCOSE_HALF + glucose))


@pytest.mark.parametrize("alteration", ["MYC_amp", "PTEN_loss", "PIK3CA_mut"])
def test_myc_and_akt_turn_more_glucose_into_lactate(lab, alteration):
    assert lactate_per_glucose(lab, alteration) > 1.003 * lactate_per_glucose(lab)


def test_hypoxia_turns_more_glucose_into_lactate_and_uses_less_oxygen(lab):
    assert lactate_per_glucose(lab, oxygen=5.0) > 1.03 * lactate_per_glucose(lab)
    assert lab.end("oxygen_uptake", 48, oxygen=5.0) < lab.end("oxygen_uptake", 48)


def test_raf_inhibitor_lowers_glucose_and_lactate(lab):
    free, treated = (
        {name: lab.end(name, 48, **drug) for name in ("glucose_uptake", "lactate_secretion")}
        for drug in ({}, {"vemurafenib": 1.0})
    )
    assert treated["glucose_uptake"] < 0.6 * free["glucose_uptake"]
    assert treated["lactate_secretion"] < 0.9 * free["lactate_secretion"]


def test_lactate_and_acid_silence_t_cells(lab):
    """Fischer 2007, doi:10.1182/blood-2006-07-035972; Brand 2016 Cell Metab 24:657."""
    seen, sour = {"antigen": 1.0}, {"antigen": 1.0, "lactate": 20.0, "pH": 6.6}
    for name in ("NFAT", "IFNg_secretion"):
        assert lab.end(name, 24, (), "cd8_t", **sour) < 0.6 * lab.end(name, 24, (), "cd8_t", **seen)


def test_lactate_polarises_macrophages(lab):
    """Colegio 2014, doi:10.1038/nature13490; ordinal, but more than a trace."""
    sour = {"lactate": 30.0, "pH": 6.6}
    assert lab.end("ARG1", 48, (), "macrophage", **sour) > 1.1 * lab.end(
        "ARG1", 48, (), "macrophage"
    )


def test_tgfb_makes_a_pulse_of_smad_and_silences_cytotoxic_genes(lab):
    """Thomas and Massague 2005, doi:10.1016/j.ccr.2005.10.012."""
    smad = lab.run(TGFb=0.3)["SMAD23"]
    assert smad.argmax() * 6 < 240
    assert smad[-1] < 0.9 * smad.max()
    seen = {"antigen": 1.0}
    for name in ("GZMB", "IFNg_secretion"):
        held = lab.end(name, 24, (), "cd8_t", **seen, TGFb=0.3)
        assert held < 0.8 * lab.end(name, 24, (), "cd8_t", **seen)


# --- memories -------------------------------------------------------------------------------


def later(lab, days, states, cell_type="tumor", genotype=MELANOMA, **inputs):
    """Nodes and outputs of cells of one type after days under constant inputs, in one batch."""
    state = np.array(states, np.float32)
    levels = basal_inputs(len(state), lab.model.inputs)
    for name, level in inputs.items():
        levels[:, NAMES.index(name)] = level
    bits = np.full(len(state), genotype_bits(genotype), np.int32)
    code = np.full(len(state), cell_type_code(cell_type), np.int8)
    out = lab.model.allocate(len(state))
    lab.model.step(Cells(state, levels, bits, code), days * 1440.0, out=out)
    return out.state, out.outputs


def start(lab, cell_type="tumor", genotype=MELANOMA):
    """The drug-free steady state."""
    return lab.model.initial_state([cell_type_code(cell_type)], [genotype_bits(genotype)])


def test_zeb1_stays_for_28_days_after_weeks_of_tgfb_and_not_after_hours(lab):
    """Hysteresis, Lu 2013, doi:10.1073/pnas.1318192110."""
    zeb1 = NODES.index("ZEB1")
    weeks, _ = later(lab, 28, start(lab), TGFb=0.3)
    hours, _ = later(lab, 0.25, start(lab), TGFb=0.3)
    assert weeks[0, zeb1] > 0.5
    free, _ = later(lab, 28, [weeks[0], hours[0]])
    assert free[0, zeb1] > 0.5
    assert free[1, zeb1] < 0.2


def test_tox_stays_for_28_days_after_chronic_antigen_and_not_after_acute(lab):
    """Khan 2019, doi:10.1038/s41586-019-1325-x."""
    tox, who = NODES.index("TOX"), ("cd8_t", ())
    acute, _ = later(lab, 2, start(lab, *who), *who, antigen=1.0)
    chronic, _ = later(lab, 12, acute, *who, antigen=1.0)
    free, _ = later(lab, 28, [chronic[0], acute[0]], *who)
    assert free[0, tox] > 0.5
    assert free[1, tox] < 0.2


def test_an_activated_fibroblast_stays_activated_and_a_quiet_one_quiet(lab):
    caf_act = NODES.index("CAF_ACT")
    states = np.repeat(start(lab, "fibroblast", ()), 2, axis=0)
    states[1, caf_act] = 0.0
    free, _ = later(lab, 28, states, "fibroblast", ())
    assert free[0, caf_act] > 0.5
    assert free[1, caf_act] < 0.2


def test_drug_tolerance_goes_within_28_days_without_drug(lab):
    """Sharma 2010, doi:10.1016/j.cell.2010.02.027."""
    persister, untreated = NODES.index("PERSISTER"), start(lab)
    treated, _ = later(lab, 7, untreated, vemurafenib=1.0)
    assert treated[0, persister] > untreated[0, persister] + 0.3
    free, _ = later(lab, 28, treated)
    assert free[0, persister] < untreated[0, persister] + 0.05


@pytest.fixture(scope="module")
def killing(lab):
    """Killing of T cells held by PDL1 for 2 and 28 days; the same two days into anti-PD1."""
    who, held = ("cd8_t", ()), {"antigen": 1.0, "PDL1_contact": 2.0}
    early, early_outputs = later(lab, 2, start(lab, *who), *who, **held)
    late, late_outputs = later(lab, 26, early, *who, **held)
    _, treated = later(lab, 2, [early[0], late[0]], *who, **held, pembrolizumab=100.0)
    kill_rate = OUTPUTS.index("kill_rate")
    return (early_outputs[0, kill_rate], late_outputs[0, kill_rate]), treated[:, kill_rate]


def test_anti_pd1_rescues_killing_early_and_less_later(killing):
    """Philip 2017, doi:10.1038/nature22367."""
    (early, late), (early_treated, late_treated) = killing
    assert early_treated > 2.0 * early
    assert late < 0.5 * early
    assert late_treated < 0.7 * early_treated


def test_after_four_weeks_anti_pd1_gives_less_than_a_third_of_the_early_gain(killing):
    (early, late), (early_treated, late_treated) = killing
    assert late_treated - late < 0.3 * (early_treated - early)


# --- time and balance -----------------------------------------------------------------------

CONSTANT = {"vemurafenib": 0.1, "HGF": 0.1, "oxygen": 20.0}


@pytest.mark.parametrize("dt", [3.0, 12.0])
def test_the_same_trajectory_at_ticks_of_3_6_and_12_minutes(lab, dt):
    every = np.arange(0.0, 24 * 60 + 1, 12.0)
    courses = [lab.run(24, dt=length, **CONSTANT) for length in (dt, 6.0)]
    nodes = [course.nodes[np.searchsorted(course.time, every)] for course in courses]
    assert np.abs(nodes[0] - nodes[1]).max() <= 0.02


@pytest.mark.parametrize(
    ("inputs", "genotype"),
    [
        (CONSTANT, MELANOMA),
        ({"TNF": 0.3, "IFNg": 0.1}, MELANOMA),
        ({"vemurafenib": 1.0, "EGF": 2.0}, MELANOMA),  # relieved feedback
    ],
)
def test_sweeps_are_short_enough_to_follow_the_equations(lab, inputs, genotype):
    """Ticks of 1 min take sweeps of 1 min; the course after 24 h must be the same."""
    fine, coarse = (lab.run(24, genotype, dt=dt, **inputs).nodes for dt in (1.0, 6.0))
    assert np.abs(fine[1200::60] - coarse[200::10]).max() <= 0.02


def test_a_step_of_no_length_changes_nothing_and_a_short_one_little(network):
    rng = np.random.default_rng(0)
    courses = draw_courses(rng, 300, 1)
    cells = (
        rng.random((300, len(NODES)), np.float32),
        courses.inputs[0],
        courses.genotype,
        courses.cell_type,
    )
    out = network.allocate(300)
    network.step(Cells(*cells), 0.0, out=out)
    np.testing.assert_array_equal(out.state, cells[0])
    for dt in (1e-4, 1e-2):  # the fastest node has a time constant of minutes
        network.step(Cells(*cells), dt, out=out)
        assert np.abs(out.state - cells[0]).max() <= dt / network.network.tau.min() + 1e-6


def test_carbon_and_electrons_balance(network):
    """Pyruvate that is not secreted fits into what oxygen burns and growth builds in."""
    courses = draw_courses(np.random.default_rng(1), 4000, 1)
    state = network.initial_state(courses.cell_type, courses.genotype)
    out = network.allocate(len(state))
    inputs = courses.inputs[0]
    network.step(Cells(state, inputs, courses.genotype, courses.cell_type), 360.0, out=out)
    flux = dict(zip(OUTPUTS, out.outputs.astype(float).T, strict=True))

    def realised(name, half):
        level = np.maximum(inputs[:, INPUTS.index(name)].astype(float), 0.0)
        return flux[f"{name}_uptake"] * level / (half + level)

    pyruvate = 2.0 * realised("glucose", GLUCOSE_HALF)
    burnt = realised("oxygen", OXYGEN_HALF) / OXYGEN_PER_PYRUVATE
    built = BIOMASS_PYRUVATE * flux["growth_rate"]
    scale = np.maximum(pyruvate + burnt + built, 1.0)
    left = pyruvate - flux["lactate_secretion"]
    assert (left >= -1e-5 * scale).all()
    assert (left <= burnt + built + 1e-5 * scale).all()
    assert (left > 0.1 * scale).mean() > 0.1  # else the two lines above say little
