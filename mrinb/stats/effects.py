"""What a claim compares, and what the scores say of each comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from mrinb import profiles
from mrinb.errors import MrinbError
from mrinb.labels import BASELINE, SCORES, ZERO_FILLED
from mrinb.stats import bootstrap, correlation, lines
from mrinb.stats.bootstrap import LEVEL, Interval, Needed
from mrinb.stats.pairs import paired
from mrinb.stats.rules import (
    MARGIN,
    MIN_POOLS,
    MIN_SEEDS,
    MIN_SUBJECTS,
    Kind,
    Word,
    bound,
    decide,
)
from mrinb.tables import note_of

LINE_TARGET = "Q at equal SSIM on P_best"


class Pair(NamedTuple):
    """Pool ``a`` minus pool ``b`` on one test pool.

    Attributes:
        part: rows of one shift and model.
        target: test pool.
        a, b: labels of training pools.
        severity: the pools (both, other) whose difference on this target is the shift's severity.
        trained: whether there are seeds; where nothing is trained none are asked for.
        printed: the difference that the paper prints.
    """

    part: pd.DataFrame
    target: str
    a: str
    b: str
    severity: tuple[str, str] | None = None
    trained: bool = True
    printed: float | None = None


class LinesApart(NamedTuple):
    """Training set ``a`` above the baseline, at equal scores on the baseline's test set."""

    part: pd.DataFrame
    a: str


class Ranked(NamedTuple):
    """Training pools ranked by similarity to the test data, by one of ``correlation.RULES``."""

    part: pd.DataFrame
    similarities: pd.DataFrame
    rule: str


Comparison = Pair | LinesApart | Ranked


class Effect(NamedTuple):
    """One part of a claim on one metric: pool ``a`` minus pool ``b`` on one test pool.

    Attributes:
        kind: the rule applied.
        model, shift, target: where the part stands; target is ``P`` or ``Q``.
        a, b: labels of the two training pools.
        metric: ``ssim`` or ``ssim_foreground``.
        estimate, low, high: mean difference and its 90 % interval.
        margin: margin of non-inferiority and equivalence.
        p_inferior: p-value against "a is worse than b by the margin or more".
        p_superior: p-value against "a is better than b by the margin or more"; with
            ``p_inferior`` the two one-sided tests of equivalence.
        p_not_better: p-value against "a is not better than b".
        seeds, subjects, slices: numbers that the interval rests on; slices a seed.
        verdict: what the rule says on this metric.
        needed: what would decide it at the effect seen, where it is undecided.
    """

    kind: Kind
    model: str
    shift: str
    target: str
    a: str
    b: str
    metric: str
    estimate: float
    low: float
    high: float
    margin: float
    p_inferior: float
    p_superior: float
    p_not_better: float
    seeds: int
    subjects: int
    slices: int
    verdict: Word
    needed: Needed | None = None

    @property
    def equivalent(self) -> bool:
        """Whether the interval lies within the margin on both sides (TOST at 5 %)."""
        return -self.margin < self.low and self.high < self.margin

    @property
    def slack(self) -> float:
        """How far the lower bound is above what the rule asks; the worst part has the least."""
        if self.kind == "ranks":
            return self.estimate - self.high
        return self.low - bound(self.kind, self.margin)


class Pooled(NamedTuple):
    """Mean effect over the parts of a claim on one metric, each part weighing the same.

    Attributes:
        metric: which score.
        estimate, low, high: the mean and its 90 % interval; of ranks, that of shuffles.
        margin: mean of the parts' margins.
        verdict: what the rule says of it.
        needed: what would decide it, where it is undecided.
    """

    metric: str
    estimate: float
    low: float
    high: float
    margin: float
    verdict: Word
    needed: Needed | None


@dataclass(frozen=True)
class Measured:
    """An effect with what it was computed from.

    Attributes:
        effect: the effect.
        source: what is drawn for its interval, or the two values that are ranked.
        printed: the difference that the paper prints.
    """

    effect: Effect
    source: bootstrap.Part | tuple[np.ndarray, np.ndarray]
    printed: float | None = None


def measure(kind: Kind, comparison: Comparison, metric: str) -> Measured:
    """What the scores say of a comparison on one metric.

    Args:
        kind: the rule.
        comparison: what is compared.
        metric: column of scores.

    Raises:
        MrinbError: pools, seeds or slices are missing.
    """
    if isinstance(comparison, LinesApart):
        return _lines(kind, comparison, metric)
    if isinstance(comparison, Ranked):
        return _ranks(comparison, metric)
    return _pair(kind, comparison, metric)


