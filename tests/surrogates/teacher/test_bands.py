"""The teacher as a biologist: numbers from the literature that its parameters must meet."""

import numpy as np
import pytest

from surrogates.channels import OUTPUTS
from surrogates.data import growth
from surrogates.dosed import dosed
from surrogates.phenotype import S_DURATION, stationary_phases
from surrogates.teacher.model import Teacher

MELANOMA = ("BRAF_V600E",)
PER_SECOND = 1.0 / 60.0
MOLECULES_PER_SECOND = 1.0 / 9.963e-5  # per amol/min


@pytest.fixture(scope="module")
def teacher():
    return dosed(Teacher())


@pytest.fixture(scope="module")
def run(teacher):
    cache = {}

    def course(hours=72, genotype=MELANOMA, cell_type="tumor", **inputs):
        key = (hours, genotype, cell_type, repr(inputs))
        if key not in cache:
            cache[key] = teacher.simulate(
                cell_type=cell_type, genotype=genotype, minutes=hours * 60, dt=6, inputs=inputs
            )
        return cache[key]

    return course


def doublings(course, hour=-1):
    """Net growth [doublings/day] at an hour of the course."""
    return float(course["growth_rate_net"][hour * 10 if hour >= 0 else -1] * 1440)


def half_dose(run, drug, doses, **inputs):
    """Dose at which ERK is halved at 24 h, by interpolation in log dose."""
    base = run(24, **inputs)["ERK"][-1]
    response = np.array([run(24, **inputs, **{drug: d})["ERK"][-1] / base for d in doses])
    return float(np.exp(np.interp(-0.5, -response, np.log(doses))))


# --- untreated ------------------------------------------------------------------------------


@pytest.mark.parametrize("oxygen", [38.0, 140.0])
def test_melanoma_cells_double_once_a_day_in_good_medium(run, oxygen):
    assert 0.95 < doublings(run(oxygen=oxygen)) < 1.2


def test_phase_shares_are_those_of_growing_cells(run):
    course = run()
    shares, _ = stationary_phases(
        float(course["g1s_rate"][-1]),
        float(course["g2m_rate"][-1]),
        S_DURATION * float(course["s_duration_factor"][-1]),
    )
    np.testing.assert_allclose(shares[0], (0.5, 0.35, 0.15), atol=0.05)


def test_untreated_cells_rarely_die(run):
    assert 2e-5 < run()["apoptosis_rate"][-1] < 5e-5
    assert run()["necrosis_rate"][-1] < 1e-6


def test_volume_growth_keeps_up_with_division(run):
    for course in (run(), run(vemurafenib=1.0), run(vemurafenib=11.0)):
        division = course["growth_rate_net"][-1] * np.log(2.0) + course["apoptosis_rate"][-1]
        assert course["growth_rate"][-1] > division


def test_small_cells_wait_and_large_cells_stop_growing(run):
    assert run(6, volume_ratio=0.5)["g1s_rate"][-1] < 0.1 * run(6)["g1s_rate"][-1]
    assert run(6, volume_ratio=2.4)["growth_rate"][-1] < 0.3 * run(6)["growth_rate"][-1]


# --- MAPK and its inhibitors ----------------------------------------------------------------


def test_vemurafenib_halves_erk_at_30_nanomolar(run):
    assert 0.02 < half_dose(run, "vemurafenib", [0.003, 0.01, 0.03, 0.1, 0.3]) < 0.05


A375 = (  # dose [uM], doublings/day from 24 to 112 h; Harris 2016, doi:10.1038/nmeth.3852 (PLX4720)
    (0.0, 1.14),
    (0.125, 0.80),
    (0.25, 0.65),
    (0.5, 0.64),
    (1.0, 0.56),
    (2.0, 0.46),
    (4.0, 0.37),
    (8.0, 0.242),
    (16.0, 0.070),
    (32.0, -0.016),
)


def test_growth_falls_with_dose_as_counts_of_a375_do():
    dose, measured = np.array(A375).T
    apart = growth.predict(Teacher(), "A375", dose) - measured
    assert np.sqrt((apart**2).mean()) <= 0.1
    assert np.abs(apart).max() <= 0.2


