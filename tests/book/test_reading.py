"""How chapters are read: the first screen, folded code, terms, the first page, the scoreboard."""

import re

import pytest
from book_pages import CHAPTERS, PAGES
from widget_pages import drawn, settle, view_of, wait_view

pytestmark = pytest.mark.timeout(2400)  # the first test waits until the quick book is built

DESKTOP = {"width": 1280, "height": 900}
WORDS = 3000
CODE = "article details.above-input"

FIRST = """() => [...document.querySelectorAll("article :is(.mrinb-figure, .mrinb-widget)")]
  .filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect())
  .map(({ top, bottom }) => [top + scrollY, bottom + scrollY])[0]"""

PROSE = """() => {
  const copy = document.querySelector("article").cloneNode(true);
  copy.querySelectorAll(".cell, .mrinb-tip, .toctree-wrapper, script, style, table, .math")
    .forEach((e) => e.remove());
  return copy.textContent.split(/\\s+/).filter((word) => /\\p{L}/u.test(word)).length;
}"""


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_first_screen_shows_a_figure(open_page, name):
    seen = open_page(name, viewport=DESKTOP)
    if seen.page.locator("article .mrinb-output").count():
        drawn(seen)
    top, bottom = seen.page.evaluate(FIRST)
    assert bottom - top > 200
    assert top < DESKTOP["height"] - 200  # enough of it to see what it is


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_no_more_words_than_are_read_in_a_quarter_of_an_hour(open_page, name):
    words = open_page(name).page.evaluate(PROSE)
    assert 200 < words <= WORDS


def test_one_switch_opens_all_code_and_the_next_page_remembers(open_page, built_book):
    seen = open_page(CHAPTERS[0], over="http")
    folds = seen.page.locator(CODE)
    opened = "folds => folds.map((fold) => fold.open)"
    assert folds.count() > 2 and not any(folds.evaluate_all(opened))
    assert not seen.page.locator("article .cell_input pre").first.is_visible()
    switch = seen.page.get_by_role("button", name="Show all code")
    switch.focus()
    seen.page.keyboard.press("Enter")
    assert all(folds.evaluate_all(opened))
    assert seen.page.locator("article .cell_input pre").first.is_visible()
    base = seen.page.url.rpartition("/notebooks/")[0]
    seen.page.goto(f"{base}/{CHAPTERS[1]}.html")
    assert folds.count() > 2 and all(folds.evaluate_all(opened))
    seen.page.get_by_role("button", name="Fold all code").click()
    assert not any(folds.evaluate_all(opened))
    seen.page.reload()
    assert not any(folds.evaluate_all(opened))


@pytest.mark.parametrize("name", CHAPTERS)
def test_cells_are_folded_and_injected_parameters_are_not_shown(built_book, name):
    text = (built_book / f"{name}.html").read_text(encoding="utf-8")
    assert "Rerun this chapter" in text and "injected-parameters" not in text


TIPS = """() => [...document.querySelectorAll("article .mrinb-term")].map((term) => {
  const box = term.querySelector(".mrinb-tip").getBoundingClientRect();
  return [term.firstChild.textContent, box.left >= 0 && box.right <= innerWidth, box.width];
})"""


@pytest.mark.parametrize("width", [390, 900, 1280])
def test_explanations_fit_the_window(open_page, width):
    """Opened in turn by focus, on the page that has most of them, and on the first."""
    for name in (PAGES[0], CHAPTERS[1]):
        page = open_page(name, viewport={"width": width, "height": 844}).page
        terms = page.locator("article .mrinb-term")
        assert terms.count()
        for index in range(terms.count()):
            term = terms.nth(index)
            term.focus()
            tip = term.locator(".mrinb-tip")
            tip.wait_for()
            box = tip.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width, tip.inner_text()
            assert box["width"] > 150
            word = term.bounding_box()
            assert box["y"] < word["y"] + word["height"] + 12  # next to its word


