"""The Python side of the widgets: what is packed, what is refused, what a notebook stores."""

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from markdown_it import MarkdownIt
from PIL import Image
from scatter_data import scatter_data
from widget_data import MODELS, POOLS, SHAPE, exhibit, phantom, view

from mrinb.errors import MrinbError
from mrinb.widgets import CompareData, Comparer, MaskExplorer, Scatter, Toy, ToyData, host, live
from mrinb.widgets.mask_explorer import MAX_COILS, compress, inverse_dft, rss

SIMPLE_TOY = ToyData(10, 2, [0.1, 0.2, 0.3, 0.4], [0.1] * 4, [0.01] * 4, ["a note"])


def widgets():
    return [
        *(Comparer(exhibit()), MaskExplorer(phantom())),
        *(Scatter(scatter_data()), Toy(SIMPLE_TOY)),
    ]


def decoded(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def state_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.S)[1])


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("MRINB_SIDECAR_DIR", "MRINB_SIDECAR_URL"):
        monkeypatch.delenv(name, raising=False)


# --- what is packed -------------------------------------------------------------------------------


def test_sheets_hold_the_windowed_slices_upright():
    data = exhibit()
    rng = np.random.default_rng(0)
    key = ("VarNet", "P+Q")
    images = rng.uniform(0, 3, SHAPE).astype(np.float32)
    white = [1.0, 2.0, 4.0]
    changed = dataclasses.replace(
        data.views[1], images={**data.views[1].images, key: images}, vmax=white
    )
    packed = Comparer(dataclasses.replace(data, views=[data.views[0], changed])).exhibit
    sheet = decoded(packed["views"][1]["models"]["VarNet"]["sheets"]["P+Q"])
    assert sheet.shape == (SHAPE[0] * SHAPE[1], SHAPE[2])
    for i, top in enumerate(white):
        expected = np.round(np.clip(images[i, ::-1] / top, 0, 1) * 255)
        assert np.array_equal(sheet[i * SHAPE[1] : (i + 1) * SHAPE[1]], expected)


def test_without_ground_truth_there_is_nothing_to_compare_with():
    views = [dataclasses.replace(view(0, "scan"), truth=False, scores={})]
    comparer = Comparer(CompareData(POOLS, MODELS, views), left="zero-filled")
    assert "ground-truth" not in comparer.exhibit["views"][0]["base"]["sheets"]
    assert comparer.exhibit["groups"][0]["fixed"] == ["zero-filled"]
    assert "SSIM" not in comparer.still() and "Zero-filled" in comparer.still()
    with pytest.raises(MrinbError, match="unknown training pool 'ground-truth'"):
        Comparer(CompareData(POOLS, MODELS, views), right="ground-truth")
    assert Comparer(exhibit()).exhibit["groups"][0]["fixed"] == ["ground-truth", "zero-filled"]


def test_white_is_each_targets_largest_unless_given():
    given = view(0, "x")
    target = np.arange(np.prod(SHAPE), dtype=float).reshape(SHAPE)
    plain = dataclasses.replace(given, target=target, vmax=None)
    assert plain.white().tolist() == [slice_.max() for slice_ in target]


def test_scores_are_passed_on_and_missing_numbers_stay_missing():
    given = view(0, "x")
    broken = [{"ssim": float("nan"), "psnr": float("inf")}] * SHAPE[0]
    scores = {**given.scores, ("U-net", "P"): broken}
    data = CompareData(POOLS, MODELS, [dataclasses.replace(given, scores=scores)])
    packed = Comparer(data).exhibit["views"][0]["scores"]
    assert packed["U-net"]["P"] == [[None, None]] * SHAPE[0]
    assert packed["VarNet"]["P"][2] == [round(56 / 255, 5), 5.6]
    assert packed["U-net"]["zero-filled"] == [[0.1, 1.0]] * SHAPE[0]


def test_hybrid_space_keeps_its_precision():
    kspace = phantom(coils=2)
    kspace[..., 0] *= 1e-4  # a weak line beside strong ones
    data = MaskExplorer(kspace).data
    whole = np.frombuffer(base64.b64decode(data["hybrid"]), "<i2")
    parts = whole.reshape(2, *kspace.shape) * np.array(data["scale"])
    hybrid = inverse_dft(kspace, -2)
    line_peak = np.abs(np.stack([hybrid.real, hybrid.imag])).max(axis=(0, 1, 2))
    error = np.abs(parts[0] + 1j * parts[1] - hybrid).max(axis=(0, 1))
    assert (error <= line_peak / 32767).all()


