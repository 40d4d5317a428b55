"""Small chapters that stand in for the book's, so that tests of the builder train nothing."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = """\
profile: str = "classroom"  # size of everything: quick, classroom or paper
data_root: str = ""  # folder with fastMRI files; empty is simulated data
store: str = ""  # folder of your results store
device: str = "auto"  # auto, cpu, cuda or cuda:N
seed: int = 0  # seed of everything random
model: str = "unet"  # the network
rate: float = 0.5  # a number
fast: bool = False  # a truth value"""


def notebook(title, *cells):
    """A chapter with the parameters that all chapters take, and the given code cells."""
    parameters = new_code_cell(PARAMETERS)
    parameters.metadata["tags"] = ["parameters"]
    made = new_notebook(
        cells=[new_markdown_cell(f"# {title}"), parameters, *map(new_code_cell, cells)]
    )
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return made


def write(root, name, title, *cells):
    """Write a chapter into ``root/notebooks``."""
    path = root / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(title, *cells), path)
    return path
