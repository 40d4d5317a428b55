import re

import pytest

from mrinb.publish import html


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<script defer src="../_static/scripts/fontawesome.js?digest=1"></script><b>', "<b>"),
        ('<script src="other.js"></script>', '<script src="other.js"></script>'),
        (
            '<button class="btn search-button-field x"\n  aria-label="Search" data-a="b">',
            '<button class="btn search-button-field x" data-a="b">',
        ),
        ('<button class="btn" aria-label="Search">', '<button class="btn" aria-label="Search">'),
        ('<summary aria-label="Toggle hidden content">', "<summary>"),
        (
            '<i class="theme-switch fa-sun" data-mode="light" title="Light"></i>',
            '<i class="theme-switch fa-sun" data-mode="light" aria-hidden="true"></i>',
        ),
        ("<tr><th></th><th>a</th></tr>", "<tr><td></td><th>a</th></tr>"),
    ],
)
def test_a_fault_is_mended_and_nothing_else(before, after):
    assert html.mended(before) == after


def test_every_page_is_mended_and_the_first_leads_on(tmp_path):
    (tmp_path / "book").mkdir()
    page = tmp_path / "book" / "start.html"
    page.write_text("<title>The &amp; book</title><th></th>")
    scripts = tmp_path / "_static" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "fontawesome.js").write_text("")
    html.finish_pages(tmp_path, "book/start")
    assert page.read_text().endswith("<td></td>")
    assert list(scripts.iterdir()) == []
    first = (tmp_path / "index.html").read_text()
    assert first.startswith("<!doctype html>")
    assert "<title>The &amp; book</title>" in first
    assert re.search(r'content="0; url=book/start.html"', first)
