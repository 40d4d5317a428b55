"""Curves: training losses, power spectra and histograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mrinb.errors import MrinbError
from mrinb.figures.base import OTHERS, PAGE_WIDTH, RULE, STYLE, reserve, role_colour, stamp


def history(histories: pd.DataFrame, note: Mapping[str, Any] | None = None) -> Figure:
    """Training loss of every pool, over epochs and over steps.

    Thin lines are the seeds; a thick line is their mean over a twentieth of the run, since
    a step's loss is that of one slice. Epochs are the same for all pools, so a larger pool takes
    more steps.

    Args:
        histories: table of ``lab.histories``: columns ``pool``, ``seed``, ``epoch``, ``step``,
            ``loss``.
        note: stamped into the figure; None takes the table's own.

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
        fig = Figure((PAGE_WIDTH, 3.3), layout="constrained")
        reserve(fig)
        left, right = fig.subplots(1, 2, sharey=True)
        for pool in order:
            rows = histories[histories["pool"] == pool]
            steps_an_epoch = rows["step"].max() / rows["epoch"].max()
            for ax, unit in ((left, steps_an_epoch), (right, 1.0)):
                curves = rows.pivot_table(index="step", columns="seed", values="loss")
                colour, x = role_colour(pool, order), curves.index.to_numpy(float) / unit
                width = max(1, len(curves) // 20)
                mean = curves.mean(axis=1).rolling(width, center=True, min_periods=1).mean()
                ax.plot(x, curves.to_numpy(), color=colour, lw=0.7, alpha=0.3)
                ax.plot(x, mean, color=colour, lw=1.8, label=pool)
        for ax, words in ((left, "epoch"), (right, "optimiser step")):
            ax.set_xlabel(words)
            ax.yaxis.grid(True, color=RULE, lw=0.5)
            ax.set_xlim(left=0)
        right.xaxis.set_major_locator(MaxNLocator(5))
        right.xaxis.set_major_formatter("{x:,.0f}")
        left.set_ylabel("training loss, 1 \N{MINUS SIGN} SSIM")
        handles, labels = left.get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper center", ncols=len(order), frameon=False)
        own = histories.attrs.get("note")
        return stamp(fig, note if note is not None else own)


def spectrum(
    statistics: Mapping[str, Mapping[str, np.ndarray]], note: Mapping[str, Any] | None = None
) -> Figure:
    """Radial power spectra and intensity histograms side by side, such as simulated against real.

    Args:
        statistics: by label, the arrays of the exhibit ``spectrum``: ``frequency`` in cycles per
            pixel and relative ``power`` (bins,), ``edges`` (bins + 1,) and ``density`` (bins,).
        note: stamped into the figure.

    Raises:
        MrinbError: there is nothing to draw, or an array is missing.
    """
    if not statistics:
        raise MrinbError("spectrum needs the statistics of at least one set of images")
    for label, arrays in statistics.items():
        for name in ("frequency", "power", "edges", "density"):
            if name not in arrays:
                raise MrinbError(f"statistics of {label!r} lack the array {name!r}")
    colours = ("#1f5fa8", "#e07b1a", "#35b3a2", "#7a3e9d", "#26292d", *OTHERS)
    dashes = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
    columns = 3
    rows = -(-len(statistics) // columns)
    with mpl.rc_context(STYLE):
        fig = Figure((PAGE_WIDTH, 3.3 + 0.19 * rows), layout="constrained")
        reserve(fig)
        left, right = fig.subplots(1, 2)
        for i, (label, arrays) in enumerate(statistics.items()):
            look: dict[str, Any] = {
                "color": colours[i % len(colours)], "ls": dashes[i // len(colours) % 4 or i % 4],
                "lw": 1.5, "label": label,
            }  # fmt: skip
            power = np.asarray(arrays["power"], float)
            left.plot(arrays["frequency"], np.where(power > 0, power, np.nan), **look)
            middle = (np.asarray(arrays["edges"])[1:] + np.asarray(arrays["edges"])[:-1]) / 2
            right.plot(middle, arrays["density"], **look)
        left.set_yscale("log")
        left.set(xlabel="spatial frequency in cycles per pixel", xlim=(0, 0.5),
                 ylabel="power, relative to its mean", title="power spectrum")  # fmt: skip
        right.set(xlabel="intensity, 99.5th percentile = 1", ylabel="density", ylim=(0, None),
                  title="intensities (air off the scale)", xlim=(0, None))  # fmt: skip
        # Air fills the first bin and would flatten the rest.
        inside = [float(np.max(np.asarray(a["density"])[1:])) for a in statistics.values()]
        right.set_ylim(0, 1.1 * max(inside))
        for ax in (left, right):
            ax.grid(True, color=RULE, lw=0.5)
        handles, labels = left.get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False,
                   handlelength=2.6)  # fmt: skip
        return stamp(fig, note)
