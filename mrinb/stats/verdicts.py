"""Verdicts: what the scores say about a claim, in words, as a table and as HTML."""

from __future__ import annotations

import html
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mrinb import profiles
from mrinb.stats import bootstrap
from mrinb.stats.bootstrap import Needed
from mrinb.stats.effects import (
    Effect,
    Measured,
    Pooled,
    metric_name,
    numbers,
    place,
    pool,
    signed,
    where,
)
from mrinb.stats.register import CLAIMS, Claim
from mrinb.stats.rules import (
    BEST_FIRST,
    MIN_POOLS,
    MIN_SEEDS,
    MIN_SUBJECTS,
    Word,
    agreed,
    worst,
)

VERDICT_MIME = "application/vnd.mrinb.verdict+json"
"""Type of what a displayed verdict leaves in an executed notebook: ``Verdict.words``."""

IN_PLAIN_WORDS: dict[Word, str] = {
    "holds": "Yes, here it holds.",
    "does not hold": "No, here it does not hold.",
    "undecided": "Undecided: these data cannot tell.",
    "underpowered": "Underpowered: too few seeds or subjects to say.",
    "depends on background": "It depends on the background: it holds on one score and does not "
    "hold on the other.",
}


@dataclass(frozen=True)
class Verdict:
    """What the scores say about a claim.

    Estimate, interval, margin and p-values are those of the part that decides, on ``ssim``.

    Attributes:
        id: the claim's id.
        verdict: the verdict by the worst part, in one of five fixed words.
        estimate: mean difference in SSIM.
        interval: its 90 % interval.
        margin: margin of equivalence and non-inferiority.
        p_values: ``inferior``, ``superior`` (the two one-sided tests of equivalence) and
            ``not better``.
        seeds, subjects: fewest of any part.
        text: one line for a reader.
        effects: every part on every metric.
        note: the score table's note (simulated, profile, seeds, key), if it had one.
        pooled: mean effect over the parts, on each metric.
        parts: how the parts came out, in words; empty where there is one and its scores agree.
        needed: what would decide it, in words; empty where it is decided.
        printed: mean difference over the parts that the paper prints, if it does.
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
    pooled: tuple[Pooled, ...] = ()
    parts: str = ""
    needed: str = ""
    printed: float | None = None

    @property
    def claim(self) -> Claim:
        """The claim."""
        return CLAIMS[self.id]

    @property
    def measure(self) -> str:
        """What ``estimate`` is."""
        ranked = self.claim.kind == "ranks"
        return "rank correlation" if ranked else metric_name(self.claim.metrics[0])

    @property
    def pooled_verdict(self) -> Word:
        """What the rule says of the mean effect on both scores; it does not replace the verdict."""
        return agreed([p.verdict for p in self.pooled])

    def table(self) -> pd.DataFrame:
        """Every part on every metric, one row each."""
        frame = pd.DataFrame(self.effects, columns=pd.Index(Effect._fields))
        return frame.assign(equivalent=[e.equivalent for e in self.effects])

    def __str__(self) -> str:
        lines = [f"{self.id}: {self.text}"]
        lines += [f"  mean, {_pooled_words(p, self.claim.kind)}" for p in self.pooled]
        lines += [
            f"  {where(e)}, {metric_name(e.metric)}: {numbers(e)}, {e.verdict}"
            for e in self.effects
        ]
        return "\n".join(lines)

    @property
    def anchor(self) -> str:
        """Id of its place on a page, its own where a page checks a claim twice."""
        return f"claim-{self.id}-{zlib.crc32(self.text.encode()):08x}"

    def words(self) -> dict[str, Any]:
        """All that the book's pages on claims say of it, as JSON has it."""
        claim = self.claim
        return {
            "claim": self.id, "title": claim.title, "chapter": claim.chapter,
            "statement": claim.statement,
            "paper": claim.paper, "finding": claim.finding, "control": claim.control,
            "kind": claim.kind, "measure": self.measure, "verdict": self.verdict,
            "pooled": [
                {"name": metric_name(p.metric), **p._replace(needed=None)._asdict()}
                for p in self.pooled
            ],
            "pooled_verdict": self.pooled_verdict,
            "count": len(self.effects) // 2, "parts": self.parts, "needed": self.needed,
            "networks": list(dict.fromkeys(profiles.network_name(e.model) for e in self.effects)),
            "printed": self.printed, "seeds": self.seeds, "subjects": self.subjects,
            "text": self.text, "anchor": self.anchor,
        }  # fmt: skip

    def _repr_mimebundle_(self, **_: Any) -> dict[str, dict[str, Any]]:
        return {VERDICT_MIME: self.words()}  # beside the HTML, for who reads an executed notebook

    def _repr_html_(self) -> str:
        ranked = self.claim.kind == "ranks"
        measures = ("rank correlation", "90 % of shuffles") if ranked else (
            "difference", "90 % interval")  # fmt: skip
        last = "margin" if self.claim.kind == "at least as good" else "p"
        heads = ("on", "compared", "metric", *measures, last, "verdict")
        rows = "".join(_row(e) for e in self.effects)
        head = "".join(f'<th scope="col">{h}</th>' for h in heads)
        table = (
            f"<p>Rule: {html.escape(self.claim.rule)}.</p>"
            '<div class="mrinb-table" role="region" tabindex="0" style="overflow-x:auto" '
            f'aria-label="comparisons for {html.escape(self.id)}"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
        return f'<div class="mrinb-verdict" id="{self.anchor}">{stated(self.words(), table)}</div>'


def _escaped(text: str) -> str:
    """Text as HTML, P_best as tables have it."""
    return html.escape(text).replace("P_best", "<i>P</i><sub>best</sub>")


def _row(effect: Effect) -> str:
    cells = "".join(f"<td>{_escaped(c)}</td>" for c in _cells(effect))
    return f'<tr><th scope="row">{_escaped(place(effect))}</th>{cells}</tr>'


def _cells(effect: Effect) -> tuple[str, ...]:
    margin = effect.kind == "at least as good"
    return (
        f"{effect.a} against {effect.b}",
        metric_name(effect.metric),
        signed(effect.estimate),
        f"{signed(effect.low)} to {signed(effect.high)}",
        f"{effect.margin:.4f}" if margin else f"{effect.p_not_better:.2g}",
        effect.verdict,
    )


def stated(words: Mapping[str, Any], details: str = "") -> str:
    """HTML that states a verdict: the answer, the mean effect, what is missing, details folded.

    Args:
        words: ``Verdict.words``.
        details: HTML that the fold has below the part that decides.
    """
    esc = _escaped
    word = esc(words["verdict"])
    role = "our control" if words["control"] else "the paper's claim"
    source = esc(words["paper"].removeprefix("our control: ").removeprefix("our control; "))
    missing = f"<p>{esc(words['needed'])}</p>" if words["needed"] else ""
    every = "both" if words["count"] == 1 else f"all {2 * words['count']}"
    summary = "the part that decides" + (f", and {every} comparisons" if details else "")
    return (
        f'<p data-verdict="{word}"><strong>{esc(IN_PLAIN_WORDS[words["verdict"]])}</strong> '
        f"{esc(words['statement'])} <em>({role}: {source})</em></p>"
        f"<p>{esc(mean_in_words(words))}</p>{missing}"
        f"<details><summary>{summary}</summary><p>{esc(words['text'])}</p>{details}</details>"
    )


def mean_in_words(words: Mapping[str, Any]) -> str:
    """The mean effect on both scores, what the paper prints, and how the parts came out.

    Args:
        words: ``Verdict.words``.
    """
    over = f"Mean over {words['count']} parts: " if words["count"] > 1 else ""
    fields = [name for name in Pooled._fields if name != "needed"]
    means = [Pooled(**{n: p[n] for n in fields}, needed=None) for p in words["pooled"]]
    said = "; ".join(_pooled_words(p, words["kind"]) for p in means)
    paper = "" if words["printed"] is None else f" The paper prints {_printed(words['printed'])}."
    parts = f" {words['parts'][0].upper()}{words['parts'][1:]}." if words["parts"] else ""
    return f"{over}{said}.{paper}{parts}"


def _printed(value: float) -> str:
    return f"{value:+.4g}".replace("-", "\N{MINUS SIGN}")


def _pooled_words(pooled: Pooled, kind: str) -> str:
    name, bounds = metric_name(pooled.metric), f"{signed(pooled.low)} to {signed(pooled.high)}"
    if kind == "ranks":
        about = f"rank correlation with {name}", f"90 % of shuffles {bounds}"
    else:
        about = name, f"90 % interval {bounds}"
    margin = f", margin {pooled.margin:.4f}" if kind == "at least as good" else ""
    return f"{about[0]} {signed(pooled.estimate)} ({about[1]}{margin}), {pooled.verdict}"


def judge(claim: Claim, measured: Sequence[Sequence[Measured]], note: Mapping[str, Any]) -> Verdict:
    """The verdict on a claim.

    Args:
        claim: the claim.
        measured: for every part, what was measured on each metric.
        note: the score table's note.
    """
    both = [[m.effect for m in part] for part in measured]
    effects = [effect for part in both for effect in part]
    words = [agreed([e.verdict for e in part]) for part in both]
    word = worst(words)
    deciding = min(
        (part for part, w in zip(both, words, strict=True) if w == word), key=lambda p: p[0].slack
    )
    first = deciding[0]
    parts = _parts_in_words(both, words)
    needed = _needed_in_words(both) if word == "undecided" else ""
    printed = [part[0].printed for part in measured]
    pooled = tuple(pool(column, claim.id) for column in zip(*measured, strict=True))
    return Verdict(
        claim.id, word, first.estimate, (first.low, first.high), first.margin,
        {
            "inferior": first.p_inferior,
            "superior": first.p_superior,
            "not better": first.p_not_better,
        },
        min(e.seeds for e in effects), min(e.subjects for e in effects),
        _text(word, deciding, both, words, parts), tuple(effects), dict(note), pooled, parts,
        needed,
        None if None in printed else float(np.mean([p for p in printed if p is not None])),
    )  # fmt: skip


def _text(
    word: Word, deciding: Sequence[Effect], both: Sequence[Sequence[Effect]],
    words: Sequence[Word], parts: str,
) -> str:  # fmt: skip
    """One line: verdict, parts, the part that decides, numbers."""
    first, other = deciding
    said = f"{word}; {parts}" if parts else word
    if first.a == first.b:
        return f"{said}; {place(first)}: {first.a} is on both sides, so there is no difference"
    called = ("closest call: " if word == "holds" else "worst part: ") if len(both) > 1 else ""
    what = "rank correlation with" if first.kind == "ranks" else "difference in"
    trained = f"{first.seeds} seed" + "s" * (first.seeds != 1) if first.seeds else "no training"
    return (
        f"{said}; {called}{where(first)}: {what} {metric_name(first.metric)} {numbers(first)}"
        f"{_beside(word, first, other, both, words)}; {trained}, {first.subjects} subjects"
    )


def _beside(
    word: Word, first: Effect, other: Effect, both: Sequence[Sequence[Effect]],
    words: Sequence[Word],
) -> str:  # fmt: skip
    """What the text says beside the numbers of the part that decides."""
    extra = ""
    if first.verdict != other.verdict:
        extra = f" ({first.verdict}); on the foreground {numbers(other)} ({other.verdict})"
    elif word == "underpowered":
        seeds = f"{MIN_SEEDS} seeds and " if first.seeds else ""
        extra = f"; needs {seeds}{MIN_SUBJECTS} test subjects"
        extra += f" and {MIN_POOLS} pools" * (first.kind == "ranks")
    elif word == "holds" and first.kind == "at least as good":
        count = sum(part[0].equivalent for part in both)
        extra = f"; equivalent within the margin in {count} of {len(both)} parts"
    if "underpowered" in words and len(both) > 1:
        positive = sum(part[0].estimate > 0 for part in both)
        what = "rank correlation" if first.kind == "ranks" else "difference"
        extra += f"; the {what} is above 0 in {positive} of {len(both)} parts"
    return extra


def too_few(effects: Sequence[Effect]) -> str:
    """What there is too little of for a verdict, in words; empty where there is enough."""
    seeds, subjects = min(e.seeds for e in effects), min(e.subjects for e in effects)
    said = []
    if 0 < seeds < MIN_SEEDS:  # none at all: nothing was trained
        said.append("one seed" if seeds == 1 else f"{seeds} seeds")
    if subjects < MIN_SUBJECTS:
        said.append("one test subject" if subjects == 1 else f"{subjects} test subjects")
    return " and ".join(said)


def _parts_in_words(both: Sequence[Sequence[Effect]], words: Sequence[Word]) -> str:
    """How the parts came out: "holds in 5 of 6; undecided: anatomy on Q"."""
    if len(both) == 1:
        return "" if both[0][0].verdict == both[0][1].verdict else _apart(both[0])
    count = len(both)
    if set(words) == {words[0]} and all(a.verdict == b.verdict for a, b in both):
        return f"{words[0]} in {'both' if count == 2 else f'all {count}'} parts"
    labels = _labels([part[0] for part in both])
    said = [f"holds in {words.count('holds') or 'none'} of {count}"]
    for word in BEST_FIRST[1:]:
        found = [
            label + ("" if part[0].verdict == part[1].verdict else f" ({_apart(part)})")
            for label, part, w in zip(labels, both, words, strict=True)
            if w == word
        ]
        if found:
            said.append(f"{word}: {', '.join(found)}")
    return "; ".join(said)


def _apart(part: Sequence[Effect]) -> str:
    return f"{part[0].verdict} on the whole image, {part[1].verdict} on the foreground"


def _labels(effects: Sequence[Effect]) -> list[str]:
    """The shortest names that tell parts apart: by shift, test pool, network, training pools."""
    columns = [
        [e.shift for e in effects],
        [f"on {e.target}" for e in effects],
        [f"({profiles.network_name(e.model)})" for e in effects],
        [_compared(e) for e in effects],
    ]
    labels = [""] * len(effects)
    for column in columns:
        if len(set(labels)) == len(labels):
            break
        if len(set(column)) > 1:
            labels = [f"{a} {b}".strip() for a, b in zip(labels, column, strict=True)]
    return labels


def _compared(effect: Effect) -> str:
    """The two pools, or of ranks the rule by which patches are chosen."""
    if effect.kind == "ranks":
        return effect.a.removeprefix("similarity (").partition(",")[0]
    return f"of {effect.a} against {effect.b}"


def _needed_in_words(both: Sequence[Sequence[Effect]]) -> str:
    """What would decide every part at the effects seen."""
    labels = _labels([part[0] for part in both])
    missing = [
        (label, e.needed)
        for label, part in zip(labels, both, strict=True)
        for e in part
        if e.needed
    ]
    never = list(dict.fromkeys(label for label, n in missing if not n.enough))
    enough = [n for label, n in missing if label not in never]
    many = bootstrap.most(missing[0][1])
    said = []
    if never:
        every = len(never) == len(both)
        which = "it" if len(both) == 1 else "any part" if every else ", ".join(never)
        said.append(f"not even {_amount(many)} would decide {which}")
    if enough:
        most = Needed(*(max(column) for column in zip(*enough, strict=True)))
        which = "it" if len(both) == 1 else "each of the others" if never else "each part"
        said.append(f"about {_amount(most)} would decide {which}")
    return f"At the effects seen, {'; '.join(said)}."


def _amount(needed: Needed) -> str:
    if needed.pools:
        return f"{needed.pools} single distributions"
    seeds = f"{needed.seeds} seeds and " if needed.seeds else ""
    return f"{seeds}{needed.subjects:,} test subjects"