def _pair(kind: Kind, pair: Pair, metric: str) -> Measured:
    differences = paired(pair.part, pair.target, pair.a, pair.b, metric)
    model, shift = _of(pair.part, "model", skip=ZERO_FILLED), _of(pair.part, "shift")
    source = bootstrap.Mean(differences, model)
    found = bootstrap.interval(source, f"{shift}|{model}|{pair.target}|{pair.a}|{pair.b}")
    margin = max(MARGIN, _severity(pair, metric) / 10)
    seeds = differences.shape[1] if pair.trained else _no_seeds(differences)
    subjects = differences.index.get_level_values("subject").nunique()
    where = (kind, model, shift, pair.target, pair.a, pair.b, metric)
    effect = _effect(where, found, margin, (seeds, subjects, len(differences)))
    return Measured(effect, source, pair.printed)


def _effect(
    where: tuple[Kind, str, str, str, str, str, str], found: Interval, margin: float,
    numbers: tuple[int, int, int],
) -> Effect:  # fmt: skip
    """An effect with the verdict on it; ``numbers`` are seeds, subjects and slices."""
    kind, a, b = where[0], where[4], where[5]
    seeds, subjects, _ = numbers
    verdict = decide(kind, found.low, found.high, margin, seeds, subjects)
    if a == b and kind == "better" and verdict != "underpowered":
        verdict = "does not hold"  # Nothing is better than itself.
    return Effect(
        *where, found.estimate, found.low, found.high, margin,
        p_inferior=found.p_not_above(-margin),
        p_superior=found.p_not_below(margin),
        p_not_better=found.p_not_above(0.0),
        seeds=seeds, subjects=subjects, slices=numbers[2], verdict=verdict,
        needed=_needed(kind, verdict, found, margin, seeds, subjects),
    )  # fmt: skip


def _needed(
    kind: Kind, verdict: Word, found: Interval, margin: float, seeds: int, subjects: int
) -> Needed | None:
    if verdict != "undecided":
        return None
    return bootstrap.needed(found, bound(kind, margin), seeds, subjects)


def _no_seeds(differences: pd.DataFrame) -> int:
    """Number of seeds of untrained methods, 0, once it is made sure that they are."""
    if list(differences.columns) != [-1]:
        raise MrinbError("score table has seeds where the claim is about untrained methods")
    return 0


def _severity(pair: Pair, metric: str) -> float:
    if pair.severity is None:
        return 0.0
    both, other = pair.severity
    return float(paired(pair.part, pair.target, both, other, metric).to_numpy().mean())


def _lines(kind: Kind, pair: LinesApart, metric: str) -> Measured:
    """Height of one line above that of P_best."""
    source = lines.above(pair.part, pair.a, metric=metric)
    shift, model = _of(pair.part, "shift"), _of(pair.part, "model", skip=ZERO_FILLED)
    found = bootstrap.interval(source, lines.label(pair.part, pair.a))
    where = (kind, model, shift, LINE_TARGET, pair.a, BASELINE, metric)
    on_q = source.on_q
    numbers = (source.fewest_seeds, int(np.sum(on_q > 0)), int(on_q.sum()))
    return Measured(_effect(where, found, MARGIN, numbers), source)


def _ranks(pair: Ranked, metric: str) -> Measured:
    """Rank correlation of similarity and score over pools without test distributions."""
    points = correlation.points(pair.similarities, pair.part, metric, pair.rule)
    points = correlation.chosen(points, correlation.SINGLE)
    source = points["similarity"].to_numpy(float), points["score"].to_numpy(float)
    found = correlation.correlation(*source)
    inside = pair.part["distribution"].isin(pair.similarities["distribution"].unique())
    tested = pair.part[inside & pair.part["pool"].isin(points["pool"])]
    seeds, subjects = int(points["seeds"].min()), tested["subject"].nunique()
    slices = len(tested.drop_duplicates(["distribution", "volume", "slice"]))
    embedder = (note_of(pair.similarities) or {}).get("embedder", "")
    how = f"{pair.rule}, {embedder}" if embedder else pair.rule
    verdict = _decide_ranks(found, seeds, subjects)
    effect = Effect(
        "ranks", _of(tested, "model"), _of(tested, "shift"), _of(tested, "target"),
        f"similarity ({how}, {found.pools} pools)", "score", metric,
        found.rho, found.low, found.high, 0.0,
        p_inferior=found.p, p_superior=found.p_below, p_not_better=found.p,
        seeds=seeds, subjects=subjects, slices=slices,
        verdict=verdict, needed=_needed_ranks(verdict, found, seeds, subjects),
    )  # fmt: skip
    return Measured(effect, source)


