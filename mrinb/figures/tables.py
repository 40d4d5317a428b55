"""Tables as HTML."""

from __future__ import annotations

import html

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
