"""The scatter in stored pages, without a kernel, in Chromium, over http and from disk."""

import base64

import numpy as np
import pytest
from scatter_data import TRUTH, level, points, scatter_data
from widget_data import write_page
from widget_pages import LIVE, OVER, drawn, settle, view_of, wait_view

from mrinb.widgets import Scatter

KEYS = [point.key for point in points()]
P, BEST = (
    KEYS.index("P/U-net/full/seed 0/epoch 30"),
    KEYS.index("P_best/U-net/full/seed 0/epoch 30"),
)

GREYS = """() => [...document.querySelectorAll('.mrinb-cells')].map((row) =>
    [...row.querySelectorAll('canvas')].filter((canvas) => canvas.offsetParent).map((canvas) => {
        const { width, height } = canvas;
        const copy = new OffscreenCanvas(width, height)
            .getContext('2d', { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const at = (y) => [...copy.getImageData(width / 2, y, 1, 1).data].slice(0, 3);
        return [at(0), at(height - 1)];
    }))"""


def shown(seen):
    """The grey value of each visible image, by slice; each is upright."""
    settle(seen)
    rows = seen.page.evaluate(GREYS)
    assert all(top == [255] * 3 for row in rows for top, _ in row)
    return [[low[0] for _, low in row] for row in rows]


def expected(*numbers):
    return [[TRUTH[s], *(level(number, s) for number in numbers)] for s in range(2)]


def dot(seen, number):
    return seen.page.locator("[role=radio]").nth(number)


def click(seen, number, right=0):
    box = dot(seen, number).bounding_box()
    seen.page.mouse.click(box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2)


def box(seen, name):
    return seen.page.get_by_role("checkbox", name=name, exact=True)


def picked(seen):
    """The picked point's number, as the plot, the words and the controls all say."""
    settle(seen)
    checked = seen.page.evaluate(
        "[...document.querySelectorAll('[role=radio]')].map((n) => n.ariaChecked).indexOf('true')"
    )
    point = points()[checked]
    assert (
        seen.page.inner_text(".mrinb-chosen p >> nth=0")
        .replace("\n", "")
        .startswith(f"Picked {point.words.replace('P_best', 'Pbest')}: SSIM on Pbest {point.x:.3f}")
    )
    assert seen.page.get_by_label("Training set", exact=True).input_value() == point.training
    assert seen.page.get_by_label("Model", exact=True).input_value() == point.model
    return checked


def choose(seen, label, value):
    seen.page.get_by_label(label, exact=True).select_option(value)


@OVER
def test_a_click_near_a_point_shows_what_is_behind_it(visit, tmp_path, over):
    seen = visit(write_page(tmp_path, Scatter(scatter_data(), pinned=None)), over=over)
    drawn(seen)
    assert picked(seen) == P and shown(seen) == expected(P)
    for number in (0, 3, 14, 17):
        click(seen, number, right=4)
        assert picked(seen) == number and shown(seen) == expected(number)
        captions = seen.page.locator(".mrinb-cells .mrinb-number:visible").all_inner_texts()
        assert captions == [f"SSIM {score:.3f}" for score in points()[number].scores]
    seen.page.mouse.click(*corner(seen))  # nothing there
    assert picked(seen) == 17


def corner(seen):
    box = seen.page.locator(".mrinb-plot").bounding_box()
    return box["x"] + 0.2 * box["width"], box["y"] + 0.1 * box["height"]


def test_a_tap_picks_on_a_phone(visit, tmp_path):
    seen = visit(
        write_page(tmp_path, Scatter(scatter_data())),
        has_touch=True,
        viewport={"width": 390, "height": 844},
    )
    drawn(seen)
    box = dot(seen, 12).bounding_box()
    seen.page.touchscreen.tap(box["x"] + 12, box["y"] + 8)
    assert picked(seen) == 12 and shown(seen) == expected(BEST, 12)