def test_many_coils_become_four_virtual_ones_and_the_page_says_so():
    kspace = phantom(coils=9)
    virtual, kept = compress(kspace)
    assert virtual.shape == (MAX_COILS, *kspace.shape[1:])
    energy = (np.abs(virtual) ** 2).sum() / (np.abs(kspace) ** 2).sum()
    assert kept == pytest.approx(energy, rel=1e-4) and 0.9 < kept < 1
    explorer = MaskExplorer(kspace, notes=["Simulated"])
    assert "9 coils compressed to 4" in explorer.data["notes"][1]
    target = np.frombuffer(base64.b64decode(explorer.data["target"]), "<f4")
    full = rss(inverse_dft(inverse_dft(kspace, -2), -1))
    assert np.allclose(target.reshape(full.shape), full, rtol=1e-5)


def test_presets_are_the_papers():
    from mrinb.recon.masks import CENTER_FRACTIONS

    assert dict(MaskExplorer(phantom()).data["presets"]) == CENTER_FRACTIONS


# --- what a notebook stores -----------------------------------------------------------------------


@pytest.mark.parametrize("widget", widgets(), ids=lambda w: w.module)
def test_outputs_are_html_and_the_kernels_view_comes_on_request(widget):
    stored = widget._repr_mimebundle_()
    assert set(stored) == {"text/plain", "text/html"} and widget.comm is None
    state = state_of(stored["text/html"])
    assert state["name"] == widget.name
    assert set(state) == set(widget.traits(page=True))
    shown = live(widget)._repr_mimebundle_()
    assert set(shown) == {*stored, host.WIDGET_MIME}
    assert shown[host.WIDGET_MIME]["model_id"] == widget.model_id is not None
    assert live(widget)._repr_mimebundle_()[host.WIDGET_MIME] == shown[host.WIDGET_MIME]


@pytest.mark.parametrize("widget", widgets(), ids=lambda w: w.module)
def test_outputs_are_one_block_of_markdown(widget):
    blocks = MarkdownIt().parse(f"Before\n\n{widget.to_html()}\n\nafter")
    kinds = [block.type for block in blocks if block.level == 0]
    ends = ["paragraph_open", "paragraph_close"]
    assert kinds == [*ends, "html_block", *ends]


@pytest.mark.parametrize("widget", widgets(), ids=lambda w: w.module)
def test_modules_are_small_and_depend_on_nothing(widget):
    source = host.module_source(widget.module)
    assert all(len(file.read_bytes()) < 25_000 for file in host.HERE.glob("*.js"))
    assert len(source.encode()) < 40_000
    assert source.count("export default { render };") == 1
    assert not re.search(r"^\s*import\s|https?://(?!www\.w3\.org/2000/svg)", source, re.M)
    assert "</script" not in source.lower() and "<!--" not in source


def test_labels_cannot_leave_the_state_or_the_attributes():
    nasty = '</script><script>alert(1)</script><!--"><img onerror=x>'
    data = CompareData({"P": nasty}, ["m"], [])
    given = view(0, nasty)
    kept = dataclasses.replace(
        given,
        images={("m", "P"): given.images["U-net", "P"]},
        scores={("m", "P"): given.scores["U-net", "P"]},
        notes=[nasty],
    )
    text = Comparer(dataclasses.replace(data, views=[kept])).to_html()
    assert nasty not in text and "<img onerror" not in text.split('type="application/json"')[0]
    assert text.count("</script>") == 2
    assert state_of(text)["exhibit"]["views"][0]["notes"] == [nasty]


def test_equal_widgets_give_equal_pages():
    assert Comparer(exhibit()).to_html() == Comparer(exhibit()).to_html()


# --- sidecars -------------------------------------------------------------------------------------


def test_only_the_first_view_and_model_stay_in_the_page(tmp_path, monkeypatch):
    monkeypatch.setenv("MRINB_SIDECAR_DIR", str(tmp_path / "exhibits"))
    monkeypatch.setenv("MRINB_SIDECAR_URL", "../_static/exhibits")
    packed = Comparer(exhibit(), view=1, model="VarNet").exhibit
    pieces = {
        (i, name): piece
        for i, shown in enumerate(packed["views"])
        for name, piece in {"base": shown["base"], **shown["models"]}.items()
    }
    inline = {key for key, piece in pieces.items() if "sheets" in piece}
    assert inline == {(1, "base"), (1, "VarNet")}
    for key, piece in pieces.items():
        if key in inline:
            continue
        assert piece["src"] == f"../_static/exhibits/{piece['key']}.js"
        text = (tmp_path / "exhibits" / f"{piece['key']}.js").read_text(encoding="utf-8")
        head, body = re.fullmatch(r'window\.__mrinb_sidecar\("(\w+)", (.*)\);\n', text).groups()
        assert head == piece["key"]
        sides = {"ground-truth", "zero-filled"} if key[1] == "base" else set(POOLS)
        assert set(json.loads(body)) == sides
    assert not list(tmp_path.rglob("*.part"))


