"""Two-sample tests: silent where samples are alike, loud where they are not, and named."""

import numpy as np
import pytest

from surrogates.channels import INPUTS, basal_inputs
from surrogates.data.conditions import draw_courses
from surrogates.evaluation.domain_detection import auroc
from surrogates.evaluation.two_sample import N_PERMUTATIONS, classifier_auc, kernel_test, two_sample


def situations(seed, n=250):
    courses = draw_courses(np.random.default_rng(seed), n, 1)
    return courses.inputs[0], courses.genotype, courses.cell_type


def test_the_discrepancy_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (12, 3)), rng.normal(0.5, 1, (9, 3))
    both = np.concatenate([x, y])
    square = ((both[:, None] - both) ** 2).sum(axis=2)
    k = np.exp(-0.5 * square / np.median(square[~np.eye(21, dtype=bool)]))
    xx, yy = k[:12, :12], k[12:, 12:]
    wanted = (xx.sum() - 12) / (12 * 11) + (yy.sum() - 9) / (9 * 8) - 2 * k[:12, 12:].mean()
    assert kernel_test(x, y, rng)[0] == pytest.approx(wanted, rel=1e-9)


def test_p_is_uniform_where_both_samples_come_from_one_source():
    rng = np.random.default_rng(1)
    p = [
        kernel_test(rng.normal(0, 1, (30, 4)), rng.normal(0, 1, (40, 4)), rng)[1] for _ in range(60)
    ]
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(p) <= 0.1) < 0.25


def test_the_kernel_test_sees_a_change_of_spread_and_of_dependence():
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (200, 2))
    tied = x @ np.array([[1.0, 0.9], [0.0, np.sqrt(1 - 0.81)]])
    for other in (2.0 * rng.normal(0, 1, (200, 2)), tied):
        assert kernel_test(x, other, rng)[1] <= 0.02


def test_the_classifier_knows_chance_and_difference():
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (200, 5))
    assert classifier_auc(x, rng.normal(0, 1, (200, 5)), rng) == pytest.approx(0.5, abs=0.1)
    assert classifier_auc(x, rng.normal([1.5, 0, 0, 0, 0], 1, (200, 5)), rng) > 0.8
    assert classifier_auc(x, 2.5 * rng.normal(0, 1, (200, 5)), rng) > 0.8


def test_the_classifier_finds_what_the_regression_by_hand_found_before_it():
    rng = np.random.default_rng(7)
    x, y = rng.normal(0, 1, (120, 4)), rng.normal([0.5, 0, 0, 0], 1.1, (150, 4))
    assert classifier_auc(x, y, rng) == pytest.approx(0.69222, abs=0.005)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    rng = np.random.default_rng(5)
    inside, outside = rng.integers(0, 9, 40), rng.integers(2, 12, 30).astype(float)
    outside[:2] = np.inf
    pairs = outside[:, None] - inside
    assert auroc(inside, outside) == pytest.approx((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def test_auroc_counts_ties_half():
    assert auroc(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == 0.875
    assert auroc(np.zeros(3), np.zeros(4)) == 0.5


def test_situations_like_those_of_training_are_not_told_apart():
    found = two_sample(*situations(41))
    assert found.p_value > 0.05
    assert found.auc < 0.65
    assert "look like those of training" in str(found)


def test_a_shifted_input_is_found_and_named():
    inputs, genotype, cell_type = situations(42)
    inputs[:, INPUTS.index("pH")] -= 0.4
    found = two_sample(inputs, genotype, cell_type)
    assert found.p_value == 1.0 / (N_PERMUTATIONS + 1)
    assert found.auc > 0.75
    assert found.most_different[0] == "pH"
    assert "pH" in str(found)


def test_cells_of_one_kind_are_compared_with_training_cells_of_that_kind():
    inputs, genotype, cell_type = situations(43, 2000)
    rows = cell_type == 2
    found = two_sample(inputs[rows], genotype[rows], cell_type[rows])
    assert found.auc < 0.65


def test_a_seed_gives_the_same_answer_twice():
    assert two_sample(*situations(44, 60)) == two_sample(*situations(44, 60))


@pytest.mark.parametrize("inputs", [basal_inputs(5), np.zeros((100, 3), np.float32)])
def test_too_few_situations_or_other_inputs_are_refused(inputs):
    n = len(inputs)
    with pytest.raises(ValueError, match="at least 20"):
        two_sample(inputs, np.zeros(n, np.int32), np.zeros(n, np.int8))
