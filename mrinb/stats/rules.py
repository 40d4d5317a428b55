"""The rules that turn intervals into verdicts; the book's page on them says why they are these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Word = Literal["holds", "does not hold", "undecided", "underpowered", "depends on background"]
Kind = Literal["at least as good", "better", "ranks"]

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

WORST_FIRST: tuple[Word, ...] = (
    "does not hold", "depends on background", "underpowered", "undecided", "holds",
)  # fmt: skip
BEST_FIRST: tuple[Word, ...] = WORST_FIRST[::-1]
_BOTH = ", on SSIM and on foreground SSIM, for every part"
IN_WORDS: dict[Kind, str] = {
    "at least as good": "holds if the 90 % interval of the difference lies above -margin, does not "
    f"hold if it lies below -margin{_BOTH}",
    "better": "holds if the 90 % interval of the difference lies above 0, does not hold if it lies "
    f"below 0{_BOTH}",
    "ranks": "holds if the rank correlation over single distributions, none tested, is above 0 in "
    "a one-sided permutation test at 5 %, does not hold if it is below 0, on SSIM and on "
    "foreground SSIM, over all patches and at the same number",
}


def bound(kind: Kind, margin: float) -> float:
    """What the interval has to lie above for a claim to hold."""
    return -margin if kind == "at least as good" else 0.0


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
    if low > bound(kind, margin):
        return "holds"
    return "does not hold" if high < bound(kind, margin) else "undecided"


def agreed(words: Sequence[Word]) -> Word:
    """One verdict from those on SSIM and on foreground SSIM.

    They depend on the background where they come to different ends. Where one has come to none,
    neither has both.
    """
    found = set(words)
    if found == {"holds", "does not hold"}:
        return "depends on background"
    return words[0] if len(found) == 1 else min(found - {"does not hold"}, key=WORST_FIRST.index)


def worst(words: Sequence[Word]) -> Word:
    """The verdict on a claim of several parts."""
    return min(words, key=WORST_FIRST.index)
