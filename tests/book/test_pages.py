"""The built book as readers meet it: over http and from disk, light and dark, wide and narrow."""

import functools
import gzip
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from book_pages import CHAPTERS, PAGES, ROOT
from PIL import Image

from mrinb.publish import book
from mrinb.publish.dry_run import dry_run

LIMIT = 1_500_000

pytestmark = pytest.mark.timeout(2400)  # the first test waits until the quick book is built


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_plan_names_exactly_what_a_chapter_uses(built_book, name, monkeypatch):
    """A chapter run dry asks for the results that the built one has recorded."""
    store = built_book.parents[1] / "store"
    if not store.is_dir():
        pytest.skip("the book was built elsewhere")
    monkeypatch.setenv("MRINB_PUBLISHED", str(store / "none"))
    chapter = book.find_chapter(ROOT, name.partition("/")[2])
    given = {"profile": "quick", "store": str(store)}
    wanted = {(s.kind, s.key) for s in dry_run(chapter.path, given, compute="never").wanted}
    number = chapter.path.stem.partition("_")[0]
    recorded = json.loads((store / "chapters" / f"{number}-quick.json").read_text())
    assert {(item["kind"], item["key"]) for item in recorded} == wanted
    # From an empty store choices are stood in for; what they cost is the same, pictures aside.
    fresh = dry_run(chapter.path, given, compute="never", fresh=True).wanted
    count = Counter(kind for kind, _ in wanted)
    guessed = Counter(spec.kind for spec in fresh)
    for kind in count.keys() - {"exhibit"}:
        assert guessed[kind] == pytest.approx(count[kind], rel=0.2, abs=2)


@pytest.mark.parametrize("over", ["file", "http"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_whole_and_asks_for_nothing_outside(open_page, name, over):
    seen = open_page(name, over=over)
    assert seen.page.locator("article h1").count() == 1
    assert seen.page.locator("html").get_attribute("lang") == "en"
    broken = "imgs => imgs.filter(i => i.complete && !i.naturalWidth).map(i => i.outerHTML)"
    assert seen.page.locator("article img").evaluate_all(broken) == []


@functools.cache  # most files are every page's
def weight(path):
    return len(gzip.compress(path.read_bytes(), 6))


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_weighs_little_before_the_reader_asks_for_more(open_page, built_book, name):
    seen = open_page(name, reduced_motion="reduce")
    seen.page.wait_for_load_state("networkidle")
    paths = {Path(unquote(urlsplit(url).path)) for url in seen.asked if url.startswith("file:")}
    weights = {p.name: weight(p) for p in paths}
    assert weights[f"{name.partition('/')[2]}.html"] > 1000
    assert sum(weights.values()) <= LIMIT, sorted(weights.items(), key=lambda w: -w[1])[:8]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_shows_results_and_nothing_of_the_machine_it_was_built_on(built_book, name):
    text = (built_book / f"{name}.html").read_text(encoding="utf-8")
    assert "cell_output" in text
    assert "Traceback" not in text
    assert not re.search(r"\d%\|.*\| *\d\d:\d\d", text)  # a bar of progress
    assert "widget-view+json" not in text
    assert str(Path.home()) not in text
    assert str(built_book.parents[1]) not in text


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_says_under_its_figures_what_they_are(open_page, name):
    page = open_page(name).page
    captions = page.locator(".mrinb-caption").all_inner_texts()
    assert captions
    assert [c for c in captions if not re.search(r"simulated|real", c, re.I)] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_widget_of_a_chapter_comes_alive(open_page, name):
    page = open_page(name).page
    widgets = page.locator(".mrinb-output")
    for index in range(widgets.count()):
        widget = widgets.nth(index)
        widget.locator(":is(select, input, button)").first.wait_for()
        assert not widget.locator(".mrinb-still").is_visible()


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors.update(filter(None, (given.get("id"), given.get("name"))))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])


@functools.cache  # pages of a megabyte, each the target of all others
def parsed(path):
    return Page(path)


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_resolve(built_book, name):
    here = built_book / f"{name}.html"
    links = [urlsplit(link) for link in parsed(here).links]
    inner = [link for link in links if not link.scheme and not link.netloc]
    assert inner
    for link in inner:
        target = (here.parent / unquote(link.path)).resolve() if link.path else here
        assert target.is_file(), link
        stateful = "=" in link.fragment  # a widget's state, not an anchor
        if link.fragment and not stateful and target.suffix == ".html":
            assert unquote(link.fragment) in parsed(target).anchors, link