@pytest.mark.parametrize(("dose", "measured"), A375[4:])
def test_growth_on_the_third_day_is_that_of_a375(run, dose, measured):
    assert doublings(run(vemurafenib=dose)) == pytest.approx(measured, abs=0.2)


def test_vemurafenib_arrests_in_g1(run):
    """Counts at 1 uM need divisions at half the untreated rate: g1s at a third, not 5 to 20 %."""
    free, treated = run(), run(vemurafenib=1.0)
    assert 0.15 < treated["g1s_rate"][-1] / free["g1s_rate"][-1] < 0.4
    g1 = [
        stationary_phases(
            float(course["g1s_rate"][-1]),
            float(course["g2m_rate"][-1]),
            S_DURATION * float(course["s_duration_factor"][-1]),
        )[0][0, 0]
        for course in (free, treated)
    ]
    assert g1[1] > g1[0] + 0.15


def test_apoptosis_under_vemurafenib_is_transient_because_cells_become_tolerant(run):
    course = run(vemurafenib=1.0)
    rate = course["apoptosis_rate"]
    assert 1e-4 < rate[:480].max() < 5e-4
    assert rate[-1] < 0.6 * rate[:480].max()
    assert course["PERSISTER"][-1] > 3 * course["PERSISTER"][0]


def test_tolerance_goes_when_the_drug_goes(teacher, run):
    treated = run(vemurafenib=1.0)
    assert treated["PERSISTER"][-1] > 0.4
    washed = teacher.simulate(genotype=MELANOMA, minutes=1440 * 10, dt=60, state=treated.state)
    assert washed["PERSISTER"][-1] < 0.15


def test_erk_rebounds_several_fold_from_its_nadir(run):
    erk = run(24, vemurafenib=1.0)["ERK"]
    assert 2.0 < erk[-1] / erk.min() < 5.0
    assert erk[-1] < 0.12 * erk[0]


def test_mek_inhibitors_need_a_hundredfold_dose_against_dimers(run):
    basal = half_dose(run, "trametinib", [3e-5, 1e-4, 3e-4, 1e-3, 3e-3])
    dimers = half_dose(run, "trametinib", [3e-3, 0.01, 0.03, 0.1, 0.3], vemurafenib=1.0, HGF=1.0)
    assert 0.00017 < basal < 0.00068
    assert 50 < dimers / basal < 250


def test_feedback_relief_brings_the_response_to_ligand_back(run):
    """Response 15-30 min after EGF grows with the time on drug (0.5, 4, 24 h)."""
    peaks = []
    for hours in (0.5, 4, 24):
        start = 24 * 60
        inputs = {"vemurafenib": [(start - hours * 60, 1.0)], "EGF": [(0, 0.02), (start, 16.0)]}
        course = run(25, **inputs)
        peaks.append(course["ERK"][240:246].max() / course["ERK"][0])
    assert peaks[0] < peaks[1] < peaks[2]
    assert peaks[2] > 1.2


def test_hgf_rescues_from_vemurafenib_and_capmatinib_takes_it_away(run):
    untreated, alone = doublings(run()), doublings(run(vemurafenib=1.0))
    rescued = doublings(run(vemurafenib=1.0, HGF=1.0))
    blocked = doublings(run(vemurafenib=1.0, HGF=1.0, capmatinib=1.0))
    assert rescued - alone > 0.65 * (untreated - alone)
    assert blocked - alone < 0.2 * (untreated - alone)
    assert doublings(run(vemurafenib=1.0, HGF=0.2)) - alone > 0.5 * (rescued - alone)
    assert doublings(run(vemurafenib=1.0, HGF=0.02)) - alone < 0.2 * (rescued - alone)


BYPASS = ("NRAS_Q61", "MET_amp", "MEK1_mut", "BRAF_amp", "NF1_loss")


@pytest.mark.parametrize("alteration", BYPASS)
def test_bypass_alterations_resist_vemurafenib(run, alteration):
    genotype = (*MELANOMA, alteration)
    assert doublings(run(genotype=genotype, vemurafenib=1.0)) > 0.7 * doublings(run())
    assert (
        doublings(run(genotype=genotype, vemurafenib=11.0))
        > doublings(run(vemurafenib=11.0)) + 0.35
    )


