"""The claims of Chapter 4, and Nguyen's cases."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from mrinb import profiles
from mrinb.stats.effects import Effect, Pair, measure, numbers
from mrinb.stats.pairs import clean, every_network
from mrinb.stats.register import Above, Claim, Compare, Outcome, answers, register
from mrinb.stats.rules import METRICS, Word, agreed

_POOLS = {"narrow": "P_best", "diverse": "P", "unseen": "Q"}
_SAME_SIZE = {**_POOLS, "diverse": "P, size of P_best"}

register(
    Claim(
        "severity-is-there", "04", "better", Compare("P+Q", "P_best", on="Q"),
        title="The best of P leaves something to win on Q",
        statement="On Q, a model trained on P and Q beats one trained on P_best: the shift costs "
        "something that diverse data could win back.",
        paper="our control; Section 4, Figure 5 (teal above violet)",
        finding="diverse data", control=True, networks="most seeds",
        labels={"narrow": "P_best", "both": "P+Q", "unseen": "Q"},
    ),
    Claim(
        "diversity-helps", "04", "better", Compare("P", "P_best", on="Q"),
        title="All of P better than its best on Q",
        statement="On Q, a model trained on all distributions of P beats one trained on P_best, "
        "the best of them for Q.",
        paper="Section 4, Figure 5 (orange against violet)",
        finding="diverse data", networks="most seeds", labels=_POOLS,
    ),
    Claim(
        "diversity-helps-same-size", "04", "better", Compare("P, size of P_best", "P_best", on="Q"),
        title="All of P better at equal size",
        statement="Cut to the size of P_best, P still beats P_best on Q: the gain is due to "
        "diversity.",
        paper="our control: in Section 4, P has as many slices for each of its distributions as "
        "P_best has in all",
        finding="diverse data", control=True, networks="most seeds", labels=_SAME_SIZE,
    ),
    Claim(
        "diversity-helps-on-foreground", "04", "better", Compare("P", "P_best", on="Q"),
        title="All of P better than its best by foreground SSIM",
        statement="On Q, a model trained on all distributions of P also beats one trained on the "
        "distribution that is best by foreground SSIM.",
        paper="our control: P_best is chosen by SSIM over the whole image",
        finding="diverse data", control=True, networks="most seeds", labels=_POOLS,
    ),
    Claim(
        "diversity-helps-on-foreground-same-size", "04", "better",
        Compare("P, size of P_best", "P_best", on="Q"),
        title="Better than the best by foreground SSIM at equal size",
        statement="Cut to the size of P_best, P still beats the distribution best by foreground "
        "SSIM on Q.",
        paper="our control: P_best is chosen by SSIM over the whole image, and P is the larger "
        "set",
        finding="diverse data", control=True, networks="most seeds", labels=_SAME_SIZE,
    ),
    Claim(
        "effective-robustness", "04", "better", Above("P"),
        title="All of P above the line of its best",
        statement="Models trained on P lie above the line of those trained on P_best: at equal "
        "SSIM on P_best they have higher SSIM on Q.",
        paper="Section 4, Figure 5",
        finding="diverse data", networks="most seeds", labels={"diverse": "P"},
    ),
    Claim(
        "effective-robustness-same-size", "04", "better", Above("P, size of P_best"),
        title="P above the line at equal size",
        statement="Models trained on P cut to the size of P_best still lie above its line: the "
        "effective robustness is due to diversity.",
        paper="our control: in Section 4, P is also the larger set",
        finding="diverse data", control=True, networks="most seeds",
        labels={"diverse": "P, size of P_best"},
    ),
    Claim(
        "diversity-does-no-harm", "04", "at least as good",
        Compare("P", "P_best", on="Q", severity=("P+Q", "P_best")),
        title="All of P no worse than its best on Q",
        statement="On Q, a model trained on P is at least as good as one trained on P_best: case "
        "(i), not case (ii).",
        paper="Section 4, after Nguyen et al. (2022)",
        finding="diverse data", networks="most seeds", labels={**_POOLS, "both": "P+Q"},
    ),
    Claim(
        "gap-remains", "04", "better", Compare("P+Q", "P", on="Q"),
        title="Data of Q still help",
        statement="Diverse data do not replace data from Q here: a model trained on P and Q beats "
        "one trained on P.",
        paper="Section 4, Figure 5 (teal above orange); Section 8",
        finding="diverse data", networks="most seeds",
        labels={"diverse": "P", "both": "P+Q", "unseen": "Q"},
    ),
    Claim(
        "architecture-independent", "04", "better", Compare("P", "P_best", on="Q"),
        title="All of P better, with every network",
        statement="The gain of P over P_best on Q does not depend on the architecture: every "
        "network has it.",
        paper="Section 1; Section 4, Figure 5",
        finding="diverse data", labels=_POOLS,
    ),
    Claim(
        "diversity-helps-on-heads", "04", "better", Compare("P", "P_best", on="Q2"),
        title="All of P better on other heads",
        statement="On heads that do not come from the template, too, a model trained on all "
        "distributions of P beats one trained on P_best.",
        paper="our control: all brains of Q are variations of one template",
        finding="diverse data", control=True, networks="most seeds",
        labels={**_POOLS, "unseen": "Q2"},
    ),
)  # fmt: skip


class Case(NamedTuple):
    """Which of Nguyen et al.'s outcomes training on all of P has on Q (Section 4).

    Attributes:
        shift: name of the shift.
        model: the network.
        case: ``(i)``, ``(ii)``, ``neither``, or the verdict that keeps it from being decided.
        text: what the case means, and the numbers, in one line for a reader.
        effects: the comparisons it follows from, on both metrics.
    """

    shift: str
    model: str
    case: str
    text: str
    effects: tuple[Effect, ...]


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
    good as P_best, with the margin of all claims; (ii) if that does not hold, and P is better than
    the others on average; neither if P is worse than those, too. Else it is not decided.

    Args:
        scores: a study's scores, which has the pool ``other P_i``.
        narrow: the best of P's distributions.
        diverse: all of them.
        both: with those of the test pool.
        others: the mean over the rest of P's distributions.
        unseen: the test pool.
    """
    found = []
    for part in every_network(clean(scores)):
        if others not in set(part["pool"]):
            continue
        first = Pair(part, unseen, diverse, narrow, (both, narrow))
        second = Pair(part, unseen, diverse, others)
        harmless = [measure("at least as good", first, metric).effect for metric in METRICS]
        between = [measure("better", second, metric).effect for metric in METRICS]
        case, means = _case(*(agreed([e.verdict for e in both]) for both in (harmless, between)))
        text = (
            f"{means}{diverse} against {narrow} {numbers(harmless[0])}; against the other "
            f"distributions of P on average {numbers(between[0])}"
        )
        shift, model = harmless[0].shift, harmless[0].model
        found.append(Case(shift, model, case, text, (*harmless, *between)))
    return found


@answers(lambda shift, model, case, text: Outcome(f"Nguyen's case, {shift}, {model}", case, text))
def cases_table(scores: pd.DataFrame, **labels: str) -> pd.DataFrame:
    """The outcomes of ``cases`` for a page: shift, network, case and the numbers in words.

    Args:
        scores: a study's scores.
        **labels: as of ``cases``.
    """
    found = [(c.shift, profiles.network_name(c.model), *c[2:4]) for c in cases(scores, **labels)]
    columns = ["shift", "network", "case", "difference in SSIM on Q"]
    return pd.DataFrame(found, columns=pd.Index(columns))


def _case(harmless: Word, between: Word) -> tuple[str, str]:
    """The case that two verdicts make, and what it means where that is not said by its name."""
    if harmless == "holds":
        return "(i)", "at least as good as P_best: "
    if harmless != "does not hold":
        return harmless, ""
    if between == "holds":
        return "(ii)", "worse than P_best, better than the others: "
    return ("neither", "worse than the others: ") if between == "does not hold" else (between, "")
