"""What a committed notebook has for readers elsewhere, and what the book makes of it.

Jupyter and the code's site show plain Markdown links, and a notebook's picture for want of outputs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ANCHORED = re.compile(r"\[([^\[\]]+)\]\(((?:\.\./book/)?\w+)\.md#([\w-]+)\)")
"""A link to a place on a page of prose."""
CITATION = re.compile(r"\[([^\[\]]+)\]\(((?:\.\./book/)?references)\.md#([\w-]+)\)")
PICTURE = re.compile(r"^!\[[^\]]*\]\(pictures/[^)]*\)\n*", re.M)


def drop_picture(notebook: Any) -> None:
    """Take away the picture at a notebook's head: when it has run, its own figures are there.

    Args:
        notebook: changed in place.
    """
    for cell in notebook.cells[:2]:
        if cell.cell_type == "markdown":
            cell.source = PICTURE.sub("", cell.source, count=1)


def resolve(stage: Path) -> None:
    """Let links in staged pages lead to anchors that Sphinx does not know: entries, named places.

    Args:
        stage: folder of the staged sources.
    """
    for path in (*stage.glob("book/*.md"), *stage.glob("notebooks/*.ipynb")):
        # Single quotes stand in a notebook's JSON as they are.
        made = ANCHORED.sub(r"<a href='\2.html#\3'>\1</a>", path.read_text(encoding="utf-8"))
        path.write_text(made, encoding="utf-8")