@pytest.mark.xfail(
    strict=True,
    reason="HGF gives back 0.523 of 1.055 doublings/day, 0.527 asked: K of vemurafenib moved when "
    "drugs became occupancies of targets, and nothing downstream of ERK was fitted again",
)
def test_at_the_label_dose_hgf_rescues_and_trametinib_adds(run):
    """11 uM vemurafenib and 3.1 nM trametinib are free plasma levels as nominal in 10 % serum."""
    untreated, alone = doublings(run()), doublings(run(vemurafenib=11.0))
    assert alone == pytest.approx(0.16, abs=0.1)  # A375, between 8 and 16 uM
    assert doublings(run(vemurafenib=11.0, HGF=1.0)) > alone + 0.5 * (untreated - alone)
    assert doublings(run(trametinib=0.0031)) < 0.5 * untreated
    assert doublings(run(vemurafenib=11.0, trametinib=0.0031)) < alone - 0.02


def test_raf_and_mek_inhibitor_do_more_together(run):
    single = [doublings(run(48, vemurafenib=0.03)), doublings(run(48, trametinib=3e-4))]
    assert doublings(run(48, vemurafenib=0.03, trametinib=3e-4)) < min(single) - 0.05


def test_erlotinib_hits_mutant_egfr_unless_t790m(run):
    free = doublings(run(genotype=("EGFR_mut",)))
    assert doublings(run(genotype=("EGFR_mut",), erlotinib=1.0)) < 0.3 * free
    assert doublings(run(genotype=("EGFR_mut", "EGFR_T790M"), erlotinib=1.0)) > 0.8 * free


def test_vemurafenib_raises_erk_in_healthy_epithelium(run):
    erk = run(24, (), "epithelium", vemurafenib=1.0)["ERK"]
    assert 1.4 < erk.max() / erk[0] < 3.0
    assert erk[-1] > 1.1 * erk[0]


def test_palbociclib_arrests_g1_and_needs_rb(run):
    assert run(palbociclib=1.0)["g1s_rate"][-1] < 0.3 * run()["g1s_rate"][-1]
    no_rb = (*MELANOMA, "RB1_loss")
    assert run(genotype=no_rb, palbociclib=1.0)["g1s_rate"][-1] > (
        1.5 * run(palbociclib=1.0)["g1s_rate"][-1]
    )


def test_doxorubicin_arrests_g2_and_kills_by_p53(run):
    treated = run(doxorubicin=0.3)
    assert treated["g2m_rate"][-1] < 0.3 * run()["g2m_rate"][-1]
    assert doublings(treated) < 0.3 * doublings(run())
    no_p53 = run(genotype=(*MELANOMA, "TP53_loss"), doxorubicin=0.3)
    assert treated["apoptosis_rate"][-1] > 1.5 * no_p53["apoptosis_rate"][-1]


# --- oxygen, crowding -----------------------------------------------------------------------


