"""Code on pages is folded; the parameters are what a chapter is rerun with."""

import nbformat.v4 as nbf

from mrinb.publish.folding import RERUN, fold


def cell(source, *tags):
    return nbf.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


def test_all_code_is_folded_and_injected_parameters_are_left_out():
    notebook = nbf.new_notebook(
        cells=[
            nbf.new_markdown_cell("words"),
            cell("seed: int = 0", "parameters"),
            cell("# Parameters\nseed = 1", "injected-parameters"),
            cell("1 + 1"),
            cell("2 + 2", "hide-input"),
        ]
    )
    fold(notebook)
    words, declared, injected, plain, hidden = notebook.cells
    assert "tags" not in words.metadata
    assert declared.metadata["mystnb"]["code_prompt_show"] == RERUN
    assert "remove-cell" in injected.metadata.tags
    assert plain.metadata.tags == hidden.metadata.tags == ["hide-input"]
