"""Terms are explained where they are first used, and nowhere else."""

import pytest
from places import ROOT

from mrinb.publish.glossary import WORDS, Term, explained, terms

KNOWN = {"SSIM": Term("term-SSIM", "A score."), "P best": Term("term-P-best", "The best.")}


def page(body):
    return f"<html><body><nav>SSIM</nav><article>{body}</article></body></html>"


def links(body):
    made = explained(page(body), KNOWN, "../book/glossary.html")
    return made.count('class="mrinb-term"'), made


def test_the_first_use_is_linked_and_explained():
    count, made = links("<p>By SSIM and P_best. Again SSIM.</p><ul><li>P_best</li></ul>")
    assert count == 2
    assert 'href="../book/glossary.html#term-SSIM"' in made
    assert '<span class="mrinb-tip" id="tip-term-SSIM" role="tooltip">A score.</span>' in made
    assert made.startswith("<html><body><nav>SSIM</nav>")
    assert made.endswith("</ul></article></body></html>") and made.count("</article>") == 1


@pytest.mark.parametrize(
    "body",
    [
        "<h2>SSIM</h2>",
        '<p><a href="x">SSIM</a> <code>SSIM</code></p>',
        "<table><tr><td><p>SSIM</p></td></tr></table>",
        '<div class="mrinb-verdict"><p>SSIM</p></div>',
        '<div class="mrinb-widget"><p>SSIM</p></div>',
        "<p>MS-SSIM and SSIMs</p>",
    ],
)
def test_headings_links_code_tables_and_widgets_stay(body):
    count, made = links(body)
    assert count == 0 and body in made


def test_a_page_without_an_article_stays():
    assert explained("<p>SSIM</p>", KNOWN, "x") == "<p>SSIM</p>"


def test_meanings_are_read_from_the_built_page():
    name = '<dt id="term-SSIM">SSIM<a class="headerlink">#</a></dt>'
    html = f"<dl>{name}<dd><p>A (<i>good</i>) <b>score</b>.</p></dd></dl>"
    assert terms(html) == {"SSIM": Term("term-SSIM", "A (good) score.")}


def test_every_linked_term_is_in_the_glossary():
    lines = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8").splitlines()
    assert set(WORDS) <= set(lines)
