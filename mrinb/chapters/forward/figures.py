"""Table 2 and what belongs to it: networks trained on one acceleration or on several."""

from __future__ import annotations

import html
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mrinb.errors import MrinbError
from mrinb.figures.base import (
    INK,
    PAGE_WIDTH,
    REFERENCES,
    RULE,
    STYLE,
    Drawing,
    Html,
    csv_link,
    described,
    drawn,
    is_narrow,
    legend,
    math,
    note_text,
    role_colour,
    spaced,
)
from mrinb.figures.scores import bars_table
from mrinb.labels import SCORES
from mrinb.paper import printed
from mrinb.recon import masks
from mrinb.stats import claims
from mrinb.tables import note_of

PAPER_WIDTH = 368
"""Phase-encoding lines of most of the paper's knees."""
MARKS = "osD^Pvx"
_PRINTED_AS = {"all four": "all of above"}


def folds_table(scores: pd.DataFrame, metric: str = "ssim") -> pd.DataFrame:
    """Scores of every training at every test acceleration: the data of ``table2`` and ``folds``.

    Args:
        scores: table of ``lab.evaluate`` whose targets are single accelerations, such as
            ``3-fold``, and whose pools are trainings.
        metric: a key of ``SCORES``.

    Returns:
        One row a training (``pool``) and test (``target``, ``acceleration``), in the order of the
        table: ``mean`` over slices and seeds, ``sd`` over seeds (NaN of a single one), ``seeds``,
        mean ``effective_acceleration``, and ``paper``, the number that Table 2 prints, or NaN.

    Raises:
        MrinbError: the metric is missing, or there are several models, or several accelerations
            in one target.
    """
    if metric not in SCORES or metric not in scores.columns:
        raise MrinbError(f"score table lacks metric {metric!r}: give the table of lab.evaluate")
    table = bars_table(scores)
    models = table.loc[~table["pool"].isin(REFERENCES), "model"].unique()
    if len(models) != 1:
        found = ", ".join(map(str, models)) or "none"
        raise MrinbError(f"Table 2 is of one model, this table has {found}: select one")
    if scores.groupby("target")["acceleration"].nunique().max() > 1:
        raise MrinbError("a target mixes accelerations: evaluate each as a target of its own")
    paper = {(row.train, row.test): row.value for row in printed("Table 2").itertuples(index=False)}
    rows = []
    present = list(table["pool"].unique())
    trained = [p for p in present if p not in REFERENCES]
    for pool in [*trained, *(r for r in REFERENCES if r in present)]:
        for target, part in table[table["pool"] == pool].groupby("target", sort=False):
            key = (_PRINTED_AS.get(str(pool), str(pool)), str(target))
            rows.append(
                {
                    "pool": pool,
                    "target": target,
                    "acceleration": part["acceleration"].iloc[0],
                    "effective_acceleration": part["effective_acceleration"].mean(),
                    "mean": part[metric].mean(),
                    "sd": part[metric].std(ddof=1),
                    "seeds": len(part),
                    "paper": paper.get(key, np.nan) if metric == "ssim" else np.nan,
                }
            )
    return pd.DataFrame(rows)


def table2(scores: pd.DataFrame) -> Html:
    """Table 2: SSIM by training and test acceleration, the paper's numbers below ours.

    Args:
        scores: as of ``folds_table``.
    """
    table = folds_table(scores)
    tests = list(table["target"].unique())
    effective = table.groupby("target")["effective_acceleration"].first()
    heads = "".join(
        f'<th scope="col">{html.escape(t)}<br><small>effective {effective[t]:.2f}</small></th>'
        for t in tests
    )
    body = ""
    for pool, part in table.groupby("pool", sort=False):
        cells = part.set_index("target")
        row = "".join(f"<td>{_cell(cells, t, t == pool)}</td>" for t in tests)
        body += f'<tr><th scope="row">{html.escape(str(pool))}</th>{row}</tr>'
    note = note_of(scores)
    several = table["seeds"].max() > 1
    words = "Mean SSIM over test slices and seeds"
    words += ", \N{PLUS-MINUS SIGN} two standard deviations over seeds" if several else ""
    words += "; small below, what the paper's Table 2 prints on real data. Bold: trained at the"
    words += " acceleration that is tested. " + (note_text(note) if note else "")
    link = csv_link(table, "table-2")
    return Html(
        '<div class="mrinb-table" role="region" tabindex="0" aria-label="Table 2" '
        f'style="overflow-x:auto"><table><caption style="text-align:left">{html.escape(words)} | '
        f'{link}</caption><thead><tr><th scope="col">trained at \\ tested at</th>{heads}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>",
        table.pivot(index="pool", columns="target", values="mean").round(3).to_string(),
    )


def _cell(cells: pd.DataFrame, target: str, own: bool) -> str:
    """One number of ours with its spread, and the paper's."""
    if target not in cells.index:
        return ""
    row = cells.loc[target]
    text = f"{row['mean']:.3f}"
    text = f"<strong>{text}</strong>" if own else text
    spread = "" if np.isnan(row["sd"]) else f" \N{PLUS-MINUS SIGN} {2 * row['sd']:.3f}"
    paper = "" if np.isnan(row["paper"]) else f"<br><small>paper {row['paper']:.3f}</small>"
    return f'<span style="white-space:nowrap">{text}{spread}</span>{paper}'


