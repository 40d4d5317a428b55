"""The paper's claims as rules with verdicts.

Rules stand before results do; one that a review finds too lenient is made stricter, and the
changelog says so.

A claim compares training pools on the test slices they share. Its verdict follows from an interval
for the mean difference in SSIM and from nothing else:

* **at least as good** (non-inferior): *holds* when the interval lies above ``-margin``, *does not
  hold* when it lies below. Whether it also lies below ``+margin`` (equivalence, two one-sided tests
  at 5 %) is reported beside it.
* **better** (superior): *holds* when the interval lies above zero, *does not hold* when below.
* otherwise *undecided*; with fewer than ``MIN_SEEDS`` seeds or ``MIN_SUBJECTS`` test subjects
  *underpowered*, whatever the interval. (Methods that are not trained have no seeds: for them only
  the number of subjects counts.)

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

A claim about lines through trained models (Section 4) compares two training sets by the distance of
their lines, whose interval ``robustness`` describes; the rule is that of *better*. Claims of
Section 4 about training data rest on the models with most seeds, since a claim is as good as its
worst part and one seed is always underpowered. Whether the architecture matters is a claim of its
own, about all of them.

A claim about ranks (Section 4, Figure 6) asks whether two quantities rank training pools alike. It
*holds* when Spearman's rank correlation is above zero in a one-sided permutation test at 5 %, *does
not hold* when it is below zero in the opposite test; pools that contain test distributions do not
count, nor do unions, which are the most similar by arithmetic and the best by size. With fewer than
``MIN_POOLS`` pools it is *underpowered*.
"""

from __future__ import annotations

import html
import inspect
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from mrinb import profiles
from mrinb.errors import MrinbError, unknown
from mrinb.stats import lines as robustness
from mrinb.stats import ranks

Word = Literal["holds", "does not hold", "undecided", "underpowered", "depends on background"]
Kind = Literal["at least as good", "better", "ranks"]
VERDICT_MIME = "application/vnd.mrinb.verdict+json"
"""Type of what a displayed verdict leaves in an executed notebook: ``Verdict.words``."""

