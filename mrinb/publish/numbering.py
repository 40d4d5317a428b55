"""Figures of a chapter are numbered, so that a class can speak of them: Figure 3.2, Figure A.1."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

CAPTION = re.compile(r'(<figcaption class="mrinb-caption">)')


def number(html: Path) -> None:
    """Number the figures of every chapter's page.

    Args:
        html: folder of the pages.
    """
    for path in sorted((html / "notebooks").glob("*.html")):
        chapter = path.stem.partition("_")[0].lstrip("0")
        path.write_text(numbered(path.read_text(encoding="utf-8"), chapter), encoding="utf-8")


def numbered(page: str, chapter: str) -> str:
    """A page with a number at the head of every caption.

    Args:
        page: HTML of the page.
        chapter: its number or letter.
    """
    count = itertools.count(1)
    return CAPTION.sub(lambda m: f"{m[1]}<b>Figure {chapter}.{next(count)}.</b> ", page)
