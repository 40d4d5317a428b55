"""Effective robustness: lines through trained models, and the distance between them (Section 4).

A trained model is a point: its mean SSIM on the test set of P_best across, on that of Q upwards.
Models of different architectures, sizes of training set and numbers of epochs lie near a line. A
training set makes models *effectively* more robust than P_best does if theirs lie above the line of
P_best: they do better on Q than their score on P_best lets one expect (Taori et al., Measuring
robustness to natural distribution shifts in image classification, 2020). The line of P+Q above that
of P_best is the shift's *severity*.

Rules (the interval was widened after first results, see the changelog):

* Every checkpoint of every run is a point of equal weight; scales are linear, as in the paper.
* **The distance** between two sets of points is that of two parallel lines, whose common slope is
  fitted to both sets (analysis of covariance): the difference of mean y minus slope times the
  difference of mean x. Parallel lines are as far apart at every x, so that the number needs no
  place where it is read.
* Beside it stands the distance of the set's own line from the baseline's own line, read at the
  set's mean x. It is the mean height of its points above the baseline's line, which is Taori's
  effective robustness. It decides nothing: where the points of the baseline lie close together its
  slope is poorly known, and where the set's mean x lies beyond them the line is extrapolated.
* A slope needs points whose x has a standard deviation of ``MIN_SPREAD`` about the mean of their
  training set, over both sets. Without it the common slope is 0 (a plain difference of mean y), and
  a set has no line of its own.
* **The interval** is a bootstrap. Each replicate draws seeds of models with replacement (all runs
  of a seed, of both sizes, with their checkpoints and their counterparts on the other training
  sets, move together: they share initial weights and slices), and independently test subjects with
  all their slices: those of P_best's test set, and those that only Q's has. With ``m`` the smallest
  number of seeds, of Q's and of P_best's subjects it is stretched about the estimate by
  ``sqrt(m / (m - 1))`` times the ratio of a t quantile with ``m - 1`` degrees of freedom to the
  normal one, since percentile intervals of few are too narrow. Of 150 simulated experiments with
  three seeds and 4 and 12 subjects the interval so made covered the truth in 86 % where seeds
  differ, and in 98 % where subjects do.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from mrinb.errors import MrinbError

BASELINE = "P_best"
"""Label of the best single distribution, as a training set and as a test set."""
DIVERSE, SAME_SIZE, BOTH = "P", "P, size of P_best", "P+Q"
TRAININGS = (BASELINE, SAME_SIZE, DIVERSE, BOTH)
"""Training sets of Figure 5, and P cut to the size of P_best."""
FULL, QUARTER = "full", "quarter"
METRICS = ("ssim", "ssim_foreground")
MIN_SPREAD = 1e-3
"""Smallest standard deviation of x, in SSIM, that a slope is fitted to."""
LEVEL = 0.05
REPLICATES = 4000
POINT = ("shift", "model", "training", "size", "seed", "epoch")
"""What tells the points of a table apart."""
RUN = ("model", "size", "seed")

_COMPARED = {"severity": BOTH, "effective robustness of P": DIVERSE,
             "effective robustness of P, size of P_best": SAME_SIZE}  # fmt: skip


class Line(NamedTuple):
    """A straight line through the points of one training set.

    Attributes:
        training: the training set.
        slope: change of y for one of x.
        intercept: y at x = 0.
        low: smallest x of its points.
        high: largest x of its points.
        own: whether the slope was fitted to this set alone; else it is that of all sets.
    """

    training: str
    slope: float
    intercept: float
    low: float
    high: float
    own: bool


class Distance(NamedTuple):
    """How far the points of training set ``a`` lie above those of ``b``.

    Attributes:
        estimate: distance of the two parallel lines, in SSIM on Q.
        low: lower bound of its 90 % interval.
        high: upper bound.
        slope: common slope of both.
        own: mean height of the points of ``a`` above the line of ``b`` alone; NaN without one.
        own_low: lower bound of its 90 % interval.
        own_high: upper bound.
        inside: whether the mean x of ``a`` lies between those of the points of ``b``.
        runs: runs that both have; a seed has one of each size.
        seeds: fewest seeds of any model among them.
        subjects: test subjects of Q.
        slices: test slices of Q.
        draws: stretched replicates of the estimate, shape (replicates,).
    """

    estimate: float
    low: float
    high: float
    slope: float
    own: float
    own_low: float
    own_high: float
    inside: bool
    runs: int
    seeds: int
    subjects: int
    slices: int
    draws: np.ndarray


def points(scores: pd.DataFrame, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Mean scores of every checkpoint: the data of Figure 5.

    Args:
        scores: rows of slices with the columns of ``POINT``, ``target`` (``P_best`` or ``Q``) and
            the metrics; rows without a training set are passed over.
        metrics: which scores.

    Returns:
        One row a checkpoint: columns of ``POINT``, ``epochs`` of its run, and for each metric its
        mean on P_best's test set (``x_ssim``, ...) and on Q's (``y_ssim``, ...).

    Raises:
        MrinbError: a column is missing, or a checkpoint was not tested on both.
    """
    for name in (*POINT, "target", *metrics):
        if name not in scores.columns:
            raise MrinbError(f"score table lacks column {name!r}: give that of studies.robustness")
    rows = scores[scores["size"].isin([FULL, QUARTER])]
    means = rows.groupby([*POINT, "target"], sort=False)[[*metrics]].mean().unstack("target")
    for target in (BASELINE, "Q"):
        column = (metrics[0], target)
        if column not in means or means[column].isna().any():
            raise MrinbError(f"a checkpoint has no scores on target {target!r}: evaluate it there")
    table = pd.DataFrame(
        {
            f"{axis}_{metric}": means[metric, target]
            for metric in metrics
            for axis, target in (("x", BASELINE), ("y", "Q"))
        }
    ).reset_index()
    runs = ["shift", "model", "training", "size", "seed"]
    table.insert(len(POINT), "epochs", table.groupby(runs)["epoch"].transform("max"))
    table.attrs = dict(scores.attrs)
    return table


