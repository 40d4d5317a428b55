from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from similarity_tables import GOOD, NEAR, POOLS, scores, similarities

from mrinb.errors import MrinbError
from mrinb.stats import claims, correlation


def test_correlation_and_its_exact_test():
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 3, 5, 4])
    found = correlation.correlation(x, y)
    wanted = stats.spearmanr(x, y).statistic
    assert found.rho == pytest.approx(wanted)
    every = [stats.spearmanr(x, order).statistic for order in permutations(y)]
    assert found.p == pytest.approx(np.mean(np.array(every) >= wanted - 1e-9))
    assert found.p_below == pytest.approx(np.mean(np.array(every) <= wanted + 1e-9))
    assert found.low < 0 < found.high


def test_perfect_order_of_six_has_one_chance_in_720():
    found = correlation.correlation(np.arange(6.0), np.arange(6.0) ** 3)
    assert found.rho == pytest.approx(1)
    assert found.p == pytest.approx(1 / 720)


def test_many_pools_are_shuffled_at_random_and_never_give_p_zero():
    found = correlation.correlation(np.arange(12.0), np.arange(12.0))
    assert 0 < found.p < 1e-3
    assert found.high == pytest.approx(stats.norm.ppf(0.95) / np.sqrt(11), abs=0.03)


def test_ties_everywhere_are_no_correlation():
    found = correlation.correlation(np.ones(5), np.arange(5.0))
    assert (found.rho, found.p) == (0, 1)
    with pytest.raises(MrinbError, match="2 pools"):
        correlation.correlation(np.ones(2), np.ones(2))


def test_points_are_means_of_last_test_scores_on_tested_distributions():
    table = correlation.points(similarities(NEAR), scores(GOOD))
    assert table["similarity"].tolist() == pytest.approx(NEAR)
    assert table["score"].tolist() == pytest.approx(GOOD)
    assert table["deviation"].tolist() == pytest.approx([0.001] * 8)
    assert table.loc[table["contains"], "pool"].tolist() == ["P+Q", "Q"]


def test_a_pool_under_two_labels_counts_once():
    near = similarities([*NEAR, NEAR[3]], (*POOLS, "P_best"))
    near.loc[near["pool"] == "P_best", "pool_string"] = "<d>"
    table = correlation.points(near, scores([*GOOD, GOOD[3]], (*POOLS, "P_best")))
    assert table["pool"].tolist() == list(POOLS)


def test_what_cannot_be_compared_is_named():
    with pytest.raises(MrinbError, match="pool 'Q' was not evaluated"):
        correlation.points(similarities(NEAR), scores(GOOD[:-1], POOLS[:-1]))
    with pytest.raises(MrinbError, match="unknown rule 'al'"):
        correlation.points(similarities(NEAR), scores(GOOD), rule="al")
    two = pd.concat([scores(GOOD), scores(GOOD).assign(model="vit")])
    with pytest.raises(MrinbError, match="one model, the scores have unet, vit"):
        correlation.points(similarities(NEAR), two)


def test_summary_has_both_rules_scores_and_sets_of_pools():
    table = correlation.summary(similarities(NEAR), scores(GOOD))
    assert len(table) == 2 * 2 * 3
    assert table["number"].tolist() == [5, 6, 8] * 4
    assert table["rho"].tolist() == pytest.approx([1.0] * 12)
    with pytest.raises(MrinbError, match="unknown set of pools 'singel'"):
        correlation.chosen(correlation.points(similarities(NEAR), scores(GOOD)), "singel")


def claim(near, good, **options):
    return claims.check("similarity-ranks-as-ssim", scores(good, **options), similarities=near)


def test_the_claim_holds_of_single_distributions():
    verdict = claim(similarities(NEAR), GOOD)
    assert verdict.verdict == "holds"
    assert verdict.estimate == pytest.approx(1)
    assert "rank correlation with SSIM" in verdict.text
    assert "90 % of shuffles" in verdict._repr_html_()
    assert len(verdict.effects) == 4


