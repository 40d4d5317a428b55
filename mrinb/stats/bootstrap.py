"""Intervals over seeds and test subjects: the one bootstrap of this package.

Each replicate draws seeds, and independently whole subjects with all their slices, with replacement
(seeds and subjects are crossed: every seed is tested on every subject; Owen, The pigeonhole
bootstrap, 2007). Few of either make a percentile interval too narrow, so it is stretched about the
estimate to the width of a t interval with the variance of the drawn factors and its degrees of
freedom (Hesterberg, What teachers should know about the bootstrap, 2015).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.05
"""Level of each one-sided test; an interval covers ``1 - 2 * LEVEL``."""
REPLICATES = 4000
MANY_SEEDS, MANY_SUBJECTS, MANY_POOLS = 50, 1000, 100
"""The most that is looked at where it is said what would decide."""

Seed = tuple[str, int]
"""A network and the number of its seed: what is drawn together."""


class Factor(NamedTuple):
    """What one factor that is drawn adds to a variance.

    Attributes:
        drawn: ``seeds`` or ``subjects``.
        number: how many of them there are.
        variance: what their choice adds to the variance of the estimate, what both together add
            included.
    """

    drawn: str
    number: int
    variance: float


class Variance(NamedTuple):
    """Variance of an estimate, taken apart.

    Attributes:
        factors: seeds and subjects, each kind that is drawn by itself.
        both: what seed and subject only add together; each factor holds it, too.
        drawn: whether the variances come from draws. Few draws of few things say little about how
            the variance divides, so that the degrees of freedom are those of the smallest factor.
    """

    factors: tuple[Factor, ...]
    both: float
    drawn: bool = False

    @property
    def total(self) -> float:
        """The variance, counting once what both hold."""
        parts = [f.variance for f in self.factors]
        return max(sum(parts) - self.both, *parts, 0.0)

    @property
    def freedom(self) -> float:
        """Degrees of freedom: Satterthwaite's, or those of the smallest factor."""
        if self.drawn:
            return min((f.number - 1 for f in self.factors if f.number > 1), default=1)
        squares = sum(f.variance**2 / max(f.number - 1, 1) for f in self.factors)
        return sum(f.variance for f in self.factors) ** 2 / squares if squares else np.inf

    def with_more(self, seeds: float, subjects: float) -> Variance:
        """What it would be with so many times the seeds and the subjects."""
        both = self.both / (seeds * subjects)
        times = {"seeds": seeds, "subjects": subjects}
        return Variance(
            tuple(
                Factor(
                    f.drawn,
                    round(f.number * times[f.drawn]) if f.number > 1 else f.number,
                    max(f.variance - self.both, 0.0) / times[f.drawn] + both,
                )
                for f in self.factors
            ),
            both,
            self.drawn,
        )

    @property
    def half_width(self) -> float:
        """Half the width of a t interval."""
        return float(stats.t.ppf(1 - LEVEL, self.freedom) * np.sqrt(self.total))


class Interval(NamedTuple):
    """A bootstrap interval.

    Attributes:
        estimate: what all seeds and subjects give, each once.
        low, high: bounds of the 90 % interval.
        draws: stretched replicates, shape (replicates,), those that are undefined left out.
        variance: what its width comes from.
    """

    estimate: float
    low: float
    high: float
    draws: np.ndarray
    variance: Variance

    def p_not_above(self, bound: float) -> float:
        """One-sided p-value against "the estimate is at most ``bound``"."""
        return float((1 + np.sum(self.draws <= bound)) / (1 + len(self.draws)))

    def p_not_below(self, bound: float) -> float:
        """One-sided p-value against "the estimate is at least ``bound``"."""
        return float((1 + np.sum(self.draws >= bound)) / (1 + len(self.draws)))


class Part(Protocol):
    """A number that depends on how often each seed and each subject is drawn."""

    @property
    def seeds(self) -> Sequence[Seed]:
        """The seeds."""
        ...

    @property
    def subjects(self) -> Mapping[str, str]:
        """The subjects, each with the group that it is drawn in."""
        ...

    def values(self, seeds: np.ndarray, subjects: np.ndarray) -> np.ndarray:
        """The number, shape (draws,), for weights (draws, seeds) and (draws, subjects).

        One of both may have a single row, which then goes with each of the other.
        """
        ...


