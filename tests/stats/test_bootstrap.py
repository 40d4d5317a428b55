"""Intervals over seeds and subjects on numbers whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from mrinb.stats import bootstrap, rules


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(bootstrap, "REPLICATES", 500)


def mean_of(differences, label=""):
    return bootstrap.interval(bootstrap.Mean(differences), label)


def test_the_mean_is_over_slices_and_subjects_are_drawn_whole():
    index = pd.MultiIndex.from_tuples([("a", 0), ("b", 0), ("b", 1), ("b", 2)],
                                      names=["subject", "slice"])  # fmt: skip
    found = mean_of(pd.DataFrame([[0.0], [4.0], [4.0], [4.0]], index=index))
    assert found.estimate == 3.0
    raw = np.unique(np.round(found.draws, 6))
    assert len(raw) == 3  # a twice, each once, b twice: no half subjects


def test_one_seed_of_one_subject_has_no_spread():
    index = pd.MultiIndex.from_product([["a"], range(7)], names=["subject", "slice"])
    found = mean_of(pd.DataFrame(np.linspace(0.01, 0.07, 7)[:, None] / 3, index=index))
    assert found.low == pytest.approx(found.estimate)
    assert found.high == pytest.approx(0.04 / 3)


def _differences(rng, seeds, subjects, of_seed, of_subject, of_both, of_slice, mean):
    slices = 6
    values = mean + rng.normal(0, of_seed, (seeds, 1, 1)) + rng.normal(0, of_subject, (subjects, 1))
    values = values + rng.normal(0, of_both, (seeds, subjects, 1))
    values = values + rng.normal(0, of_slice, (seeds, subjects, slices))
    index = pd.MultiIndex.from_product([range(subjects), range(slices)], names=["subject", "slice"])
    return pd.DataFrame(values.reshape(seeds, -1).T, index=index)


@pytest.mark.parametrize(
    ("seeds", "subjects", "spread"),
    [
        (3, 8, (1, 1, 0, 1)),
        (3, 8, (1, 0, 0, 1)),
        (3, 8, (0, 1, 0, 1)),
        (3, 12, (2, 1, 0.5, 1)),
        (5, 24, (1, 2, 0.5, 1)),
    ],
)
def test_interval_covers_the_truth_as_often_as_it_says(seeds, subjects, spread):
    rng = np.random.default_rng(7)
    trials, below, above = 400, 0, 0
    for k in range(trials):
        found = mean_of(_differences(rng, seeds, subjects, *spread, mean=0.3), str(k))
        below += found.high < 0.3
        above += found.low > 0.3
    # 5 % on each side; 400 trials know a rate of 5 % to about 1.1 points.
    assert below / trials < 0.09 and above / trials < 0.09
    assert (below + above) / trials > 0.04  # and not by being needlessly wide


def test_a_difference_at_the_margin_is_seldom_called_as_good():
    rng = np.random.default_rng(3)
    words = []
    for k in range(300):
        differences = _differences(rng, 3, 10, 0.002, 0.003, 0.001, 0.005, mean=-0.005)
        found = mean_of(differences, str(k))
        words.append(rules.decide("at least as good", found.low, found.high, 0.005, 3, 10))
    assert words.count("holds") / 300 < 0.09
    assert words.count("does not hold") / 300 < 0.09


def test_a_true_equality_is_usually_found_and_its_tests_agree():
    rng = np.random.default_rng(4)
    found = [
        mean_of(_differences(rng, 3, 12, 0.001, 0.002, 0.001, 0.004, mean=0.0), str(k))
        for k in range(100)
    ]
    equal = [f.low > -0.005 and f.high < 0.005 for f in found]
    assert np.mean(equal) > 0.8
    for f, e in zip(found, equal, strict=True):
        largest = max(f.p_not_above(-0.005), f.p_not_below(0.005))
        assert e == (largest < bootstrap.LEVEL) or abs(largest - bootstrap.LEVEL) < 0.005


def _part(rng, of_seed, of_subject, shift, mean, subjects=10):
    """Differences with seeds' effects given, which parts may share, and subjects of their own."""
    frame = _differences(rng, len(of_seed), subjects, 0, of_subject, 0.3, 1, mean)
    frame.index = frame.index.set_levels([f"{shift}{i}" for i in range(subjects)], level="subject")
    return bootstrap.Mean(frame + of_seed, "unet")