def test_an_explanation_comes_by_focus_and_hover_and_goes_by_escape(open_page):
    page = open_page(CHAPTERS[1]).page
    term = page.locator("article .mrinb-term").first
    tip = term.locator(".mrinb-tip")
    assert not tip.is_visible()
    term.hover()
    tip.wait_for()
    assert len(tip.inner_text()) > 20
    tip.hover()  # it stays to be read
    assert tip.is_visible()
    page.keyboard.press("Escape")
    tip.wait_for(state="hidden")
    page.mouse.move(2, 2)
    term.focus()
    tip.wait_for()
    page.keyboard.press("Escape")
    tip.wait_for(state="hidden")
    assert term.evaluate("e => e === document.activeElement")
    term.evaluate("e => e.blur()")
    term.focus()
    tip.wait_for()  # and comes again
    page.keyboard.press("Enter")
    page.wait_for_url("**/glossary.html#term-*")


PICTURE = """() => {
  const canvas = document.querySelector(".mrinb-compare canvas");
  return canvas.width > 50 && canvas.toDataURL();
}"""


@pytest.mark.parametrize("over", ["file", "http"])
def test_the_first_page_has_a_comparer_that_moves(open_page, over):
    seen = open_page(PAGES[0], over=over)
    drawn(seen)
    pictures = [seen.page.evaluate(PICTURE)]
    handle = seen.page.get_by_role("slider", name="Divider")
    handle.focus()
    for key in ("Home", "End"):
        seen.page.keyboard.press(key)
        settle(seen)
        pictures.append(seen.page.evaluate(PICTURE))
    assert all(pictures) and len(set(pictures)) == 3
    left = seen.page.get_by_label("Left", exact=True)
    left.select_option("ground-truth")
    seen.page.locator(".mrinb-left", has_text="Ground truth").wait_for()
    settle(seen)
    assert seen.page.evaluate(PICTURE) not in pictures


def test_the_first_page_has_every_chapters_answer(open_page):
    page = open_page(PAGES[0]).page
    for name in CHAPTERS:
        assert page.locator(f"article a[href$='{name.partition('/')[2]}.html']").count(), name
    answers = page.locator("#what-came-out li:has(> p), #what-came-out li").all_inner_texts()
    assert [a for a in answers if re.match(r".{5,}: .{20,}", a)]


@pytest.mark.parametrize("name", ["book/claims", PAGES[0]])
def test_a_row_of_the_scoreboard_says_its_sentence_and_leads_to_its_verdict(open_page, name):
    seen = open_page(name)
    rows = seen.page.locator(".mrinb-board li a")
    assert rows.count() > 3
    row = rows.nth(rows.count() // 2)
    tip = row.locator(".tip")
    assert not tip.is_visible()
    row.focus()
    settle(seen)
    assert tip.is_visible()
    described = row.get_attribute("aria-describedby")
    assert (
        tip.inner_text() == row.get_attribute("aria-label") or tip.get_attribute("id") == described
    )
    assert row.locator("..").get_attribute("data-verdict") in tip.inner_text()
    anchor = row.get_attribute("href").partition("#")[2]
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url(f"**/notebooks/*.html#{anchor}")
    seen.page.wait_for_function(
        "(id) => { const { top } = document.getElementById(id).getBoundingClientRect();"
        " return top > -5 && top < innerHeight; }",
        arg=anchor,
    )


def test_a_click_in_a_chapters_contents_keeps_what_its_comparer_shows(open_page):
    seen = open_page(CHAPTERS[0], viewport={"width": 1500, "height": 900})
    drawn(seen)
    seen.page.get_by_label("Left", exact=True).first.select_option("ground-truth")
    wait_view(seen, "left:ground-truth")
    view = view_of(seen)
    seen.page.locator(".bd-sidebar-secondary nav a").last.click()
    seen.page.wait_for_function("location.hash.length > 1")
    assert view_of(seen) == view
    seen.page.reload()
    drawn(seen)
    assert view_of(seen) == view
    assert seen.page.get_by_label("Left", exact=True).first.input_value() == "ground-truth"