@dataclass(frozen=True)
class Mean:
    """Mean of differences over seeds and slices.

    Attributes:
        differences: a row a slice, the subject a level of its index; a column a seed.
        model: the network.
    """

    differences: pd.DataFrame
    model: str = ""

    @property
    def seeds(self) -> list[Seed]:
        """The seeds."""
        return [(self.model, int(seed)) for seed in self.differences.columns]

    @property
    def subjects(self) -> dict[str, str]:
        """The subjects, all in one group."""
        return dict.fromkeys(self._by_subject.index, "")

    @cached_property
    def _by_subject(self) -> pd.DataFrame:
        return self.differences.groupby(level="subject").sum()

    @property
    def sums(self) -> np.ndarray:
        """Differences summed over slices, shape (seeds, subjects)."""
        return self._by_subject.to_numpy(float).T

    @cached_property
    def counts(self) -> np.ndarray:
        """Slices of each subject, shape (subjects,)."""
        return self.differences.groupby(level="subject").size().to_numpy(float)

    def values(self, seeds: np.ndarray, subjects: np.ndarray) -> np.ndarray:
        """The mean, shape (draws,); NaN where no seed or subject was drawn."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sum((seeds @ self.sums) * subjects, 1) / (
                seeds.sum(1) * (subjects @ self.counts)
            )

    def influence(self) -> np.ndarray:
        """What each seed and subject adds to the mean, shape (seeds, subjects)."""
        sums, counts = self.sums, self.counts
        size = len(sums) * counts.sum()
        return (sums - sums.sum() / size * counts) / size


Groups = tuple[tuple[int, ...], ...]
"""Places of the units of each group."""


class _Draws:
    """How often each unit is drawn, arrays of shape (replicates, units).

    Args:
        label: of the comparison; the same gives the same draws.
        seeds, subjects: the groups of both.

    Attributes:
        seeds, subjects: all groups of both drawn.
    """

    def __init__(self, label: str, seeds: Groups, subjects: Groups) -> None:
        self._groups = seeds, subjects
        self._rng = np.random.default_rng(zlib.crc32(label.encode()))
        self.seeds, self.subjects = (
            _drawn(self._rng, groups, range(len(groups))) for groups in self._groups
        )

    @cached_property
    def alone(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """One group of seeds drawn, or one of subjects, and the others once: an array a group."""
        seeds, subjects = (
            [_drawn(self._rng, groups, [one]) for one in range(len(groups))]
            for groups in self._groups
        )
        return seeds, subjects


# The scores of one comparison, and its claim, share their draws.
_draws = lru_cache(maxsize=8)(_Draws)


def _drawn(rng: np.random.Generator, groups: Groups, which: Iterable[int]) -> np.ndarray:
    """Units of the groups ``which`` drawn with replacement, all others once."""
    weights = np.ones((REPLICATES, sum(map(len, groups))), int)
    for members in (groups[place] for place in which):
        n = len(members)
        weights[:, list(members)] = rng.multinomial(n, np.full(n, 1 / n), REPLICATES)
    weights.flags.writeable = False
    return weights


class _Units:
    """Seeds or subjects of several parts, in the groups that they are drawn in.

    Args:
        groups: group of each unit.
        parts: for each part, its units.
    """

    def __init__(self, groups: Mapping[object, str], parts: Sequence[Sequence[object]]) -> None:
        place = {unit: i for i, unit in enumerate(groups)}
        self.groups: Groups = tuple(
            tuple(place[u] for u, g in groups.items() if g == group)
            for group in dict.fromkeys(groups.values())
        )
        self.of_parts = [np.array([place[unit] for unit in units]) for units in parts]
        self.count = len(groups)

    @property
    def once(self) -> np.ndarray:
        """Every unit once, shape (1, units)."""
        return np.ones((1, self.count), int)


def interval(parts: Part | Sequence[Part], label: str = "") -> Interval:
    """Interval of a number, or of the mean of several, each weighing the same.

    Seeds and subjects that several parts share are drawn together.

    Args:
        parts: what it is the interval of.
        label: names the comparison; the same label draws the same replicates.

    Returns:
        The 90 % interval; bounds are NaN where the number is not defined.
    """
    found = [parts] if not isinstance(parts, Sequence) else list(parts)
    seeds, subjects = _seed_units(found), _subject_units(found)
    estimate = float(_values(found, seeds, subjects, seeds.once, subjects.once)[0])
    weights = _draws(label, seeds.groups, subjects.groups)
    draws = _values(found, seeds, subjects, weights.seeds, weights.subjects)
    draws = draws[np.isfinite(draws)]
    nothing = Variance((), 0.0)
    if not np.isfinite(estimate) or not len(draws):
        return Interval(np.nan, np.nan, np.nan, np.empty(0), nothing)
    means = [part for part in found if isinstance(part, Mean)]
    if len(means) == len(found) and len(seeds.groups) == len(subjects.groups) == 1:
        variance = _variance_of_means(means, seeds, subjects)
        drawn = float(draws.std())
    else:
        variance, drawn = _variance_drawn(found, seeds, subjects, weights)
    draws = estimate + _stretch(variance, drawn) * (draws - estimate)
    low, high = np.quantile(draws, [LEVEL, 1 - LEVEL])
    return Interval(estimate, float(low), float(high), draws, variance)


def _seed_units(parts: Sequence[Part]) -> _Units:
    """A seed moves all parts alike where all have the same; else each network's by themselves."""
    each = [part.seeds for part in parts]
    if len(parts) == 1:
        return _Units(dict.fromkeys(each[0], ""), each)
    numbers = [[number for _, number in seeds] for seeds in each]
    if all(sorted(n) == sorted(numbers[0]) for n in numbers) and len(set(numbers[0])) == len(
        numbers[0]
    ):
        return _Units(dict.fromkeys(numbers[0], ""), numbers)
    return _Units({seed: seed[0] for seeds in each for seed in seeds}, each)