def test_half_a_sidecar_setting_is_refused(monkeypatch):
    monkeypatch.setenv("MRINB_SIDECAR_DIR", "somewhere")
    with pytest.raises(MrinbError, match="MRINB_SIDECAR_URL"):
        Comparer(exhibit())


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("initial", "words"),
    [
        ({"left": "p"}, "unknown training pool 'p'"),
        ({"model": "Unet"}, "did you mean U-net"),
        ({"view": "Brain"}, "unknown view 'Brain'"),
        ({"view": 2}, "view 2 does not exist"),
        ({"slice_index": 3}, "slice_index 3"),
        ({"gain": 7}, "gain must be one of 2, 5, 10, 20"),
        ({"lefft": "P"}, "did you mean left"),
    ],
)
def test_comparer_refuses_settings_that_do_not_exist(initial, words):
    with pytest.raises(MrinbError, match=words):
        Comparer(exhibit(), **initial)


def without(mapping, key):
    return {k: v for k, v in mapping.items() if k != key}


KEY = ("VarNet", "half of P+Q")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: {"images": without(v.images, KEY)}, "no image for"),
        (lambda v: {"scores": without(v.scores, KEY)}, "needs 3 scores"),
        (lambda v: {"scores": {**v.scores, KEY: v.scores[KEY][:2]}}, "needs 3 scores"),
        (lambda v: {"images": {**v.images, KEY: v.images[KEY][:, 1:]}}, "the target"),
        (lambda v: {"zero_filled": v.zero_filled * np.nan}, "zero_filled contains NaN"),
        (lambda v: {"target": v.target[0]}, r"\(slices, height, width\)"),
        (lambda v: {"vmax": [1.0, 0.0, 1.0]}, "vmax must be 3 positive"),
        (lambda v: {"vmax": [1.0]}, "vmax must be 3 positive"),
    ],
)
def test_views_that_do_not_fit_are_refused(change, words):
    given = view(0, "x")
    broken = dataclasses.replace(given, **change(given))
    with pytest.raises(MrinbError, match=words):
        Comparer(CompareData(POOLS, MODELS, [broken]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (CompareData({}, MODELS, [view(0, "x")]), "at least one pool"),
        (CompareData(POOLS, MODELS, []), "at least one pool"),
        (CompareData({"zero-filled": "z"}, MODELS, [view(0, "x")]), "cannot be a pool's id"),
        (CompareData(POOLS, MODELS, [view(0, "x")] * 2), "two views are called"),
    ],
)
def test_exhibits_that_cannot_be_shown_are_refused(data, words):
    with pytest.raises(MrinbError, match=words):
        Comparer(data)


@pytest.mark.parametrize(
    ("kspace", "options", "words"),
    [
        (np.ones((2, 8, 8)), {}, "must be complex"),
        (np.ones((8, 8), complex), {}, "must be complex"),
        (np.zeros((2, 8, 8), complex), {}, "only zeros"),
        (np.full((2, 8, 8), np.nan, complex), {}, "NaN"),
        (np.ones((1, 320, 320), complex), {}, "too large"),
        (np.ones((2, 8, 8), complex), {"target": np.ones((8, 9))}, "crop them alike"),
        (np.ones((2, 8, 8), complex), {"kind": "equispacd"}, "did you mean equispaced"),
        (np.ones((2, 8, 8), complex), {"acceleration": 17}, "choose 1 to 16"),
        (np.ones((2, 8, 8), complex), {"center_fraction": 0.5}, "choose 0 to 0.4"),
    ],
)
def test_mask_explorer_refuses_what_it_cannot_show(kspace, options, words):
    with pytest.raises(MrinbError, match=words):
        MaskExplorer(kspace, **options)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"d": 10}, "d = 10"),
        ({"nonlinear": [0.1]}, "of one length"),
        ({"sigmas": [0.1, 0.3, 0.2, 0.4]}, "must rise"),
    ],
)
def test_toy_refuses_tables_that_do_not_fit(change, words):
    with pytest.raises(MrinbError, match=words):
        Toy(dataclasses.replace(SIMPLE_TOY, **change))


def test_toy_starts_where_it_is_told():
    lesson = Toy(SIMPLE_TOY, p=0.3, q=0.1, name="lesson")
    assert (lesson.p, lesson.q, lesson.name) == (2, 0, "lesson")
    with pytest.raises(MrinbError, match=r"sigma 0\.34 is not a step .* nearest is 0\.3"):
        Toy(SIMPLE_TOY, p=0.34)


def test_a_sheet_beyond_the_format_is_refused():
    with pytest.raises(MrinbError, match="show fewer slices"):
        host.webp_uri(np.zeros((16384, 2), np.uint8))