def test_keys_walk_along_the_axis_and_through_the_series(visit, tmp_path):
    seen = visit(write_page(tmp_path, Scatter(scatter_data())))
    drawn(seen)
    seen.page.get_by_label("Seed", exact=True).focus()
    seen.page.keyboard.press("Tab")  # one stop for all points
    assert seen.page.evaluate("document.activeElement.ariaChecked") == "true"
    by_x = sorted(range(len(KEYS)), key=lambda i: points()[i].x)
    at = by_x.index(P)
    for key, step in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowLeft", 0)):
        seen.page.keyboard.press(key)
        assert picked(seen) == by_x[at + step]
        assert seen.page.evaluate("document.activeElement.ariaChecked") == "true"
    seen.page.keyboard.press("ArrowUp")  # round the series of two checkpoints
    assert KEYS[picked(seen)] == "P/U-net/full/seed 0/epoch 15"
    seen.page.keyboard.press("ArrowUp")
    assert picked(seen) == P
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("ArrowLeft")
    assert picked(seen) == by_x[0]
    seen.page.keyboard.press("p")
    seen.page.keyboard.press("End")
    assert picked(seen) == by_x[-1] and shown(seen) == expected(by_x[0], by_x[-1])
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.type") == "checkbox"


def test_a_factor_changed_goes_to_the_most_similar_point(visit, tmp_path):
    seen = visit(write_page(tmp_path, Scatter(scatter_data())))
    drawn(seen)
    for label, value, key in (
        ("Training set", "P+Q", "P+Q/U-net/full/seed 0/epoch 30"),
        ("Epoch", "1", "P+Q/U-net/full/seed 0/epoch 15"),
        ("Model", "ViT", "P+Q/ViT/full/seed 0/epoch 6"),
        ("Size", "quarter", "P/U-net/quarter/seed 0/epoch 30"),
        ("Seed", "1", "P_best/U-net/full/seed 1/epoch 30"),
    ):
        choose(seen, label, value)
        assert KEYS[picked(seen)] == key
        assert seen.page.get_by_label(label, exact=True).input_value() == value
    names = seen.page.get_by_label("Epoch", exact=True).locator("option").all_inner_texts()
    assert names == ["15 of 30", "30 of 30"]


def test_series_can_be_hidden_and_are_then_out_of_reach(visit, tmp_path):
    seen = visit(write_page(tmp_path, Scatter(scatter_data())))
    drawn(seen)
    place = dot(seen, 12).bounding_box()
    assert dot(seen, 13).is_visible()
    box(seen, "P+Q").uncheck()
    settle(seen)
    assert not dot(seen, 12).is_visible() and not dot(seen, 15).is_visible()
    assert seen.page.locator(".mrinb-beside .mrinb-fit.mrinb-off").count() == 1
    seen.page.mouse.click(place["x"] + 4, place["y"] + 4)
    assert picked(seen) == P
    for name in ("early checkpoints", "ViT", "quarter of the set"):
        box(seen, name).uncheck()
    settle(seen)
    left = [i for i in range(len(KEYS)) if dot(seen, i).is_visible()]
    assert [KEYS[i] for i in left] == [
        *(f"{name}/U-net/full/seed 0/epoch 30" for name in ("P_best", "P", "P, size of P_best")),
        "P_best/U-net/full/seed 1/epoch 30",
    ]
    dot(seen, P).focus()
    for _ in left:
        seen.page.keyboard.press("ArrowRight")
        assert picked(seen) in left
    wait_view(seen, "hidden:P+Q|ViT|quarter|early")
    box(seen, "Pbest").uncheck()
    settle(seen)
    assert dot(seen, BEST).is_visible()  # pinned: it stays


def test_pin_unpin_and_swap(visit, tmp_path):
    seen = visit(write_page(tmp_path, Scatter(scatter_data())))
    drawn(seen)
    assert shown(seen) == expected(BEST, P)
    a, b = points()[P], points()[BEST]
    words = seen.page.inner_text(".mrinb-chosen")
    assert f"SSIM on Q +{a.y - b.y:.3f}." in words and f"{0.1:.3f} above the line" in words
    seen.page.get_by_role("button", name="Swap picked and pinned").click()
    assert picked(seen) == BEST and shown(seen) == expected(P, BEST)
    assert f"SSIM on Q −{a.y - b.y:.3f}." in seen.page.inner_text(".mrinb-chosen")
    seen.page.get_by_role("button", name="Unpin").click()
    assert shown(seen) == expected(BEST)
    seen.page.get_by_role("button", name="Pin to compare").click()
    settle(seen)
    assert seen.page.get_by_role("button", name="Pinned").is_disabled()
    choose(seen, "Training set", "P+Q")
    assert shown(seen) == expected(BEST, picked(seen))