def test_hypoxia_slows_growth_gradually(run):
    good = doublings(run(oxygen=140.0))
    rates = [doublings(run(oxygen=p)) for p in (38.0, 20.0, 12.0, 8.0, 5.0, 2.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.95 * good
    assert 0.45 * good < rates[3] < 0.7 * good
    assert rates[4] < 0.5 * good


def test_hypoxia_raises_hif_vegf_and_lactate(run):
    hypoxic, normal = run(oxygen=5.0), run()
    assert hypoxic["HIF1A"][-1] > 3.5 * normal["HIF1A"][-1]
    assert hypoxic["VEGF_secretion"][-1] > 1.7 * normal["VEGF_secretion"][-1]
    assert hypoxic["lactate_secretion"][-1] > normal["lactate_secretion"][-1]
    assert hypoxic["oxygen_uptake"][-1] < normal["oxygen_uptake"][-1]


def test_anoxia_kills_within_days_not_hours(run):
    def dead(course, hour):
        return 1 - np.exp(-course["necrosis_rate"][: hour * 10].sum() * 6)

    anoxic = run(oxygen=0.5, glucose=1.0)
    assert dead(anoxic, 6) < 0.05
    assert dead(anoxic, 72) > 0.9
    assert dead(run(oxygen=5.0), 72) < 0.01


def test_crowding_stops_the_cycle(run):
    free = run(24)["g1s_rate"][-1]
    assert run(24, crowding=1.0)["g1s_rate"][-1] > 0.95 * free
    assert run(24, crowding=10.0)["g1s_rate"][-1] < 0.3 * free
    assert run(24, crowding=15.0)["g1s_rate"][-1] < 0.12 * free


# --- interferon, T cells --------------------------------------------------------------------


def test_interferon_raises_pdl1_through_jak1(run):
    pdl1 = run(24, IFNg=0.3)["PDL1"]
    assert pdl1[-1] > 3 * pdl1[0]
    deaf = run(24, (*MELANOMA, "JAK1_loss"), IFNg=0.3)["PDL1"]
    assert deaf[-1] == pytest.approx(deaf[0], rel=0.02)


def test_mhc1_rises_with_interferon_and_needs_b2m(run):
    assert run(24, IFNg=0.3)["MHC1"][-1] > 1.5 * run(24)["MHC1"][-1]
    assert run(24, (*MELANOMA, "B2M_loss"), IFNg=0.3)["MHC1"][-1] < 0.02


def t_cell(run, hours=24, **inputs):
    return run(hours, (), "cd8_t", **inputs)


def test_t_cells_kill_only_what_they_see(run):
    assert t_cell(run)["kill_rate"][-1] == 0.0
    assert 0.5 < 60 * t_cell(run, antigen=0.3)["kill_rate"][-1] < 2.5
    assert run(24, antigen=1.0)["kill_rate"][-1] == 0.0


def test_pdl1_brakes_killing_and_pembrolizumab_lifts_the_brake(run):
    free = t_cell(run, antigen=1.0)["kill_rate"][-1]
    braked = t_cell(run, antigen=1.0, PDL1_contact=2.0)["kill_rate"][-1]
    treated = t_cell(run, antigen=1.0, PDL1_contact=2.0, pembrolizumab=10.0)["kill_rate"][-1]
    assert 0.55 < 1 - braked / free < 0.8
    assert treated - braked > 0.8 * (free - braked)


def test_t_cells_walk_fast_follow_cxcl10_and_stop_at_antigen(run):
    free, engaged = t_cell(run), t_cell(run, antigen=1.0)
    assert 5.0 < free["speed"][-1] < 12.0
    assert engaged["speed"][-1] < 3.0
    assert 1.0 <= free["persistence_time"][-1] <= 2.0
    assert t_cell(run, CXCL10=2.0)["chemotaxis_CXCL10"][-1] > 0.5
    assert free["chemotaxis_CXCL10"][-1] == 0.0


def test_antigen_makes_t_cells_divide_and_rest_makes_them_die(run):
    assert 1.0 < doublings(t_cell(run, 48, antigen=1.0, IL2=0.1)) < 3.0
    assert 1e-4 < t_cell(run)["apoptosis_rate"][-1] < 7e-4


def test_chronic_antigen_exhausts_for_good_and_acute_does_not(teacher, run):
    chronic = t_cell(run, 24 * 14, antigen=1.0)
    half_rise = chronic.time[np.argmax(chronic["TOX"] > 0.45)] / 1440
    assert 4.0 < half_rise < 9.0
    assert chronic["kill_rate"][-1] < 0.75 * chronic["kill_rate"].max()
    stopped = teacher.simulate(cell_type="cd8_t", minutes=1440 * 14, dt=60, state=chronic.state)
    assert stopped["TOX"][-1] > 0.7
    acute = teacher.simulate(
        cell_type="cd8_t", minutes=1440 * 14, dt=60, state=chronic.nodes[3 * 240]
    )
    assert acute["TOX"][-1] < 0.1


@pytest.mark.parametrize(
    ("hits", "low", "high"),
    [
        ([60], 0.0, 0.1),
        ([60, 84], 0.0, 0.15),
        ([60, 84, 108], 0.7, 1.0),
        ([60, 60, 60], 0.7, 1.0),
        ([60, 180, 300], 0.0, 0.15),
    ],
)
def test_three_hits_within_an_hour_kill(run, hits, low, high):
    """Weigelin 2021: additive cytotoxicity, three hits within about 50 minutes."""
    steps = {}
    for minute in hits:
        steps[minute] = steps.get(minute, 0.0) + 1.0
        steps.setdefault(minute + 6, 0.0)
    rate = run(24, granzyme_hits=sorted(steps.items()))["apoptosis_rate"]
    assert low <= 1 - np.exp(-rate[:130].sum() * 6) <= high


def test_lactate_and_acid_weaken_t_cells(run):
    sour = t_cell(run, antigen=1.0, lactate=20.0, pH=6.6)
    assert sour["IFNg_secretion"][-1] < 0.6 * t_cell(run, antigen=1.0)["IFNg_secretion"][-1]


# --- stroma, vessels, exchange --------------------------------------------------------------


def test_fibroblasts_feed_hgf_and_tgfb_lowers_it(run):
    basal = run(24, (), "fibroblast")["HGF_secretion"] * MOLECULES_PER_SECOND
    assert 5.0 < basal[-1] < 10.0
    less = run(24, (), "fibroblast", TGFb=0.1)["HGF_secretion"][-1] * MOLECULES_PER_SECOND
    assert less < 0.7 * basal[-1]
    assert run(24)["HGF_secretion"][-1] * MOLECULES_PER_SECOND < 0.05


@pytest.mark.parametrize(
    ("cell_type", "low", "high"),
    [
        ("fibroblast", 0.2, 0.5),
        ("epithelium", 0.2, 0.5),
        ("macrophage", -0.1, 0.05),
        ("endothelial", 0.05, 0.5),
    ],
)
def test_other_types_grow_at_their_own_tempo(run, cell_type, low, high):
    assert low < doublings(run(72, (), cell_type)) < high


def test_epithelium_depends_on_egf(run):
    assert doublings(run(72, (), "epithelium", EGF=0.1)) > 1.5 * doublings(
        run(72, (), "epithelium")
    )


def test_endothelium_lets_more_cells_in_when_inflamed_and_leaks_under_vegf(run):
    basal = run(24, (), "endothelial")
    assert 0.9 < basal["vessel_PS"][-1] < 1.2
    assert run(24, (), "endothelial", VEGF=0.5)["vessel_PS"][-1] > 1.5
    for signal in ("TNF", "IFNg", "CXCL10"):
        inflamed = run(24, (), "endothelial", **{signal: 0.3 if signal != "CXCL10" else 5.0})
        assert inflamed["extravasation_rate"][-1] > 1.1 * basal["extravasation_rate"][-1]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("oxygen_uptake", 20, 30),
        ("glucose_uptake", 30, 150),
        ("glutamine_uptake", 5, 25),
        ("lactate_secretion", 50, 280),
        ("HGF_clearance", 10, 25),
        ("IFNg_clearance", 60, 180),
    ],
)
def test_tumor_cells_exchange_at_the_measured_magnitude(run, name, low, high):
    """[amol/s] and [um3/s]."""
    assert low < run(24)[name][-1] * PER_SECOND < high


