"""The claim of Chapter 4 and Appendix D about similarity."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from mrinb.errors import MrinbError
from mrinb.stats import correlation
from mrinb.stats.effects import Ranked
from mrinb.stats.pairs import most_seeds
from mrinb.stats.register import Claim, register


def _by_both_rules(
    scores: pd.DataFrame, similarities: pd.DataFrame | None = None
) -> Iterator[Ranked]:
    if similarities is None:
        raise MrinbError(
            "this claim is about similarity too: give similarities=lab.similarity(...)"
        )
    for part in most_seeds(scores):
        for rule in correlation.RULES:
            yield Ranked(part, similarities, rule)


register(
    Claim(
        "similarity-ranks-as-ssim", "04", "ranks", _by_both_rules,
        title="More similar data, better networks",
        statement="Among single distributions, the more similar one is to the test data of Q, the "
        "better do the networks trained on it reconstruct them.",
        paper="Section 4, Figure 6; Appendix D",
        finding="similar data",
    ),
)  # fmt: skip
