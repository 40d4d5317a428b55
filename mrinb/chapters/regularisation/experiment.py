"""Choosing a regularisation weight (Appendix A): the grid, the best by validation, a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from mrinb import paper
from mrinb.errors import MrinbError, unknown
from mrinb.specs import Coil
from mrinb.stats import claims

WEIGHTS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Two a decade; the paper's 0.01 and 0.001 are among them."""


def label(weight: float) -> str:
    """A weight's name in tables and figures, such as ``λ = 0.01``."""
    return f"λ = {weight:g}"


def grid(text: str) -> tuple[float, ...]:
    """Weights of a parameter such as ``0.001, 0.01, 0.1``, in rising order; empty is ``WEIGHTS``.

    Raises:
        MrinbError: one of them is no positive number, or there is only one.
    """
    words = text.replace(",", " ").split()
    try:
        found = sorted({float(word) for word in words})
    except ValueError:
        found = [math.nan]
    if words and (len(found) < 2 or not all(0 < weight < math.inf for weight in found)):
        raise MrinbError(
            f"weights {text!r}: give two or more positive numbers, such as 0.001, 0.01, 0.1"
        )
    return tuple(found) or WEIGHTS


def track(text: str) -> Coil:
    """The parameter ``coil``: ``single`` or ``multi``.

    Raises:
        MrinbError: it is neither.
    """
    if text not in ("single", "multi"):
        raise unknown("coil", text, ("single", "multi"))
    return "single" if text == "single" else "multi"


PRINTED = (0.001, 0.01)
"""The paper's two weights, smaller first."""


def shown_weights(weights: Sequence[float], chosen: Mapping[str, float]) -> list[float]:
    """Weights for pictures: those chosen, the paper's two, and the largest of the grid."""
    return sorted({max(weights), *chosen.values(), *(w for w in PRINTED if w in weights)})


def means(scores: pd.DataFrame, metric: str = "ssim") -> pd.DataFrame:
    """Mean score over slices: one row a weight, one column a target.

    Args:
        scores: table of ``Lab.regularised``.
        metric: a column of scores.
    """
    regularised = scores[scores["weight"].notna()]
    return regularised.pivot_table(index="weight", columns="target", values=metric, aggfunc="mean")


def best(scores: pd.DataFrame) -> dict[str, float]:
    """The weight with the highest mean SSIM on each target.

    Args:
        scores: table of ``Lab.regularised`` on validation data.
    """
    found = means(scores).idxmax()
    return {str(target): float(weight) for target, weight in found.items()}


def at_edge(chosen: Mapping[str, float], weights: Sequence[float]) -> str:
    """Whether a chosen weight is the smallest or largest of the grid, in words."""
    ends = (min(weights), max(weights))
    at = [target for target, weight in chosen.items() if weight in ends]
    if not at:
        return "No chosen weight is at an end of the grid."
    return f"At an end of the grid: the weight of {' and that of '.join(at)}."


def beside_paper(
    scores: pd.DataFrame, chosen: Mapping[str, float], distributions: Mapping[str, str]
) -> pd.DataFrame:
    """Our mean SSIM at every weight with the paper's printed numbers beside it.

    Args:
        scores: table of ``Lab.regularised`` on test data.
        chosen: the weight of each target that validation data chose.
        distributions: the distribution of each target; the paper has numbers of two.

    Returns:
        Text, as it is to be read: the chosen weights are marked with a star. The last row has the
        difference of the paper's two weights.
    """
    ours = means(scores)
    zero = scores[scores["weight"].isna()].groupby("target")["ssim"].mean()
    printed = paper.by_cell("Appendix A")
    rows = [{"λ": "none (zero-filled)", **{f"{t}, here": f"{zero[t]:.4f}" for t in ours.columns}}]
    for weight, row in ours.iterrows():
        value = float(str(weight))
        texts = {"λ": f"{value:g}"}
        for target, mean in row.items():
            star = " *" if chosen.get(str(target)) == value else ""
            texts[f"{target}, here"] = f"{mean:.4f}{star}"
        for target in ours.columns:
            number = printed.get((f"{value:g}", distributions.get(target, "")))
            texts[f"{target}, paper"] = "" if number is None else f"{number:.3f}"
        rows.append(texts)
    small, large = PRINTED
    if {small, large} <= set(ours.index):
        texts = {"λ": f"{large:g} minus {small:g}"}
        for target in ours.columns:
            texts[f"{target}, here"] = claims.signed(
                ours.loc[large, target] - ours.loc[small, target]
            )
            keys = [(f"{w:g}", distributions.get(target, "")) for w in PRINTED]
            if all(key in printed for key in keys):
                texts[f"{target}, paper"] = claims.signed(printed[keys[1]] - printed[keys[0]])
        rows.append(texts)
    columns = ["λ", *(f"{t}, {who}" for t in ours.columns for who in ("here", "paper"))]
    return pd.DataFrame(rows).reindex(columns=columns).fillna("")