def lines(table: pd.DataFrame, metric: str = "ssim") -> list[Line]:
    """Least-squares lines, one for each training set of one shift.

    Args:
        table: result of ``points``, of one shift.
        metric: which score.

    Returns:
        The lines; a set whose x hardly varies is drawn with the common slope of all sets.
    """
    groups = {
        name: rows[[f"x_{metric}", f"y_{metric}"]].to_numpy(float).T
        for name, rows in table.groupby("training", sort=False)
    }
    common = _common_slope(groups.values())
    return [_line(str(name), x, y, common) for name, (x, y) in groups.items()]


def _common_slope(groups: Iterable[np.ndarray]) -> float:
    """Slope of parallel lines through several sets of points, each of shape (2, points)."""
    centred = [g - g.mean(axis=1, keepdims=True) for g in groups]
    x, y = np.concatenate(centred, axis=1)
    return float(x @ y / (x @ x)) if x.std() >= MIN_SPREAD else 0.0


def _line(name: str, x: np.ndarray, y: np.ndarray, common: float) -> Line:
    own = len(x) > 2 and x.std() >= MIN_SPREAD
    slope = float(np.cov(x, y)[0, 1] / x.var(ddof=1)) if own else common
    intercept = float(y.mean() - slope * x.mean())
    return Line(name, slope, intercept, float(x.min()), float(x.max()), bool(own))


