"""Tables as HTML."""

from __future__ import annotations

import html
import re

import pandas as pd

from mrinb.figures.base import Html


def folded(summary: str, content: Html) -> Html:
    """A piece of a page behind a line that opens it.

    Args:
        summary: the line.
        content: what it opens.
    """
    return Html(
        f'<details class="mrinb-fold"><summary>{html.escape(summary)}</summary>'
        f"{content.source}</details>",
        f"{summary}\n{content.words}",
    )


def table(frame: pd.DataFrame, caption: str, empty: str = "nothing to show") -> Html:
    """A small table for the page.

    Args:
        frame: text and numbers as they are to be read; the first column heads its row. Numbers of
            a column get as many decimals as the one that has most.
        caption: what the table shows.
        empty: why there is nothing in it, if so.
    """
    if frame.empty:
        caption = f"{caption}: {empty}"
        return Html(f"<p>{html.escape(caption)}</p>", caption)
    head = "".join(f'<th scope="col">{set_out(str(c))}</th>' for c in frame.columns)
    body = ""
    columns = [_level(frame.iloc[:, i]) for i in range(frame.shape[1])]
    for first, *rest in zip(*columns, strict=True):
        cells = "".join(f"<td>{set_out(c)}</td>" for c in rest)
        body += f'<tr><th scope="row">{set_out(first)}</th>{cells}</tr>'
    words = html.escape(caption)
    return Html(
        f'<div class="mrinb-table" role="region" tabindex="0" aria-label="{words}" '
        'style="overflow-x:auto"><table><caption style="text-align:left">'
        f"{set_out(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>",
        frame.to_string(index=False),
    )


def _level(column: pd.Series) -> list[str]:
    """The cells of a column as text, numbers with equal decimals."""
    texts = [str(value) for value in column]
    if not pd.api.types.is_float_dtype(column) or any("e" in text for text in texts):
        return texts
    decimals = max(len(text.partition(".")[2]) for text in texts)
    return [f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}") for value in column]


def set_out(words: str) -> str:
    """Words as HTML, with P_best and r2 set as in print."""
    made = html.escape(words).replace("P_best", "<i>P</i><sub>best</sub>")
    return re.sub(r"\br2\b", "<i>r</i><sup>2</sup>", made)
