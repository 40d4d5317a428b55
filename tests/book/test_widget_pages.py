"""The widgets in stored pages, without a kernel, in Chromium, over http and from disk."""

import base64
import gzip
import re
import statistics
from io import BytesIO

import fastmri.data.subsample as subsample
import numpy as np
import pytest
from PIL import Image
from widget_data import LEVELS, MODELS, POOLS, SHAPE, exhibit, grey, phantom, view, write_page
from widget_pages import LIVE, OVER, drawn, settle, view_of, wait_view

from mrinb.recon import toy
from mrinb.widgets import CompareData, Comparer, MaskExplorer, Toy, ToyData
from mrinb.widgets.host import module_source
from mrinb.widgets.mask_explorer import inverse_dft, rss

PIXEL = """([root, x, y]) => {
    const canvas = document.querySelectorAll('.mrinb-compare canvas')[root];
    const copy = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const at = [Math.floor(canvas.width * x), Math.floor(canvas.height * y), 1, 1];
    copy.drawImage(canvas, ...at, 0, 0, 1, 1);
    return [...copy.getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""


def comparer(**initial) -> Comparer:
    return Comparer(exhibit(), **{"smooth": False, **initial})


def pixel(seen, x, y=0.5, root=0):
    return seen.page.evaluate(PIXEL, [root, x, y])


def levels(seen, root=0):
    """Grey values in the middle of the left and the right half."""
    settle(seen)
    pair = [pixel(seen, x, root=root) for x in (0.25, 0.75)]
    assert all(len(set(rgb)) == 1 for rgb in pair), pair
    return [rgb[0] for rgb in pair]


def scores(seen):
    return re.sub(r"\s+", " ", seen.page.inner_text(".mrinb-scores")).strip()


def choose(seen, label, value):
    seen.page.get_by_label(label, exact=True).select_option(value)
    settle(seen)


# --- the comparer ---------------------------------------------------------------------------------


@OVER
def test_pixels_and_numbers_are_those_of_the_chosen_sides(visit, tmp_path, over):
    seen = visit(write_page(tmp_path, comparer()), over=over)
    drawn(seen)
    assert levels(seen) == [grey("U-net", "P", 0), grey("U-net", "P+Q", 0)]
    assert "SSIM 0.157 PSNR 4.0 dB" in scores(seen) and "SSIM 0.314 PSNR 8.0 dB" in scores(seen)

    choose(seen, "Left", "half of P+Q")
    choose(seen, "Model", "VarNet")
    choose(seen, "Test data", "1")
    seen.page.get_by_label("Slice", exact=True).fill("3")
    expected = [grey("VarNet", pool, 2, 1) for pool in ("half of P+Q", "P+Q")]
    assert levels(seen) == expected
    for value in expected:
        assert f"SSIM {value / 255:.3f} PSNR {value / 10:.1f} dB" in scores(seen)
    assert "key 1" in seen.page.inner_text(".mrinb-notes")

    choose(seen, "Left", "ground-truth")
    choose(seen, "Right", "zero-filled")
    assert levels(seen) == [106, 10]
    assert "Ground truth reference" in scores(seen) and "SSIM 0.100" in scores(seen)


def test_the_image_is_upright_and_the_screen_shows_it(visit, tmp_path):
    seen = visit(write_page(tmp_path, comparer()))
    drawn(seen)
    # The last stored row is white: fastMRI's images lie upside down, so it belongs on top.
    assert pixel(seen, 0.25, 0.01) == [255, 255, 255]
    assert pixel(seen, 0.25, 0.99) == [LEVELS["P"]] * 3
    shot = seen.page.locator(".mrinb-stage").screenshot(path=str(tmp_path / "stage.png"))
    image = np.asarray(Image.open(BytesIO(shot)).convert("L"))
    height, width = image.shape
    assert image[height // 2, width // 4] == LEVELS["P"]
    assert image[height // 2, 3 * width // 4] == LEVELS["P+Q"]


def test_the_better_side_is_marked(visit, tmp_path):
    seen = visit(write_page(tmp_path, comparer()))
    drawn(seen)
    marked = seen.page.locator(".mrinb-best")
    assert marked.all_inner_texts() == ["SSIM 0.314", "PSNR 8.0 dB"]
    seen.page.get_by_role("button", name="Swap left and right").click()
    settle(seen)
    assert levels(seen) == [LEVELS["P+Q"], LEVELS["P"]]
    assert seen.page.locator(".mrinb-left .mrinb-best").count() == 2


def test_the_divider_moves_by_keys_and_mouse(visit, tmp_path):
    seen = visit(write_page(tmp_path, comparer()))
    drawn(seen)
    handle = seen.page.get_by_role("slider", name="Divider")
    assert levels(seen) == [40, 80]
    handle.focus()
    seen.page.keyboard.press("Home")
    assert levels(seen) == [80, 80] and handle.get_attribute("aria-valuenow") == "0"
    seen.page.keyboard.press("End")
    assert levels(seen) == [40, 40]
    for _ in range(5):
        seen.page.keyboard.press("ArrowLeft")
    settle(seen)
    assert handle.get_attribute("aria-valuenow") == "90"

    box = seen.page.locator(".mrinb-stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    seen.page.mouse.move(box["x"] + 0.9 * box["width"], middle)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + 0.1 * box["width"], middle, steps=4)
    seen.page.mouse.up()
    assert levels(seen) == [80, 80]
    assert handle.get_attribute("aria-valuenow") == "10"


def test_touch_moves_the_divider_and_pinches(visit, tmp_path):
    seen = visit(
        write_page(tmp_path, comparer()), has_touch=True, viewport={"width": 390, "height": 844}
    )
    drawn(seen)
    stage = seen.page.locator(".mrinb-stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    touch = seen.context.new_cdp_session(seen.page)

    def send(kind, *points):
        spots = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": i}
            for i, (x, y) in enumerate(points)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

    send("touchStart", (0.5, 0.5))
    for x in (0.4, 0.3, 0.2, 0.1):
        send("touchMove", (x, 0.5))
    send("touchEnd")
    settle(seen)
    assert seen.page.get_by_role("slider", name="Divider").get_attribute("aria-valuenow") == "10"
    send("touchStart", (0.45, 0.5), (0.55, 0.5))
    send("touchMove", (0.35, 0.5), (0.65, 0.5))
    send("touchMove", (0.25, 0.5), (0.75, 0.5))
    send("touchEnd")
    settle(seen)
    assert float(seen.page.inner_text(".mrinb-corner").split()[1]) > 2


def test_zoom_and_pan_by_keys_buttons_and_wheel(visit, tmp_path):
    seen = visit(write_page(tmp_path, comparer()))
    drawn(seen)
    corner = seen.page.locator(".mrinb-corner")
    assert pixel(seen, 0.25, 0.01) == [255] * 3  # the white row is in view
    seen.page.get_by_role("button", name="Zoom in").click()
    settle(seen)
    assert pixel(seen, 0.25, 0.01) == [40] * 3 and corner.inner_text() == "× 1.3"
    handle = seen.page.get_by_role("slider", name="Divider")
    handle.focus()
    for _ in range(8):
        seen.page.keyboard.press("Shift+ArrowUp")
    settle(seen)
    assert pixel(seen, 0.25, 0.01) == [255] * 3  # panned up to it
    seen.page.keyboard.press("0")
    settle(seen)
    assert corner.inner_text() == ""

    stage = seen.page.locator(".mrinb-stage")
    seen.page.evaluate("document.activeElement.blur()")
    stage.hover()
    seen.page.mouse.wheel(0, -300)
    seen.page.locator(".mrinb-message", has_text="hold Ctrl").wait_for()
    settle(seen)
    assert corner.inner_text() == ""  # not taken from the page
    stage.click()
    seen.page.mouse.wheel(0, -400)
    seen.page.locator(".mrinb-corner", has_text="× 2.0").wait_for()
    box = stage.bounding_box()
    seen.page.mouse.move(box["x"] + 100, box["y"] + 100)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + 100, box["y"] + 600, steps=4)
    seen.page.mouse.up()
    settle(seen)
    assert pixel(seen, 0.25, 0.01) == [255] * 3  # dragged down: the top is in view
    assert handle.get_attribute("aria-valuenow") == "50"


def test_the_error_map_has_the_gain_and_scale_it_states(visit, tmp_path):
    seen = visit(write_page(tmp_path, comparer(left="half of P+Q", right="ground-truth")))
    drawn(seen)
    seen.page.get_by_label("Error map", exact=True).check()
    settle(seen)
    assert "20 % of white" in seen.page.inner_text(".mrinb-scale")
    assert pixel(seen, 0.75) == [0, 0, 4]  # no error: the scale's first colour
    five = pixel(seen, 0.25)
    assert len(set(five)) > 1
    # |120 - 100| x 5 = 100; with x 20 it is beyond the scale's end.
    stop = 100 / 255 * 9
    low, high = np.array([120, 28, 109]), np.array([165, 44, 96])
    assert np.abs(np.array(five) - (low + (high - low) * (stop - 3))).max() <= 1
    seen.page.get_by_label("Error map: magnification").select_option("20")
    settle(seen)
    assert pixel(seen, 0.25) == [252, 255, 164]
    assert "5 % of white" in seen.page.inner_text(".mrinb-scale")


@OVER
def test_the_address_keeps_and_restores_the_view(visit, tmp_path, over):
    folder = write_page(tmp_path, comparer())
    seen = visit(folder, over=over)
    drawn(seen)
    assert view_of(seen) == ""
    choose(seen, "Left", "half of P+Q")
    choose(seen, "Test data", "1")
    seen.page.get_by_label("Slice", exact=True).fill("2")
    seen.page.get_by_label("Error map", exact=True).check()
    wait_view(seen, "left:half of P+Q", "right:P+Q", "slice:2", "error:1")
    fragment = seen.page.evaluate("location.search")

    again = visit(folder, over=over, fragment=fragment)
    drawn(again)
    assert again.page.get_by_label("Test data").input_value() == "1"
    again.page.get_by_label("Error map", exact=True).uncheck()
    assert levels(again) == [grey("U-net", pool, 1, 1) for pool in ("half of P+Q", "P+Q")]


def test_an_address_typed_later_is_followed_and_a_wrong_one_survived(visit, tmp_path):
    folder = write_page(tmp_path, comparer())
    seen = visit(
        folder, fragment="?view.cmp=left:nothing,right:P,slice:99,zoom:x,model:%E0%A4,test:?"
    )
    drawn(seen)
    assert levels(seen) == [grey("U-net", "P", 2)] * 2  # unknown: as at first; too large: the last
    seen.page.evaluate("location.hash = '#cmp=left:P+Q,right:zero-filled'")
    seen.page.locator(".mrinb-right", has_text="Zero-filled").wait_for()
    assert levels(seen) == [LEVELS["P+Q"], 10]


def test_two_comparers_and_other_anchors_share_the_address(visit, tmp_path):
    folder = write_page(tmp_path, comparer(), comparer(left="P+Q"))
    seen = visit(folder, fragment="?view.cmp2=left:zero-filled,right:P")
    drawn(seen)
    assert levels(seen, root=0) == [40, 80]
    assert levels(seen, root=1) == [10, 40]
    first = seen.page.locator(".mrinb-compare").first
    first.get_by_label("Left", exact=True).select_option("ground-truth")
    wait_view(seen, "view.cmp=left:ground-truth", "view.cmp2=left:zero-filled")
    assert levels(seen, root=1) == [10, 40]


def test_the_link_is_copied(visit, tmp_path):
    folder = write_page(tmp_path, comparer())
    seen = visit(folder, over="http", permissions=["clipboard-read", "clipboard-write"])
    drawn(seen)
    choose(seen, "Left", "P+Q")
    seen.page.get_by_role("button", name="Copy link").click()
    seen.page.get_by_text("Link copied").wait_for()
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    assert "?view.cmp=left:P%2BQ,right:P%2BQ,model:U-net,test:" in copied
    other = visit(folder, fragment="?" + copied.split("?")[1])
    drawn(other)
    assert levels(other) == [80, 80]


# --- sidecars -------------------------------------------------------------------------------------


@pytest.fixture
def with_sidecars(tmp_path, monkeypatch):
    folder = tmp_path / "html"
    monkeypatch.setenv("MRINB_SIDECAR_DIR", str(folder / "_static" / "exhibits"))
    monkeypatch.setenv("MRINB_SIDECAR_URL", "../_static/exhibits/")
    write_page(folder / "notebooks", comparer())
    return folder


@OVER
def test_sidecars_load_when_asked_for(visit, with_sidecars, over):
    seen = visit(with_sidecars, "notebooks/index.html", over=over)
    drawn(seen)
    assert not [url for url in seen.asked if "exhibits" in url]
    assert levels(seen) == [40, 80]
    choose(seen, "Test data", "1")
    seen.page.wait_for_function(
        "!document.querySelector('.mrinb-stage').ariaBusy && "
        "document.querySelector('.mrinb-message').hidden"
    )
    assert levels(seen) == [grey("U-net", pool, 0, 1) for pool in ("P", "P+Q")]
    assert len({url for url in seen.asked if "exhibits" in url}) == 2  # the view's, the model's


@OVER
def test_a_missing_sidecar_is_said_and_can_be_tried_again(visit, with_sidecars, over):
    exhibits = with_sidecars / "_static" / "exhibits"
    seen = visit(with_sidecars, "notebooks/index.html", over=over)
    drawn(seen)
    away = exhibits.rename(with_sidecars / "away")
    choose(seen, "Model", "VarNet")
    message = seen.page.locator(".mrinb-message", has_text="could not be loaded")
    message.wait_for()
    assert "exhibits/" in message.inner_text()
    assert pixel(seen, 0.25) == [0, 0, 0]  # not the old picture under a new name
    assert all("Failed to load resource" in problem for problem in seen.problems)
    seen.problems.clear()
    away.rename(exhibits)
    seen.page.get_by_role("button", name="Try again").click()
    seen.page.wait_for_function("document.querySelector('.mrinb-message').hidden")
    assert levels(seen) == [grey("VarNet", pool, 0) for pool in ("P", "P+Q")]


def test_a_chapter_page_stays_light(tmp_path, monkeypatch):
    """Classroom sizes: 96 x 96, eight slices, four pools, three views, two models."""
    monkeypatch.setenv("MRINB_SIDECAR_DIR", str(tmp_path / "exhibits"))
    monkeypatch.setenv("MRINB_SIDECAR_URL", "exhibits/")
    rng = np.random.default_rng(0)
    shape = (8, 96, 96)
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    body = (x**2 + y**2 < 0.6) * 0.5  # half the image is noise that does not compress

    def noisy():
        return np.abs(body + 0.05 * rng.standard_normal(shape)).astype(np.float32)

    pools, models = dict.fromkeys("ABCD", "pool"), ["U-net", "VarNet"]
    keys = [(model, pool) for model in models for pool in pools]
    made = [
        type(view(0, ""))(
            f"view {i}",
            "test",
            {key: noisy() for key in keys},
            noisy(),
            noisy(),
            {key: [{"ssim": 0.9, "psnr": 30.0}] * 8 for key in keys},
        )
        for i in range(3)
    ]
    page = Comparer(CompareData(pools, models, made)).to_html()
    assert len(gzip.compress(page.encode())) < 0.5e6
    assert len(list((tmp_path / "exhibits").glob("*.js"))) == 2 * (1 + 2) + 1


# --- the mask explorer ----------------------------------------------------------------------------

FUNCTIONS = {
    "equispaced": subsample.EquiSpacedMaskFunc,
    "equispaced_fraction": subsample.EquispacedMaskFractionFunc,
    "random": subsample.RandomMaskFunc,
}


def fastmri_lines(kind, width, acceleration, fraction, offset):
    function = FUNCTIONS[kind]([fraction], [acceleration])
    given = {"seed": offset} if kind == "random" else {"offset": offset}
    mask, _ = function((1, width, 2), **given)
    return np.flatnonzero(mask.numpy().ravel()).tolist()


def test_masks_are_fastmris_line_for_line(visit, tmp_path):
    seen = visit(write_page(tmp_path))
    module = re.sub(r"^export default .*$", "", module_source("mask_explorer"), flags=re.MULTILINE)
    seen.page.evaluate(module + "\nwindow.maskLines = maskLines; window.offsets = offsets; 0")
    grid = []
    for width in (92, 96, 97, 113, 368):
        for acceleration in (1, 2, 3, 4, 5, 8, 16):
            for fraction in (0.0, 0.02, 0.04, 0.08, 0.12, 0.16):
                low = round(width * fraction)
                fits = low * acceleration < width  # fastmri divides by zero, or keeps none, else
                for kind in FUNCTIONS:
                    if kind == "equispaced_fraction" and not fits:
                        continue
                    adjusted = (
                        1
                        if not fits
                        else acceleration * (low - width) / (low * acceleration - width)
                    )
                    last = acceleration if kind == "equispaced" else round(adjusted)
                    for offset in {0, last // 2, last - 1} if kind != "random" else {0, 5, 77}:
                        grid.append((kind, width, acceleration, fraction, offset))
    assert len(grid) > 1000
    found = seen.page.evaluate(
        "(grid) => grid.map((c) => [...maskLines(...c)].flatMap((kept, k) => kept ? [k] : []))",
        grid,
    )
    for case, lines in zip(grid, found, strict=True):
        assert lines == fastmri_lines(*case), case
    for kind, width, acceleration, fraction, offset in grid:
        if kind != "random":
            allowed = (
                seen.page.evaluate("(c) => offsets(...c)", [kind, width, acceleration, fraction])
                if (width, fraction) == (96, 0.08)
                else offset + 1
            )
            assert allowed > offset


def numbers(seen):
    settle(seen)
    return {
        node.get_attribute("data-number"): node.inner_text()
        for node in seen.page.locator("[data-number]").all()
    }


def expected_numbers(kspace, lines):
    target = rss(inverse_dft(inverse_dft(kspace, -2), -1))
    mask = np.zeros(kspace.shape[-1])
    mask[lines] = 1
    image = rss(inverse_dft(inverse_dft(kspace * mask, -2), -1))
    error = ((image - target) ** 2).sum()
    psnr = 10 * np.log10(target.max() ** 2 * target.size / error)
    return error / (target**2).sum(), psnr, image, target


@OVER
def test_the_explorer_undersamples_as_numpy_does(visit, tmp_path, over):
    kspace = phantom()
    width = kspace.shape[-1]
    seen = visit(write_page(tmp_path, MaskExplorer(kspace, notes=["Simulated data"])), over=over)
    drawn(seen)
    for kind, factor, fraction, offset in [
        ("equispaced", 4, 0.08, 0),
        ("equispaced", 8, 0.04, 5),
        ("equispaced_fraction", 4, 0.08, 2),
        ("random", 3, 0.12, 11),
    ]:
        choose(seen, "Mask", kind)
        seen.page.get_by_label("Acceleration", exact=True).fill(str(factor))
        seen.page.get_by_label("Centre fraction", exact=True).fill(str(fraction))
        settle(seen)
        seen.page.get_by_label("Seed" if kind == "random" else "Offset").fill(str(offset))
        said = numbers(seen)
        lines = fastmri_lines(kind, width, factor, fraction, offset)
        drawn_lines = seen.page.get_attribute(".mrinb-mask", "data-lines")
        assert [int(k) for k in drawn_lines.split()] == lines
        nmse, psnr, image, target = expected_numbers(kspace, lines)
        assert said["nominal"] == f"{factor}×"
        assert said["effective"] == f"{width / len(lines):.2f}×"
        assert said["lines kept"] == f"{len(lines)} / {width}"
        assert float(said["PSNR"].split()[0]) == pytest.approx(psnr, abs=0.011)
        assert float(said["NMSE"]) == pytest.approx(nmse, abs=6e-5)

        shown = seen.page.evaluate("""() => {
            const canvas = document.querySelectorAll('.mrinb-mask canvas')[1];
            const { width, height } = canvas;
            const copy = new OffscreenCanvas(width, height)
                .getContext('2d', { willReadFrequently: true });
            copy.drawImage(canvas, 0, 0);
            const data = copy.getImageData(0, 0, width, height).data;
            return Array.from({ length: width * height }, (_, i) => data[4 * i]);
        }""")
        grey_levels = np.clip(np.round(255 * image[::-1] / target.max()), 0, 255)
        assert np.abs(np.reshape(shown, image.shape) - grey_levels).max() <= 1


def test_presets_offsets_and_full_sampling(visit, tmp_path):
    seen = visit(write_page(tmp_path, MaskExplorer(phantom(), offset=3)))
    drawn(seen)
    offset = seen.page.get_by_label("Offset")
    assert offset.input_value() == "3"
    seen.page.get_by_role("button", name="2×", exact=True).click()
    assert numbers(seen)["nominal"] == "2×"
    assert offset.input_value() == "1" and offset.get_attribute("max") == "1"
    assert seen.page.get_by_label("Centre fraction").input_value() == "0.16"
    seen.page.get_by_label("Acceleration", exact=True).fill("1")
    full = numbers(seen)
    assert (full["PSNR"], full["NMSE"], full["effective"]) == ("exact", "0", "1.00×")
    choose(seen, "Mask", "equispaced_fraction")
    seen.page.get_by_label("Acceleration", exact=True).fill("16")
    settle(seen)
    assert "no outer lines are kept" in seen.page.locator(".mrinb-notes").first.inner_text()
    wait_view(seen, "mask=kind:equispaced_fraction", "acceleration:16")


def test_the_point_spread_shows_the_aliases(visit, tmp_path):
    seen = visit(write_page(tmp_path, MaskExplorer(phantom(), acceleration=1)))
    drawn(seen)
    label = seen.page.locator(".mrinb-mask .mrinb-plot")
    assert "0.00" in label.get_attribute("aria-label")  # fully sampled: a single pixel
    seen.page.get_by_label("Centre fraction").fill("0")
    seen.page.get_by_label("Acceleration", exact=True).fill("4")
    settle(seen)
    assert "1.00" in label.get_attribute("aria-label")  # no centre: aliases as high as the pixel


# --- the toy lesson -------------------------------------------------------------------------------


@OVER
def test_the_lesson_shows_the_closed_forms(visit, tmp_path, over):
    data = ToyData.simulate(n=60, d=6)
    seen = visit(write_page(tmp_path, Toy(data)), over=over)
    drawn(seen)
    for p, q in ((0.1, 0.8), (0.6, 0.25)):
        for name, sigma in (("P", p), ("Q", q)):
            seen.page.get_by_label(f"Noise σ of {name}").fill(str(data.sigmas.index(sigma)))
        settle(seen)
        label = seen.page.locator(".mrinb-toy svg").first.get_attribute("aria-label")
        joint = toy.joint_alpha(p, q, 6)
        for name, sigma in (("P", p), ("Q", q)):
            own = toy.linear_risk(toy.best_alpha(sigma, 6), sigma, 6)
            either = toy.linear_risk(joint, sigma, 6)
            nonlinear = data.nonlinear[data.sigmas.index(sigma)]
            assert (
                f"{name}: own linear {own:.3f}, joint linear {either:.3f}, "
                f"non-linear {nonlinear:.3f}" in label
            )
        text = seen.page.inner_text(".mrinb-lesson")
        quiet = "P" if p < q else "Q"
        assert f"on {quiet} it shrinks too much (α = {joint:.2f} instead of" in text
    seen.page.get_by_label("Noise σ of Q").fill(str(data.sigmas.index(0.6)))
    settle(seen)
    assert "same noise" in seen.page.inner_text(".mrinb-lesson")
    wait_view(seen, "toy=p:0.6,q:0.6")


# --- all of them ----------------------------------------------------------------------------------


def all_widgets():
    return [comparer(), MaskExplorer(phantom(), notes=["Simulated"]), Toy(ToyData.simulate())]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_accessible_and_fitting_in_both_themes(visit, tmp_path, theme, width):
    folder = write_page(tmp_path, *all_widgets(), theme=theme)
    seen = visit(folder, viewport={"width": width, "height": 900})
    drawn(seen)
    for details in seen.page.locator("details").all():
        details.locator("summary").click()
    seen.page.get_by_label("Error map", exact=True).check()
    settle(seen)
    assert seen.overflow() <= 0
    assert seen.axe() == []
    background = seen.page.evaluate(
        "getComputedStyle(document.querySelector('.text_html')).backgroundColor"
    )
    assert background == "rgba(0, 0, 0, 0)"  # the theme's light ground in dark mode is undone
    shades = seen.page.evaluate(
        "[getComputedStyle(document.querySelector('.mrinb-toy')).color,"
        " getComputedStyle(document.body).color]"
    )
    assert shades[0] == shades[1]


def test_the_keyboard_alone_reaches_every_control(visit, tmp_path):
    seen = visit(write_page(tmp_path, *all_widgets()))
    drawn(seen)
    controls = seen.page.evaluate("""() => {
        const all = document.querySelectorAll(
            '.mrinb-widget :is(select, button, input, summary, [tabindex])');
        const usable = [...all].filter((node) => node.offsetParent && !node.disabled);
        usable.forEach((node, i) => (node.dataset.stop = i));
        return usable.length;
    }""")
    assert controls > 25
    reached = set()
    for _ in range(controls + 2):
        seen.page.keyboard.press("Tab")
        reached.add(seen.page.evaluate("document.activeElement.dataset.stop"))
    assert reached >= {str(i) for i in range(controls)}

    left = seen.page.get_by_label("Left", exact=True)
    left.focus()
    seen.page.keyboard.press("ArrowDown")
    assert levels(seen) == [80, 80]
    seen.page.get_by_label("Slice", exact=True).focus()
    seen.page.keyboard.press("End")
    assert levels(seen) == [grey("U-net", "P+Q", 2)] * 2
    seen.page.get_by_label("Acceleration", exact=True).focus()
    seen.page.keyboard.press("ArrowRight")
    assert numbers(seen)["nominal"] == "5×"
    before = seen.page.inner_text(".mrinb-lesson")
    seen.page.get_by_label("Noise σ of Q").focus()
    seen.page.keyboard.press("ArrowRight")
    settle(seen)
    assert seen.page.inner_text(".mrinb-lesson") != before


def test_without_scripts_a_picture_and_its_words_remain(visit, tmp_path):
    seen = visit(write_page(tmp_path, *all_widgets()), java_script_enabled=False)
    pictures = seen.page.locator(".mrinb-still img")
    assert pictures.count() == 2 and seen.page.locator(".mrinb-still table").count() == 1
    alt = pictures.first.get_attribute("alt")
    assert "Brain T1, 3 T (test), slice 1" in alt and "knees, SSIM 0.157" in alt


def test_no_handlers_in_attributes(tmp_path):
    for widget in all_widgets():
        assert not re.search(r"<[^>]+\son\w+\s*=", widget.to_html().split("<script")[0])


def test_the_same_module_runs_live(visit, tmp_path):
    """As anywidget calls it: with its own model, which the kernel may change too."""
    widget = comparer()
    seen = visit(write_page(tmp_path))
    source = base64.b64encode(str(widget._esm).encode()).decode()
    seen.page.evaluate(LIVE, [source, widget.page_state()])
    seen.page.add_style_tag(content=str(widget._css))
    drawn(seen)
    assert levels(seen) == [40, 80]
    choose(seen, "Left", "half of P+Q")
    assert seen.page.evaluate("[live.state.left, live.saved()]") == ["half of P+Q", 1]
    seen.page.evaluate("live.model.set('right', 'zero-filled')")
    assert levels(seen) == [120, 10]
    assert view_of(seen) == "" and seen.page.get_by_text("Copy link").count() == 0
    seen.page.evaluate("live.stop()")
    assert seen.page.evaluate("Object.values(live.heard).flat().length") == 0


# From the event to the frame in which it has been painted.
TIMED = """async ([label, values, root]) => {
    const node = [...document.querySelectorAll(root + ' label')]
        .find((l) => l.textContent === label).control;
    const times = [];
    for (let turn = 0; turn < 12; turn++) {
        await new Promise((done) => setTimeout(done, 30 + (turn * 7) % 16));
        const drawn = document.querySelector(root).dataset.drawn;
        const start = performance.now();
        node.value = values[turn % values.length];
        node.dispatchEvent(new Event(node.tagName === 'SELECT' ? 'change' : 'input'));
        await new Promise((done) => requestAnimationFrame(() => {
            const channel = new MessageChannel();  // a task after this frame's painting
            channel.port1.onmessage = done;
            channel.port2.postMessage(0);
        }));
        if (document.querySelector(root).dataset.drawn === drawn) return ['not drawn', label, turn];
        times.push(performance.now() - start);
    }
    return times;
}"""


def large(number):
    """A view at paper size, 320 x 320."""
    small = view(number, f"Large {number}")
    grow = lambda images: np.kron(images, np.ones((1, 13, 10), np.float32))  # noqa: E731
    return type(small)(
        small.label,
        "test",
        {key: grow(images) for key, images in small.images.items()},
        grow(small.target),
        grow(small.zero_filled),
        small.scores,
        small.vmax,
    )


def test_changes_are_on_screen_at_once(visit, tmp_path, record_property):
    """Within 50 ms on an idle machine (10 to 40 were measured); 100 allow for a busy one."""
    data = CompareData(POOLS, MODELS, [large(0), large(1)])
    big = phantom(4, 112, 112)
    folder = write_page(
        tmp_path, Comparer(data, error_map=True), MaskExplorer(big), Toy(ToyData.simulate())
    )
    seen = visit(folder)
    drawn(seen)
    seen.page.wait_for_timeout(300)  # what is decoded in the background is
    controls = [
        ("Left", ["P+Q", "zero-filled", "P"], ".mrinb-compare"),
        ("Slice", [*range(2, SHAPE[0] + 1), 1], ".mrinb-compare"),
        ("Model", ["VarNet", "U-net"], ".mrinb-compare"),
        ("Test data", [1, 0], ".mrinb-compare"),
        ("Acceleration", [2, 3, 5, 8], ".mrinb-mask"),
        ("Image", ["error", "target", "zero-filled"], ".mrinb-mask"),
        ("Noise σ of P", [3, 8, 20], ".mrinb-toy"),
    ]
    for label, values, root in controls:
        medians = []
        while not medians or (min(medians) >= 50 and len(medians) < 5):
            times = seen.page.evaluate(TIMED, [label, values, root])
            assert all(isinstance(time, float | int) for time in times), times
            medians.append(statistics.median(times))
            print(f"{root} {label}: median {medians[-1]:.0f} ms, worst {max(times):.0f} ms")
        record_property(f"{root} {label} (ms)", round(min(medians), 1))
        assert min(medians) < 100, (label, medians)