def fits(table: pd.DataFrame, metric: str = "ssim") -> pd.DataFrame:
    """How well a line describes the points of each training set.

    Args:
        table: result of ``points``.
        metric: which score.

    Returns:
        One row a shift and training set: ``shift``, ``training``, ``points``, ``slope``, ``r2``
        (share of the variance of y) and ``residual`` (standard deviation about the line, in SSIM).
    """
    rows = []
    for shift, part in table.groupby("shift", sort=False):
        for line in lines(part, metric):
            rows_of = part[part["training"] == line.training]
            x, y = (rows_of[f"{axis}_{metric}"].to_numpy(float) for axis in "xy")
            rest = y - line.intercept - line.slope * x
            varies = len(y) > 1 and y.std() > 0
            rows.append(
                {
                    "shift": shift, "training": line.training, "points": len(x),
                    "slope": line.slope,
                    "r2": 1 - float(rest @ rest) / float(len(y) * y.var()) if varies else np.nan,
                    "residual": float(rest.std()),
                }
            )  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.attrs = dict(table.attrs)
    return frame


class _Sums(NamedTuple):
    """Scores of the checkpoints of several runs, summed over each subject's slices.

    Attributes:
        values: sums, shape (points, subjects).
        counts: slices, shape (subjects,).
    """

    values: np.ndarray
    counts: np.ndarray

    def means(self, weights: np.ndarray) -> np.ndarray:
        """Mean scores (draws, points) for weights of the subjects (draws, subjects)."""
        return (weights @ self.values.T) / (weights @ self.counts)[:, None]


class _Set(NamedTuple):
    """The checkpoints of one training set.

    Attributes:
        x: scores on P_best's test set.
        y: scores on Q's.
        run: index of each point's run, shape (points,).
    """

    x: _Sums
    y: _Sums
    run: np.ndarray


def distance(scores: pd.DataFrame, a: str, b: str = BASELINE, metric: str = "ssim") -> Distance:
    """How far training set ``a`` lies above ``b``, with intervals (see the module's docstring).

    Args:
        scores: rows of slices of one shift, as for ``points``.
        a: label of the training set.
        b: label of the baseline.
        metric: which score.

    Raises:
        MrinbError: the two sets share no run, or runs were tested on different slices.
    """
    rows = scores[scores["size"].isin([FULL, QUARTER]) & scores["training"].isin([a, b])]
    runs, subjects, inner = _shared(rows, a, b)
    first, second = (
        _set(rows[rows["training"] == name], runs, subjects, metric) for name in (a, b)
    )
    label = f"{rows['shift'].iloc[0]}|{a}|{b}|{len(runs)}"
    rng = np.random.default_rng(zlib.crc32(label.encode()))
    # The first draw takes everything once: it is the estimate.
    drawn = _draw(rng, np.full(len(subjects), True), inner)
    of_run, trained = runs.droplevel("size").factorize()
    picked = np.concatenate([np.ones((1, len(trained))), _multinomial(rng, len(trained))])
    parallel, own, slope = _distances(first, second, drawn, picked[:, of_run])
    on_q, on_best = (int(np.sum(s.counts > 0)) for s in (first.y, first.x))
    stretch = _stretch(min(len(trained), on_q, on_best))
    estimate, low, high, draws = _interval(parallel, stretch)
    height, own_low, own_high, _ = _interval(own, stretch)
    everything = drawn[:1]
    x_a, x_b = (s.x.means(everything)[0] for s in (first, second))
    return Distance(
        estimate, low, high, float(slope[0]), height, own_low, own_high,
        bool(x_b.min() <= x_a.mean() <= x_b.max()),
        len(runs), _fewest_seeds(runs), on_q, int(first.y.counts.sum()), draws,
    )  # fmt: skip


def _shared(
    rows: pd.DataFrame, a: str, b: str
) -> tuple[pd.MultiIndex, pd.Index, np.ndarray]:  # fmt: skip
    """Runs that both sets have, all test subjects, and which are of P_best's test set."""
    per = {name: group for name, group in rows.groupby("training")}
    for name in (a, b):
        if name not in per:
            known = ", ".join(map(repr, per)) or "neither"
            raise MrinbError(f"score table has no runs of training set {name!r}, only {known}")
    found = [pd.MultiIndex.from_frame(per[n][[*RUN]].drop_duplicates()) for n in (a, b)]
    runs = found[0].intersection(found[1]).sort_values()
    if runs.empty:
        raise MrinbError(f"training sets {a!r} and {b!r} share no model, size and seed")
    subjects = pd.Index(sorted(rows["subject"].unique()))
    own = rows.loc[rows["target"] == BASELINE, "subject"].unique()
    return runs, subjects, np.asarray(subjects.isin(own))


