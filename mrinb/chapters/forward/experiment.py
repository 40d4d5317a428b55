"""Appendix C: networks that meet another forward model than the one they were trained on.

Other accelerations (Table 2), and another number of coils, apart from the anatomy that changes with
it in Figure 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

import pandas as pd

from mrinb import paper, profiles
from mrinb.lab import Lab
from mrinb.labels import ZERO_FILLED
from mrinb.pools import Pool
from mrinb.runs import Best, Runs
from mrinb.stats.lines import FULL
from mrinb.tables import noted

TRAINED = (2, 4, 8, 16)
"""Accelerations of Table 2, each trained on its own and all of them together."""
UNSEEN = 3
JOINT = "all four"
FEWER = 4
"""Coils of the Avanto, and of the knees in the control."""


def lines(lab: Lab, pool: Pool, accelerations: Sequence[int]) -> pd.DataFrame:
    """How many lines of k-space the masks of a pool's test volumes keep.

    Args:
        lab: the chapter's lab.
        pool: the pool; its zero-padded lines count on neither side.
        accelerations: nominal accelerations.

    Returns:
        One row a nominal acceleration and test volume: ``acceleration``, ``volume``,
        ``acquired`` lines of a full scan, ``low`` fully sampled ones in the centre, lines
        ``kept`` in all, and ``effective`` acceleration.
    """
    data = [lab.data(d, "test") for d in pool.distributions]
    specs = [lab.at(acceleration=a).exhibit("lines", d) for a in accelerations for d in data]
    table = pd.concat([pd.DataFrame(arrays) for arrays in lab.show(specs)], ignore_index=True)
    return noted(table, lab.note(specs))


class Accelerations(NamedTuple):
    """Table 2's experiment.

    Attributes:
        runs: training runs; labels are ``2-fold`` to ``16-fold``, ``all four`` and ``3-fold``.
        scores: table of ``lab.evaluate``; each test acceleration is a target, such as ``3-fold``.
        best: which single acceleration is best for the unseen one; its table's first column is
            ``trained at``.
    """

    runs: Runs
    scores: pd.DataFrame
    best: Best


def fold(acceleration: int) -> str:
    """Label of an acceleration."""
    return f"{acceleration}-fold"


def accelerations(lab: Lab, pool: Pool, model: str = "unet") -> Accelerations:
    """Train at each acceleration, at four of them together and at 3-fold; test all at all.

    The paper tests each network at its own acceleration and at 3-fold only.

    Args:
        lab: the chapter's lab.
        pool: pool that is trained on and, its test split, tested on.
        model: the network.
    """
    trained = {fold(a): (a,) for a in TRAINED} | {JOINT: TRAINED, fold(UNSEEN): (UNSEEN,)}
    groups = {
        label: lab.at(acceleration=several).train(model, {label: pool})
        for label, several in trained.items()
    }
    runs = reduce(or_, groups.values())
    scores = lab.join(
        [lab.at(acceleration=a).evaluate(runs, {fold(a): pool}) for a in (*TRAINED, UNSEEN)]
    )
    singles = reduce(or_, (groups[fold(a)] for a in TRAINED))
    best = lab.at(acceleration=UNSEEN).best_of(singles, {fold(UNSEEN): pool}, "trained at")
    return Accelerations(runs, scores, best)


def beside_paper(best: Best) -> pd.DataFrame:
    """How each single acceleration prepares for the unseen one, with the paper's numbers.

    Args:
        best: ``best`` of ``accelerations``.

    Returns:
        Text: ``trained at``, mean SSIM on ``test`` and ``validation`` data, and that of Table 2.
    """
    printed = paper.by_cell("Table 2")
    rows = [
        {
            "trained at": trained,
            "test": f"{test:.4f}",
            "validation": f"{val:.4f}",
            "paper, test": f"{printed[trained, fold(UNSEEN)]:.3f}",
        }
        for trained, test, val in best.table[["trained at", "test", "val"]].itertuples(index=False)
    ]
    return pd.DataFrame(rows)


def matching(scores: pd.DataFrame) -> pd.DataFrame:
    """What matching of mean and variance does to scores on Q.

    Args:
        scores: table of ``robustness.study``.

    Returns:
        Text, one row a network and full training set, and one for zero-filled images: SSIM and
        foreground SSIM as they are and matched, means over slices and seeds of the last epoch.
    """
    metrics = {
        "SSIM": "ssim", "matched": "ssim_matched",
        "foreground": "ssim_foreground", "foreground, matched": "ssim_foreground_matched",
    }  # fmt: skip
    rows = scores[(scores["target"] == "Q") & (scores["split"] == "test")]
    zero = rows["pool"] == ZERO_FILLED
    last = rows.groupby(["model", "pool", "seed"])["epoch"].transform("max")
    rows = rows[(rows["size"] == FULL) & (rows["epoch"] == last) | zero]
    named = rows["model"].map(profiles.network_name)
    rows = rows.assign(network=named.mask(rows["pool"] == ZERO_FILLED, "none"))
    means = rows.groupby(["network", "pool"], sort=False)[list(metrics.values())].mean()
    table = means.map("{:.3f}".format).rename(columns={m: name for name, m in metrics.items()})
    return table.reset_index().rename(columns={"pool": "trained on"})


def coils_alone(lab: Lab, P: Pool, Q: Pool, model: str = "unet") -> pd.DataFrame:
    """The same knees measured with as few coils as the brains: how much is due to coils alone.

    Args:
        lab: a lab whose simulated scanners have up to 15 coils.
        P: pool that is trained on, with its own number of coils and with ``FEWER``.
        Q: pool that is tested on, measured with ``FEWER`` coils.
        model: the network.

    Returns:
        The table of ``lab.evaluate`` on Q for pools P, ``P, 4 coils`` and P+Q.
    """
    own = lab.evaluate(lab.train(model, {"P": P, "P+Q": P + Q}), {"Q": Q})
    fewer = lab.at(coils=FEWER)
    table = fewer.evaluate(fewer.train(model, {f"P, {FEWER} coils": P}), {"Q": Q})
    return lab.join([own, table[table["pool"] != ZERO_FILLED]])
