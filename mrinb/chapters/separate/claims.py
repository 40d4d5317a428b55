"""The claims of Chapter 3 and Appendix B."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from mrinb.labels import ZERO_FILLED
from mrinb.stats.effects import Pair
from mrinb.stats.pairs import every_network
from mrinb.stats.register import Claim, Compare, register

JOINT = (
    Compare("P+Q", "P", on="P", severity=("P+Q", "Q")),
    Compare("P+Q", "Q", on="Q", severity=("P+Q", "P")),
)
"""One network for both, beside one for each."""
HALF = (
    Compare("half of P+Q", "P", on="P", severity=("P+Q", "Q")),
    Compare("half of P+Q", "Q", on="Q", severity=("P+Q", "P")),
)
"""The same of half the slices."""


def _joint(claim_id: str, chapter: str, title: str, statement: str, paper: str) -> Claim:
    return Claim(
        claim_id, chapter, "at least as good", JOINT,
        title=title, statement=statement, paper=paper, finding="one network",
        labels={"joint": "P+Q"},
    )  # fmt: skip


def _half(claim_id: str, chapter: str, title: str, statement: str, paper: str) -> Claim:
    return Claim(
        claim_id, chapter, "at least as good", HALF,
        title=title, statement=statement, paper=paper, finding="one network",
        labels={"joint": "P+Q", "half": "half of P+Q"},
    )  # fmt: skip


def _every_pool_against_zero_filled(scores: pd.DataFrame) -> Iterator[Pair]:
    for part in every_network(scores):
        for target in sorted(part["target"].unique()):
            for pool in part["pool"].unique():
                if pool != ZERO_FILLED:
                    yield Pair(part, target, pool, ZERO_FILLED)


register(
    Claim(
        "shift-is-there", "03", "better",
        (
            Compare("P", "Q", on="P", severity=("P+Q", "Q")),
            Compare("Q", "P", on="Q", severity=("P+Q", "P")),
        ),
        title="The pools do differ",
        statement="A model trained on the test pool's own distributions beats one trained on the "
        "other pool: the two pools do differ, so that training on both could have failed.",
        paper="our control; Section 1 says so of knees and brains",
        finding="one network", control=True,
    ),
    Claim(
        "beats-zero-filled", "03", "better", _every_pool_against_zero_filled,
        title="Every network beats the zero-filled image",
        statement="Every trained model beats the zero-filled reconstruction on both test pools.",
        paper="our control: a model that does not has learned nothing that a comparison could rest "
        "on",
        finding="one network", control=True,
    ),
    _joint(
        "joint-equals-separate", "03", "One for both, as good as two",
        "One model trained on P and Q together reconstructs each of them at least as well as the "
        "model trained on it alone.",
        "Section 3, Figure 3",
    ),
    _half(
        "half-joint-equals-separate", "03", "One for both at equal size",
        "It is not the larger number of slices: trained on a random half of P and Q together, the "
        "one model is still at least as good as the separate ones.",
        "Section 3, Figure 3 (black bars)",
    ),
    Claim(
        "few-fall-short", "03", "better", Compare("P", "few of P", on="P"),
        title="Few slices fall short of all",
        statement="A model trained on all of P beats one trained on the few slices of P that the "
        "skewed set has: there is something that data from Q could make up for, or spoil.",
        paper="our control of Section 3, Figure 4",
        finding="one network", control=True,
        labels={"few": "few of P"},
    ),
    _joint(
        "skewed-joint-equals-separate", "03", "One for both with few slices of P",
        "Where P has ten times fewer slices than Q, one model trained on both is still at least as "
        "good on each of them as the model trained on it alone.",
        "Section 3, Figure 4",
    ),
    _joint(
        "networks-joint-equals-separate", "B", "One for both, other networks",
        "Not of the U-net alone: one network of another kind, trained on P and Q together, "
        "reconstructs each of them at least as well as the one trained on it alone.",
        "Appendix B.3, Figure 12",
    ),
    _half(
        "networks-half-joint", "B", "One for both, other networks at equal size",
        "Not of the U-net alone: one network of another kind, trained on a random half of P and Q, "
        "is still at least as good on each of them as the one trained on it alone.",
        "Appendix B.3, Figure 12 (black bars)",
    ),
    _joint(
        "small-data-joint-equals-separate", "B", "One for both with a quarter of the data",
        "With a quarter of the slices, one model trained on P and Q together is at least as good "
        "on each of them as the model trained on it alone.",
        "Appendix B.3, Figure 13, top",
    ),
    _half(
        "small-data-half-joint", "B", "One for both, a quarter of the data, equal size",
        "With a quarter of the slices, one model trained on a random half of P and Q is still at "
        "least as good on each of them as the model trained on it alone.",
        "Appendix B.3, Figure 13, top (black bars)",
    ),
    _joint(
        "small-model-joint-equals-separate", "B", "One for both with a third of the channels",
        "With a third of the channels, one model trained on P and Q together is at least as good "
        "on each of them as the model trained on it alone.",
        "Appendix B.3, Figure 13, bottom",
    ),
    _half(
        "small-model-half-joint", "B", "One for both, a third of the channels, equal size",
        "With a third of the channels, one model trained on a random half of P and Q is still at "
        "least as good on each of them as the model trained on it alone.",
        "Appendix B.3, Figure 13, bottom (black bars)",
    ),
)  # fmt: skip