def test_error_maps_have_the_gain_and_scale_they_state(visit, tmp_path):
    seen = visit(write_page(tmp_path, Scatter(scatter_data(), gain=2)))
    drawn(seen)
    seen.page.get_by_label("Error maps", exact=True).check()
    settle(seen)
    assert "50 % of white" in seen.page.inner_text(".mrinb-scale")
    truth, pinned, _ = seen.page.evaluate(GREYS)[0]
    assert truth == [[255] * 3, [TRUTH[0]] * 3]
    assert pinned[0] == [0, 0, 4]  # the row that is right
    stop = 2 * abs(level(BEST, 0) - TRUTH[0]) / 255 * 9  # between two of the scale's colours
    low, high = np.array([165, 44, 96]), np.array([207, 68, 70])
    assert np.abs(np.array(pinned[1]) - (low + (high - low) * (stop - 4))).max() <= 1
    seen.page.get_by_label("Error maps: magnification").select_option("20")
    settle(seen)
    assert seen.page.evaluate(GREYS)[0][1][1] == [252, 255, 164]


def test_the_address_keeps_and_restores_the_choice(visit, tmp_path):
    folder = write_page(tmp_path, Scatter(scatter_data(), name="anatomy"))
    seen = visit(folder)
    drawn(seen)
    assert view_of(seen) == ""
    choose(seen, "Training set", "P+Q")
    seen.page.get_by_role("button", name="Unpin").click()
    seen.page.get_by_label("ViT", exact=True).uncheck()
    wait_view(seen, "anatomy=picked:P+Q/U-net/full/seed 0/epoch 30", "pinned:none", "hidden:ViT")
    again = visit(folder, fragment=seen.page.evaluate("location.search"))
    drawn(again)
    number = KEYS.index("P+Q/U-net/full/seed 0/epoch 30")
    assert picked(again) == number and shown(again) == expected(number)
    assert not again.page.get_by_label("ViT", exact=True).is_checked()
    again.page.evaluate("location.hash = '#anatomy=picked:nothing,pinned:?,hidden:x|ViT'")
    again.page.locator(".mrinb-chosen", has_text="Pinned").wait_for()
    assert picked(again) == P and shown(again) == expected(BEST, P)


# --- sidecars -------------------------------------------------------------------------------------


@pytest.fixture
def with_sidecars(tmp_path, monkeypatch):
    folder = tmp_path / "html"
    monkeypatch.setenv("MRINB_SIDECAR_DIR", str(folder / "_static" / "exhibits"))
    monkeypatch.setenv("MRINB_SIDECAR_URL", "../_static/exhibits/")
    write_page(folder / "notebooks", Scatter(scatter_data()))
    return folder


@OVER
def test_a_series_is_loaded_when_one_of_it_is_picked(visit, with_sidecars, over):
    seen = visit(with_sidecars, "notebooks/index.html", over=over)
    drawn(seen)
    assert shown(seen) == expected(BEST, P)
    assert not [url for url in seen.asked if "exhibits" in url]
    choose(seen, "Model", "ViT")
    loaded(seen)
    number = picked(seen)
    assert KEYS[number] == "P/ViT/full/seed 0/epoch 12" and shown(seen) == expected(BEST, number)
    choose(seen, "Epoch", "1")
    assert shown(seen) == expected(BEST, picked(seen))
    assert len({url for url in seen.asked if "exhibits" in url}) == 1  # the series as a whole


def loaded(seen):
    settle(seen)
    seen.page.wait_for_function(
        "!document.querySelector('.mrinb-rows').ariaBusy && "
        "document.querySelector('.mrinb-message').hidden"
    )


