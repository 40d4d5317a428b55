"""The built book as readers meet it: over http and from disk, light and dark, wide and narrow."""

import fcntl
import gzip
import json
import os
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from mrinb import book
from mrinb.rehearsal import rehearse

ROOT = Path(__file__).resolve().parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(c["file"] for part in TOC["parts"] for c in part["chapters"])]
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]
LIMIT = 1_500_000

pytestmark = pytest.mark.timeout(2400)  # the first test waits until the quick book is built


@pytest.fixture(scope="session")
def built_book(tmp_path_factory):
    """The quick book, computed from an empty store, once for all test processes.

    ``MRINB_TEST_BOOK`` names a folder of pages that is looked at instead.
    """
    if "MRINB_TEST_BOOK" in os.environ:
        return Path(os.environ["MRINB_TEST_BOOK"]).resolve()
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    out = shared / "built-book"
    html = out / "_build" / "html"
    with (shared / "built-book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not html.exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MRINB_WORKERS", "0")  # two chapters at once fill the cores
                book.build(ROOT, out, "quick", out / "store", "auto", quiet=True)
    return html


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_plan_names_exactly_what_a_chapter_uses(built_book, name, monkeypatch):
    """A rehearsed chapter asks for the results that the built one has recorded."""
    store = built_book.parents[1] / "store"
    if not store.is_dir():
        pytest.skip("the book was built elsewhere")
    monkeypatch.setenv("MRINB_PUBLISHED", str(store / "none"))
    chapter = book.find_chapter(ROOT, name.partition("/")[2])
    given = {"profile": "quick", "store": str(store)}
    wanted = {(s.kind, s.key) for s in rehearse(chapter.path, given, compute="never").wanted}
    number = chapter.path.stem.partition("_")[0]
    recorded = json.loads((store / "chapters" / f"{number}-quick.json").read_text())
    assert {(item["kind"], item["key"]) for item in recorded} == wanted
    # From an empty store choices are stood in for; what they cost is the same, pictures aside.
    fresh = rehearse(chapter.path, given, compute="never", fresh=True).wanted
    count = Counter(kind for kind, _ in wanted)
    guessed = Counter(spec.kind for spec in fresh)
    for kind in count.keys() - {"exhibit"}:
        assert guessed[kind] == pytest.approx(count[kind], rel=0.2, abs=2)


@pytest.fixture
def open_page(built_book, visit):
    """Open a page of the book by its name, and wait until its scripts have settled."""

    def opened(page, **options):
        seen = visit(built_book, f"{page}.html", **options)
        seen.page.wait_for_load_state("load")
        seen.page.evaluate("() => window.MathJax?.startup?.promise")
        return seen

    return opened


@pytest.mark.parametrize("over", ["file", "http"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_whole_and_asks_for_nothing_outside(open_page, name, over):
    seen = open_page(name, over=over)
    assert seen.page.locator("article h1").count() == 1
    assert seen.page.locator("html").get_attribute("lang") == "en"
    broken = "imgs => imgs.filter(i => i.complete && !i.naturalWidth).map(i => i.outerHTML)"
    assert seen.page.locator("article img").evaluate_all(broken) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(open_page, name, scheme):
    assert open_page(name, color_scheme=scheme, reduced_motion="reduce").axe() == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_a_page_without_sideways_scrolling(open_page, name):
    seen = open_page(name, viewport={"width": 390, "height": 844}, is_mobile=True)
    assert seen.overflow() <= 0
    assert seen.axe() == []


LIGHT = """elements => elements.filter(e => {
  const [r, g, b, a = 1] = getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number);
  return a > 0.5 && 0.2126 * r + 0.7152 * g + 0.0722 * b > 128 && e.clientHeight > 0;
}).map(e => e.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("name", PAGES)
def test_dark_mode_leaves_no_light_slabs(open_page, name):
    page = open_page(name, color_scheme="dark").page
    assert page.locator("html").get_attribute("data-theme") == "dark"
    slabs = (
        "body, article, article :is(div, section, table, tr, td, th, pre, details, figure)"
        ":not(.mrinb-widget *)"  # where a white line or a picture is meant
    )
    assert page.locator(slabs).evaluate_all(LIGHT) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_weighs_little_before_the_reader_asks_for_more(open_page, built_book, name):
    seen = open_page(name, reduced_motion="reduce")
    seen.page.wait_for_load_state("networkidle")
    paths = {Path(unquote(urlsplit(url).path)) for url in seen.asked if url.startswith("file:")}
    weights = {p.name: len(gzip.compress(p.read_bytes(), 6)) for p in paths}
    assert weights[f"{name.partition('/')[2]}.html"] > 1000
    assert sum(weights.values()) <= LIMIT, sorted(weights.items(), key=lambda w: -w[1])[:8]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_shows_results_and_nothing_of_the_machine_it_was_built_on(built_book, name):
    text = (built_book / f"{name}.html").read_text(encoding="utf-8")
    assert "cell_output" in text
    assert "Traceback" not in text
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


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_resolve(built_book, name):
    here = built_book / f"{name}.html"
    links = [urlsplit(link) for link in Page(here).links]
    inner = [link for link in links if not link.scheme and not link.netloc]
    assert inner
    for link in inner:
        target = (here.parent / unquote(link.path)).resolve() if link.path else here
        assert target.is_file(), link
        stateful = "=" in link.fragment  # a widget's state, not an anchor
        if link.fragment and not stateful and target.suffix == ".html":
            assert unquote(link.fragment) in Page(target).anchors, link


def test_the_first_file_leads_into_the_book(built_book, visit):
    seen = visit(built_book, "index.html")
    seen.page.wait_for_url(f"**/{TOC['root']}.html")
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
