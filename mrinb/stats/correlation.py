"""Does a pool that is more similar to the test data train a better network? (Section 4, Figure 6).

Every training pool is a point: its mean similarity to the test patches, and the mean score of its
networks on the test slices. Spearman's rank correlation says whether the two rank the pools alike;
with so few points its significance comes from permutations, all of them or ``DRAWS`` random ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from mrinb.errors import MrinbError, unknown
from mrinb.stats.bootstrap import LEVEL
from mrinb.stats.rules import METRICS
from mrinb.tables import note_of, noted

ALL, SAME = "all patches", "same number"
"""How the patches that a pool is searched with are chosen."""
RULES = (ALL, SAME)
SINGLE, OUTSIDE, EVERY = "single distributions", "without Q", "all"
"""Which pools are ranked: distributions that are not tested, with their union, and all."""
WHICH = (SINGLE, OUTSIDE, EVERY)
EXACT = 8
"""Up to so many pools every order is tried, 40,320 of them."""
DRAWS = 20_000


class Correlation(NamedTuple):
    """Rank correlation of two quantities over training pools.

    Attributes:
        rho: Spearman's rank correlation; 0 where one of the two is the same for all pools.
        low, high: where 90 % of the correlations of shuffled scores lie.
        p: share of shuffles that correlate at least as much: one-sided, against "not above zero".
        p_below: share that correlate at most as much.
        pools: number of pools.
    """

    rho: float
    low: float
    high: float
    p: float
    p_below: float
    pools: int


def correlation(x: np.ndarray, y: np.ndarray) -> Correlation:
    """Spearman's rank correlation with its permutation test.

    Args:
        x: one value a pool (pools,).
        y: another (pools,).

    Raises:
        MrinbError: there are fewer than three pools.
    """
    if len(x) < 3:
        raise MrinbError(f"a rank correlation of {len(x)} pools says nothing: give three or more")
    return together([(x, y)])


def together(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Correlation:
    """Mean of several rank correlations over the same pools, with their permutation test.

    Args:
        pairs: two values a pool, each of shape (pools,). Every shuffle is the same for all of them;
            of fewer pools it is the same order with the others left out.
    """
    ranked = [(_standard(x), _standard(y)) for x, y in pairs]
    pools = max(len(x) for x, _ in ranked)

    def mean(orders: np.ndarray, axis: int = -1) -> np.ndarray:
        orders = np.moveaxis(orders, axis, -1).astype(int)
        found = [y[_within(orders, len(y))] @ x for x, y in ranked]
        return np.asarray(np.mean(found, axis=0)).round(
            12
        )  # sums in another order differ in their digits

    def tested(alternative: str) -> Any:
        return stats.permutation_test(
            (np.arange(pools),), mean, permutation_type="pairings", vectorized=True,
            n_resamples=max(DRAWS, factorial(min(pools, EXACT))), alternative=alternative, rng=0,
        )  # fmt: skip

    above, below = tested("greater"), tested("less")
    low, high = np.quantile(above.null_distribution, (LEVEL, 1 - LEVEL))
    return Correlation(
        float(above.statistic), float(low), float(high), float(above.pvalue), float(below.pvalue),
        min(len(x) for x, _ in ranked),
    )  # fmt: skip


def _within(orders: np.ndarray, count: int) -> np.ndarray:
    """Orders of the first ``count`` things only, (..., count)."""
    if count == orders.shape[-1]:
        return orders
    return orders[orders < count].reshape(*orders.shape[:-1], count)


def _standard(values: np.ndarray) -> np.ndarray:
    """Ranks with mean zero and norm one; zeros where all are tied."""
    ranks = stats.rankdata(values) - (len(values) + 1) / 2
    norm = np.linalg.norm(ranks)
    return ranks / norm if norm > 0 else ranks


def points(
    similarities: pd.DataFrame, scores: pd.DataFrame, metric: str = "ssim", rule: str = SAME
) -> pd.DataFrame:
    """Training pools as points: the data of Figure 6 on the right.

    Args:
        similarities: table of ``lab.similarity``.
        scores: table of ``lab.evaluate`` of one model trained on the same pools; test rows of the
            tested distributions and of each run's last epoch count.
        metric: column of scores.
        rule: ``ALL`` or ``SAME``.

    Returns:
        One row a pool: ``pool``, ``contains`` (whether it has tested distributions), ``single``
        (whether it is one distribution), ``patches`` (compared), ``similarity`` (mean over test
        patches), ``score`` (mean over slices and seeds),
        ``deviation`` (standard deviation over seeds, NaN of one) and ``seeds``. A pool that is
        there under two labels, as P_best and by its name, counts once, under the first.

    Raises:
        MrinbError: a column is missing, there are several models, or a pool was not evaluated.
    """
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    _need(similarities, ("pool", "pool_string", "contains", "single", "rule", "compared",
                         "similarity", "distribution"), "similarity table")  # fmt: skip
    _need(scores, ("pool", "seed", "epoch", "split", "model", metric), "score table")
    near = similarities[similarities["rule"] == rule].groupby("pool", sort=False)
    table = near.agg(
        pool_string=("pool_string", "first"), contains=("contains", "first"),
        single=("single", "first"),
        patches=("compared", "first"), similarity=("similarity", "mean"),
    ).drop_duplicates("pool_string")  # fmt: skip
    tested = similarities["distribution"].unique()
    means = _seed_means(scores, list(table.index), tested, metric)
    by_pool = means.groupby("pool")
    table["score"], table["deviation"] = by_pool.mean(), by_pool.std()
    table["seeds"] = by_pool.size()
    return table.drop(columns="pool_string").reset_index()


def _need(table: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    for name in columns:
        if name not in table.columns:
            raise MrinbError(f"{what} lacks column {name!r}: give the table of the lab's method")


def _seed_means(
    scores: pd.DataFrame, pools: list[str], tested: np.ndarray, metric: str
) -> pd.Series:
    """Mean score of each pool and seed over the tested distributions."""
    inside = scores["distribution"].isin(tested) & (scores["split"] == "test")
    rows = scores[inside & scores["pool"].isin(pools)]
    if rows["model"].nunique() > 1:
        found = ", ".join(map(str, rows["model"].unique()))
        raise MrinbError(f"similarity is compared with one model, the scores have {found}: select")
    for pool in pools:
        if pool not in set(rows["pool"]):
            raise MrinbError(f"pool {pool!r} was not evaluated on the test data of the similarity")
    last = rows.groupby(["pool", "seed"])["epoch"].transform("max")
    # A slice that belongs to two targets is in the table twice.
    rows = rows[rows["epoch"] == last].drop_duplicates(
        ["pool", "seed", "distribution", "volume", "slice"]
    )
    return rows.groupby(["pool", "seed"])[metric].mean()


def chosen(table: pd.DataFrame, which: str) -> pd.DataFrame:
    """The rows of a table of ``points`` that are ranked: those of one of ``WHICH``."""
    if which not in WHICH:
        raise unknown("set of pools", which, WHICH)
    if which == EVERY:
        return table
    outside = ~table["contains"]
    return table[outside & table["single"]] if which == SINGLE else table[outside]


def correlate(table: pd.DataFrame, which: str) -> Correlation:
    """Rank correlation of a table of ``points``.

    Args:
        table: the points.
        which: pools that count, one of ``WHICH``.
    """
    rows = chosen(table, which)
    return correlation(rows["similarity"].to_numpy(float), rows["score"].to_numpy(float))


def summary(similarities: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Every rank correlation: of both rules and scores, of each set of ``WHICH``.

    Args:
        similarities: table of ``lab.similarity``.
        scores: table of ``lab.evaluate``.

    Returns:
        Columns ``similarity`` (rule), ``score`` (metric), ``pools`` (which), ``number`` (of them),
        ``rho``, ``low``, ``high``, ``p``.
    """
    rows = []
    for rule in RULES:
        for metric in METRICS:
            table = points(similarities, scores, metric, rule)
            for which in WHICH:
                if len(chosen(table, which)) >= 3:
                    found = correlate(table, which)
                    rows.append(
                        {
                            "similarity": rule, "score": metric, "pools": which,
                            "number": found.pools, "rho": found.rho, "low": found.low,
                            "high": found.high, "p": found.p,
                        }
                    )  # fmt: skip
    return noted(pd.DataFrame(rows), note_of(similarities))