METRICS = ("ssim", "ssim_foreground")
"""A verdict needs both; the first is the paper's."""
MATCHED = ("ssim_matched", "ssim_foreground_matched")
"""The same after the target's mean and variance, for claims that the paper makes so."""
MARGIN = 0.005
"""Smallest margin of equivalence in SSIM; a tenth of the shift's severity if that is larger."""
MIN_SEEDS = 3
MIN_SUBJECTS = 8
MIN_POOLS = 5
"""Pools of a rank correlation: of four, only a perfect one is told from chance."""
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
    "claim", "chapter", "statement", "paper", "verdict", "measure", "difference", "low", "high",
    "margin", "seeds", "subjects", "text",
)  # fmt: skip
_WORST_FIRST: tuple[Word, ...] = (
    "does not hold", "depends on background", "underpowered", "undecided", "holds",
)  # fmt: skip
_PLURAL: dict[Word, str] = {
    "does not hold": "do not hold", "depends on background": "depend on background",
    "holds": "hold",
}  # fmt: skip
_RULES: dict[Kind, str] = {
    "at least as good": "holds if the 90 % interval of the difference lies above -margin, does not "
    "hold if it lies below -margin, on SSIM and on foreground SSIM, for every part",
    "better": "holds if the 90 % interval of the difference lies above 0, does not hold if it lies "
    "below 0, on SSIM and on foreground SSIM, for every part",
    "ranks": "holds if the rank correlation over single distributions, none tested, is above 0 in "
    "a one-sided permutation test at 5 %, does not hold if it is below 0, on SSIM and on "
    "foreground SSIM, over all patches and at the same number",
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
        if self.kind == "ranks":
            return self.estimate - self.high
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

    @property
    def measure(self) -> str:
        """What ``estimate`` is."""
        claim = CLAIMS[self.id]
        return "rank correlation" if claim.kind == "ranks" else _name(claim.metrics[0])

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

    def words(self) -> dict[str, str]:
        """What the book's table of claims says of it: claim, statement, paper, verdict, text."""
        claim = CLAIMS[self.id]
        return {
            "claim": self.id, "statement": claim.statement, "paper": claim.paper,
            "verdict": self.verdict, "text": self.text,
        }  # fmt: skip

    def _repr_mimebundle_(self, **_: Any) -> dict[str, dict[str, str]]:
        return {VERDICT_MIME: self.words()}  # beside the HTML, for who reads an executed notebook

    def _repr_html_(self) -> str:
        esc = html.escape
        ranked = CLAIMS[self.id].kind == "ranks"
        measures = ("rank correlation", "90 % of shuffles") if ranked else (
            "difference", "90 % interval")  # fmt: skip
        last = "margin" if CLAIMS[self.id].kind == "at least as good" else "p"
        heads = ("on", "compared", "metric", *measures, last, "verdict")
        rows = "".join(
            f'<tr><th scope="row">{esc(_place(e))}</th>'
            + "".join(f"<td>{esc(c)}</td>" for c in _cells(e))
            + "</tr>"
            for e in self.effects
        )
        head = "".join(f'<th scope="col">{h}</th>' for h in heads)
        return (
            f'<div class="mrinb-verdict">{stated(self.words())}'
            f"<details><summary>all {len(self.effects)} comparisons</summary>"
            '<div class="mrinb-table" role="region" tabindex="0" style="overflow-x:auto" '
            f'aria-label="comparisons for {esc(self.id)}"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details></div>"
        )


def stated(words: Mapping[str, str]) -> str:
    """HTML that states a verdict: the word, the claim, where it is from, and the numbers.

    Args:
        words: ``Verdict.words``.
    """
    word, statement, paper, text = (
        html.escape(words[name]) for name in ("verdict", "statement", "paper", "text")
    )
    return (
        f'<p data-verdict="{word}"><strong>{word}</strong>: {statement} <em>{paper}</em></p>'
        f"<p>{text}</p>"
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
        lines: whether lines through all checkpoints are compared, not scores of the last.
    """

    id: str
    chapter: str
    statement: str
    paper: str
    kind: Kind
    function: Callable[..., Iterator[_Pair] | Iterator[_Lines] | Iterator[_Ranks]]
    metrics: tuple[str, str] = METRICS
    lines: bool = False

    @property
    def rule(self) -> str:
        """The rule in words."""
        return _RULES[self.kind]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that ``check`` takes for this claim."""
        return tuple(inspect.signature(self.function).parameters)[1:]


_Function = TypeVar(
    "_Function", bound="Callable[..., Iterator[_Pair] | Iterator[_Lines] | Iterator[_Ranks]]"
)

_Table = TypeVar("_Table", bound="Callable[..., pd.DataFrame]")

CLAIMS: dict[str, Claim] = {}
"""Every claim by id, in the book's order."""


class _Pair(NamedTuple):
    """A comparison a claim asks for: pool ``a`` minus pool ``b`` on a target, and its severity.

    ``severity`` names the pools (both, other) whose difference in SSIM on this target it is, or is
    a number. Where nothing is ``trained`` there are no seeds, and none are asked for.
    """

    part: pd.DataFrame
    target: str
    a: str
    b: str
    severity: tuple[str, str] | float = 0.0
    trained: bool = True


class _Lines(NamedTuple):
    """A comparison of lines: training set ``a`` above the baseline, at equal scores on its test."""

    part: pd.DataFrame
    a: str


class _Ranks(NamedTuple):
    """Training pools ranked by similarity to the test data, over all patches or the same number."""

    part: pd.DataFrame
    similarities: pd.DataFrame
    rule: str


class Outcome(NamedTuple):
    """An answer that a chapter gives beside its claims, in a table of its own.

    Attributes:
        question: what is asked, in words.
        word: the answer, a verdict or one of Nguyen's cases.
        text: the numbers behind it.
    """

    question: str
    word: str
    text: str


ANSWERS: dict[Callable[..., pd.DataFrame], Callable[..., Outcome]] = {}
"""Functions whose tables answer something beside the claims, and what a row of theirs says."""


def answers(outcome: Callable[..., Outcome]) -> Callable[[_Table], _Table]:
    """Register a function whose table answers something, for ``mrinb claims``.

    Args:
        outcome: makes an outcome of the cells of a row.
    """

    def register(function: _Table) -> _Table:
        ANSWERS[function] = outcome
        return function

    return register


LINE_TARGET = "Q at equal SSIM on P_best"


class Case(NamedTuple):
    """Which of Nguyen et al.'s outcomes training on all of P has on Q (Section 4).

    Attributes:
        shift: name of the shift.
        model: the network.
        case: ``(i)``, ``(ii)``, ``neither``, or the verdict that keeps it from being decided.
        text: one line for a reader.
        effects: the comparisons it follows from, on both metrics.
    """

    shift: str
    model: str
    case: str
    text: str
    effects: tuple[Effect, ...]


def check(claim_id: str, scores: pd.DataFrame, **options: Any) -> Verdict:
    """Check one claim against a score table.

    Args:
        claim_id: a name in ``CLAIMS``.
        scores: table of ``Lab.evaluate``, one row a slice and run. Only the test split and each
            run's last epoch are used, by a claim about lines every epoch; several shifts and models
            become parts of the claim.
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
    table = _clean(scores, claim.metrics, claim.lines)
    effects: list[Effect] = []
    words: list[Word] = []
    for pair in claim.function(table, **options):
        both = [_effect(claim.kind, pair, metric) for metric in claim.metrics]
        effects += both
        words.append(_agreed(both))
    return _verdict(claim, effects, words, dict(scores.attrs.get("note", {})))


def summary(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row a verdict.

    Args:
        verdicts: results of ``check``.

    Returns:
        Columns claim, chapter, statement, paper, verdict, measure (what differs, or a rank
        correlation, whose low and high are those of shuffled scores), difference, low, high,
        margin, seeds, subjects and text.
    """
    rows = [
        {
            "claim": v.id, "chapter": CLAIMS[v.id].chapter, "statement": CLAIMS[v.id].statement,
            "paper": CLAIMS[v.id].paper, "verdict": v.verdict, "measure": v.measure,
            "difference": v.estimate, "low": v.interval[0], "high": v.interval[1],
            "margin": v.margin, "seeds": v.seeds, "subjects": v.subjects, "text": v.text,
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
    lines: bool = False,
) -> Callable[[_Function], _Function]:
    def register(function: _Function) -> _Function:
        found = Claim(claim_id, chapter, statement, paper, kind, function, metrics, lines)
        CLAIMS[claim_id] = found
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
@_claim(
    "skewed-joint-equals-separate",
    "03",
    "at least as good",
    "Where P has ten times fewer slices than Q, one model trained on both is still at least as "
    "good on each of them as the model trained on it alone.",
    "Section 3, Figure 4",
)
@_claim(
    "networks-joint-equals-separate",
    "B",
    "at least as good",
    "Not of the U-net alone: one network of another kind, trained on P and Q together, "
    "reconstructs each of them at least as well as the one trained on it alone.",
    "Appendix B.3, Figure 12",
)
@_claim(
    "small-data-joint-equals-separate",
    "B",
    "at least as good",
    "With a quarter of the slices, one model trained on P and Q together is at least as good on "
    "each of them as the model trained on it alone.",
    "Appendix B.3, Figure 13, top",
)
@_claim(
    "small-model-joint-equals-separate",
    "B",
    "at least as good",
    "With a third of the channels, one model trained on P and Q together is at least as good on "
    "each of them as the model trained on it alone.",
    "Appendix B.3, Figure 13, bottom",
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
@_claim(
    "networks-half-joint",
    "B",
    "at least as good",
    "Not of the U-net alone: one network of another kind, trained on a random half of P and Q, is "
    "still at least as good on each of them as the one trained on it alone.",
    "Appendix B.3, Figure 12 (black bars)",
)
@_claim(
    "small-data-half-joint",
    "B",
    "at least as good",
    "With a quarter of the slices, one model trained on a random half of P and Q is still at least "
    "as good on each of them as the model trained on it alone.",
    "Appendix B.3, Figure 13, top (black bars)",
)
@_claim(
    "small-model-half-joint",
    "B",
    "at least as good",
    "With a third of the channels, one model trained on a random half of P and Q is still at least "
    "as good on each of them as the model trained on it alone.",
    "Appendix B.3, Figure 13, bottom (black bars)",
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
    "coils-alone-matter-unmatched",
    "C",
    "better",
    "With nothing matched to the ground truth, too, the model trained on the same knees measured "
    "with 4 coils does better on 4-coil brains than the one trained on 15 coils.",
    "our control: matching takes away part of what the coils change",
)
@_claim(
    "coils-alone-matter",
    "C",
    "better",
    "The number of coils is a shift of its own: trained on the same knees measured with 4 coils in "
    "place of 15, the model does better on 4-coil brains.",
    "our control: Figure 14 changes the anatomy along with the coils",
    MATCHED,
)
def _coils_alone(
    scores: pd.DataFrame, own: str = "P", fewer: str = "P, 4 coils", unseen: str = "Q"
) -> Iterator[_Pair]:
    for part in _leading(scores):
        yield _Pair(part, unseen, fewer, own)


@_claim(
    "few-fall-short",
    "03",
    "better",
    "A model trained on all of P beats one trained on the few slices of P that the skewed set has: "
    "there is something that data from Q could make up for, or spoil.",
    "our control of Section 3, Figure 4",
)
def _few_fall_short(
    scores: pd.DataFrame, full: str = "P", few: str = "few of P"
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, "P", full, few)


@_claim(
    "severity-is-there",
    "04",
    "better",
    "On Q, a model trained on P and Q beats one trained on P_best: the shift costs something that "
    "diverse data could win back.",
    "our control; Section 4, Figure 5 (teal above violet)",
)
def _severity_is_there(
    scores: pd.DataFrame, narrow: str = "P_best", both: str = "P+Q", unseen: str = "Q"
) -> Iterator[_Pair]:
    for part in _leading(scores):
        yield _Pair(part, unseen, both, narrow)


@_claim(
    "diversity-helps",
    "04",
    "better",
    "On Q, a model trained on all distributions of P beats one trained on P_best, the best of them "
    "for Q.",
    "Section 4, Figure 5 (orange against violet)",
)
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
    "With nothing matched to the ground truth, too, the model trained on all 15-coil knees beats "
    "the one trained on the single best of their distributions.",
    "our control: the paper matches mean and variance before it scores",
)
@_claim(
    "diversity-helps-on-foreground",
    "04",
    "better",
    "On Q, a model trained on all distributions of P also beats one trained on the distribution "
    "that is best by foreground SSIM.",
    "our control: P_best is chosen by SSIM over the whole image",
)
def _diversity_helps(
    scores: pd.DataFrame, narrow: str = "P_best", diverse: str = "P", unseen: str = "Q"
) -> Iterator[_Pair]:
    for part in _leading(scores):
        yield _Pair(part, unseen, diverse, narrow)


@_claim(
    "diversity-helps-on-heads",
    "04",
    "better",
    "On heads that do not come from the template, too, a model trained on all distributions of P "
    "beats one trained on P_best.",
    "our control: all brains of Q are variations of one template",
)
def _diversity_on_heads(
    scores: pd.DataFrame, narrow: str = "P_best", diverse: str = "P", unseen: str = "Q2"
) -> Iterator[_Pair]:
    yield from _diversity_helps(scores, narrow, diverse, unseen)


@_claim(
    "diversity-helps-same-size",
    "04",
    "better",
    "Cut to the size of P_best, P still beats P_best on Q: the gain is due to diversity.",
    "our control: in Section 4, P has as many slices for each of its distributions as P_best has "
    "in all",
)
@_claim(
    "diversity-helps-on-foreground-same-size",
    "04",
    "better",
    "Cut to the size of P_best, P still beats the distribution best by foreground SSIM on Q.",
    "our control: both of the above",
)
@_claim(
    "diverse-helps-over-coils-same-size",
    "C",
    "better",
    "Cut to the size of the single distribution, the diverse pool still beats it: the advantage is "
    "due to diversity.",
    "our control: the diverse pool is also the larger one",
    MATCHED,
)
def _diversity_same_size(
    scores: pd.DataFrame,
    narrow: str = "P_best",
    diverse: str = "P, size of P_best",
    unseen: str = "Q",
) -> Iterator[_Pair]:
    for part in _leading(scores):
        yield _Pair(part, unseen, diverse, narrow)


@_claim(
    "diversity-does-no-harm",
    "04",
    "at least as good",
    "On Q, a model trained on P is at least as good as one trained on P_best: case (i), not "
    "case (ii).",
    "Section 4, after Nguyen et al. (2022)",
)
def _diversity_no_harm(
    scores: pd.DataFrame,
    narrow: str = "P_best",
    diverse: str = "P",
    both: str = "P+Q",
    unseen: str = "Q",
) -> Iterator[_Pair]:
    for part in _leading(scores):
        yield _Pair(part, unseen, diverse, narrow, (both, narrow))


@_claim(
    "effective-robustness",
    "04",
    "better",
    "Models trained on P lie above the line of those trained on P_best: at equal SSIM on P_best "
    "they have higher SSIM on Q.",
    "Section 4, Figure 5",
    lines=True,
)
@_claim(
    "effective-robustness-over-coils",
    "C",
    "better",
    "Models trained on all 15-coil knees lie above the line of those trained on the single best "
    "distribution: at equal matched SSIM on it they have higher matched SSIM on the brains.",
    "Appendix C.2, Figure 14",
    MATCHED,
    lines=True,
)
def _effective(scores: pd.DataFrame, diverse: str = "P") -> Iterator[_Lines]:
    for part in _leading(scores):
        yield _Lines(part, diverse)


@_claim(
    "effective-robustness-same-size",
    "04",
    "better",
    "Models trained on P cut to the size of P_best still lie above its line: the effective "
    "robustness is due to diversity.",
    "our control: in Section 4, P is also the larger set",
    lines=True,
)
def _effective_same_size(
    scores: pd.DataFrame, diverse: str = "P, size of P_best"
) -> Iterator[_Lines]:
    for part in _leading(scores):
        yield _Lines(part, diverse)


@_claim(
    "gap-remains",
    "04",
    "better",
    "Diverse data do not replace data from Q here: a model trained on P and Q beats one trained "
    "on P.",
    "Section 4, Figure 5 (teal above orange); Section 8",
)
def _gap_remains(
    scores: pd.DataFrame, diverse: str = "P", both: str = "P+Q", unseen: str = "Q"
) -> Iterator[_Pair]:
    for part in _leading(scores):
        yield _Pair(part, unseen, both, diverse)


@_claim(
    "architecture-independent",
    "04",
    "better",
    "The gain of P over P_best on Q does not depend on the architecture: every network has it.",
    "Section 1; Section 4, Figure 5",
)
def _architecture_independent(
    scores: pd.DataFrame, narrow: str = "P_best", diverse: str = "P", unseen: str = "Q"
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, unseen, diverse, narrow)


@_claim(
    "weights-differ",
    "A",
    "better",
    "Each distribution has a regularisation weight of its own: that chosen on P's validation data "
    "does better on P than that chosen on Q's, and on Q it is the other way around.",
    "Appendix A",
)
def _weights_differ(
    scores: pd.DataFrame, of_p: str = "λ = 0.01", of_q: str = "λ = 0.001"
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, "P", of_p, of_q, trained=False)
        yield _Pair(part, "Q", of_q, of_p, trained=False)


@_claim(
    "printed-weights-differ",
    "A",
    "better",
    "Of the two weights that the paper compares, 0.01 does better on P and 0.001 on Q.",
    "Appendix A: 0.792 against 0.788 on P, 0.602 against 0.609 on Q",
)
def _printed_weights_differ(scores: pd.DataFrame) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, "P", "λ = 0.01", "λ = 0.001", trained=False)
        yield _Pair(part, "Q", "λ = 0.001", "λ = 0.01", trained=False)


@_claim(
    "regularised-beats-zero-filled",
    "A",
    "better",
    "With the weight chosen on its validation data, l1-regularised least squares beats the "
    "zero-filled image on each distribution.",
    "our control: a method that does not gains nothing from any weight",
)
def _regularised_beats_zero_filled(
    scores: pd.DataFrame, of_p: str = "λ = 0.01", of_q: str = "λ = 0.001"
) -> Iterator[_Pair]:
    for part in _parts(scores):
        yield _Pair(part, "P", of_p, ZERO_FILLED, trained=False)
        yield _Pair(part, "Q", of_q, ZERO_FILLED, trained=False)


@_claim(
    "similarity-ranks-as-ssim",
    "04",
    "ranks",
    "Among single distributions, the more similar one is to the test data of Q, the better do the "
    "networks trained on it reconstruct them.",
    "Section 4, Figure 6; Appendix D",
)
def _similarity_ranks(
    scores: pd.DataFrame, similarities: pd.DataFrame | None = None
) -> Iterator[_Ranks]:
    if similarities is None:
        raise MrinbError(
            "this claim is about similarity too: give similarities=lab.similarity(...)"
        )
    for part in _leading(scores):
        for rule in ranks.RULES:
            yield _Ranks(part, similarities, rule)


def cases(
    scores: pd.DataFrame,
    narrow: str = "P_best",
    diverse: str = "P",
    both: str = "P+Q",
    others: str = "other P_i",
    unseen: str = "Q",
) -> list[Case]:
    """Name the outcome of training on all of P, for each shift (Section 4).

    Nguyen et al. (2022) train on two sets of which the first does better on Q. Trained on both, a
    network is (i) at least as good as trained on the first, or (ii) worse, but better than trained
    on the second. P has more than two distributions; the mean score of the networks of all but
    P_best stands for the second. Rules, fixed before any result existed: (i) if P is at least as
    good as P_best, with the margin of this module; (ii) if that does not hold, and P is better than
    the others on average; neither if P is worse than those, too. Else it is not decided.

    Args:
        scores: table of ``studies.robustness``, which has the pool ``other P_i``.
        narrow: the best of P's distributions.
        diverse: all of them.
        both: with those of the test pool.
        others: the mean over the rest of P's distributions.
        unseen: the test pool.
    """
    found = []
    for part in _parts(_clean(scores)):
        if others not in set(part["pool"]):
            continue
        first = _Pair(part, unseen, diverse, narrow, (both, narrow))
        second = _Pair(part, unseen, diverse, others)
        harmless = [_effect("at least as good", first, metric) for metric in METRICS]
        between = [_effect("better", second, metric) for metric in METRICS]
        case, word = _case(_agreed(harmless), _agreed(between))
        text = (
            f"{case}{word}: {diverse} against {narrow} {_numbers(harmless[0])}; against the other "
            f"distributions of P on average {_numbers(between[0])}"
        )
        shift, model = harmless[0].shift, harmless[0].model
        found.append(Case(shift, model, case, text, (*harmless, *between)))
    return found


@answers(lambda shift, model, case, text: Outcome(f"Nguyen's case, {shift}, {model}", case, text))
def cases_table(scores: pd.DataFrame, **labels: str) -> pd.DataFrame:
    """The outcomes of ``cases`` for a page: shift, model, case and the numbers in words.

    Args:
        scores: table of ``studies.robustness``.
        **labels: as of ``cases``.
    """
    found = [(c.shift, profiles.network_name(c.model), *c[2:4]) for c in cases(scores, **labels)]
    table = pd.DataFrame(found, columns=pd.Index(Case._fields[:4]))
    table.attrs["empty"] = "only the network that chose P_best was trained on every distribution"
    return table


def _case(harmless: Word, between: Word) -> tuple[str, str]:
    """The case that two verdicts make, and its name in words."""
    if harmless == "holds":
        return "(i)", ", at least as good as P_best"
    if harmless != "does not hold":
        return harmless, ""
    if between == "holds":
        return "(ii)", ", worse than P_best, better than the others"
    return ("neither", ", worse than the others") if between == "does not hold" else (between, "")


# --- from table to effect -----------------------------------------------------------------------


def agreed(words: Sequence[Word]) -> Word:
    """One verdict from those on SSIM and on foreground SSIM: theirs, if they agree."""
    return words[0] if len(set(words)) == 1 else "depends on background"


def _agreed(effects: Sequence[Effect]) -> Word:
    """The verdict of a part: that of its metrics, if they agree."""
    return agreed([e.verdict for e in effects])


def _clean(
    scores: pd.DataFrame, metrics: tuple[str, str] = METRICS, lines: bool = False
) -> pd.DataFrame:
    """Test rows of each run's last epoch (of every epoch where lines are compared), checked."""
    columns = list(dict.fromkeys((*COLUMNS, *(("training", "size") * lines), *metrics)))
    missing = [c for c in columns if c not in scores.columns]
    if missing:
        raise MrinbError(f"score table lacks column {missing[0]!r}: give the table of lab.evaluate")
    table = scores.loc[scores["split"] == "test", columns].reset_index(drop=True)
    if table.empty:
        raise MrinbError("score table has no rows of split 'test': evaluate the runs on test data")
    table["seed"] = table["seed"].fillna(-1).astype(int)
    table["epoch"] = table["epoch"].fillna(-1)
    last = table.groupby(["shift", "pool", "model", "seed"], dropna=False)["epoch"]
    table = table if lines else table[table["epoch"] == last.transform("max")]
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


def _leading(scores: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The parts of those models that have most seeds."""
    parts = list(_parts(scores))
    seeds = [part.loc[part["pool"] != ZERO_FILLED, "seed"].nunique() for part in parts]
    yield from (part for part, n in zip(parts, seeds, strict=True) if n == max(seeds))


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


def _effect(kind: Kind, pair: _Pair | _Lines | _Ranks, metric: str) -> Effect:
    if isinstance(pair, _Lines):
        return _line_effect(kind, pair, metric)
    if isinstance(pair, _Ranks):
        return _rank_effect(pair, metric)
    differences = paired(pair.part, pair.target, pair.a, pair.b, metric)
    model, shift = _of(pair.part, "model", skip=ZERO_FILLED), _of(pair.part, "shift")
    found = interval(differences, f"{shift}|{model}|{pair.target}|{pair.a}|{pair.b}")
    margin = max(MARGIN, _severity(pair, metric) / 10)
    seeds = differences.shape[1] if pair.trained else _no_seeds(differences)
    subjects = differences.index.get_level_values("subject").nunique()
    verdict = decide(kind, found.low, found.high, margin, seeds, subjects)
    if pair.a == pair.b and kind == "better" and verdict != "underpowered":
        verdict = "does not hold"  # Nothing is better than itself.
    return Effect(
        kind, model, shift, pair.target, pair.a, pair.b, metric,
        found.estimate, found.low, found.high, margin,
        p_inferior=found.p_not_above(-margin),
        p_superior=found.p_not_below(margin),
        p_not_better=found.p_not_above(0.0),
        seeds=seeds, subjects=subjects, slices=len(differences),
        verdict=verdict,
    )  # fmt: skip


def _no_seeds(differences: pd.DataFrame) -> int:
    """Number of seeds of untrained methods, 0, once it is made sure that they are."""
    if list(differences.columns) != [-1]:
        raise MrinbError("score table has seeds where the claim is about untrained methods")
    return 0


def _line_effect(kind: Kind, pair: _Lines, metric: str) -> Effect:
    """Height of one line above that of P_best."""
    found = robustness.distance(pair.part, pair.a, metric=metric)
    bounds = Interval(found.estimate, found.low, found.high, found.draws)
    return Effect(
        kind, _of(pair.part, "model", skip=ZERO_FILLED), _of(pair.part, "shift"),
        LINE_TARGET, pair.a, robustness.BASELINE, metric,
        found.estimate, found.low, found.high, MARGIN,
        p_inferior=bounds.p_not_above(-MARGIN),
        p_superior=bounds.p_not_below(MARGIN),
        p_not_better=bounds.p_not_above(0.0),
        seeds=found.seeds, subjects=found.subjects, slices=found.slices,
        verdict=decide(kind, found.low, found.high, MARGIN, found.seeds, found.subjects),
    )  # fmt: skip


def _rank_effect(pair: _Ranks, metric: str) -> Effect:
    """Rank correlation of similarity and score over pools without test distributions."""
    points = ranks.points(pair.similarities, pair.part, metric, pair.rule)
    found = ranks.correlate(points, ranks.SINGLE)
    points = ranks.chosen(points, ranks.SINGLE)
    inside = pair.part["distribution"].isin(pair.similarities["distribution"].unique())
    tested = pair.part[inside & pair.part["pool"].isin(points["pool"])]
    seeds, subjects = int(points["seeds"].min()), tested["subject"].nunique()
    slices = len(tested.drop_duplicates(["distribution", "volume", "slice"]))
    embedder = (pair.similarities.attrs.get("note") or {}).get("embedder", "")
    how = f"{pair.rule}, {embedder}" if embedder else pair.rule
    return Effect(
        "ranks", _of(tested, "model"), _of(tested, "shift"), _of(tested, "target"),
        f"similarity ({how}, {found.pools} pools)", "score", metric,
        found.rho, found.low, found.high, 0.0,
        p_inferior=found.p, p_superior=found.p_below, p_not_better=found.p,
        seeds=seeds, subjects=subjects, slices=slices,
        verdict=_decide_ranks(found, seeds, subjects),
    )  # fmt: skip


def _decide_ranks(found: ranks.Correlation, seeds: int, subjects: int) -> Word:
    if seeds < MIN_SEEDS or subjects < MIN_SUBJECTS or found.pools < MIN_POOLS:
        return "underpowered"
    if found.p <= LEVEL:
        return "holds"
    return "does not hold" if found.p_below <= LEVEL else "undecided"


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
        seeds: number of seeds behind the interval; 0 where nothing was trained.
        subjects: number of test subjects behind the interval.

    Returns:
        The verdict on one metric.
    """
    if 0 < seeds < MIN_SEEDS or subjects < MIN_SUBJECTS:
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
    seeds, subjects = worst.seeds, worst.subjects
    closest = "closest call: " if word == "holds" and len(words) > 1 else ""
    extra = ""
    if worst.a == worst.b:
        return f"{word}; {_place(worst)}: {worst.a} is on both sides, so there is no difference"
    if word == "depends on background":
        other = effects[effects.index(worst) + 1]
        extra = f" ({worst.verdict}); on the foreground {_numbers(other)} ({other.verdict})"
    elif word == "underpowered":
        extra = f"; needs {f'{MIN_SEEDS} seeds and ' if seeds else ''}{MIN_SUBJECTS} test subjects"
        extra += f" and {MIN_POOLS} pools" * (worst.kind == "ranks")
    elif word == "holds" and worst.kind == "at least as good":
        count = sum(e.equivalent for e in effects[::2])
        extra = f"; equivalent within the margin in {count} of {len(words)} parts"
    if "underpowered" in words and len(words) > 1:
        positive = sum(e.estimate > 0 for e in effects[::2])
        what = "rank correlation" if worst.kind == "ranks" else "difference"
        extra += f"; the {what} is above 0 in {positive} of {len(words)} parts"
    what = "rank correlation with" if worst.kind == "ranks" else "difference in"
    trained = f"{seeds} seed" + "s" * (seeds != 1) if seeds else "no training"
    numbers = f"{what} {_name(worst.metric)} {_numbers(worst)}{extra}"
    return (
        f"{_tally(word, effects[::2], words)}; {closest}{_where(worst)}: {numbers}; {trained}, "
        f"{subjects} subjects"
    )


def _tally(word: Word, effects: Sequence[Effect], words: Sequence[Word]) -> str:
    """The verdict, and where it has parts that of each, by shift where that tells them apart."""
    shifts = [e.shift for e in effects]
    if len(set(words)) == 1:
        return f"{word} (all {len(words)} parts)" if len(words) > 1 else word
    if len(set(shifts)) == len(shifts):
        return f"{word} ({', '.join(f'{s}: {w}' for s, w in zip(shifts, words, strict=True))})"
    counts = ", ".join(
        f"{n} {w if n == 1 else _PLURAL.get(w, w)}" for w in _WORST_FIRST if (n := words.count(w))
    )
    return f"{word} (of {len(words)} parts: {counts})"


def _place(effect: Effect) -> str:
    shift = f" of {effect.shift}" if effect.shift else ""
    return f"{effect.target}{shift} ({profiles.network_name(effect.model)})"


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
    if effect.kind == "ranks":
        shuffled = f"shuffled {signed(effect.low)} to {signed(effect.high)}"
        return f"{signed(effect.estimate)} ({shuffled}; p = {effect.p_not_better:.2g})"
    bounds = f"{signed(effect.estimate)} ({signed(effect.low)} to {signed(effect.high)})"
    return bounds if effect.kind == "better" else f"{bounds}, margin {effect.margin:.4f}"


def _cells(effect: Effect) -> tuple[str, ...]:
    margin = effect.kind == "at least as good"
    return (
        f"{effect.a} against {effect.b}",
        _name(effect.metric),
        signed(effect.estimate),
        f"{signed(effect.low)} to {signed(effect.high)}",
        f"{effect.margin:.4f}" if margin else f"{effect.p_not_better:.2g}",
        effect.verdict,
    )


def signed(value: float) -> str:
    """A difference with its sign and four decimals."""
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")
