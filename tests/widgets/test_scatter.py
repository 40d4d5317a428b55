"""The Python side of the scatter: what is packed, what is refused, what a notebook stores."""

import base64
import dataclasses
import gzip
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from scatter_data import SHAPES, TRAININGS, image, level, points, scatter_data

from mrinb import figures
from mrinb.errors import MrinbError
from mrinb.widgets import Line, Point, Scatter, ScatterData, host, scatter, scatter_drawing

PICKED = "P/U-net/full/seed 0/epoch 30"
PINNED = "P_best/U-net/full/seed 0/epoch 30"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("MRINB_SIDECAR_DIR", "MRINB_SIDECAR_URL"):
        monkeypatch.delenv(name, raising=False)


def decoded(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


# --- what is packed -------------------------------------------------------------------------------


def test_every_point_finds_its_images_upright_in_its_groups_sheets():
    packed = Scatter(scatter_data()).exhibit
    for number, point in enumerate(packed["points"]):
        for s, (height, _) in enumerate(SHAPES):
            sheet = decoded(packed["groups"][point["group"]]["sheets"][str(s)])
            shown = sheet[point["row"] * height : (point["row"] + 1) * height]
            assert np.array_equal(shown, np.round(image(s, level(number, s))[::-1] * 255))
    assert decoded(packed["truth"]["sheets"]["1"])[1:].max() == 120


def test_white_is_each_targets_largest_unless_given():
    data = dataclasses.replace(scatter_data(), vmax=None, targets=[np.eye(3), 4 * np.eye(2)])
    assert data.white() == [1.0, 4.0]


def test_checkpoints_of_models_with_other_epochs_are_matched():
    packed = Scatter(scatter_data()).exhibit["points"]
    stages = {(p["model"], p["epoch"]): p["stage"] for p in packed}
    assert stages == {("U-net", 15): 1, ("U-net", 30): 0, ("ViT", 6): 1, ("ViT", 12): 0}


def test_colours_are_those_of_the_figures_and_of_the_style_sheet():
    style = host.style_source()
    names = {"P_best": "narrow", "P": "diverse", "P, size of P_best": "diverse, same size"}
    for training, role in {**names, "P+Q": "P+Q"}.items():
        assert scatter_drawing.COLOURS[scatter_drawing.ROLES[training]] == figures.ROLES[role]
    for role, colour in scatter_drawing.COLOURS.items():
        assert f".mrinb-of-{role} {{ --of: {colour}; }}" in style


def test_other_training_sets_and_models_have_marks_of_their_own():
    given = scatter_data(
        lambda p: p._replace(training=p.training.replace("+Q", "x"), model=p.model[:3])
    )
    data = dataclasses.replace(given, lines=given.lines[:3])
    packed = Scatter(data).exhibit
    assert list(packed["roles"].values()) == ["narrow", "diverse", "same-size", "other-0"]
    shapes = list(packed["shapes"].values())
    assert len(set(shapes)) == 2 and shapes[1] == scatter_drawing.OUTLINES["s"]


@pytest.mark.parametrize("values", [[0.83, 0.91], [0.7], [0.2, 0.20004], [0.0, 1.0], [31.2, 38.9]])
def test_axes_hold_their_values_with_ticks_that_tell_them_apart(values):
    axis = scatter_drawing.axis(values)
    assert axis["low"] < min(values) <= max(values) < axis["high"]
    ticks, texts = zip(*axis["ticks"], strict=True)
    assert 3 <= len(ticks) <= 7 and len(set(texts)) == len(texts)
    assert axis["low"] <= ticks[0] and ticks[-1] <= axis["high"]
    assert all(float(text) == pytest.approx(tick, abs=1e-9) for tick, text in axis["ticks"])


def test_lines_are_cut_at_the_frame():
    data = scatter_data()
    box = scatter_drawing.frame(data)
    steep = scatter_drawing.segment(Line("P", 100, -83.0, 0.5, 0.9), box)
    x0, y0, x1, y1 = map(float, re.fullmatch(r"M(.+) (.+)L(.+) (.+)", steep).groups())
    assert (y0, y1) == (box["bottom"], box["top"]) and box["left"] < x0 < x1 < box["right"]
    assert scatter_drawing.segment(Line("P", 0, 0.1, 0.5, 0.9), box) == ""  # far below
    assert scatter_drawing.segment(Line("P", 0, 0.7, 0.1, 0.2), box) == ""  # left of it
    flat = scatter_drawing.segment(Line("P", 0, 0.7, 0.1, 0.9), box)
    left, y0, right, y1 = map(float, re.fullmatch(r"M(.+) (.+)L(.+) (.+)", flat).groups())
    assert (left, right) == (box["left"], box["right"]) and y0 == y1


# --- what a notebook stores -----------------------------------------------------------------------


def test_p_is_picked_beside_the_baseline_unless_told_otherwise():
    plain = Scatter(scatter_data())
    keys = [p.key for p in points()]
    assert (keys[plain.picked], keys[plain.pinned]) == (PICKED, PINNED)
    told = Scatter(scatter_data(), picked=3, pinned=None, hidden=["ViT", "P"], name="field")
    assert (told.picked, told.pinned, told.hidden, told.name) == (3, -1, "P|ViT", "field")
    assert Scatter(scatter_data(), picked=PINNED).pinned == -1  # not beside itself


def test_the_still_has_plot_images_and_all_numbers():
    text = Scatter(scatter_data()).to_html().split('<script type="application/json">')[0]
    alts = re.findall(r'alt="(.*?)"', text)
    assert (
        "18 models: 5 trained on P_best, 5 trained on P, 4 trained on P, size of P_best" in alts[0]
    )
    assert (
        "by P, U-net, full set, epoch 30 of 30, seed 0, of: knee, slice 3 (SSIM 0.050)" in alts[1]
    )
    svg = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", text)[1]).decode()
    marks = re.findall(r'fill="(#\w+)" stroke="(#\w+)" stroke-width="\d', svg)
    assert len(marks) == 18 and sum(fill == "#fff" for fill, _ in marks) == 1
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", text)
    assert len(rows) == 18
    assert rows[17].split("</td><td>") == [
        *("P", "U-net", "quarter of the set", "30 of 30", "0"),
        *(f"{value:.4f}" for value in points()[17][:2]),
    ]


def noisy(count: int) -> ScatterData:
    """As many points as a shift has, at the size of the published book."""
    rng = np.random.default_rng(0)
    base = np.kron(rng.uniform(0.2, 0.8, (12, 12)), np.ones((8, 8)))
    made = [
        Point(
            *rng.uniform(0.8, 0.9, 2),
            training=TRAININGS[number % 4],
            model=("U-net", "ViT", "VarNet")[number // 4 % 3],
            size="full",
            epoch=number + 1,
            epochs=count,
            seed=0,
            images=[base + rng.normal(0, 0.02, base.shape) for _ in range(2)],
            scores=(0.8, 0.9),
        )
        for number in range(count)
    ]
    return ScatterData(made, [base, base], ["knee", "brain"])


def test_the_page_holds_two_points_and_the_rest_lies_beside_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MRINB_SIDECAR_DIR", str(tmp_path))
    monkeypatch.setenv("MRINB_SIDECAR_URL", "../_static/exhibits")
    widget = Scatter(noisy(130))
    page = len(gzip.compress(widget.to_html().encode(), 6))
    assert page < 150_000  # three shifts in one page of 1.5 MB leave room for its figures
    packed = widget.exhibit
    assert [list(piece) == ["sheets"] for piece in packed["groups"]] == [True, *[False] * 12]
    assert {p["group"] for p in packed["points"] if p["row"] > 1} == set(range(1, 13))
    for piece in packed["groups"][1:]:
        assert piece["src"] == f"../_static/exhibits/{piece['key']}.js"
        body = (tmp_path / f"{piece['key']}.js").read_text(encoding="utf-8")
        sheets = json.loads(body.split(", ", 1)[1].removesuffix(");\n"))
        assert decoded(sheets["0"]).shape[1] == 96 and len(body) < 400_000


def test_without_a_place_for_sidecars_all_is_in_the_page():
    assert all("sheets" in piece for piece in Scatter(scatter_data()).exhibit["groups"])


def test_scores_that_are_missing_stay_missing():
    packed = Scatter(scatter_data(lambda p: p._replace(scores=(float("nan"), 0.5)))).exhibit
    assert packed["points"][0]["scores"] == [None, 0.5]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("initial", "words"),
    [
        ({"pickd": 1}, "did you mean picked"),
        ({"picked": 18}, "point 18 does not exist: there are 18"),
        ({"pinned": "P/U-net/full/seed 0/epoch 31"}, "did you mean P/U-net/full/seed 0/epoch 30"),
        ({"hidden": ["VIT"]}, "did you mean ViT"),
        ({"hidden": "ViT"}, "hidden must be a list"),
        ({"gain": 3}, "gain must be one of 2, 5, 10, 20"),
    ],
)
def test_settings_that_do_not_exist_are_refused(initial, words):
    with pytest.raises(MrinbError, match=words):
        Scatter(scatter_data(), **initial)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p._replace(size="half"), "unknown training set size 'half'"),
        (lambda p: p._replace(x=float("nan")), "epoch 15'?: x and y must be numbers"),
        (lambda p: p._replace(epoch=p.epochs + 1), "epoch must be 1 to 30"),
        (lambda p: p._replace(epoch=1), "two points are"),
        (lambda p: p._replace(images=p.images[:1]), "needs 2 images"),
        (lambda p: p._replace(scores=()), "needs 2 scores"),
        (
            lambda p: p._replace(images=p.images[::-1]),
            r"an image is \(12, 6\), the target \(8, 10\)",
        ),
        (lambda p: p._replace(images=[im * np.nan for im in p.images]), "NaN"),
        (lambda p: p._replace(model="P"), "'P' cannot be the name"),
        (lambda p: p._replace(model="a|b"), "'a|b' cannot be the name"),
    ],
)
def test_points_that_do_not_fit_are_refused(change, words):
    with pytest.raises(MrinbError, match=words):
        Scatter(scatter_data(change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": []}, "at least one point"),
        ({"slice_labels": ["knee"]}, "slice_labels must be 2"),
        ({"targets": [np.ones((2, 8, 10)), np.ones((12, 6))]}, r"must be \(height, width\)"),
        ({"vmax": [1.0, 0.0]}, "vmax must be 2 positive"),
        ({"lines": [Line("Q", 1, 0, 0, 1)]}, "unknown training set of a line 'Q'"),
        ({"lines": [Line("P", 1, 0, 0, 1)] * 2}, "'P' has two lines"),
        ({"lines": [Line("P", 1, 0, 1, 0)]}, "low before high"),
    ],
)
def test_scatters_that_cannot_be_shown_are_refused(change, words):
    with pytest.raises(MrinbError, match=words):
        Scatter(dataclasses.replace(scatter_data(), **change))


def test_at_first_the_seed_with_the_median_gain_is_shown():
    data = scatter_data()
    (plain,) = [p for p in data.points if p.key == PICKED]
    points = [
        plain._replace(seed=seed, y=gain * (training == "P"), training=training)
        for training in ("P", "P_best")
        for seed, gain in {0: 0.3, 1: 0.1, 2: 0.2}.items()
    ]
    chosen = scatter.first_state(dataclasses.replace(data, points=points, lines=[]), {})
    shown = [points[chosen[name]] for name in ("picked", "pinned")]
    assert [(p.training, p.seed) for p in shown] == [("P", 2), ("P_best", 2)]