def test_unions_and_pools_with_q_cannot_carry_the_claim():
    # Over all eight pools the correlation is significant, over the five distributions it is none.
    good = [0.75, 0.71, 0.8, 0.72, 0.7, 0.85, 0.9, 0.91]
    assert claim(similarities(NEAR), good).verdict == "undecided"
    low = [0.8, 0.74, 0.75, 0.72, 0.7, 0.85, 0.9, 0.91]
    assert claim(similarities(NEAR), low).verdict == "does not hold"


def test_the_claim_needs_both_scores_both_rules_and_enough_of_all():
    mixed = [0.75, 0.71, 0.8, 0.72, 0.7, 0.85, 0.9, 0.91]
    assert claim(similarities(NEAR), GOOD, foreground=mixed).verdict == "undecided"
    opposite = [0.8, 0.74, 0.75, 0.72, 0.7, 0.85, 0.9, 0.91]
    both = claim(similarities(NEAR), GOOD, foreground=opposite)
    assert both.verdict == "depends on background"
    near = similarities(NEAR)
    swapped = near["rule"] == correlation.SAME
    near.loc[swapped, "similarity"] = -near.loc[swapped, "similarity"]
    assert claim(near, GOOD).verdict == "does not hold"
    assert claim(similarities(NEAR), GOOD, seeds=2).verdict == "underpowered"
    few = (0, 1, 2, 4, 5, 6, 7)
    pools = [POOLS[i] for i in few]
    found = claim(similarities([NEAR[i] for i in few], pools), [GOOD[i] for i in few], pools=pools)
    assert found.verdict == "underpowered"
    with pytest.raises(MrinbError, match=r"give similarities=lab\.similarity"):
        claims.check("similarity-ranks-as-ssim", scores(GOOD))


def test_the_mean_of_both_rules_is_tested_with_the_same_shuffles():
    verdict = claim(similarities(NEAR), [0.7, 0.72, 0.71, 0.8, 0.75, 0.82, 0.9, 0.91])
    rho = [e.estimate for e in verdict.effects[::2]]
    assert verdict.pooled[0].estimate == pytest.approx(np.mean(rho))
    # Both rules rank alike here, so that the mean is told from chance as each of them is.
    assert verdict.pooled[0].low == pytest.approx(verdict.effects[0].low)
    x, y = np.arange(6.0), np.array([0.0, 1, 2, 3, 5, 4])
    once, mixed = correlation.correlation(x, y), correlation.together([(x, y), (x, -y)])
    assert correlation.together([(x, y), (x, y)]) == once
    assert mixed.rho == 0 and mixed.p == 1


def test_an_answer_has_the_correlation_with_both_scores_and_speaks_of_shuffles():
    found = claims.headline(
        claim(similarities(NEAR), GOOD), holds="Yes.", fails="No.", otherwise="Perhaps."
    )
    assert found.numbers.startswith("Mean rank correlation +1.00 with SSIM (90 % of shuffles ")
    assert ", +1.00 with foreground SSIM (90 % of shuffles " in found.numbers
    assert "interval" not in found.numbers


def test_what_would_decide_a_correlation_is_more_distributions():
    verdict = claim(similarities(NEAR), [0.75, 0.71, 0.74, 0.76, 0.77, 0.82, 0.9, 0.91])
    assert verdict.verdict == "undecided"
    assert verdict.needed == (
        "At the effects seen, about 9 single distributions would decide each part."
    )


def test_pools_that_one_of_several_lacks_are_left_out_of_its_shuffles():
    x = np.arange(7.0)
    found = correlation.together([(x, x), (x[:5], x[:5])])
    assert found.rho == pytest.approx(1) and found.pools == 5
    assert 0 < found.p < correlation.correlation(x[:5], x[:5]).p