@pytest.mark.parametrize("shared", [True, False], ids=["seeds shared", "seeds apart"])
def test_the_mean_over_parts_covers_the_truth(shared):
    rng = np.random.default_rng(5)
    trials, outside = 200, 0
    for k in range(trials):
        together = rng.normal(0, 1, 3)
        parts = [
            _part(rng, together if shared else rng.normal(0, 1, 3), 1, name, mean)
            for name, mean in (("a", 0.1), ("b", 0.5))
        ]
        found = bootstrap.interval(parts, str(k))
        outside += not found.low <= 0.3 <= found.high
    assert (
        0.03 < outside / trials < 0.17
    )  # 10 % is expected; 200 trials know it to about 2.1 points


def test_a_mean_over_parts_is_known_better_than_a_part_where_they_are_apart():
    rng = np.random.default_rng(6)
    one = _part(rng, rng.normal(0, 0.01, 3), 1, "a", 0.0)
    other = _part(rng, rng.normal(0, 0.01, 3), 1, "b", 1.0)
    both, single = bootstrap.interval([one, other]), bootstrap.interval(one)
    assert both.estimate == pytest.approx(
        (single.estimate + bootstrap.interval(other).estimate) / 2
    )
    assert both.variance.total < 0.8 * single.variance.total
    twice = bootstrap.interval([one, one])
    assert (twice.low, twice.high) == pytest.approx((single.low, single.high))


def test_networks_with_unlike_seeds_are_drawn_by_themselves():
    rng = np.random.default_rng(6)
    many = _part(rng, rng.normal(0, 1, 3), 1, "a", 0.0)
    single = bootstrap.Mean(_part(rng, np.zeros(1), 1, "b", 0.0).differences, "vit")
    found = bootstrap.interval([many, single])
    assert len(found.draws) == 500  # the one seed is always there
    assert {f.number for f in found.variance.factors if f.drawn == "seeds"} == {3, 1}


@pytest.mark.parametrize(
    ("spread", "more"), [((0.02, 0, 0, 0.01), "seeds"), ((0, 0.02, 0, 0.001), "subjects")]
)
def test_what_is_needed_is_more_of_what_differs(spread, more):
    found = mean_of(_differences(np.random.default_rng(2), 3, 10, *spread, mean=0.0))
    effect = found.variance.half_width / 2  # clearly there, and not yet told from zero
    needed = bootstrap.needed(found._replace(estimate=effect), 0.0, 3, 10)
    assert needed.enough
    times = {"seeds": needed.seeds / 3, "subjects": needed.subjects / 10}
    assert times[more] == max(times.values()) > 1


def test_so_many_seeds_and_subjects_do_decide():
    rng = np.random.default_rng(8)
    spread = (0.004, 0.006, 0.002, 0.005)
    found = mean_of(_differences(rng, 5, 16, *spread, mean=0.0))
    found = found._replace(estimate=0.004)
    needed = bootstrap.needed(found, 0.0, 5, 16)
    assert needed.enough
    exact = found.variance.with_more(needed.seeds / 5, needed.subjects / 16)
    assert exact.half_width < 0.004
    fewer = found.variance.with_more(needed.seeds / 5, (needed.subjects - 1) / 16)
    assert fewer.half_width >= 0.004 or needed.subjects == 16


def test_an_effect_at_the_bound_is_never_decided():
    differences = _differences(np.random.default_rng(2), 3, 10, 0.01, 0.01, 0, 0.01, mean=0.0)
    found = mean_of(differences)
    needed = bootstrap.needed(found, found.estimate, 3, 10)
    assert needed == (bootstrap.MANY_SEEDS, bootstrap.MANY_SUBJECTS, False, 0)
    untrained = bootstrap.needed(found, found.estimate, 0, 10)
    assert untrained.seeds == 0 and not untrained.enough
