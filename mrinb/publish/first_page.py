"""What the first page takes from executed chapters: their answers, and a comparer that is live."""

from __future__ import annotations

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
    """Every chapter's answer to its question, a line each.

    Args:
        notebooks: the executed chapters by name.
    """
    lines = [
        f"- [{_title(notebook)}](../notebooks/{name}.ipynb): {' '.join(sentences)}\n"
        for name, notebook in notebooks.items()
        if (sentences := dict.fromkeys(notebook.metadata.get("headlines", [])))
    ]
    return "".join(lines) or "No chapter of this build has come to an answer.\n"


def _title(notebook: Any) -> str:
    first = notebook.cells[0].source.partition("\n")[0]
    return str(first.removeprefix("# ").strip())


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
