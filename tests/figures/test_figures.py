import base64
import io
import itertools
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from fold_scores import scores as fold_scores
from matplotlib.colors import to_rgb
from PIL import Image

from mrinb import figures
from mrinb.catalogue import DATASETS, DISTRIBUTIONS
from mrinb.chapters import forward, separate, setup
from mrinb.errors import MrinbError
from mrinb.tables import joined, noted

NOTE = {"data": "simulated data", "profile": "classroom", "seeds": [0, 1, 2], "key": "a1b2c3d4e5"}
POOLS = {"P": (0.90, 0.80), "Q": (0.85, 0.92), "P+Q": (0.902, 0.921), "half of P+Q": (0.897, 0.918)}
SIZES = {"P": 384, "Q": 640, "P+Q": 1024, "half of P+Q": 512, "zero-filled": 0}


def scores(shifts=("anatomy",), seeds=(0, 1, 2), zero=(0.86, 0.60), model="unet"):
    rows = []
    for shift in shifts:
        for pool, means in {**POOLS, "zero-filled": zero}.items():
            for target, mean in zip("PQ", means, strict=True):
                for seed in (-1,) if pool == "zero-filled" else seeds:
                    for i in range(4):
                        value = mean + 0.002 * seed * (seed > 0) + 0.01 * (i - 1.5)
                        rows.append((shift, pool, model, seed, 5, "test", target, SIZES[pool],
                                     f"v{i}", 4, 3.2, value, value - 0.1))  # fmt: skip
    columns = [
        "shift", "pool", "model", "seed", "epoch", "split", "target", "train_slices", "volume",
        "acceleration", "effective_acceleration", "ssim", "ssim_foreground",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    return noted(table, NOTE)


def introduction():
    names = {"P": "narrow", "Q": "diverse", "P+Q": "diverse, same size"}
    table = scores(("",), zero=(0.5, 0.86))
    table = table[table["pool"] != "half of P+Q"]
    return table.assign(pool=table["pool"].replace(names))


def blob(height=48, width=48):
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.exp(-4 * ((x - 0.2) ** 2 + y**2)) * (1 + 0.3 * np.cos(20 * x))


def forward_steps():
    image, lines = blob(), np.zeros(56, bool)
    lines[::4] = True
    return {"target": image, "coils": image[None], "phases": image[None], "lines": lines,
            "kspace": np.ones((1, 48, 56)), "zero_filled": image}  # fmt: skip


def history(pools=("P", "P+Q"), seeds=(0, 1)):
    rows = [(p, s, e, e * n, 1 / (e + s + 1)) for n, p in enumerate(pools, 1) for s in seeds
            for e in (1, 2, 3)]  # fmt: skip
    return noted(pd.DataFrame(rows, columns=["pool", "seed", "epoch", "step", "loss"]), NOTE)


def statistics(labels=("simulated", "real")):
    edges = np.linspace(0, 1.2, 11)
    one = {"frequency": np.linspace(0, 0.5, 10), "power": np.logspace(-1, -6, 10), "edges": edges,
           "density": np.linspace(2, 0, 10)}  # fmt: skip
    return {label: one for label in labels}


def grid(series=("U-net", "ViT", "VarNet", "U-net, PD knees", "U-net, PDFS knees")):
    rates = (1.3e-3, 1e-3, 7e-4, 4e-4)
    rows = [(s, r, 0, 0.9 + i / 50 + r) for i, s in enumerate(series) for r in rates]
    return noted(pd.DataFrame(rows, columns=["series", "learning_rate", "seed", "ssim"]), NOTE)


def spreads(scatter=0.01):
    rows = [(f"U-net, {c} channels", n, scatter / n**0.5 * c, scatter / n**0.5)
            for c in (3, 8) for n in (38, 192, 1024)]  # fmt: skip
    return noted(
        pd.DataFrame(rows, columns=["series", "train_slices", "ssim", "ssim_foreground"]), NOTE
    )


def texts(fig):
    return [t for t in fig.findobj(mpl.text.Text) if t.get_text().strip() and t.get_visible()]


def words(fig):
    return [t.get_text() for t in texts(fig)]


MADE = {
    "bars of three shifts": lambda: figures.bars(scores(("anatomy", "contrast", "field"))),
    "bars with a title": lambda: figures.bars(scores(("contrast",)), title="VarNet"),
    "learning rates": lambda: separate.figures.learning_rates(grid()),
    "learning rates of one network": lambda: separate.figures.learning_rates(
        grid(["ViT"])),
    "scatter of seeds": lambda: separate.figures.seed_scatter(spreads()),
    "scatter of one seed": lambda: separate.figures.seed_scatter(spreads(np.nan)),
    "bars of one seed": lambda: figures.bars(scores(("contrast",), seeds=(0,))),
    "bars of the foreground": lambda: figures.bars(scores(), "ssim_foreground"),
    "gallery": lambda: setup.figures.gallery(dict.fromkeys(DISTRIBUTIONS, blob()), NOTE),
    "small gallery": lambda: setup.figures.gallery(
        dict.fromkeys(["knee/PD-Skyra", "mine/T1-Own"], blob()), NOTE),
    "reconstructions": lambda: figures.reconstructions(
        blob(), {"narrow": 0.9 * blob(), "diverse": blob() + 0.01, "zero-filled": blob() ** 2},
        {"narrow": 0.8, "diverse": 0.9, "zero-filled": 0.7}, note=NOTE),
    "four reconstructions": lambda: figures.reconstructions(
        blob(), dict.fromkeys(["zero-filled", "narrow", "diverse", "diverse, same size"], blob()),
        {"narrow": 0.8, "diverse, same size": 0.9}, note=NOTE),
    "bars in the introduction": lambda: figures.bars(
        introduction(), words={"P": "the narrow pool's own", "Q": "unseen"}),
    "two tall reconstructions": lambda: figures.reconstructions(
        blob(60, 40), {"diverse": 0.9 * blob(60, 40)}, note=NOTE),
    "forward model": lambda: setup.figures.forward_model(forward_steps(), NOTE),
    "folds": lambda: forward.figures.folds(fold_scores()),
    "folds of one seed": lambda: forward.figures.folds(fold_scores((0,)), "ssim_foreground"),
    "history": lambda: figures.history(history(tuple(POOLS))),
    "spectrum": lambda: setup.figures.spectrum(
        statistics([f"{k} {a} {c}" for k in ("simulated", "real") for a in ("brain", "knee")
                    for c in ("T1POST", "PDFS")]), NOTE),
}  # fmt: skip


@pytest.mark.parametrize("width", [figures.PAGE_WIDTH, figures.PHONE_WIDTH])
@pytest.mark.parametrize("kind", MADE)
def test_every_figure_is_legible_without_overlaps_on_pages_and_phones(kind, width, monkeypatch):
    fig = MADE[kind]()
    assert fig.note["key"] == "a1b2c3d4e5"
    if width == figures.PHONE_WIDTH:
        fig = fig.narrow()
    assert fig.get_size_inches()[0] == width
    boxes = {}
    draw = mpl.text.Text.draw

    def record(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            boxes[text] = text.get_window_extent(renderer).padded(-1)
        return draw(text, renderer, *args, **kwargs)

    monkeypatch.setattr(mpl.text.Text, "draw", record)
    image = Image.open(io.BytesIO(figures.webp(fig)))
    assert image.width == round(width * 96 * figures.SCALE)
    card = tuple(round(255 * v) for v in fig.get_facecolor()[:3])
    assert image.convert("RGB").getpixel((1, 1)) == pytest.approx(card, abs=2)
    assert len(boxes) > 5
    for text, box in boxes.items():
        assert text.get_fontsize() >= 9, text
        assert box.x0 >= 0 and box.x1 <= image.width, text
        assert box.y0 >= 0 and box.y1 <= image.height, text
        assert luminance_contrast(text.get_color(), fig.get_facecolor()) >= 4.5, text
        assert not re.search(r"P_best|r2\b", text.get_text()), text
    for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
        assert not a.overlaps(b), (one.get_text(), other.get_text())


def luminance_contrast(one, other):
    """Contrast of two colours, as the accessibility guidelines define it."""
    light = []
    for colour in (one, other):
        rgb = np.array(to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        light.append(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return max(light) / min(light)


@pytest.mark.parametrize("kind", MADE)
def test_a_figure_for_a_phone_shows_all_that_the_page_s_shows(kind):
    wide = MADE[kind]()
    narrow = wide.narrow()

    def shown(fig):
        # Lines break elsewhere, and ticks may be others.
        text = " ".join(w for w in words(fig) if not re.fullmatch(r"[\d.,\N{MINUS SIGN}-]+", w))
        return set(re.findall(r"[\w$\\{}.]+", text))

    assert shown(wide) == shown(narrow)
    assert len(wide.findobj(mpl.image.AxesImage)) == len(narrow.findobj(mpl.image.AxesImage))
    assert sum(ax.get_visible() for ax in wide.axes) == len(narrow.axes)
    assert (narrow.note, narrow.extra) == (wide.note, wide.extra)


def test_pictures_of_noise_weigh_little_and_look_the_same(monkeypatch):
    noise = {f"λ = {i}": np.random.default_rng(i).random((96, 96)) for i in range(5)}
    fig = figures.reconstructions(noise["λ = 0"] + 0.1, noise, note=NOTE)
    small = figures.webp(fig)
    monkeypatch.setattr(figures.base, "LARGE", 10**9)
    monkeypatch.setattr(figures.base, "MANY", 1 << 24)
    lossless = figures.webp(fig)
    assert figures.base.LARGE > len(lossless) > 1.5 * len(small)
    small, lossless = (
        np.asarray(Image.open(io.BytesIO(b)).convert("RGB"), float) for b in (small, lossless)
    )
    assert np.abs(small - lossless).mean() < 5


def test_words_about_errors_keep_clear_of_the_narrowest_images():
    six = {f"λ = {i}": blob() for i in range(5)}
    fig = figures.reconstructions(blob(), six, note=NOTE)
    fig.canvas.draw()
    boxes = [t.get_window_extent() for t in fig.texts if re.search("absolute|white", t.get_text())]
    others = [ax.get_window_extent() for ax in fig.axes if ax.images]
    assert len(boxes) == 2
    assert not any(box.overlaps(other.padded(2)) for box in boxes for other in others)


def test_bars_are_as_high_as_the_means_and_carry_their_sizes():
    fig = figures.bars(scores())
    for ax, column in zip(fig.axes, (0, 1), strict=True):
        heights = [p.get_height() for p in ax.patches]
        # The seeds add 0, 0.002 and 0.004 to each mean.
        assert heights == pytest.approx([m[column] + 0.002 for m in POOLS.values()])
        labels = [t.get_text().replace("\n", " ") for t in ax.get_xticklabels()]
        assert labels == ["P 384", "Q 640", "P+Q 1,024", "half of P+Q 512"]
        colours = [p.get_facecolor()[:3] for p in ax.patches]
        assert colours == [to_rgb(figures.ROLES[p]) for p in POOLS]
    assert "P: knee" in words(fig) and "Q: brain" in words(fig)
    assert fig.extra == "4-fold (effective 3.20)"


def test_error_bars_are_two_standard_deviations_over_seeds():
    ax = figures.bars(scores()).axes[0]
    segment = ax.containers[1].lines[2][0].get_segments()[0]
    assert segment[1, 1] - segment[0, 1] == pytest.approx(4 * 0.002)
    dots = ax.collections[-1].get_offsets()
    assert len(dots) == 3


def test_a_single_seed_has_no_error_bars_and_says_so():
    fig = figures.bars(scores(seeds=(0,)))
    assert any("single seed" in w for w in words(fig))
    assert len(fig.axes[0].containers) == len(POOLS)


def test_axes_that_do_not_start_at_zero_say_so_and_rows_share_a_span():
    fig = figures.bars(scores())
    spans = [ax.get_ylim()[1] - ax.get_ylim()[0] for ax in fig.axes]
    assert spans[0] == pytest.approx(spans[1], rel=0.1)
    for ax in fig.axes:
        low = ax.get_ylim()[0]
        assert low > 0 and f"(axis from {low:.3g})" in ax.get_ylabel()
        assert low < min(p.get_height() for p in ax.patches)


def test_differences_of_a_thousandth_are_not_blown_up():
    flat = scores().assign(ssim=lambda t: 0.9 + 0.001 * (t["pool"] == "P"))
    low, high = figures.bars(flat).axes[0].get_ylim()
    assert high - low > 0.03 * 0.9


def test_zero_filled_is_a_line_or_a_number_off_the_axis():
    fig = figures.bars(scores())
    found = [w for w in words(fig) if w.startswith("zero-filled 0")]
    assert found == ["zero-filled 0.860", "zero-filled 0.600, off the axis"]
    dotted = [[ln for ln in ax.lines if ln.get_linestyle() == "--" or ln.is_dashed()]
              for ax in fig.axes]  # fmt: skip
    assert [len(found) for found in dotted] == [1, 0]
    assert dotted[0][0].get_ydata()[0] == pytest.approx(0.86)


def with_l1_wavelet(table, means):
    """The table with rows of l1-wavelet beside those of zero-filled images."""
    rows = table[table["pool"] == "zero-filled"].assign(pool="l1-wavelet", model="l1-wavelet")
    rows = rows.assign(ssim=rows["target"].map(dict(zip("PQ", means, strict=True))))
    return joined([table, rows])


def test_what_is_not_trained_is_a_line_and_no_bar():
    plain, fig = (figures.bars(t) for t in (scores(), with_l1_wavelet(scores(), (0.94, 0.50))))
    assert [len(ax.containers) for ax in fig.axes] == [len(ax.containers) for ax in plain.axes]
    found = [w for w in words(fig) if w.startswith("l1-wavelet 0")]
    assert found == ["l1-wavelet 0.940", "l1-wavelet 0.500, off the axis"]
    left, right = ([ln.get_ydata()[0] for ln in ax.lines if ln.is_dashed()] for ax in fig.axes)
    assert left == pytest.approx([0.86, 0.94]) and right == []
    assert fig.axes[0].get_ylim()[1] > 0.94 > plain.axes[0].get_ylim()[1] - 0.02
    labels = [t.get_text() for t in fig.legends[0].get_texts()]
    assert labels[-2:] == ["zero-filled", "l1-wavelet"]


def test_bars_take_the_last_epoch_and_chosen_pools():
    early = scores().assign(epoch=1, ssim=0.1)
    fig = figures.bars(pd.concat([early, scores()]), pools=["Q", "P"])
    heights = [p.get_height() for p in fig.axes[0].patches]
    assert heights == pytest.approx([0.852, 0.902])


def test_words_for_targets_can_be_given():
    fig = figures.bars(introduction(), words={"P": "the narrow pool's own"})
    assert [ax.get_title("left") for ax in fig.axes] == ["P: the narrow pool's own", "Q"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: figures.bars(scores(), "mse"), "metric 'mse'"),
        (lambda: figures.bars(scores().drop(columns="train_slices")), "'train_slices'"),
        (lambda: figures.bars(scores(), split="val"), "split 'val'"),
        (lambda: figures.bars(scores(), pools=["R"]), "pool 'R'"),
        (lambda: figures.bars(pd.concat([scores(), scores(model="vit")])), "unet, vit"),
        (lambda: setup.figures.gallery({}), "at least one"),
        (lambda: setup.figures.gallery({"knee/PD-Skyra": np.zeros((2, 8, 8))}), "shape (2, 8, 8)"),
        (lambda: figures.reconstructions(blob(), {}), "at least one"),
        (lambda: figures.reconstructions(blob(), {"P": blob(40)}), "image 'P' has shape (40, 48)"),
        (lambda: setup.figures.forward_model({"target": blob()}), "lacks the array 'coils'"),
        (lambda: figures.history(history().drop(columns="loss")), "'loss'"),
        (lambda: figures.history(history().iloc[:0]), "empty"),
        (lambda: setup.figures.spectrum({}), "at least one"),
        (lambda: setup.figures.spectrum({"real": {"power": blob()}}), "lack the array 'frequency'"),
        (lambda: figures.note_text({"data": "simulated data"}), "lacks 'profile'"),
        (lambda: figures.show(MADE["history"](), " ", NOTE), "alternative text"),
        (lambda: figures.show(figures.history(pd.DataFrame(history())), "losses"), "no note"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(call, says):
    with pytest.raises(MrinbError) as error:
        call()
    assert says in str(error.value) and "\n" not in str(error.value)


def test_images_are_turned_the_right_way_up():
    stored = np.zeros((8, 8))
    stored[0] = 1  # first stored row: the lowest of the body
    fig = setup.figures.gallery({"knee/PD-Skyra": stored})
    drawn = np.asarray(fig.axes[0].images[0].get_array())
    assert drawn[-1].all() and not drawn[0].any()


def test_gallery_puts_brains_left_and_names_contrast_and_scanner():
    names = ["knee/PDFS-Aera", "brain/T2-Prisma", "brain/FLAIR-Skyra"]
    fig = setup.figures.gallery(dict.fromkeys(names, blob()), NOTE)
    centre = {t.get_text(): t.get_position()[0] for t in texts(fig)}
    assert centre["FLAIR"] < centre["T2"] < centre["PDFS"]
    assert {"Skyra", "Prisma", "Aera", "3 T", "1.5 T"} <= set(centre)
    assert len(fig.axes) == 3


def test_reconstructions_share_scales_and_print_ssim():
    fig = MADE["reconstructions"]()
    assert {"SSIM 0.800", "SSIM 0.900", "SSIM 0.700", "ground truth"} <= set(words(fig))
    assert {"narrow, SSIM 0.800", "ground truth"} <= set(words(fig.narrow()))
    shown = [im for ax in fig.axes for im in ax.images]
    grey = {im.get_clim() for im in shown if im.get_cmap().name == "gray"}
    errors = [im for im in shown if im.get_cmap().name == "inferno"]
    assert len(grey) == 1 and len({im.get_clim() for im in errors}) == 1
    white = np.percentile(blob(), 99.5)
    assert len(errors) == 3
    np.testing.assert_allclose(errors[0].get_array()[::-1], 0.1 * blob() / white, rtol=1e-5)


def test_detail_is_chosen_where_the_target_varies_most():
    image = np.zeros((40, 60))
    image[25:33, 41:49] = np.indices((8, 8)).sum(0) % 2
    top, left, height, width = figures.detail(image)
    assert height == width == 12
    assert top <= 25 and top + height >= 33 and left <= 41 and left + width >= 49


def test_forward_model_masks_the_measurements():
    fig = MADE["forward model"]()
    arrays = [np.asarray(ax.images[0].get_array()) for ax in fig.axes]
    mask, measured = arrays[4], arrays[5]
    assert mask.mean() == pytest.approx(0.25) and np.array_equal(measured != 0, mask != 0)
    assert "mask: 14 of 56 lines" in words(fig)


def test_history_is_drawn_over_epochs_and_steps():
    fig = figures.history(history())
    left, right = fig.axes
    means = {ln.get_label(): ln for ln in left.lines if not ln.get_label().startswith("_")}
    assert set(means) == {"P", "P+Q"}
    assert list(means["P+Q"].get_xdata()) == [1, 2, 3]
    assert means["P"].get_ydata()[0] == pytest.approx((1 / 2 + 1 / 3) / 2)
    (steps,) = [ln for ln in right.lines if ln.get_label() == "P+Q"]
    assert list(steps.get_xdata()) == [2, 4, 6]


class _Page(HTMLParser):
    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "br", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def one(self, tag):
        (found,) = [attrs for name, attrs in self.tags if name == tag]
        return found


def test_csv_links_hold_the_table():
    table = pd.DataFrame({"pool": ["P+Q", 'half "of" P+Q, & <so>'], "ssim": [0.9123456, 1e-7],
                          "slices": [1024, 512]})  # fmt: skip
    link = _Page(figures.csv_link(table, "figure-3")).one("a")
    assert link["download"] == "figure-3.csv"
    head, _, body = link["href"].partition(",")
    assert head == "data:text/csv;charset=utf-8"
    read = pd.read_csv(io.StringIO(unquote(body)))
    pd.testing.assert_frame_equal(read, table, rtol=1e-5)


def test_a_shown_figure_has_picture_words_note_and_data_and_no_script():
    table = figures.bars_table(scores())
    html = figures.show(figures.bars(scores()), 'bars, "P" < "P+Q"', NOTE, table, "figure-3")
    page = _Page(html._repr_html_())
    assert page.one("figure")["class"] == "mrinb-figure"
    image = page.one("img")
    assert image["alt"] == 'bars, "P" < "P+Q"'
    picture = Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1])))
    assert picture.width == 2 * int(image["width"])
    assert abs(picture.height - 2 * int(image["height"])) <= 1
    assert "simulated data | classroom profile | seeds 0, 1, 2 | key a1b2c3d4e5" in page.text
    assert page.text.count("a1b2c3d4e5") == 1 and "4-fold (effective 3.20)" in page.text
    assert "a1b2c3d4e5" in picture.getexif()[0x010E]  # for those who save the picture
    assert page.one("a")["download"] == "figure-3.csv"
    assert not {"script", "style", "iframe"} & {t for t, _ in page.tags}
    assert "bars" in str(html)


def test_the_book_has_a_picture_for_phones_beside_its_pages(tmp_path, monkeypatch):
    assert "<source" not in figures.show(figures.bars(scores()), "bars").source
    monkeypatch.setenv("MRINB_SIDECAR_DIR", str(tmp_path / "beside"))
    monkeypatch.setenv("MRINB_SIDECAR_URL", "../beside/")
    phone = _Page(figures.show(figures.bars(scores()), "bars").source).one("source")
    assert phone["media"] == "(max-width: 600px)"
    small = Image.open(tmp_path / phone["srcset"].removeprefix("../"))
    assert small.width == 2 * int(phone["width"]) < 800 < small.height


def test_bars_table_has_a_row_a_run_and_target():
    table = figures.bars_table(scores(("anatomy", "field")))
    assert len(table) == 2 * 2 * (4 * 3 + 1)
    row = table.query("shift == 'field' and target == 'Q' and pool == 'P+Q' and seed == 2").iloc[0]
    assert row["ssim"] == pytest.approx(0.925) and row["train_slices"] == 1024
    assert row["ssim_foreground"] == pytest.approx(0.825) and row["test_slices"] == 4


def test_real_data_without_training_is_named_so():
    note = {**NOTE, "data": "measured data of fastMRI", "seeds": []}
    assert (
        figures.note_text(note) == "measured data of fastMRI | classroom profile | key a1b2c3d4e5"
    )


def test_table_1_has_every_dataset_and_what_the_book_has_of_it():
    html = setup.figures.table1()
    page = _Page(html._repr_html_())
    scopes = [a.get("scope") for t, a in page.tags if t == "th"]
    assert scopes.count("row") == len(DATASETS) and scopes.count("rowgroup") == 2
    assert all(d.name in page.text for d in DATASETS)
    assert "6 distributions: PD on Skyra, Aera, Biograph; PDFS on" in page.text
    assert "10 distributions: FLAIR on Skyra" in page.text
    assert all(row.distributions for row in DATASETS) and "follows" not in page.text


def test_tables_set_names_as_in_print():
    made = figures.table(pd.DataFrame({"trained on": ["P_best <"], "r2": ["0.9"]}), "P_best").source
    assert '<th scope="row"><i>P</i><sub>best</sub> &lt;</th>' in made
    assert "<i>r</i><sup>2</sup></th>" in made and 'aria-label="P_best"' in made
    assert "P_best" not in made.replace('aria-label="P_best"', "")


# How dichromats see (Machado, Oliveira and Fernandes 2009, severity 1), on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def _lab(colour, matrix):
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(matrix) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722],
                    [0.0193, 0.1192, 0.9505]]) @ seen / [0.9505, 1, 1.089]  # fmt: skip
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("group", [tuple(POOLS), ("narrow", "diverse", "diverse, same size")])
def test_colours_of_one_figure_are_told_apart_by_every_kind_of_sight(blindness, group):
    seen = [_lab(figures.ROLES[p], BLINDNESS[blindness]) for p in group]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 20
