"""What CONTRIBUTING.md names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PLACES = re.findall(r"`((?:mrinb|tests|book)/[^`<>]*)`", TEXT)
EXAMPLES = {"mrinb/chapters/title/"}
CODE = {
    "mrinb/catalogue/fastmri.py": ['_knee("PDFS", AERA, 15)'],
    "mrinb/simulate/anatomies.py": ["Anatomy"],
    "mrinb/models.py": ["Model", '"U-net"', '"o"'],
    "mrinb/recon/models/unet.py": ["def build(channels: int = 32, pools: int = 4)"],
    "mrinb/recon/models/base.py": ["ImageReconstructor", "Measured"],
    "mrinb/chapters/intro/claims.py": [
        '"diverse-beats-narrow", "01", "better", Compare("diverse", "narrow", on="Q")',
        'labels={"narrow": "narrow", "diverse": "diverse", "unseen": "Q"}',
    ],
    "mrinb/figures/curves.py": ["return described(fig, note_of(histories))"],
    "mrinb/tables.py": ["noted"],
    "mrinb/widgets/host.py": ["StoredWidget"],
    "mrinb/widgets/toy.py": ["ToyData"],
    "tests/figures/test_figures.py": ["MADE"],
}
"""What stands in the text and, to the letter but for white space, in a file."""


@pytest.mark.parametrize("place", sorted(set(PLACES) - EXAMPLES))
def test_its_files_and_folders_are_there(place):
    assert (ROOT / place).exists()


@pytest.mark.parametrize(("file", "code"), [(f, c) for f, cs in CODE.items() for c in cs])
def test_its_code_stands_where_it_says(file, code):
    for text in (TEXT, (ROOT / file).read_text(encoding="utf-8")):
        assert code in " ".join(text.split())
