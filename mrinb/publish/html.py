"""What is mended in the pages that Jupyter Book and its theme make."""

from __future__ import annotations

import re
from pathlib import Path

REPAIRS = (
    # The theme draws every icon twice: from a font, and by half a megabyte of script.
    (r"<script[^>]*/fontawesome\.js[^>]*></script>", ""),
    (r'<link rel="preload"[^>]*/fontawesome\.js[^>]*>', ""),
    # A label that hides the words shown on the control.
    (r'(<button class="btn search-button-field[^>]*?)\s+aria-label="Search"', r"\1"),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # Icons whose titles count as words of their button.
    (r'(<i class="theme-switch [^>]*data-mode="\w+")\s+title="[^"]*"', r'\1 aria-hidden="true"'),
    # A sidebar outside every landmark.
    (r'(<div id="pst-primary-sidebar")', r'\1 role="navigation" aria-label="Book"'),
    # Corners of pandas' tables, which head nothing.
    (r"<th></th>", "<td></td>"),
)

FIRST = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="refresh" content="0; url={url}"></head>
<body><main><h1><a href="{url}">{title}</a></h1></main></body>
</html>
"""


def finish_pages(html: Path, root: str) -> None:
    """Mend every page, and make the first file a page that leads to the book's root.

    Args:
        html: folder of the pages.
        root: name of the first page, without its ending.
    """
    for path in html.rglob("*.html"):
        path.write_text(mended(path.read_text(encoding="utf-8")), encoding="utf-8")
    (html / "_static" / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    title = re.search(
        r"<title>(.*?)</title>", (html / f"{root}.html").read_text(encoding="utf-8"), re.S
    )
    text = FIRST.format(title=title[1].strip() if title else root, url=f"{root}.html")
    (html / "index.html").write_text(text, encoding="utf-8")


def mended(page: str) -> str:
    """A page with the theme's faults of weight and accessibility mended.

    Args:
        page: HTML of one page.
    """
    for pattern, replacement in REPAIRS:
        page = re.sub(pattern, replacement, page)
    return page
