"""What the first page takes from executed chapters: their answers, and a comparer that is live."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

WIDGET = "mrinb-widget"
SHOWN = "01_introduction"
"""The chapter whose comparer the first page has."""


def parts(notebooks: Mapping[str, Any]) -> dict[str, str]:
    """Generated parts of the first page, by file name.

    Args:
        notebooks: the executed chapters by name, in the book's order.
    """
    return {"answers.md": answers(notebooks), "comparer.md": comparer(notebooks.get(SHOWN))}


def answers(notebooks: Mapping[str, Any]) -> str:
    """Every chapter's question and its answer, a line each; those of the appendices are folded.

    Args:
        notebooks: the executed chapters by name.
    """
    lines = {
        name: f"- [{_title(notebook)}](../notebooks/{name}.ipynb): {_question(notebook)}"
        f"{' '.join(sentences)}\n"
        for name, notebook in notebooks.items()
        if (sentences := dict.fromkeys(notebook.metadata.get("headlines", [])))
    }
    chapters = "".join(line for name, line in lines.items() if name[0].isdigit())
    others = "".join(line for name, line in lines.items() if not name[0].isdigit())
    if others:
        others = f"<details><summary>The appendices</summary>\n\n{others}\n</details>\n"
    parts = [part for part in (chapters, others) if part]
    return "\n".join(parts) or "No chapter of this build has come to an answer.\n"


def _title(notebook: Any) -> str:
    first = notebook.cells[0].source.partition("\n")[0]
    return str(first.removeprefix("# ").strip())


def _question(notebook: Any) -> str:
    """What a chapter asks: the bold sentence of its first cell; empty where there is none."""
    found = re.search(r"\*\*[^*]+\?\*\*", notebook.cells[0].source)
    return f"{found[0]} " if found else ""


def comparer(notebook: Any | None) -> str:
    """The first widget of a chapter as raw HTML; empty where the chapter was not run.

    Args:
        notebook: the executed chapter.
    """
    for cell in notebook.cells if notebook is not None else ():
        for output in cell.get("outputs", []):
            page = output.get("data", {}).get("text/html", "")
            page = "".join(page) if isinstance(page, list) else page
            if WIDGET in page:
                return f"```{{raw}} html\n{page}\n```\n"
    return ""
