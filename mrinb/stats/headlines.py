"""The answer to a chapter's question: one sentence that follows from a verdict, and its numbers."""

from __future__ import annotations

import html
from typing import Any, NamedTuple

from mrinb.stats.effects import metric_name, signed
from mrinb.stats.verdicts import Verdict, too_few

HEADLINE_MIME = "application/vnd.mrinb.headline+json"
"""Type of the sentence that a displayed headline leaves in an executed notebook."""


class Headline(NamedTuple):
    """What a chapter's first screen says.

    Attributes:
        sentence: the answer.
        verdict: what it follows from.
    """

    sentence: str
    verdict: Verdict

    @property
    def numbers(self) -> str:
        """The mean effect with its interval, and how the parts came out."""
        if self.verdict.claim.kind == "ranks":
            return self._ranks
        mean = self.verdict.pooled[0]
        over = "On average " if len(self.verdict.effects) > 2 else ""
        interval = f"90 % interval {_short(mean.low)} to {_short(mean.high)}"
        parts = f"; {self._parts}" if self._parts else ""
        return f"{over}{_short(mean.estimate)} in {self.verdict.measure} ({interval}){parts}."

    @property
    def _parts(self) -> str:
        """How the parts came out; of a single one that is not decided, its verdict and why."""
        verdict = self.verdict
        if verdict.parts or verdict.verdict in ("holds", "does not hold"):
            return verdict.parts
        why = too_few(verdict.effects)
        return f"{verdict.verdict}: {why}" if why else verdict.verdict

    @property
    def _ranks(self) -> str:
        """Rank correlations with both scores; their ranges are those of shuffled scores."""
        means = [
            f"{signed(p.estimate, 2)} with {metric_name(p.metric)} (90 % of shuffles "
            f"{signed(p.low, 2)} to {signed(p.high, 2)})"
            for p in self.verdict.pooled
        ]
        parts = f"; {self._parts}" if self._parts else ""
        what = "Mean rank correlation" if len(self.verdict.effects) > 2 else "Rank correlation"
        return f"{what} {', '.join(means)}{parts}."

    def __str__(self) -> str:
        return f"{self.sentence} {self.numbers}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {HEADLINE_MIME: self.sentence}  # beside the HTML, for the first page

    def _repr_html_(self) -> str:
        return (
            f'<p class="mrinb-answer" data-verdict="{self.verdict.verdict}">'
            f"<strong>{html.escape(self.sentence)}</strong> {html.escape(self.numbers)} "
            f'<a href="#{self.verdict.anchor}">How this was judged</a></p>'
        )


def _short(value: float) -> str:
    return signed(value, 3)


def headline(verdict: Verdict, *, holds: str, fails: str, otherwise: str) -> Headline:
    """Answer a chapter's question by a verdict.

    Args:
        verdict: the verdict on the claim that the question is about.
        holds: the answer where the claim holds.
        fails: where it does not hold.
        otherwise: where neither can be said.
    """
    sentences = {"holds": holds, "does not hold": fails}
    return Headline(sentences.get(verdict.verdict, otherwise), verdict)
