"""Curves: training losses, power spectra and histograms."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.ticker import MaxNLocator

from mrinb.errors import MrinbError
from mrinb.figures.base import (
    PAGE_WIDTH,
    RULE,
    STYLE,
    Drawing,
    described,
    drawn,
    is_narrow,
    legend,
    math,
    role_colour,
    spaced,
)
from mrinb.tables import note_of


@drawn
def history(
    histories: pd.DataFrame,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Training loss of every pool, over epochs and over steps.

    Thin lines are the seeds; a thick line is their mean over a twentieth of the run, since
    a step's loss is that of one slice. Epochs are the same for all pools, so a larger pool takes
    more steps.

    Args:
        histories: table of ``lab.histories``: columns ``pool``, ``seed``, ``epoch``, ``step``,
            ``loss``.
        width: in inches.

    Raises:
        MrinbError: a column is missing or the table is empty.
    """
    for name in ("pool", "seed", "epoch", "step", "loss"):
        if name not in histories.columns:
            raise MrinbError(f"training history lacks column {name!r}")
    if histories.empty:
        raise MrinbError("training history is empty: train at least one run")
    order = list(histories["pool"].unique())
    with mpl.rc_context(STYLE):
        panels = (2, 1) if is_narrow(width) else (1, 2)
        fig = Drawing((width, 0.6 + 2.6 * panels[0]), layout="constrained")
        spaced(fig)
        left, right = fig.subplots(*panels, sharey=True)
        for pool in order:
            rows = histories[histories["pool"] == pool]
            steps_an_epoch = rows["step"].max() / rows["epoch"].max()
            for ax, unit in ((left, steps_an_epoch), (right, 1.0)):
                curves = rows.pivot_table(index="step", columns="seed", values="loss")
                colour, x = role_colour(pool, order), curves.index.to_numpy(float) / unit
                window = max(1, len(curves) // 20)
                mean = curves.mean(axis=1).rolling(window, center=True, min_periods=1).mean()
                ax.plot(x, curves.to_numpy(), color=colour, lw=0.7, alpha=0.3)
                ax.plot(x, mean, color=colour, lw=1.8, label=math(pool))
        for ax, words in ((left, "epoch"), (right, "optimiser step")):
            ax.set_xlabel(words)
            ax.yaxis.grid(True, color=RULE, lw=0.5)
            ax.set_xlim(left=0)
        right.xaxis.set_major_locator(MaxNLocator(5))
        right.xaxis.set_major_formatter("{x:,.0f}")
        for ax in (left,) if panels[0] == 1 else (left, right):
            ax.set_ylabel("training loss, 1 \N{MINUS SIGN} SSIM")
        legend(fig, left.get_legend_handles_labels()[0], len(order))
        return described(fig, note_of(histories))
