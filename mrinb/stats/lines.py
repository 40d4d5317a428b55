"""Effective robustness: lines through checkpoints, and the distance between them (Section 4).

A checkpoint is a point: its mean SSIM on the test set of P_best across, on that of Q upwards. A
training set makes networks *effectively* more robust than P_best does if its points lie above the
line of P_best. The line of P+Q above that of P_best is the shift's *severity*.

The distance is that of two parallel lines, whose common slope is fitted to both sets. Beside it
stands the mean height above the baseline's own line (Taori et al., 2020), which decides nothing.
The book's page on rules says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from mrinb.errors import MrinbError
from mrinb.labels import BASELINE, BOTH, DIVERSE, SAME_SIZE
from mrinb.stats import bootstrap
from mrinb.stats.rules import METRICS
from mrinb.tables import note_of, noted

FULL, QUARTER = "full", "quarter"
MIN_DEVIATION = 1e-3
"""Smallest standard deviation of x, in SSIM, that a slope is fitted to."""
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
            raise MrinbError(f"score table lacks column {name!r}: give that of a study's scores")
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
    return noted(table, note_of(scores))


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
    return float(x @ y / (x @ x)) if x.std() >= MIN_DEVIATION else 0.0


def _line(name: str, x: np.ndarray, y: np.ndarray, common: float) -> Line:
    own = len(x) > 2 and x.std() >= MIN_DEVIATION
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
    return noted(pd.DataFrame(rows), note_of(table))


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
        tested = self.counts > 0
        weights = weights[:, tested]
        return (weights @ self.values[:, tested].T) / (weights @ self.counts[tested])[:, None]


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


@dataclass(frozen=True)
class Above:
    """How far the checkpoints of one training set lie above those of another.

    Attributes:
        first, second: the two sets.
        runs: model, size and seed of each run that both have.
        names: test subjects.
        inner: whether each subject is of P_best's test set, shape (subjects,).
        own: whether the height is above the second's own line, not the distance of parallel ones.
    """

    first: _Set
    second: _Set
    runs: pd.MultiIndex
    names: pd.Index
    inner: np.ndarray
    own: bool = False

    @property
    def seeds(self) -> list[bootstrap.Seed]:
        """All runs of a seed move together: they share initial weights and slices."""
        return [(str(model), int(seed)) for model, seed in self._trained[1]]

    @property
    def subjects(self) -> dict[str, str]:
        """Those of P_best's test set are drawn among themselves, so that some are always there."""
        groups = np.where(self.inner, BASELINE, "")
        return dict(zip(self.names, groups, strict=True))

    @cached_property
    def _trained(self) -> tuple[np.ndarray, pd.Index]:
        return self.runs.droplevel("size").factorize()

    def values(self, seeds: np.ndarray, subjects: np.ndarray) -> np.ndarray:
        """The distance or height, shape (draws,); NaN where the second has no line of its own."""
        runs = seeds[:, self._trained[0]].astype(float)
        parallel, own, _ = _distances(self.first, self.second, subjects.astype(float), runs)
        return own if self.own else parallel

    @property
    def once(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights of runs and of subjects that take each once."""
        return np.ones((1, len(self.runs))), np.ones((1, len(self.names)))

    @property
    def fewest_seeds(self) -> int:
        """Seeds of the model that has fewest."""
        frame = self.runs.to_frame(index=False)
        return int(frame.groupby("model")["seed"].nunique().min())

    @property
    def on_q(self) -> np.ndarray:
        """Slices of Q's test set by subject, shape (subjects,)."""
        return self.first.y.counts


def above(scores: pd.DataFrame, a: str, b: str = BASELINE, metric: str = "ssim") -> Above:
    """The checkpoints of training set ``a`` beside those of ``b``.

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
    return Above(first, second, runs, subjects, inner)


def distance(scores: pd.DataFrame, a: str, b: str = BASELINE, metric: str = "ssim") -> Distance:
    """How far training set ``a`` lies above ``b``, with intervals.

    Args:
        scores: rows of slices of one shift, as for ``points``.
        a: label of the training set.
        b: label of the baseline.
        metric: which score.

    Raises:
        MrinbError: the two sets share no run, or runs were tested on different slices.
    """
    part = above(scores, a, b, metric)
    found, own = (
        bootstrap.interval(replace(part, own=own), label(scores, a, b)) for own in (False, True)
    )
    runs, subjects = part.once
    slope = _distances(part.first, part.second, subjects, runs)[2]
    x_a, x_b = (s.x.means(subjects)[0] for s in (part.first, part.second))
    return Distance(
        found.estimate, found.low, found.high, float(slope[0]), own.estimate, own.low, own.high,
        bool(x_b.min() <= x_a.mean() <= x_b.max()),
        len(part.runs), part.fewest_seeds, int(np.sum(part.on_q > 0)), int(part.on_q.sum()),
    )  # fmt: skip


def label(scores: pd.DataFrame, a: str, b: str = BASELINE) -> str:
    """Names the comparison of two training sets, so that its replicates are always the same."""
    return f"{scores['shift'].iloc[0]}|{a}|{b}"


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
        means, squares, product, count = [], [], [], []
        for s in (a, b):
            weights = runs[:, s.run]
            total = weights.sum(axis=1)
            x, y = s.x.means(subjects), s.y.means(subjects)
            centre = [(weights * v).sum(axis=1) / total for v in (x, y)]
            dx, dy = x - centre[0][:, None], y - centre[1][:, None]
            means.append(centre)
            squares.append((weights * dx**2).sum(axis=1))
            product.append((weights * dx * dy).sum(axis=1))
            count.append(total)
        (x_a, y_a), (x_b, y_b) = means
        common = _slope(sum(product), sum(squares), sum(count))
        common = np.nan_to_num(common)
        own = _slope(product[1], squares[1], count[1])
        return (
            y_a - y_b - common * (x_a - x_b),
            y_a - y_b - own * (x_a - x_b),
            common,
        )


def _slope(product: np.ndarray, squares: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Slope of a fit, NaN where x hardly varies."""
    return np.where(np.sqrt(squares / count) >= MIN_DEVIATION, product / squares, np.nan)


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
    trained = scores[scores["size"].isin([FULL, QUARTER]) & scores["target"].isin([BASELINE, "Q"])]
    trained = _grouped_fast(
        trained[["shift", "training", "target", *RUN, "epoch", "subject", *metrics]]
    )
    for shift, part in trained.groupby("shift", sort=False):
        models = list(part["model"].unique())
        for model in (*models, "all") if len(models) > 1 else models:
            chosen = part if model == "all" else part[part["model"] == model]
            for what, training in _COMPARED.items():
                if training not in set(chosen["training"]):
                    continue
                for metric in metrics:
                    found = distance(chosen, training, BASELINE, metric)._asdict()
                    rows.append({"shift": shift, "model": model, "quantity": what,
                                 "metric": metric, **found})  # fmt: skip
    return noted(pd.DataFrame(rows), note_of(scores))


def _grouped_fast(scores: pd.DataFrame) -> pd.DataFrame:
    """The same rows with columns of plain objects: pandas groups its strings slowly."""
    texts = scores.select_dtypes(["str", "string"]).columns
    return scores.astype(dict.fromkeys(texts, object))


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

    It is shown and decides nothing.

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
    sums = [g["sum"].unstack("subject") for g in grids]
    counts = grids[0]["size"].unstack("subject").to_numpy(float)[0]
    ratio = _Ratio(np.stack([s.to_numpy(float) for s in sums]), counts)
    found = bootstrap.interval(ratio, f"{target}|{diverse}|{both}")
    base, gain, top = ratio.means(*(np.ones((1, n)) for n in ratio.sums.shape[1:]))[:, 0]
    return Share(float(gain - base), float(top - base), found.estimate, found.low, found.high)


@dataclass(frozen=True)
class _Ratio:
    """Gain of the second training set over the first, as a share of that of the third.

    Attributes:
        sums: summed scores, shape (3, seeds, subjects).
        counts: slices of each subject, shape (subjects,).
    """

    sums: np.ndarray
    counts: np.ndarray

    @property
    def seeds(self) -> list[bootstrap.Seed]:
        return [("", seed) for seed in range(self.sums.shape[1])]

    @property
    def subjects(self) -> dict[str, str]:
        return {str(subject): "" for subject in range(self.sums.shape[2])}

    def means(self, seeds: np.ndarray, subjects: np.ndarray) -> np.ndarray:
        """Mean scores (3, draws)."""
        sums = np.einsum("bs,tsj,bj->tb", seeds, self.sums, subjects, optimize=True)
        return sums / (seeds.sum(1) * (subjects @ self.counts))

    def values(self, seeds: np.ndarray, subjects: np.ndarray) -> np.ndarray:
        base, gain, top = self.means(seeds, subjects)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (gain - base) / (top - base)
