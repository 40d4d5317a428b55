"""The paper's claims as rules with verdicts, fixed before any result exists.

A claim compares training pools on the test slices they share. Its verdict follows from an interval
for the mean difference in SSIM and from nothing else:

* **at least as good** (non-inferior): *holds* when the interval lies above ``-margin``, *does not
  hold* when it lies below. Whether it also lies below ``+margin`` (equivalence, two one-sided tests
  at 5 %) is reported beside it.
* **better** (superior): *holds* when the interval lies above zero, *does not hold* when below.
* otherwise *undecided*; with fewer than ``MIN_SEEDS`` seeds or ``MIN_SUBJECTS`` test subjects
  *underpowered*, whatever the interval.

The rule is applied to ``ssim`` and to ``ssim_foreground``; where they differ the verdict is
*depends on background*. A claim about several shifts, models and test pools is as good as its worst
part.

The margin is the larger of ``MARGIN`` and a tenth of the shift's severity, which is how much the
model trained on both pools gains over the model trained on the other pool alone. It is computed
from the same table and then taken as known.

The interval is a bootstrap: each replicate draws seeds, and independently whole subjects with all
their slices, with replacement, the same draw for both pools and both metrics (seeds and subjects
are crossed: every seed is tested on every subject; see Owen, The pigeonhole bootstrap, 2007). Few
seeds make a percentile interval too narrow, so it is stretched about the estimate to the width that
a t interval has with the two-way variance and its Satterthwaite degrees of freedom (compare
Hesterberg, What teachers should know about the bootstrap, 2015). With three seeds that is up to 2.9
standard errors instead of 1.6. A claim of many parts is not corrected for multiplicity: to hold,
every part must hold, which is strict; that one of many does not is weaker evidence, and so each
part is printed.
"""

from __future__ import annotations

import html
import inspect
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from mrinb.errors import MrinbError, unknown

Word = Literal["holds", "does not hold", "undecided", "underpowered", "depends on background"]
Kind = Literal["at least as good", "better"]

METRICS = ("ssim", "ssim_foreground")
"""A verdict needs both; the first is the paper's."""
MATCHED = ("ssim_matched", "ssim_foreground_matched")
"""The same after the target's mean and variance, for claims that the paper makes so."""
MARGIN = 0.005
"""Smallest margin of equivalence in SSIM; a tenth of the shift's severity if that is larger."""
MIN_SEEDS = 3
MIN_SUBJECTS = 8
LEVEL = 0.05
"""Level of each one-sided test; the interval covers ``1 - 2 * LEVEL``."""
REPLICATES = 4000
ZERO_FILLED = "zero-filled"
"""The pool of rows that no training made; their seed is -1 and they pair with every seed."""

COLUMNS = (
    "pool", "model", "seed", "epoch", "distribution", "split", "target", "shift", "volume",
    "subject", "slice", "acceleration", *METRICS,
)  # fmt: skip
"""Columns of the score table that claims read."""

_SUMMARY = (
    "claim", "chapter", "statement", "paper", "verdict", "difference", "low", "high", "margin",
    "seeds", "subjects",
)  # fmt: skip
_WORST_FIRST: tuple[Word, ...] = (
    "does not hold", "depends on background", "underpowered", "undecided", "holds",
)  # fmt: skip
_RULES: dict[Kind, str] = {
    "at least as good": "holds if the 90 % interval of the difference lies above -margin, does not "
    "hold if it lies below -margin, on SSIM and on foreground SSIM, for every part",
    "better": "holds if the 90 % interval of the difference lies above 0, does not hold if it lies "
    "below 0, on SSIM and on foreground SSIM, for every part",
}


