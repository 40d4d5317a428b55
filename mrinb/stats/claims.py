"""Claims and their verdicts: what notebooks import.

A claim compares training pools on the test slices they share, and its verdict follows from an
interval and from nothing else. The book's page on rules says how; each chapter's claims stand
beside its experiment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from mrinb.errors import unknown
from mrinb.labels import ZERO_FILLED
from mrinb.stats.bootstrap import LEVEL
from mrinb.stats.effects import Effect, measure, signed
from mrinb.stats.headlines import headline
from mrinb.stats.pairs import COLUMNS, clean
from mrinb.stats.register import ANSWERS, CLAIMS, Claim, Outcome, answers
from mrinb.stats.rules import MARGIN, MATCHED, METRICS, MIN_SEEDS, MIN_SUBJECTS, Word, agreed
from mrinb.stats.verdicts import VERDICT_MIME, Verdict, judge, mean_in_words, stated
from mrinb.tables import note_of

__all__ = [
    "ANSWERS",
    "CLAIMS",
    "COLUMNS",
    "LEVEL",
    "MARGIN",
    "MATCHED",
    "METRICS",
    "MIN_SEEDS",
    "MIN_SUBJECTS",
    "VERDICT_MIME",
    "ZERO_FILLED",
    "Claim",
    "Effect",
    "Outcome",
    "Verdict",
    "Word",
    "agreed",
    "answers",
    "check",
    "headline",
    "mean_in_words",
    "signed",
    "stated",
    "summary",
]

_SUMMARY = (
    "claim", "chapter", "control", "statement", "paper", "verdict", "measure", "difference", "low",
    "high", "margin", "mean", "mean_low", "mean_high", "mean_verdict", "printed", "seeds",
    "subjects", "needed", "text",
)  # fmt: skip


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
    table = clean(scores, claim.metrics, claim.lines)
    measured = [
        [measure(claim.kind, comparison, metric) for metric in claim.metrics]
        for comparison in claim.comparisons(table, **options)
    ]
    return judge(claim, measured, note_of(scores) or {})


def summary(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row a verdict, the paper's claims before our controls.

    Args:
        verdicts: results of ``check``.

    Returns:
        Columns claim, chapter, control (ours, not the paper's), statement, paper, verdict, measure
        (what differs, or a rank correlation, whose low and high are those of shuffled scores),
        difference, low, high and margin of the part that decides; mean, mean_low, mean_high and
        mean_verdict over all parts, on the first score; printed by the paper, seeds, subjects,
        needed and text.
    """
    rows = [
        {
            "claim": v.id, "chapter": v.claim.chapter, "control": v.claim.control,
            "statement": v.claim.statement, "paper": v.claim.paper, "verdict": v.verdict,
            "measure": v.measure, "difference": v.estimate, "low": v.interval[0],
            "high": v.interval[1], "margin": v.margin, "mean": v.pooled[0].estimate,
            "mean_low": v.pooled[0].low, "mean_high": v.pooled[0].high,
            "mean_verdict": v.pooled_verdict, "printed": v.printed, "seeds": v.seeds,
            "subjects": v.subjects, "needed": v.needed, "text": v.text,
        }
        for v in sorted(verdicts, key=lambda v: v.claim.control)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=pd.Index(_SUMMARY))
