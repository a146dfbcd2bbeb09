"""Keyed draws: published answers of the hash, uniformity, independence, one value everywhere."""

import numba as nb
import numpy as np
import pytest
from scipy import stats

from tme_sim.compute import random
from tme_sim.compute.random import Stream, normal, normals, poisson, uniform, uniforms

IDS = np.arange(1, 200_001)


@pytest.mark.parametrize(
    ("key", "counter", "answer"),
    [  # kat_vectors of Random123 1.14
        (0, (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (2**64 - 1, (2**32 - 1,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            0x299F31D0_A4093822,
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_hash_gives_the_published_answers(key, counter, answer):
    words = random._philox(np.uint64(key), *(np.uint64(c) for c in counter))
    halves = [half for word in words for half in (int(word) & 0xFFFFFFFF, int(word) >> 32)]
    assert tuple(halves) == answer


def test_stream_numbers_are_released_and_stay():
    assert [(s.name, int(s)) for s in Stream] == [
        ("DIVISION_AXIS", 1),
        ("FATE", 2),
        ("CYCLE", 3),
        ("MOTILITY", 4),
        ("INHERITANCE", 5),
        ("ARRIVAL", 6),
        ("PLACEMENT", 7),
        ("MUTATION", 8),
        ("CONTACT", 9),
        ("INITIAL", 10),
        ("VISIT", 11),
        ("RECORD", 12),
        ("MISSED", 13),
    ]


def test_kernel_array_and_plain_python_draw_the_same_values():
    @nb.njit(error_model="numpy")
    def loop(ids, flat, bell, counts):
        for i in range(ids.size):
            flat[i] = uniform(7, Stream.FATE, 12, ids[i], 3)
            bell[i] = normal(7, Stream.FATE, 12, ids[i], 3)
            counts[i] = poisson(100.0, 7, Stream.FATE, 12, ids[i], 3)

    ids = np.concatenate([IDS[:500], random.daughter_id(IDS[:500], 1)])
    flat, bell, counts = np.empty(1000), np.empty(1000), np.empty(1000, int)
    loop(ids, flat, bell, counts)
    with np.errstate(all="raise"):
        assert np.array_equal(flat, uniforms(7, Stream.FATE, 12, ids, 3))
        np.testing.assert_array_equal(bell, normals(7, Stream.FATE, 12, ids, 3))
        for i in (0, 17, 999):
            key = (7, Stream.FATE, 12, ids[i], 3)
            assert uniform(*key) == flat[i]
            assert normal(*key) == bell[i]
            assert poisson(100.0, *key) == counts[i]


def test_uniforms_are_uniform_and_open():
    draws = uniforms(1, Stream.CYCLE, 5, IDS, 0)
    assert stats.kstest(draws, "uniform").pvalue > 1e-3
    assert 0.0 < draws.min() < draws.max() < 1.0
    ends = random._open_unit(np.array([0, 2**64 - 1], np.uint64))
    assert 0.0 < ends[0] < ends[1] < 1.0


def test_normals_are_normal():
    draws = normals(1, Stream.INHERITANCE, 5, IDS, 0)
    assert stats.kstest(draws, "norm").pvalue > 1e-3


@pytest.mark.parametrize("mean", [0.3, 5.0, 200.0])
def test_poisson_has_its_mean_and_variance(mean):
    counts = np.array([poisson(mean, 3, Stream.ARRIVAL, 0, i, 0) for i in range(2000)])
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 2000))
    assert counts.var() == pytest.approx(mean, rel=0.25)


def test_poisson_of_nothing_is_zero():
    assert poisson(0.0, 3, Stream.ARRIVAL, 0, 1, 0) == 0


@pytest.mark.parametrize(
    "other",
    [
        uniforms(1, Stream.CYCLE, 5, IDS + 1, 0),
        uniforms(1, Stream.CYCLE, 5, IDS, 1),
        uniforms(1, Stream.CYCLE, 6, IDS, 0),
        uniforms(2, Stream.CYCLE, 5, IDS, 0),
        uniforms(1, Stream.FATE, 5, IDS, 0),
    ],
    ids=["next id", "next draw", "next tick", "next seed", "other stream"],
)
def test_neighbouring_keys_draw_independently(other):
    draws = uniforms(1, Stream.CYCLE, 5, IDS, 0)
    counts, _, _ = np.histogram2d(draws, other, bins=16, range=[[0, 1], [0, 1]])
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_ids_are_pure_functions_and_do_not_collide():
    initial = np.concatenate([random.initial_id(g, np.arange(1000)) for g in range(3)])
    daughters = random.daughter_id(initial[:, None], np.arange(1, 6)).ravel()
    arrivals = random.arrival_id(initial[:, None], 17, np.arange(5)).ravel()
    later = random.arrival_id(initial[:, None], 18, np.arange(5)).ravel()
    everyone = np.concatenate([initial, daughters, arrivals, later])
    assert everyone.dtype == np.int64
    assert (everyone > 0).all()
    assert np.unique(everyone).size == everyone.size
    assert random.daughter_id(initial[7], 3) == daughters[7 * 5 + 2]
    assert random.arrival_id(int(initial[7]), 17, 2) == arrivals[7 * 5 + 2]