def _subject_units(parts: Sequence[Part]) -> _Units:
    groups: dict[object, str] = {}
    for part in parts:
        for subject, group in part.subjects.items():
            groups[subject] = max(group, groups.get(subject, ""))
    return _Units(groups, [list(part.subjects) for part in parts])


def _values(
    parts: Sequence[Part], seeds: _Units, subjects: _Units, of_seeds: np.ndarray,
    of_subjects: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Mean over the parts, shape (draws,)."""
    places = zip(parts, seeds.of_parts, subjects.of_parts, strict=True)
    each = [part.values(of_seeds[:, s], of_subjects[:, j]) for part, s, j in places]
    return each[0] if len(each) == 1 else np.mean(each, axis=0)


def _variance_of_means(parts: Sequence[Mean], seeds: _Units, subjects: _Units) -> Variance:
    """The variance of a mean of means, which is known without drawing."""
    grid = np.zeros((seeds.count, subjects.count))
    for part, s, j in zip(parts, seeds.of_parts, subjects.of_parts, strict=True):
        grid[np.ix_(s, j)] += part.influence() / len(parts)
    n, m = grid.shape
    of_seed, of_subject = grid.sum(1), grid.sum(0)
    rest = grid - of_seed[:, None] / m - of_subject / n
    return Variance(
        (
            Factor("seeds", n, _ratio(n) * float(of_seed @ of_seed)),
            Factor("subjects", m, _ratio(m) * float(of_subject @ of_subject)),
        ),
        _ratio(n) * _ratio(m) * float(np.sum(rest**2)),
    )


def _variance_drawn(
    parts: Sequence[Part], seeds: _Units, subjects: _Units, weights: _Draws
) -> tuple[Variance, float]:
    """Variance from drawing one group at a time, and the standard deviation of what was drawn.

    What both add together is not taken off, which makes the interval wider.
    """
    of_seeds, of_subjects = weights.alone
    alone = [
        *(("seeds", m, (w, subjects.once)) for m, w in zip(seeds.groups, of_seeds, strict=True)),
        *(("subjects", m, (seeds.once, w))
          for m, w in zip(subjects.groups, of_subjects, strict=True)),
    ]  # fmt: skip
    factors, drawn = [], 0.0
    for kind, members, pair in alone:
        units = len(members)
        values = _values(parts, seeds, subjects, *pair)
        found = float(np.var(values[np.isfinite(values)]))
        factors.append(Factor(kind, units, _ratio(units) * found))
        drawn += found * (units > 1)
    return Variance(tuple(factors), 0.0, drawn=True), float(np.sqrt(drawn))


def _stretch(variance: Variance, drawn: float) -> float:
    """How much wider than the replicates the interval must be for so few seeds and subjects.

    Args:
        variance: of the estimate.
        drawn: standard deviation of the replicates.
    """
    total = variance.total
    if drawn == 0 or total == 0:  # one seed of one subject: the rest is rounding
        return 1.0
    quantiles = stats.t.ppf(1 - LEVEL, variance.freedom) / stats.norm.ppf(1 - LEVEL)
    return float(quantiles * np.sqrt(total) / drawn)


def _ratio(n: int) -> float:
    return n / (n - 1) if n > 1 else 0.0


class Needed(NamedTuple):
    """How much would decide something that is not decided.

    Attributes:
        seeds: seeds, 0 where nothing is trained.
        subjects: test subjects.
        enough: whether so many would; else they are the most that was looked at.
        pools: training pools, of a rank correlation.
    """

    seeds: int
    subjects: int
    enough: bool
    pools: int = 0


def most(needed: Needed) -> Needed:
    """The most of each that is looked at, where there are any."""
    seeds = MANY_SEEDS if needed.seeds else 0
    return Needed(seeds, MANY_SUBJECTS, False, MANY_POOLS if needed.pools else 0)


def needed(found: Interval, bound: float, seeds: int, subjects: int) -> Needed:
    """The cheapest number of seeds and subjects whose interval would leave out ``bound``.

    Costs are networks times reconstructions. The effect is taken to stay where it is, and the
    variance to be what it was taken apart into.

    Args:
        found: the interval.
        bound: what it has to leave out.
        seeds: seeds there are; 0 where nothing was trained.
        subjects: test subjects there are.
    """
    gap = abs(found.estimate - bound)
    tried = range(seeds, MANY_SEEDS + 1) if seeds else (0,)
    best: Needed | None = None
    for s in tried:
        j = _fewest_subjects(found.variance, gap, s / seeds if seeds else 1.0, subjects)
        if j and (best is None or s * j < best.seeds * best.subjects):
            best = Needed(s, j, True)
    return best or Needed(MANY_SEEDS if seeds else 0, MANY_SUBJECTS, False)


def _fewest_subjects(variance: Variance, gap: float, seeds: float, subjects: int) -> int:
    """Fewest subjects that decide with so many times the seeds; 0 if ``MANY_SUBJECTS`` do not."""

    def decides(count: int) -> bool:
        return variance.with_more(seeds, count / subjects).half_width < gap

    if not decides(MANY_SUBJECTS):
        return 0
    low, high = subjects - 1, MANY_SUBJECTS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
