"""Tables as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable

import pandas as pd

from mrinb.catalogue import DATASETS, DISTRIBUTIONS, Dataset
from mrinb.figures.base import Html


def table(frame: pd.DataFrame, caption: str) -> Html:
    """A small table for the page.

    Args:
        frame: text and numbers as they are to be read; the first column heads its row. Why it is
            empty, if it is, stands in ``attrs["empty"]``.
        caption: what the table shows.
    """
    if frame.empty:
        caption = f"{caption}: {frame.attrs.get('empty', 'nothing to show')}"
        return Html(f"<p>{html.escape(caption)}</p>", caption)
    head = "".join(f'<th scope="col">{html.escape(str(c))}</th>' for c in frame.columns)
    body = ""
    for first, *rest in frame.itertuples(index=False):
        cells = "".join(f"<td>{html.escape(str(c))}</td>" for c in rest)
        body += f'<tr><th scope="row">{html.escape(str(first))}</th>{cells}</tr>'
    words = html.escape(caption)
    return Html(
        f'<div class="mrinb-table" role="region" tabindex="0" aria-label="{words}" '
        f'style="overflow-x:auto"><table><caption style="text-align:left">{words}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>",
        frame.to_string(index=False),
    )


def table1(datasets: Iterable[Dataset] = DATASETS) -> Html:
    """Table 1 as printed, and what of it this book has.

    Args:
        datasets: rows of the catalogue.
    """
    rows = list(datasets)
    heads = ("dataset", "anatomy", "view", "contrast", "vendor", "magnet", "coils",
             "volumes / subjects", "slices", "in this book")  # fmt: skip
    body = ""
    for role, words in (("train", "training pool of Section 7"), ("unseen", "only tested on")):
        group = [d for d in rows if d.role == role]
        if group:
            body += (
                f'<tbody><tr><th scope="rowgroup" colspan="{len(heads)}" '
                f'style="text-align:left">{words}</th></tr>{"".join(map(_row, group))}</tbody>'
            )
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    words = (
        "Fully sampled k-space datasets, numbers as the paper prints them (Table 1). The field "
        "strengths of fastMRI brain add up to 110 % there; the paper's public lists give 43 % and "
        "57 %, and 2 to 28 coils."
    )
    text = "\n".join(f"{d.name}: {d.contrast}, {d.slices} slices; {_coverage(d)}" for d in rows)
    return Html(
        '<div class="mrinb-table" role="region" tabindex="0" aria-label="Table 1: datasets" '
        f'style="overflow-x:auto"><table><caption style="text-align:left">{html.escape(words)}'
        f"</caption><thead><tr>{head}</tr></thead>{body}</table></div>",
        text,
    )


def _row(dataset: Dataset) -> str:
    cells = (
        dataset.anatomy, dataset.view, dataset.contrast, dataset.vendor, dataset.magnet,
        dataset.coils, dataset.volumes, dataset.slices, _coverage(dataset),
    )  # fmt: skip
    return (
        f'<tr><th scope="row">{html.escape(dataset.name)}</th>'
        + "".join(f"<td>{html.escape(c)}</td>" for c in cells)
        + "</tr>"
    )


def _coverage(dataset: Dataset) -> str:
    """Which distributions of the catalogue stand for a dataset."""
    found = [d for d in DISTRIBUTIONS.values() if d.dataset == dataset.name]
    if not found:
        return "follows"
    contrasts: dict[str, list[str]] = {}
    for d in found:
        contrasts.setdefault(d.contrast, []).append(d.scanner.name)
    listed = "; ".join(f"{c} on {', '.join(s)}" for c, s in contrasts.items())
    return f"{len(found)} distributions: {listed}"