class Interval(NamedTuple):
    """A bootstrap interval of a mean paired difference.

    Attributes:
        estimate: mean difference over seeds and slices.
        low, high: bounds of the 90 % interval.
        draws: stretched bootstrap replicates, shape (replicates,).
    """

    estimate: float
    low: float
    high: float
    draws: np.ndarray

    def p_not_above(self, bound: float) -> float:
        """One-sided p-value against "the difference is at most ``bound``"."""
        return float((1 + np.sum(self.draws <= bound)) / (1 + len(self.draws)))

    def p_not_below(self, bound: float) -> float:
        """One-sided p-value against "the difference is at least ``bound``"."""
        return float((1 + np.sum(self.draws >= bound)) / (1 + len(self.draws)))


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

    @property
    def equivalent(self) -> bool:
        """Whether the interval lies within the margin on both sides (TOST at 5 %)."""
        return -self.margin < self.low and self.high < self.margin

    @property
    def slack(self) -> float:
        """How far the lower bound is above what the rule asks; the worst part has the least."""
        return self.low + (self.margin if self.kind == "at least as good" else 0.0)


@dataclass(frozen=True)
class Verdict:
    """What the scores say about a claim.

    Estimate, interval, margin and p-values are those of the part that decides, on ``ssim``.

    Attributes:
        id: the claim's id.
        verdict: the verdict in one of five fixed words.
        estimate: mean difference in SSIM.
        interval: its 90 % interval.
        margin: margin of equivalence and non-inferiority.
        p_values: ``inferior``, ``superior`` (the two one-sided tests of equivalence) and
            ``not better``.
        seeds, subjects: fewest of any part.
        text: one line for a reader.
        effects: every part on every metric.
        note: the score table's note (simulated, profile, seeds, key), if it had one.
    """

    id: str
    verdict: Word
    estimate: float
    interval: tuple[float, float]
    margin: float
    p_values: dict[str, float]
    seeds: int
    subjects: int
    text: str
    effects: tuple[Effect, ...]
    note: dict[str, Any] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """Every part on every metric, one row each."""
        frame = pd.DataFrame(self.effects, columns=pd.Index(Effect._fields))
        return frame.assign(equivalent=[e.equivalent for e in self.effects])

    def __str__(self) -> str:
        lines = [f"{self.id}: {self.text}"]
        lines += [
            f"  {_where(e)}, {_name(e.metric)}: {_numbers(e)}, {e.verdict}" for e in self.effects
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        esc = html.escape
        heads = ("on", "compared", "metric", "difference", "90 % interval", "margin", "verdict")
        rows = "".join(
            f'<tr><th scope="row">{esc(_place(e))}</th>'
            + "".join(f"<td>{esc(c)}</td>" for c in _cells(e))
            + "</tr>"
            for e in self.effects
        )
        head = "".join(f'<th scope="col">{h}</th>' for h in heads)
        claim = CLAIMS[self.id]
        return (
            '<div class="mrinb-verdict mrinb-table">'
            f'<p data-verdict="{esc(self.verdict)}"><strong>{esc(self.verdict)}</strong>: '
            f"{esc(claim.statement)} <em>{esc(claim.paper)}</em></p>"
            f"<p>{esc(self.text)}</p>"
            f"<details><summary>all {len(self.effects)} comparisons</summary>"
            '<div role="region" tabindex="0" style="overflow-x:auto" '
            f'aria-label="comparisons for {esc(self.id)}"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details></div>"
        )


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, or a control that could prove us wrong.

    Attributes:
        id: short name.
        chapter: the notebook that checks it.
        statement: the claim in our words.
        paper: where the paper makes it, or why the control is there.
        kind: the rule.
        function: makes the comparisons from a score table and the claim's options.
        metrics: the two scores that must agree.
    """

    id: str
    chapter: str
    statement: str
    paper: str
    kind: Kind
    function: Callable[..., Iterator[_Pair]]
    metrics: tuple[str, str] = METRICS

    @property
    def rule(self) -> str:
        """The rule in words."""
        return _RULES[self.kind]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that ``check`` takes for this claim."""
        return tuple(inspect.signature(self.function).parameters)[1:]


CLAIMS: dict[str, Claim] = {}
"""Every claim by id, in the book's order."""


class _Pair(NamedTuple):
    """A comparison a claim asks for: pool ``a`` minus pool ``b`` on a target, and its severity.

    ``severity`` names the pools (both, other) whose difference in SSIM on this target it is, or is
    a number.
    """

    part: pd.DataFrame
    target: str
    a: str
    b: str
    severity: tuple[str, str] | float = 0.0


def check(claim_id: str, scores: pd.DataFrame, **options: Any) -> Verdict:
    """Check one claim against a score table.

    Args:
        claim_id: a name in ``CLAIMS``.
        scores: table of ``Lab.evaluate``, one row a slice and run. Only the test split and each
            run's last epoch are used; several shifts and models become parts of the claim.
        **options: pool labels that differ from the claim's own, such as ``joint="P+Q at equal
            steps"``.

    Returns:
        The verdict.

    Raises:
        MrinbError: no such claim or option; columns, pools or slices missing; scores not finite.
    """
    if claim_id not in CLAIMS:
        raise unknown("claim", claim_id, CLAIMS)
    claim = CLAIMS[claim_id]
    for name in options:
        if name not in claim.options:
            raise unknown(f"option of claim {claim_id}", name, claim.options or ["none"])
    table = _clean(scores, claim.metrics)
    effects: list[Effect] = []
    words: list[Word] = []
    for pair in claim.function(table, **options):
        both = [_effect(claim.kind, pair, metric) for metric in claim.metrics]
        agreed = len({e.verdict for e in both}) == 1
        effects += both
        words.append(both[0].verdict if agreed else "depends on background")
    return _verdict(claim, effects, words, dict(scores.attrs.get("note", {})))


def summary(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row a verdict: what the book's table of claims shows.

    Args:
        verdicts: results of ``check``.

    Returns:
        Columns claim, chapter, statement, paper, verdict, difference, low, high, margin, seeds,
        subjects.
    """
    rows = [
        {
            "claim": v.id, "chapter": CLAIMS[v.id].chapter, "statement": CLAIMS[v.id].statement,
            "paper": CLAIMS[v.id].paper, "verdict": v.verdict, "difference": v.estimate,
            "low": v.interval[0], "high": v.interval[1], "margin": v.margin, "seeds": v.seeds,
            "subjects": v.subjects,
        }
        for v in verdicts
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=pd.Index(_SUMMARY))


# --- the claims ---------------------------------------------------------------------------------


def _claim(
    claim_id: str,
    chapter: str,
    kind: Kind,
    statement: str,
    paper: str,
    metrics: tuple[str, str] = METRICS,
) -> Callable[[Callable[..., Iterator[_Pair]]], Callable[..., Iterator[_Pair]]]:
    def register(function: Callable[..., Iterator[_Pair]]) -> Callable[..., Iterator[_Pair]]:
        CLAIMS[claim_id] = Claim(claim_id, chapter, statement, paper, kind, function, metrics)
        return function

    return register


@_claim(
    "diverse-beats-narrow",
    "01",
    "better",
    "On a distribution that neither has seen, a model trained on the diverse pool reconstructs "
    "better than one trained on the narrow pool.",
    "Section 1, Figure 1; Section 4, Figure 5",
)
def _diverse_beats_narrow(
    scores: pd.DataFrame, narrow: str = "narrow", diverse: str = "diverse", unseen: str = "Q"
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, unseen, diverse, narrow)


@_claim(
    "diverse-beats-narrow-same-size",
    "01",
    "better",
    "The advantage on the unseen distribution is due to diversity: it remains when the diverse "
    "pool is cut to the size of the narrow one.",
    "our control: in Section 4 the diverse pool is also the larger one",
)
def _same_size(
    scores: pd.DataFrame,
    narrow: str = "narrow",
    diverse: str = "diverse, same size",
    unseen: str = "Q",
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, unseen, diverse, narrow)


@_claim(
    "diverse-keeps-in-distribution",
    "01",
    "at least as good",
    "On the narrow pool's own distributions the model trained on the diverse pool is no worse.",
    "Abstract; Section 7, Figure 10",
)
def _keeps_in_distribution(
    scores: pd.DataFrame,
    narrow: str = "narrow",
    diverse: str = "diverse",
    own: str = "P",
    severity: float = 0.0,
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, own, diverse, narrow, severity)


@_claim(
    "shift-is-there",
    "03",
    "better",
    "A model trained on the test pool's own distributions beats one trained on the other pool: the "
    "two pools do differ, so that training on both could have failed.",
    "our control; Section 1 says so of knees and brains",
)
def _shift_is_there(scores: pd.DataFrame) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, "P", "P", "Q", ("P+Q", "Q"))
        yield _Pair(part, "Q", "Q", "P", ("P+Q", "P"))


@_claim(
    "beats-zero-filled",
    "03",
    "better",
    "Every trained model beats the zero-filled reconstruction on both test pools.",
    "our control: a model that does not has learned nothing that a comparison could rest on",
)
def _beats_zero_filled(scores: pd.DataFrame) -> Iterator[_Pair]:
    for part in _parts(scores):
        for target in sorted(part["target"].unique()):
            for pool in part["pool"].unique():
                if pool != ZERO_FILLED:
                    yield _Pair(part, target, pool, ZERO_FILLED)


@_claim(
    "joint-equals-separate",
    "03",
    "at least as good",
    "One model trained on P and Q together reconstructs each of them at least as well as the model "
    "trained on it alone.",
    "Section 3, Figure 3",
)
def _joint(scores: pd.DataFrame, joint: str = "P+Q") -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, "P", joint, "P", (joint, "Q"))
        yield _Pair(part, "Q", joint, "Q", (joint, "P"))


@_claim(
    "half-joint-equals-separate",
    "03",
    "at least as good",
    "It is not the larger number of slices: trained on a random half of P and Q together, the one "
    "model is still at least as good as the separate ones.",
    "Section 3, Figure 3 (black bars)",
)
def _half_joint(
    scores: pd.DataFrame, joint: str = "P+Q", half: str = "half of P+Q"
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, "P", half, "P", (joint, "Q"))
        yield _Pair(part, "Q", half, "Q", (joint, "P"))


@_claim(
    "all-accelerations-equal-separate",
    "C",
    "at least as good",
    "One model trained on four accelerations reconstructs each of them at least as well as the "
    "model trained on it alone.",
    "Appendix C.1, Table 2: differences within 0.001",
)
def _all_accelerations(
    scores: pd.DataFrame,
    joint: str = "all four",
    separate: tuple[str, ...] = ("2-fold", "4-fold", "8-fold", "16-fold"),
) -> Iterator[_Pair]:
    # Nothing here is shifted, so there is no severity that could widen the margin.
    for part in _parts(scores):
        for fold in separate:
            yield _Pair(part, fold, joint, fold)


@_claim(
    "all-accelerations-help-unseen",
    "C",
    "better",
    "At an acceleration that neither has seen, the model trained on four accelerations beats the "
    "best of the models trained on one of them.",
    "Appendix C.1, Table 2: +0.006 at 3-fold",
)
def _unseen_acceleration(
    scores: pd.DataFrame, joint: str = "all four", best: str = "2-fold", unseen: str = "3-fold"
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, unseen, joint, best)


@_claim(
    "diverse-helps-over-coils",
    "C",
    "better",
    "Tested on brains measured with 4 coils, the model trained on all 15-coil knees beats the one "
    "trained on the single best of their distributions, once mean and variance are matched.",
    "Appendix C.2, Figure 14",
    MATCHED,
)
@_claim(
    "diverse-helps-over-coils-unmatched",
    "C",
    "better",
    "The same holds of the images as they are, with nothing matched to the ground truth.",
    "our control: the paper matches mean and variance before it scores",
)
def _over_coils(
    scores: pd.DataFrame, narrow: str = "P_best", diverse: str = "P", unseen: str = "Q"
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, unseen, diverse, narrow)


@_claim(
    "diverse-helps-over-coils-same-size",
    "C",
    "better",
    "The advantage is due to diversity: it remains when the diverse pool is cut to the size of the "
    "single distribution.",
    "our control: the diverse pool is also the larger one",
    MATCHED,
)
def _over_coils_same_size(
    scores: pd.DataFrame,
    narrow: str = "P_best",
    diverse: str = "P, size of P_best",
    unseen: str = "Q",
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, unseen, diverse, narrow)


# --- from table to effect -----------------------------------------------------------------------


def _clean(scores: pd.DataFrame, metrics: tuple[str, str] = METRICS) -> pd.DataFrame:
    """Test rows of each run's last epoch, checked."""
    columns = list(dict.fromkeys((*COLUMNS, *metrics)))
    missing = [c for c in columns if c not in scores.columns]
    if missing:
        raise MrinbError(f"score table lacks column {missing[0]!r}: give the table of lab.evaluate")
    table = scores.loc[scores["split"] == "test", columns].reset_index(drop=True)
    if table.empty:
        raise MrinbError("score table has no rows of split 'test': evaluate the runs on test data")
    table["seed"] = table["seed"].fillna(-1).astype(int)
    table["epoch"] = table["epoch"].fillna(-1)
    last = table.groupby(["shift", "pool", "model", "seed"], dropna=False)["epoch"]
    table = table[table["epoch"] == last.transform("max")]
    if (table.groupby(["shift", "target"])["acceleration"].nunique() > 1).any():
        raise MrinbError(
            "score table mixes accelerations on one target: keep the rows of one of them"
        )
    for column in ("shift", "target", "subject", "distribution", "volume", "slice"):
        if table[column].isna().any():
            raise MrinbError(f"score table has rows without {column}: every slice needs one")
    for metric in metrics:
        bad = table[~np.isfinite(table[metric].to_numpy(float))]
        if len(bad):
            row = bad.iloc[0]
            raise MrinbError(
                f"{metric} of pool {row['pool']!r}, volume {row['volume']!r}, slice {row['slice']} "
                f"is {row[metric]}: mend that reconstruction or leave its slice out"
            )
    return table


def _parts(scores: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of every shift and model, zero-filled rows with each model."""
    for shift in scores["shift"].unique():
        rows = scores[scores["shift"] == shift]
        zero = rows["pool"] == ZERO_FILLED
        models = rows.loc[~zero, "model"].unique()
        if not len(models):
            raise MrinbError(f"score table of shift {shift!r} holds no trained model")
        for model in models:
            yield rows[zero | (rows["model"] == model)]


def _grid(part: pd.DataFrame, pool: str, target: str, metric: str) -> pd.DataFrame:
    """Scores of one pool on one target: a row for each slice, a column for each seed."""
    rows = part[(part["pool"] == pool) & (part["target"] == target)]
    if rows.empty:
        raise MrinbError(
            f"score table has no rows of pool {pool!r} on target {target!r}: "
            f"its pools are {', '.join(map(repr, part['pool'].unique()))}"
        )
    index = ["subject", "distribution", "volume", "slice"]
    if rows.duplicated([*index, "seed"]).any():
        raise MrinbError(f"score table holds a slice of pool {pool!r} twice for the same seed")
    grid = rows.pivot(index=index, columns="seed", values=metric).sort_index()
    if grid.isna().to_numpy().any():
        raise MrinbError(f"seeds of pool {pool!r} were not all tested on the same slices of target "
                         f"{target!r}")  # fmt: skip
    return grid


def paired(part: pd.DataFrame, target: str, a: str, b: str, metric: str) -> pd.DataFrame:
    """Differences pool ``a`` minus pool ``b``, paired by seed and slice.

    Args:
        part: cleaned score rows of one shift and model.
        target: ``P`` or ``Q``.
        a: label of the first pool.
        b: label of the second pool, or ``zero-filled``, which pairs with every seed.
        metric: column of scores.

    Returns:
        One row a slice with subject as the first index level, one column a seed that both have.

    Raises:
        MrinbError: a pool is missing, or the two share no seed or were tested on different slices.
    """
    first, second = _grid(part, a, target, metric), _grid(part, b, target, metric)
    if not first.index.equals(second.index):
        raise MrinbError(
            f"pools {a!r} and {b!r} were tested on different slices of target {target!r}: "
            "evaluate both on the same data"
        )
    if b == ZERO_FILLED:
        return first.sub(second.iloc[:, 0], axis=0)
    seeds = first.columns.intersection(second.columns)
    if seeds.empty:
        raise MrinbError(f"pools {a!r} and {b!r} share no seed: train both with the same seeds")
    return first[seeds] - second[seeds]


def interval(differences: pd.DataFrame, label: str = "") -> Interval:
    """Bootstrap interval of the mean difference over seeds and subjects.

    Args:
        differences: result of ``paired``.
        label: names the comparison; the same label draws the same resamples.

    Returns:
        The 90 % interval, stretched for few seeds and subjects as the module's docstring says.
    """
    by_subject = differences.groupby(level="subject")
    sums = by_subject.sum().to_numpy(float).T
    counts = by_subject.size().to_numpy(float)
    seeds, subjects = sums.shape
    estimate = float(sums.sum() / (seeds * counts.sum()))
    rng = np.random.default_rng(zlib.crc32(label.encode()))
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), REPLICATES)
    drawn_subjects = rng.multinomial(subjects, np.full(subjects, 1 / subjects), REPLICATES)
    draws = np.sum((drawn_seeds @ sums) * drawn_subjects, 1) / (seeds * (drawn_subjects @ counts))
    draws = estimate + _stretch(sums, counts, estimate, draws.std()) * (draws - estimate)
    low, high = np.quantile(draws, [LEVEL, 1 - LEVEL])
    return Interval(estimate, float(low), float(high), draws)


def _stretch(sums: np.ndarray, counts: np.ndarray, estimate: float, spread: float) -> float:
    """How much wider than the bootstrap's the interval must be for so few seeds and subjects.

    Args:
        sums: summed differences, shape (seeds, subjects).
        counts: slices of each subject, shape (subjects,).
        estimate: the mean difference.
        spread: standard deviation of the bootstrap replicates.
    """
    seeds, subjects = sums.shape
    # Deviations in units of the mean: what each (seed, subject) adds to the estimate.
    parts = (sums - estimate * counts) / (seeds * counts.sum())
    of_seed, of_subject = parts.sum(1), parts.sum(0)
    rest = parts - of_seed[:, None] / subjects - of_subject / seeds
    by_seed = _ratio(seeds) * float(of_seed @ of_seed)
    by_subject = _ratio(subjects) * float(of_subject @ of_subject)
    by_both = _ratio(seeds) * _ratio(subjects) * float(np.sum(rest**2))
    variance = max(by_seed + by_subject - by_both, by_seed, by_subject)
    if spread == 0 or variance == 0:  # one seed of one subject: the spread is rounding
        return 1.0
    freedom = (by_seed + by_subject) ** 2 / (
        by_seed**2 / max(seeds - 1, 1) + by_subject**2 / max(subjects - 1, 1)
    )
    quantiles = stats.t.ppf(1 - LEVEL, freedom) / stats.norm.ppf(1 - LEVEL)
    return float(quantiles * np.sqrt(variance) / spread)


def _ratio(n: int) -> float:
    return n / (n - 1) if n > 1 else 0.0


def _effect(kind: Kind, pair: _Pair, metric: str) -> Effect:
    differences = paired(pair.part, pair.target, pair.a, pair.b, metric)
    model, shift = _of(pair.part, "model", skip=ZERO_FILLED), _of(pair.part, "shift")
    found = interval(differences, f"{shift}|{model}|{pair.target}|{pair.a}|{pair.b}")
    margin = max(MARGIN, _severity(pair, metric) / 10)
    seeds = differences.shape[1]
    subjects = differences.index.get_level_values("subject").nunique()
    return Effect(
        kind, model, shift, pair.target, pair.a, pair.b, metric,
        found.estimate, found.low, found.high, margin,
        p_inferior=found.p_not_above(-margin),
        p_superior=found.p_not_below(margin),
        p_not_better=found.p_not_above(0.0),
        seeds=seeds, subjects=subjects, slices=len(differences),
        verdict=decide(kind, found.low, found.high, margin, seeds, subjects),
    )  # fmt: skip


def _of(part: pd.DataFrame, column: str, skip: str | None = None) -> str:
    return str(part.loc[part["pool"] != skip, column].iloc[0])


def _severity(pair: _Pair, metric: str) -> float:
    if not isinstance(pair.severity, tuple):
        return float(pair.severity)
    both, other = pair.severity
    return float(paired(pair.part, pair.target, both, other, metric).to_numpy().mean())


def decide(
    kind: Kind, low: float, high: float, margin: float, seeds: int, subjects: int
) -> Word:  # fmt: skip
    """Apply a rule to one interval.

    Args:
        kind: the rule.
        low: lower bound of the interval.
        high: upper bound of the interval.
        margin: margin of non-inferiority.
        seeds: number of seeds behind the interval.
        subjects: number of test subjects behind the interval.

    Returns:
        The verdict on one metric.
    """
    if seeds < MIN_SEEDS or subjects < MIN_SUBJECTS:
        return "underpowered"
    bound = -margin if kind == "at least as good" else 0.0
    if low > bound:
        return "holds"
    return "does not hold" if high < bound else "undecided"


def _verdict(
    claim: Claim, effects: list[Effect], words: list[Word], note: Mapping[str, Any]
) -> Verdict:
    word = min(words, key=_WORST_FIRST.index)
    deciding = [e for e, w in zip(effects[::2], words, strict=True) if w == word]
    worst = min(deciding, key=lambda e: e.slack)
    return Verdict(
        claim.id, word, worst.estimate, (worst.low, worst.high), worst.margin,
        {
            "inferior": worst.p_inferior,
            "superior": worst.p_superior,
            "not better": worst.p_not_better,
        },
        min(e.seeds for e in effects), min(e.subjects for e in effects),
        _text(word, worst, effects, words), tuple(effects), dict(note),
    )  # fmt: skip


def _text(word: Word, worst: Effect, effects: list[Effect], words: list[Word]) -> str:
    """The line a reader sees: verdict, the part that decides, numbers."""
    seeds, subjects = min(e.seeds for e in effects), min(e.subjects for e in effects)
    parts = f" ({words.count(word)} of {len(words)} parts)" if len(words) > 1 else ""
    closest = "closest call: " if word == "holds" and len(words) > 1 else ""
    extra = ""
    if word == "depends on background":
        other = effects[effects.index(worst) + 1]
        extra = f" ({worst.verdict}); on the foreground {_numbers(other)} ({other.verdict})"
    elif word == "underpowered":
        extra = f"; needs {MIN_SEEDS} seeds and {MIN_SUBJECTS} test subjects"
    elif word == "holds" and worst.kind == "at least as good":
        count = sum(e.equivalent for e in effects[::2])
        extra = f"; equivalent within the margin in {count} of {len(words)} parts"
    return (
        f"{word}{parts}; {closest}{_where(worst)}: difference in {_name(worst.metric)} "
        f"{_numbers(worst)}{extra}; "
        f"{seeds} seed{'s' * (seeds != 1)}, {subjects} subjects"
    )


def _place(effect: Effect) -> str:
    shift = f" of {effect.shift}" if effect.shift else ""
    return f"{effect.target}{shift} ({effect.model})"


def _where(effect: Effect) -> str:
    return f"{_place(effect)}, {effect.a} against {effect.b}"


def _name(metric: str) -> str:
    return {
        "ssim": "SSIM",
        "ssim_foreground": "SSIM of the foreground",
        "ssim_matched": "matched SSIM",
        "ssim_foreground_matched": "matched SSIM of the foreground",
    }[metric]


def _numbers(effect: Effect) -> str:
    bounds = f"{_signed(effect.estimate)} ({_signed(effect.low)} to {_signed(effect.high)})"
    return bounds if effect.kind == "better" else f"{bounds}, margin {effect.margin:.4f}"


def _cells(effect: Effect) -> tuple[str, ...]:
    return (
        f"{effect.a} against {effect.b}",
        _name(effect.metric),
        _signed(effect.estimate),
        f"{_signed(effect.low)} to {_signed(effect.high)}",
        f"{effect.margin:.4f}",
        effect.verdict,
    )


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")
