"""The built book for every eye and window: axe, a phone, dark mode.

Apart from the other tests of the pages, so that two processes share them.
"""

import pytest
from book_pages import PAGES
from playwright.sync_api import expect

pytestmark = pytest.mark.timeout(2400)  # the first test waits until the quick book is built


LIGHT = """elements => elements.filter(e => {
  const [r, g, b, a = 1] = getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number);
  return a > 0.5 && 0.2126 * r + 0.7152 * g + 0.0722 * b > 128 && e.clientHeight > 0;
}).map(e => e.outerHTML.slice(0, 200))"""
SLABS = (
    "body, article, article :is(div, section, table, tr, td, th, pre, details, figure)"
    ":not(.mrinb-widget *)"  # where a white line or a picture is meant
)


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_the_dark_has_no_light_slabs(open_page, name):
    seen = open_page(name, color_scheme="dark", reduced_motion="reduce")
    theme = seen.page.locator("html")
    assert theme.get_attribute("data-theme") == "dark"
    assert seen.axe() == []
    assert seen.page.locator(SLABS).evaluate_all(LIGHT) == []
    # What the light changes is colours: other rules would find the same again.
    seen.page.emulate_media(color_scheme="light")
    expect(theme).to_have_attribute("data-theme", "light")
    assert seen.axe("color-contrast", "link-in-text-block") == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_a_page_without_sideways_scrolling(open_page, name):
    seen = open_page(name, viewport={"width": 390, "height": 844}, is_mobile=True)
    assert seen.overflow() <= 0
    assert seen.axe() == []
