"""Widgets where layout is not what a desktop has: forced colours, large text, paper, one slice."""

import colorsys
import dataclasses
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scatter_data import scatter_data
from widget_data import LEVELS, MODELS, POOLS, exhibit, view, write_page
from widget_pages import drawn, settle, wait_view

from mrinb.labels import ROLES
from mrinb.widgets import CompareData, Comparer, Scatter, Toy, ToyData

LEFT, RIGHT = ".mrinb-pair .mrinb-field:first-child", ".mrinb-pair .mrinb-field:last-child"


def comparer(**given) -> Comparer:
    return Comparer(exhibit(), smooth=False, title="Two networks", **given)


def shot(locator) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(locator.screenshot())).convert("RGB")).astype(int)


def halves(seen) -> list[int]:
    """Grey values on the screen in the middle of the left and the right half of the image."""
    image = shot(seen.page.locator(".mrinb-stage"))[..., 0]
    height, width = image.shape
    return [image[height // 2, int(width * x)] for x in (0.25, 0.75)]


def middle(seen, which: str) -> float:
    box = seen.page.locator(which).first.bounding_box()
    return box["x"] + box["width"] / 2


def test_a_click_in_contents_keeps_the_view_and_a_reload_too(visit, tmp_path):
    seen = visit(write_page(tmp_path, comparer()))
    drawn(seen)
    seen.page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<a href=\"#top\">Up</a>')"
    )
    seen.page.get_by_label("Left", exact=True).select_option("half of P+Q")
    wait_view(seen, "left:half of P+Q")
    seen.page.get_by_role("link", name="Up").click()
    wait_view(seen, "left:half of P+Q")
    assert seen.page.evaluate("location.hash") == "#top"
    seen.page.reload()
    drawn(seen)
    assert halves(seen) == [LEVELS["half of P+Q"], LEVELS["P+Q"]]
    seen.page.get_by_label("Right", exact=True).select_option("P")
    wait_view(seen, "left:half of P+Q", "right:P")
    assert seen.page.evaluate("location.hash") == "#top"  # the heading is the page's


def test_left_is_left_where_the_page_runs_from_right_to_left(visit, tmp_path):
    folder = write_page(tmp_path, comparer())
    page = folder / "index.html"
    page.write_text(page.read_text("utf-8").replace('lang="en"', 'lang="en" dir="rtl"'), "utf-8")
    seen = visit(folder)
    drawn(seen)
    assert seen.page.evaluate("getComputedStyle(document.body).direction") == "rtl"
    assert halves(seen) == [LEVELS["P"], LEVELS["P+Q"]]
    assert middle(seen, LEFT) < middle(seen, RIGHT)
    assert middle(seen, ".mrinb-left strong") < middle(seen, ".mrinb-right strong")
    handle = seen.page.get_by_role("slider", name="Divider")
    handle.focus()
    seen.page.keyboard.press("End")  # all of it the left one
    settle(seen)
    assert halves(seen) == [LEVELS["P"]] * 2
    assert seen.overflow() <= 0


def test_forced_colours_leave_legends_their_colours(visit, tmp_path):
    folder = write_page(tmp_path, Toy(ToyData.simulate(n=20, d=4)), Scatter(scatter_data()))
    seen = visit(folder, forced_colors="active")
    drawn(seen)
    for marks, least in ((".mrinb-toy .mrinb-key", 2), (".mrinb-scatter .mrinb-swatch", 4)):
        found = seen.page.locator(f"{marks}:visible").all()
        assert len(found) >= least
        for mark in found:
            image = shot(mark)
            assert np.ptp(image.reshape(-1, 3), axis=0).max() > 60, marks  # not one flat ground
    strongest = {
        tuple(colours[np.argmax(np.ptp(colours, axis=1))] // 16)
        for mark in seen.page.locator(".mrinb-scatter .mrinb-swatch:visible").all()
        for colours in [shot(mark).reshape(-1, 3)]
    }
    assert len(strongest) >= 3  # series are told apart
    assert seen.overflow() <= 0


OVERLAPS = """root => {
  const lines = [];
  const walk = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, range = document.createRange();
    if (!node.textContent.trim() || !node.parentElement.checkVisibility()) continue;
    range.selectNodeContents(node);
    for (const box of range.getClientRects())
      if (box.width > 1) lines.push([node.textContent, box, node.parentElement]);
  }
  const cut = ([, a], [, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.35 * Math.min(a.height, b.height);
  return lines.flatMap((a, i) => lines.slice(i + 1).filter((b) => cut(a, b))
    .map((b) => [a[0], b[0]]));
}"""


@pytest.mark.parametrize("width", [390, 900])
def test_large_text_overlaps_nowhere(visit, tmp_path, width):
    seen = visit(write_page(tmp_path, comparer()), viewport={"width": width, "height": 900})
    drawn(seen)
    before = seen.page.locator(".mrinb-left strong").bounding_box()["height"]
    seen.page.add_style_tag(content="html { font-size: 200% !important }")
    settle(seen)
    after = seen.page.locator(".mrinb-left strong").bounding_box()["height"]
    assert after > 1.7 * before
    assert seen.page.evaluate(OVERLAPS, ".mrinb-compare") == []
    assert seen.overflow() <= 0


def test_one_slice_has_no_slider(visit, tmp_path):
    whole = view(0, "Brain")
    one = dataclasses.replace(
        whole,
        images={key: images[:1] for key, images in whole.images.items()},
        target=whole.target[:1],
        zero_filled=whole.zero_filled[:1],
        scores={key: scores[:1] for key, scores in whole.scores.items()},
        vmax=whole.vmax[:1],
    )
    data = CompareData(POOLS, MODELS, [one, view(1, "Knee")])
    seen = visit(write_page(tmp_path, Comparer(data, smooth=False)))
    drawn(seen)
    slider = seen.page.get_by_label("Slice", exact=True)
    assert not slider.is_visible() and "1 / 1" not in seen.page.inner_text(".mrinb-compare")
    assert halves(seen) == [LEVELS["P"], LEVELS["P+Q"]]
    seen.page.get_by_label("Test data", exact=True).select_option("1")
    slider.wait_for()


def hue(colour: str) -> float | None:
    """Hue in degrees of ``#rrggbb`` or ``rgb(r, g, b)``; None for greys."""
    if colour.startswith("#"):
        levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    else:
        levels = [int(level) / 255 for level in re.findall(r"\d+", colour)[:3]]
    tone, _, saturation = colorsys.rgb_to_hls(*levels)
    return 360 * tone if saturation > 0.2 else None


@pytest.mark.parametrize("pool", POOLS)
def test_sides_have_the_figures_colours(visit, tmp_path, pool):
    """Lighter, as their ground is dark, yet of the figures' hue."""
    seen = visit(write_page(tmp_path, comparer(left=pool, right="ground-truth")))
    drawn(seen)
    colour = seen.page.locator(".mrinb-left strong").evaluate("e => getComputedStyle(e).color")
    wanted, found = hue(ROLES[pool]), hue(colour)
    assert (wanted is None) == (found is None), colour
    assert wanted is None or abs(wanted - found) < 12, colour
    border = seen.page.locator(f"{LEFT} select").evaluate("e => getComputedStyle(e).borderTopColor")
    assert border == colour


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_paper_has_the_image_and_its_scores_and_no_controls(visit, tmp_path, theme):
    folder = write_page(tmp_path, comparer(), theme=theme)
    seen = visit(folder, viewport={"width": 680, "height": 960})
    drawn(seen)
    before = seen.page.locator(".mrinb-widget :is(select, input, button):visible").count()
    assert before > 5
    seen.page.emulate_media(media="print")
    settle(seen)
    assert seen.page.locator(".mrinb-widget :is(select, input, button):visible").count() == 0
    widget = seen.page.locator(".mrinb-widget")
    assert widget.bounding_box()["height"] < 960  # a sheet of paper
    assert widget.evaluate("e => getComputedStyle(e).breakInside") == "avoid"
    assert seen.page.locator(".mrinb-title").is_visible()
    assert seen.page.locator(".mrinb-printed").first.is_visible()
    assert halves(seen) == [LEVELS["P"], LEVELS["P+Q"]]
    said = seen.page.locator(".mrinb-left strong").evaluate(
        "e => getComputedStyle(e, '::before').content"
    )
    assert said == '"Left: "'
    ink = "es => es.map(e => getComputedStyle(e).color.match(/\\d+/g).slice(0, 3).map(Number))"
    best = seen.page.locator(".mrinb-best").evaluate_all(ink)
    rest = seen.page.locator(".mrinb-score > span > span:not(.mrinb-best)").evaluate_all(ink)
    assert best and all(max(colour) < 60 for colour in best)  # the better score is no fainter
    assert all(max(colour) < 110 for colour in rest)
