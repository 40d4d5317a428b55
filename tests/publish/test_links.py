"""Links, citations and pictures of committed notebooks, and what the book makes of them."""

import base64
import io
import re

import nbformat
import numpy as np
import pytest
from PIL import Image
from places import ROOT
from pybtex.database import parse_file

from mrinb.errors import MrinbError
from mrinb.publish import book, links, pictures, references

ENTRIES = parse_file(str(ROOT / "book" / "references.bib"), "bibtex").entries
CHAPTERS = [c.path for c in book.chapters(ROOT)]
PAGES = sorted((ROOT / "book").glob("*.md"))


def prose(path):
    """The Markdown of a page or a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(c.source for c in cells if c.cell_type == "markdown")


@pytest.mark.parametrize("path", [*CHAPTERS, *PAGES], ids=lambda p: p.stem)
def test_a_citation_names_the_authors_and_year_of_its_entry(path):
    for text, _, key in links.CITATION.findall(prose(path)):
        assert text.replace("(", "").replace(")", "") in (
            references.label(ENTRIES[key]),
            references.label(ENTRIES[key]).replace(", ", " "),
        )


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_what_a_notebook_links_to_is_there_and_needs_no_book_to_be_read(path):
    text = prose(path)
    assert not re.search(r"\{(cite|doc)[^}]*\}`", text)
    targets = [t.partition("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text) if ":" not in t]
    assert targets
    assert [t for t in targets if t and not (path.parent / t).is_file()] == []


def test_every_entry_is_cited_and_says_where_it_can_be_read():
    cited = {m[2] for p in (*CHAPTERS, *PAGES) for m in links.CITATION.findall(prose(p))}
    assert cited == set(ENTRIES)
    lack = [k for k, e in ENTRIES.items() if not {"doi", "eprint", "url"} & set(e.fields)]
    assert lack == []
    labels = [references.label(e) for e in ENTRIES.values()]
    assert len(set(labels)) == len(labels)


def test_the_committed_list_is_made_from_the_entries():
    page = (ROOT / "book" / "references.md").read_text(encoding="utf-8")
    listed = references.listed(ROOT / "book" / "references.bib")
    assert page == references.written(page, listed), "run make refresh"
    assert '<a id="lin2024robustness"></a>**Lin and Heckel, 2024.** Kang Lin and' in listed
    assert "(https://arxiv.org/abs/2312.10271)" in listed
    assert "(https://doi.org/10.1109/TIP.2003.819861)" in listed


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_a_notebook_begins_with_a_small_picture_that_goes_when_it_has_run(path):
    notebook = nbformat.read(path, as_version=4)
    head = notebook.cells[0].source
    alt, file = re.search(r"^!\[([^\]]+)\]\((pictures/[^)]+)\)$", head, re.M).groups()
    assert len(alt) > 20
    assert (path.parent / file).stat().st_size <= pictures.LARGEST
    assert Image.open(path.parent / file).width >= 300
    before = [c.source for c in notebook.cells]
    links.drop_picture(notebook)
    assert "pictures/" not in notebook.cells[0].source
    assert notebook.cells[0].source.startswith(head.partition("\n")[0])
    assert [c.source for c in notebook.cells[1:]] == before[1:]


def test_links_lead_to_anchors_in_pages_and_notebooks(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "notebooks").mkdir()
    link = "[Lin and Heckel (2024)](../book/references.md#lin2024robustness)"
    cell = nbformat.v4.new_markdown_cell(f'see {link} and "this"')
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "1.ipynb")
    page = tmp_path / "book" / "a.md"
    page.write_text("[Wang et al., 2004](references.md#wang2004ssim), [b](c.md), [d](e.md#f)")
    links.resolve(tmp_path)
    (made,) = nbformat.read(tmp_path / "notebooks" / "1.ipynb", as_version=4).cells
    assert made.source == (
        "see <a href='../book/references.html#lin2024robustness'>Lin and Heckel (2024)</a> "
        'and "this"'
    )
    assert page.read_text() == (
        "<a href='references.html#wang2004ssim'>Wang et al., 2004</a>, [b](c.md), "
        "<a href='e.html#f'>d</a>"
    )


def test_pictures_weigh_little_whatever_they_show():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 1600, 3), np.uint8))
    made = pictures.packed(noise)
    flat = pictures.packed(Image.new("RGB", (1600, 900), "white"))
    assert len(flat) < len(made)
    assert Image.open(io.BytesIO(flat)).size == (1000, 562)
    src = f"data:image/webp;base64,{base64.b64encode(flat).decode()}"
    for page in (
        f'<img class="dark-light mrinb-plot" src="{src}" alt="a">',
        f'<img alt="a" class="dark-light mrinb-plot" src="{src}">',  # once its terms are linked
    ):
        assert pictures.first_figure(page).size == (1000, 562)
    with pytest.raises(MrinbError, match="no figure"):
        pictures.first_figure("<p>nothing")