def _set(rows: pd.DataFrame, runs: pd.MultiIndex, subjects: pd.Index, metric: str) -> _Set:
    rows = rows[pd.MultiIndex.from_frame(rows[[*RUN]]).isin(runs)]
    x, y = (_sums(rows[rows["target"] == t], subjects, metric) for t in (BASELINE, "Q"))
    if not x[1].equals(y[1]):
        raise MrinbError("a checkpoint was tested on P_best or on Q only: evaluate it on both")
    return _Set(x[0], y[0], runs.get_indexer(x[1].droplevel("epoch")))


def _sums(rows: pd.DataFrame, subjects: pd.Index, metric: str) -> tuple[_Sums, pd.MultiIndex]:
    groups = rows.groupby([*RUN, "epoch", "subject"])[metric]
    sums = groups.sum().unstack("subject").reindex(columns=subjects)
    counts = groups.size().unstack("subject").reindex(columns=subjects).fillna(0)
    if (counts != counts.iloc[0]).any(axis=None):
        raise MrinbError("checkpoints were tested on different slices: evaluate all on the same")
    return _Sums(sums.fillna(0).to_numpy(float), counts.iloc[0].to_numpy(float)), sums.index


def _multinomial(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.multinomial(n, np.full(n, 1 / n), REPLICATES).astype(float)


def _draw(rng: np.random.Generator, everyone: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Weights of the subjects, shape (1 + replicates, subjects): all once, then resampled.

    Subjects of P_best's test set are drawn among themselves, so that none is left without any.
    """
    weights = np.zeros((REPLICATES, len(everyone)))
    for group in (inner, ~inner):
        if group.any():
            weights[:, group] = _multinomial(rng, int(group.sum()))
    return np.concatenate([np.ones((1, len(everyone))), weights])


def _distances(
    a: _Set, b: _Set, subjects: np.ndarray, runs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance of parallel lines, mean height above the own line of ``b``, common slope.

    Args:
        a: the training set.
        b: the baseline.
        subjects: weights (draws, subjects).
        runs: weights (draws, runs).

    Returns:
        Three arrays of shape (draws,).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means, spread, product, count = [], [], [], []
        for s in (a, b):
            weights = runs[:, s.run]
            total = weights.sum(axis=1)
            x, y = s.x.means(subjects), s.y.means(subjects)
            centre = [(weights * v).sum(axis=1) / total for v in (x, y)]
            dx, dy = x - centre[0][:, None], y - centre[1][:, None]
            means.append(centre)
            spread.append((weights * dx**2).sum(axis=1))
            product.append((weights * dx * dy).sum(axis=1))
            count.append(total)
        (x_a, y_a), (x_b, y_b) = means
        common = _slope(sum(product), sum(spread), sum(count))
        common = np.nan_to_num(common)
        own = _slope(product[1], spread[1], count[1])
        return (
            y_a - y_b - common * (x_a - x_b),
            y_a - y_b - own * (x_a - x_b),
            common,
        )


def _slope(product: np.ndarray, spread: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Slope of a fit, NaN where x hardly varies."""
    return np.where(np.sqrt(spread / count) >= MIN_SPREAD, product / spread, np.nan)


def _interval(values: np.ndarray, stretch: float) -> tuple[float, float, float, np.ndarray]:
    """Estimate, bounds and stretched replicates; the first of the values is the estimate."""
    estimate = float(values[0])
    draws = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(estimate) or not len(draws):
        return np.nan, np.nan, np.nan, np.empty(0)
    draws = estimate + stretch * (draws - estimate)
    low, high = np.quantile(draws, [LEVEL, 1 - LEVEL])
    return estimate, float(low), float(high), draws


def _stretch(m: int) -> float:
    if m < 2:
        return 1.0
    quantiles = stats.t.ppf(1 - LEVEL, m - 1) / stats.norm.ppf(1 - LEVEL)
    return float(np.sqrt(m / (m - 1)) * quantiles)


def _fewest_seeds(runs: pd.MultiIndex) -> int:
    frame = runs.to_frame(index=False)
    return int(frame.groupby("model")["seed"].nunique().min())


def distances(scores: pd.DataFrame, metrics: Sequence[str] = METRICS) -> pd.DataFrame:
    """Severity and effective robustness of every shift, for each model and for all together.

    Args:
        scores: rows of slices, as for ``points``.
        metrics: which scores.

    Returns:
        One row a shift, model (``all`` where there are several), quantity and metric: ``estimate,
        low, high, slope``, Taori's ``own, own_low, own_high`` and whether it is ``inside`` the
        baseline's range of x, ``runs, seeds, subjects``.
    """
    rows = []
    trained = scores[scores["size"].isin([FULL, QUARTER])]
    for shift, part in trained.groupby("shift", sort=False):
        models = list(part["model"].unique())
        for model in (*models, "all") if len(models) > 1 else models:
            chosen = part if model == "all" else part[part["model"] == model]
            for what, training in _COMPARED.items():
                if training not in set(chosen["training"]):
                    continue
                for metric in metrics:
                    found = distance(chosen, training, BASELINE, metric)._asdict()
                    found.pop("draws")
                    rows.append({"shift": shift, "model": model, "quantity": what,
                                 "metric": metric, **found})  # fmt: skip
    table = pd.DataFrame(rows)
    table.attrs = dict(scores.attrs)
    return table


class Share(NamedTuple):
    """How much of a shift's severity training on P makes up for, at full size.

    Attributes:
        effect: SSIM of P minus SSIM of P_best.
        severity: SSIM of the training set that contains the target, minus SSIM of P_best.
        share: effect over severity.
        low: lower bound of its 90 % interval.
        high: upper bound.
    """

    effect: float
    severity: float
    share: float
    low: float
    high: float


def share(
    scores: pd.DataFrame, target: str, both: str, diverse: str = DIVERSE, metric: str = "ssim"
) -> Share:
    """Effect of diverse data as a share of the severity, on one target and one model.

    The interval is a percentile bootstrap over seeds and subjects, unstretched: a ratio's spread is
    not a mean's. It is shown and decides nothing.

    Args:
        scores: rows of slices of one shift and model.
        target: test pool.
        both: training set that contains the target.
        diverse: training set whose effect it is.
        metric: which score.

    Raises:
        MrinbError: a training set was not tested on the target.
    """
    rows = scores[(scores["target"] == target) & (scores["size"] == FULL)]
    rows = rows[rows["epoch"] == rows.groupby(["pool", "seed"])["epoch"].transform("max")]
    grids = []
    for name in (BASELINE, diverse, both):
        part = rows[rows["training"] == name]
        if part.empty:
            raise MrinbError(f"score table has no rows of training set {name!r} on {target!r}")
        grids.append(part.groupby(["seed", "subject"])[metric].agg(["sum", "size"]))
    sums = np.stack([g["sum"].unstack("subject").to_numpy(float) for g in grids])
    counts = grids[0]["size"].unstack("subject").to_numpy(float)[0]
    rng = np.random.default_rng(zlib.crc32(f"{target}|{diverse}|{both}".encode()))
    seeds, subjects = (_multinomial(rng, n) for n in sums.shape[1:])
    seeds, subjects = (np.concatenate([np.ones((1, w.shape[1])), w]) for w in (seeds, subjects))
    means = np.einsum("bs,tsj,bj->tb", seeds, sums, subjects, optimize=True)
    base, gain, top = means / (seeds.sum(1) * (subjects @ counts))
    ratio = (gain - base) / (top - base)
    low, high = np.quantile(ratio[1:], [LEVEL, 1 - LEVEL])
    return Share(
        float(gain[0] - base[0]), float(top[0] - base[0]), float(ratio[0]), float(low), float(high)
    )
