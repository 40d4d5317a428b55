"""The built book for every eye and window: axe, a phone, dark mode.

Apart from the other tests of the pages, so that two processes share them.
"""

import pytest
from book_pages import PAGES

pytestmark = pytest.mark.timeout(2400)  # the first test waits until the quick book is built


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