def kept_lines(lines: pd.DataFrame, width: int = PAPER_WIDTH) -> pd.DataFrame:
    """What nominal accelerations mean: lines kept here, and at a full-size width.

    Args:
        lines: table of ``lab.lines``.
        width: number of lines of a full-size scan, here with every offset of its mask.

    Returns:
        One row an acceleration, as text to be read with ``figures.table``.
    """
    rows = []
    for fold, part in lines.groupby("acceleration"):
        fraction = masks.CENTER_FRACTIONS[int(str(fold))]
        kept = np.array(
            [int(masks.equispaced(width, int(str(fold)), fraction, o).sum()) for o in range(fold)]
        )
        rows.append(
            {
                "nominal": f"{fold}-fold",
                "lines in all": _range(part["acquired"]),
                "in the centre": _range(part["low"]),
                "kept": _range(part["kept"]),
                "effective": f"{part['effective'].mean():.2f}",
                f"kept of {width}": _range(kept),
                f"effective at {width}": f"{np.mean(width / kept):.2f}",
            }
        )
    return pd.DataFrame(rows)


def _range(values: Sequence[int] | np.ndarray | pd.Series) -> str:
    low, high = int(np.min(values)), int(np.max(values))
    return f"{low}" if low == high else f"{low} to {high}"


@drawn
def folds(
    scores: pd.DataFrame,
    metric: str = "ssim",
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Scores against test acceleration, a line for each training.

    Left, the scores; right, how far each lies above or below the network that was trained at the
    tested acceleration alone, with a band of the claims' margin. Lines are means over slices and
    seeds, error bars two standard deviations over seeds (on the right, of the difference between
    runs of equal seed).

    Args:
        scores: as of ``folds_table``.
        metric: a key of ``SCORES``.
        width: in inches.

    Raises:
        MrinbError: as of ``folds_table``.
    """
    table = folds_table(scores, metric).sort_values("acceleration", kind="stable")
    trained = list(dict.fromkeys(p for p in scores["pool"] if p not in REFERENCES))
    apart = _differences(bars_table(scores), metric)
    with mpl.rc_context(STYLE):
        panels = (2, 1) if is_narrow(width) else (1, 2)
        fig = Drawing((width, 0.7 + 3.1 * panels[0]), layout="constrained")
        spaced(fig)
        left, right = fig.subplots(*panels)
        for i, pool in enumerate(trained):
            for ax, rows in ((left, table), (right, apart)):
                _line(ax, rows[rows["pool"] == pool], pool, trained, i)
        for name, style in REFERENCES.items():
            known = table[table["pool"] == name]
            if len(known):
                left.errorbar(np.log2(known["acceleration"]), known["mean"], label=name, **style)
        right.axhspan(-claims.MARGIN, claims.MARGIN, color=RULE, alpha=0.45, lw=0, zorder=0)
        right.axhline(0, color=INK, lw=0.8, zorder=1)
        tests = table.drop_duplicates("target")
        names = [str(t) for t in tests["target"]]
        for ax in (left, right):
            ax.set_xticks(np.log2(tests["acceleration"]), [t.removesuffix("-fold") for t in names])
            ax.set_xlabel("tested at (nominal acceleration)")
            ax.yaxis.grid(True, color=RULE, lw=0.5)
            ax.set_axisbelow(True)
        left.set_ylabel(SCORES[metric])
        right.set_ylabel(f"{SCORES[metric]} less that of the network\ntrained at this acceleration")
        legend(fig, left.get_legend_handles_labels()[0], 7, title="trained at", columnspacing=1.2,
               handlelength=1.8)  # fmt: skip
        several = table["seeds"].max() > 1
        words = "bars: \N{PLUS-MINUS SIGN}2 sd over seeds" if several else "single seed"
        return described(fig, note_of(scores), words)


def _differences(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Each training minus the one at the tested acceleration alone, paired by seed."""
    rows = []
    for (target, pool), part in table.groupby(["target", "pool"], sort=False):
        own = table[(table["pool"] == target) & (table["target"] == target)]
        if own.empty or pool in REFERENCES:
            continue
        pairs = part.set_index("seed")[metric] - own.set_index("seed")[metric]
        rows.append(
            {
                "pool": pool,
                "acceleration": part["acceleration"].iloc[0],
                "mean": pairs.mean(),
                "sd": pairs.std(ddof=1),
            }
        )
    columns = pd.Index(["pool", "acceleration", "mean", "sd"])
    return pd.DataFrame(rows, columns=columns).sort_values("acceleration", kind="stable")


def _line(ax: Axes, rows: pd.DataFrame, pool: str, trained: Sequence[str], place: int) -> None:
    joint = pool == "all four"
    colour = INK if joint else role_colour(pool, [p for p in trained if p != "all four"])
    x = np.log2(rows["acceleration"].to_numpy(float)) + 0.03 * (place - (len(trained) - 1) / 2)
    ax.errorbar(
        x, rows["mean"], 2 * rows["sd"].fillna(0), color=colour, label=math(pool), capsize=2,
        marker=MARKS[place % len(MARKS)], ms=5, lw=2.4 if joint else 1.2, elinewidth=1,
        zorder=4 if joint else 3,
    )  # fmt: skip