CLIPPED = """() => [...document.querySelectorAll(
  ".mrinb-table, .pst-scrollable-table-container, table")]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible")
  .map(e => e.innerText.slice(0, 60))"""
UNFOLD = "document.querySelectorAll('details').forEach(d => { d.open = true })"


@pytest.mark.parametrize("name", PAGES)
def test_no_table_is_clipped_on_a_desktop(open_page, name):
    page = open_page(name, viewport={"width": 1280, "height": 900}).page
    page.evaluate(UNFOLD)
    assert page.evaluate(CLIPPED) == []
    page.set_viewport_size({"width": 1920, "height": 900})
    assert page.evaluate(CLIPPED) == []


SHOWN = """imgs => imgs.map(i => {
  const source = i.parentElement.querySelector("source"), box = i.getBoundingClientRect();
  const narrow = i.currentSrc === new URL(source.getAttribute("srcset"), location).href;
  return [narrow, box.left >= 0 && box.right <= innerWidth, box.width];
})"""


@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_on_a_phone_are_those_drawn_for_one_and_whole(open_page, name):
    page = open_page(name, viewport={"width": 390, "height": 800}).page
    page.evaluate(UNFOLD)
    figures = page.locator(".mrinb-figure img")
    assert figures.count()
    for narrow, whole, width in figures.evaluate_all(SHOWN):
        assert narrow and whole and width > 300


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_figure_is_a_white_box_in_the_dark(open_page, name):
    page = open_page(name, color_scheme="dark", viewport={"width": 1280, "height": 900}).page
    page.add_style_tag(content=".bd-header-article, #pst-skip-link { display: none !important }")
    figures = page.locator(".mrinb-figure img:visible")
    for index in range(figures.count()):
        image = Image.open(io.BytesIO(figures.nth(index).screenshot())).convert("L")
        grey = np.asarray(image)
        assert grey[12, 12] < 60  # the card's ground
        assert grey.max() > 150  # words and marks stand out


# Code is printed only where a reader has opened it, a widget's keys never.
ANSWERS = """() => [...document.querySelectorAll("article details:not(.above-input, .mrinb-help)")]
  .map(d => [...d.children].some(c => c.tagName !== "SUMMARY" && c.checkVisibility()))"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_printed_page_is_dark_on_white_with_every_answer_open(open_page, name, theme):
    page = open_page(name, color_scheme=theme).page
    assert not all(page.evaluate(ANSWERS))
    page.emulate_media(media="print")
    assert all(page.evaluate(ANSWERS))
    ink = page.locator("article p").first.evaluate("e => getComputedStyle(e).color")
    assert max(map(int, re.findall(r"\d+", ink)[:3])) < 90
    assert page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor") in (
        "rgb(255, 255, 255)", "rgba(0, 0, 0, 0)",
    )  # fmt: skip
    filters = "imgs => [...new Set(imgs.map(i => getComputedStyle(i).filter))]"
    assert page.locator(".mrinb-figure img").evaluate_all(filters) == ["none"]


def test_the_first_file_leads_into_the_book(built_book, visit):
    seen = visit(built_book, "index.html")
    seen.page.wait_for_url(f"**/{PAGES[0]}.html")
    assert seen.page.locator("article h1").count() == 1


@pytest.mark.parametrize("over", ["file", "http"])
def test_search_finds_words_of_the_book(built_book, visit, over):
    seen = visit(built_book, "search.html", over=over, fragment="?q=undersampling")
    seen.page.locator("#search-results li a").first.wait_for()


def test_the_theme_button_switches_and_is_remembered(open_page):
    seen = open_page(PAGES[1], color_scheme="light", viewport={"width": 1200, "height": 900})
    root = seen.page.locator("html")
    assert root.get_attribute("data-theme") == "light"
    button = seen.page.get_by_role("button", name="Color mode").first
    for _ in range(3):
        if root.get_attribute("data-theme") == "dark":
            break
        button.click()
    assert root.get_attribute("data-theme") == "dark"
    seen.page.reload()
    assert root.get_attribute("data-theme") == "dark"
