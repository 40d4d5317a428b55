"""Code on pages is folded: prose and figures come first, and one switch opens all of it."""

from __future__ import annotations

from typing import Any

RERUN = "Rerun this chapter"
"""What the fold with the parameters is called."""


def fold(notebook: Any) -> None:
    """Fold the source of every code cell of an executed notebook.

    The declared parameters are the fold to rerun a chapter with. The cell that papermill injected
    repeats some of them, and is left out: what it changed stands under every figure.

    Args:
        notebook: the notebook, changed in place.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            tags = cell.metadata.setdefault("tags", [])
            if "injected-parameters" in tags:
                tags.append("remove-cell")
            elif "hide-input" not in tags:
                tags.append("hide-input")
            if "parameters" in tags:
                cell.metadata["mystnb"] = {"code_prompt_show": RERUN, "code_prompt_hide": RERUN}