def _decide_ranks(found: correlation.Correlation, seeds: int, subjects: int) -> Word:
    if seeds < MIN_SEEDS or subjects < MIN_SUBJECTS or found.pools < MIN_POOLS:
        return "underpowered"
    if found.p <= LEVEL:
        return "holds"
    return "does not hold" if found.p_below <= LEVEL else "undecided"


def _needed_ranks(
    verdict: Word, found: correlation.Correlation, seeds: int, subjects: int
) -> Needed | None:
    """Pools of which this correlation would be told from chance (normal approximation)."""
    if verdict != "undecided":
        return None
    pools = bootstrap.MANY_POOLS + 1
    if found.rho:
        pools = ceil((float(stats.norm.ppf(1 - LEVEL)) / found.rho) ** 2) + 1
    enough = pools <= bootstrap.MANY_POOLS
    return Needed(seeds, subjects, enough, max(pools, found.pools + 1))


def _of(part: pd.DataFrame, column: str, skip: str | None = None) -> str:
    return str(part.loc[part["pool"] != skip, column].iloc[0])


def pool(parts: Sequence[Measured], label: str) -> Pooled:
    """Mean effect over the parts, each weighing the same, with the rule applied to it.

    Args:
        parts: the parts on one metric.
        label: names the claim; the same label draws the same replicates.
    """
    effects = [part.effect for part in parts]
    first = effects[0]
    if len(parts) == 1:
        return Pooled(*(getattr(first, name) for name in Pooled._fields))
    if first.kind == "ranks":
        return _pool_ranks(parts)
    drawn = [part.source for part in parts if not isinstance(part.source, tuple)]
    found = bootstrap.interval(drawn, label)
    margin = float(np.mean([e.margin for e in effects]))
    seeds = min(e.seeds for e in effects)
    subjects = min(e.subjects for e in effects)
    verdict = decide(first.kind, found.low, found.high, margin, seeds, subjects)
    if verdict != "underpowered" and all(e.a == e.b for e in effects) and first.kind == "better":
        verdict = "does not hold"
    needed = _needed(first.kind, verdict, found, margin, seeds, subjects)
    return Pooled(first.metric, found.estimate, found.low, found.high, margin, verdict, needed)


def _pool_ranks(parts: Sequence[Measured]) -> Pooled:
    effects = [part.effect for part in parts]
    found = correlation.together([part.source for part in parts if isinstance(part.source, tuple)])
    seeds = min(e.seeds for e in effects)
    subjects = min(e.subjects for e in effects)
    verdict = _decide_ranks(found, seeds, subjects)
    needed = _needed_ranks(verdict, found, seeds, subjects)
    return Pooled(
        effects[0].metric, found.rho, found.low, found.high, 0.0, verdict, needed
    )  # fmt: skip


def metric_name(metric: str) -> str:
    """A score in words."""
    return SCORES[metric]


def place(effect: Effect) -> str:
    """Where a part stands: test pool, shift and network."""
    shift = f" of {effect.shift}" if effect.shift else ""
    return f"{effect.target}{shift} ({profiles.network_name(effect.model)})"


def where(effect: Effect) -> str:
    """Where a part stands and what it compares."""
    return f"{place(effect)}, {effect.a} against {effect.b}"


def numbers(effect: Effect) -> str:
    """Estimate and interval, with the margin or p-value that the rule looks at."""
    if effect.kind == "ranks":
        shuffled = f"shuffled {signed(effect.low)} to {signed(effect.high)}"
        return f"{signed(effect.estimate)} ({shuffled}; p = {effect.p_not_better:.2g})"
    bounds = f"{signed(effect.estimate)} ({signed(effect.low)} to {signed(effect.high)})"
    return bounds if effect.kind == "better" else f"{bounds}, margin {effect.margin:.4f}"


def signed(value: float, decimals: int = 4) -> str:
    """A difference with its sign."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")