def test_tumor_cells_crawl(run):
    assert 0.1 < run(24)["speed"][-1] < 0.5
    assert 20 <= run(24)["persistence_time"][-1] <= 60


def test_macrophages_engulf_what_is_dead(run):
    busy = run(24, (), "macrophage", death_contact=1.0)["phagocytosis_rate"][-1]
    assert 1.0 < busy * 1440 < 30.0
    assert busy > 4 * run(24, (), "macrophage")["phagocytosis_rate"][-1]


def test_every_output_answers_something(run):
    """No head is stuck: each output moves in some of these conditions."""
    conditions = [
        {},
        {"oxygen": 2.0},
        {"TNF": 0.3},
        {"TGFb": 0.3},
        {"IFNg": 0.3},
        {"EGF": 5.0},
        {"HGF": 1.0},
        {"VEGF": 1.0},
        {"IL4": 0.3},
        {"IL2": 0.3, "antigen": 1.0},
        {"CXCL10": 5.0},
        {"CCL2": 5.0},
        {"doxorubicin": 1.0},
        {"death_contact": 1.0},
        {"granzyme_hits": 3.0},
        {"oxygen": 0.2, "glucose": 0.5},
    ]
    seen = np.array(
        [
            [run(12, MELANOMA if t == "tumor" else (), t, **c).outputs[-1] for c in conditions]
            for t in ("tumor", "fibroblast", "cd8_t", "macrophage", "endothelial")
        ]
    )
    moved = np.ptp(seen, axis=1).max(axis=0)
    assert [OUTPUTS[k] for k in np.flatnonzero(moved <= 0.0)] == []