@OVER
def test_a_missing_series_is_said_and_can_be_tried_again(visit, with_sidecars, over):
    place = with_sidecars / "_static" / "exhibits"
    place.rename(with_sidecars / "moved")
    seen = visit(with_sidecars, "notebooks/index.html", over=over)
    drawn(seen)
    choose(seen, "Model", "ViT")
    seen.page.locator(".mrinb-message", has_text="could not be loaded").wait_for()
    blank = seen.page.evaluate("""() => {
        const canvas = document.querySelectorAll('.mrinb-cells canvas')[2];
        const { width, height } = canvas;
        const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
        return data.every((value) => value === 0);
    }""")
    assert blank  # not the old picture under a new name
    assert seen.axe() == []
    (with_sidecars / "moved").rename(place)
    seen.page.get_by_role("button", name="Try again").click()
    loaded(seen)
    assert shown(seen) == expected(BEST, picked(seen))
    assert seen.problems and all("ERR_" in text or "404" in text for text in seen.problems)
    seen.problems.clear()


# --- for everyone ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 1200)])
def test_accessible_and_fitting_in_both_themes(visit, tmp_path, theme, width):
    folder = write_page(tmp_path, Scatter(scatter_data()), theme=theme)
    seen = visit(folder, viewport={"width": width, "height": 900})
    drawn(seen)
    for summary in seen.page.locator("summary").all():
        summary.click()
    seen.page.get_by_label("Error maps", exact=True).check()
    seen.page.get_by_label("early checkpoints").uncheck()
    dot(seen, P).focus()
    settle(seen)
    assert seen.page.locator(".mrinb-points tbody tr").count() == len(KEYS)
    assert seen.overflow() <= 0
    assert seen.axe() == []
    if width > 700:
        before = seen.page.locator(".mrinb-cells canvas").first.bounding_box()["width"]
        seen.page.get_by_label("Large images").check()
        settle(seen)
        after = seen.page.locator(".mrinb-cells canvas").first.bounding_box()["width"]
        assert after > 1.8 * before and seen.overflow() <= 0


def test_the_keyboard_alone_reaches_every_control(visit, tmp_path):
    seen = visit(write_page(tmp_path, Scatter(scatter_data(), error_map=True)))
    drawn(seen)
    stops = seen.page.evaluate("""() => {
        const all = document.querySelectorAll(
            '.mrinb-widget :is(select, button, input, summary, [tabindex="0"])');
        const usable = [...all].filter((node) => node.checkVisibility() && !node.disabled);
        usable.forEach((node, i) => (node.dataset.stop = i));
        return usable.length;
    }""")
    assert stops > 20
    reached = set()
    for _ in range(stops + 2):
        seen.page.keyboard.press("Tab")
        reached.add(seen.page.evaluate("document.activeElement.dataset.stop"))
    assert reached >= {str(i) for i in range(stops)}


def test_without_scripts_plot_images_and_table_remain(visit, tmp_path):
    folder = write_page(tmp_path, Scatter(scatter_data()))
    seen = visit(folder, java_script_enabled=False, viewport={"width": 390, "height": 844})
    pictures = seen.page.locator(".mrinb-still img")
    assert pictures.count() == 2
    for picture in pictures.all():
        assert picture.bounding_box()["height"] > 80 and picture.get_attribute("alt")
    seen.page.locator(".mrinb-still summary").click()
    assert seen.page.locator(".mrinb-still tbody tr").count() == len(KEYS)


def test_the_same_module_runs_live(visit, tmp_path):
    """As anywidget calls it: with its own model, which the kernel may change too."""
    widget = Scatter(scatter_data())
    seen = visit(write_page(tmp_path))
    source = base64.b64encode(str(widget._esm).encode()).decode()
    seen.page.evaluate(LIVE, [source, widget.page_state()])
    seen.page.add_style_tag(content=str(widget._css))
    drawn(seen)
    click(seen, 13)
    assert picked(seen) == 13
    assert seen.page.evaluate("[live.state.picked, live.saved()]") == [13, 1]
    seen.page.evaluate("live.model.set('pinned', 3)")
    assert shown(seen) == expected(3, 13)
    assert view_of(seen) == "" and seen.page.get_by_text("Copy link").count() == 0
    seen.page.evaluate("live.stop()")
    assert seen.page.evaluate("Object.values(live.heard).flat().length") == 0
