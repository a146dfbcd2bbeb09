"""What the shipped network must do, as numbers; and that an untrained one does not."""

import numpy as np
import pytest

import surrogates
from surrogates.dosed import dosed
from surrogates.out_of_domain import Guarded

MELANOMA = ("BRAF_V600E",)
DOSES = (0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3, 1.0, 3.0)  # [uM]


class Lab:
    """A cell model and the experiments that the bands speak of."""

    def __init__(self, model):
        self.model = model

    def end(self, name, *, hours=24, genotype=MELANOMA, cell_type="tumor", **inputs):
        course = self.model.simulate(
            cell_type=cell_type, genotype=genotype, minutes=hours * 60, inputs=inputs
        )
        return float(course[name][-1])

    def half_dose_on_erk(self):
        untreated = self.end("ERK")
        lost = [1.0 - self.end("ERK", vemurafenib=dose) / untreated for dose in DOSES]
        return 10 ** np.interp(0.5, lost, np.log10(DOSES))

    def growth(self, **inputs):
        return self.end("growth_rate_net", hours=48, **inputs)

    def growth_given_back(self, **inputs):
        treated = self.growth(vemurafenib=1.0)
        lost = self.growth() - treated
        return (self.growth(vemurafenib=1.0, HGF=1.0, **inputs) - treated) / lost

    def pdl1_fold(self, *more):
        genotype = (*MELANOMA, *more)
        return self.end("PDL1", genotype=genotype, IFNg=0.3) / self.end("PDL1", genotype=genotype)

    def kill_rate(self, **inputs):
        return self.end(
            "kill_rate", hours=12, genotype=(), cell_type="cd8_t", antigen=2.0, IL2=0.05, **inputs
        )

    def kill_rates(self):
        return (
            self.kill_rate(),
            self.kill_rate(PDL1_contact=2.0),
            self.kill_rate(PDL1_contact=2.0, pembrolizumab=100.0),
        )


def vemurafenib_potency(lab):
    return 0.01 <= lab.half_dose_on_erk() <= 0.1


def vemurafenib_growth(lab):
    """A375 under PLX4720: 0.49 of untreated growth at 1 uM, 0.06 at 16 uM (Harris 2016)."""
    shares = [lab.growth(vemurafenib=dose) / lab.growth() for dose in (1.0, 16.0)]
    return abs(shares[0] - 0.49) < 0.15 and abs(shares[1] - 0.06) < 0.15


def hgf_rescue(lab):
    return lab.growth_given_back() >= 0.5 and lab.growth_given_back(capmatinib=1.0) < 0.2


def hypoxia(lab):
    slower = lab.growth(oxygen=5.0) <= 0.5 * lab.growth()
    return slower and lab.end("HIF1A", hours=48, oxygen=5.0) >= 3.0 * lab.end("HIF1A", hours=48)


def interferon(lab):
    return lab.pdl1_fold() >= 2.0 and lab.pdl1_fold("JAK1_loss") < 1.2


def checkpoint(lab):
    free, held, treated = lab.kill_rates()
    return held <= 0.5 * free and treated - held >= 0.5 * (free - held) > 0.0


BANDS = (vemurafenib_potency, vemurafenib_growth, hgf_rescue, hypoxia, interferon, checkpoint)


def without_members(model):
    """The same ensemble, without the members' free runs that `simulate` adds for `std`."""
    return dosed(Guarded(model.model, lambda *_: None))


@pytest.fixture(scope="module")
def shipped():
    return Lab(without_members(surrogates.load("tme-cell")))


@pytest.mark.parametrize("band", BANDS, ids=lambda band: band.__name__)
def test_the_shipped_network_meets_its_band(shipped, band):
    assert band(shipped)


@pytest.mark.parametrize("seed", [0, 1])
def test_an_untrained_network_misses_at_least_three_bands(seed):
    untrained = Lab(without_members(surrogates.load("tme-cell", untrained_seed=seed)))
    assert sum(not band(untrained) for band in BANDS) >= 3


@pytest.mark.parametrize("dose", [0.0, 1.0])
def test_network_and_teacher_grow_alike_within_3_percent_of_untreated_growth(shipped, dose):
    teacher = Lab(surrogates.load("teacher"))
    apart = shipped.growth(vemurafenib=dose) - teacher.growth(vemurafenib=dose)
    assert abs(apart) < 0.03 * teacher.growth(vemurafenib=0.0)


def test_network_and_teacher_respond_at_nearly_the_same_dose(shipped):
    teacher = Lab(surrogates.load("teacher"))
    assert 0.67 < shipped.half_dose_on_erk() / teacher.half_dose_on_erk() < 1.5


def test_the_basal_melanoma_cell_is_inside_the_domain_throughout(shipped):
    course = shipped.model.simulate(genotype=MELANOMA, minutes=1440, inputs={"vemurafenib": 1.0})
    assert course.in_domain.all()
