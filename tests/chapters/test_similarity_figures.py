import numpy as np
import pytest
from similarity_tables import GOOD, NEAR, POOLS, scores, similarities

from mrinb.chapters.similarity import figures
from mrinb.errors import MrinbError
from mrinb.figures import note_text
from mrinb.stats import correlation

NOTE = {
    "data": "simulated data",
    "profile": "quick",
    "seeds": [],
    "key": "k",
    "embedder": "some net",
}


def words(fig):
    found = [t.get_text() for t in fig.texts]
    for ax in fig.axes:
        titles = [ax.get_title(loc) for loc in ("left", "center")]
        found += [*titles, ax.get_xlabel(), ax.get_ylabel(), *(t.get_text() for t in ax.texts)]
        if ax.get_legend():
            found += [t.get_text() for t in ax.get_legend().get_texts()]
    for legend in fig.legends:
        found += [t.get_text() for t in legend.get_texts()]
    return "\n".join(found)


def test_figure_6_shows_both_rules_and_names_the_embedder():
    near, good = similarities(NEAR), scores(GOOD)
    near.loc[near["rule"] == correlation.ALL, "compared"] = 70
    fig = figures.similarity(near, good, best="d")
    text = words(fig)
    assert "to P (70 patches)" in text
    assert "to P (10 patches)" in text
    rho = "\N{GREEK SMALL LETTER RHO} = +1.00"
    assert text.count(f"5 single distributions: {rho}, p = 0.0083") == 2
    assert text.count(f"6 pools without Q: {rho}, p = 0.0014") == 2
    assert text.count("all 8 pools") == 2
    assert "d ($P_{\\mathrm{best}}$)" in text
    assert "seeds 0, 1, 2 | net | key k, s" in note_text(fig.note)
    x, y = fig.axes[0].collections[0].get_paths()[0].vertices.T
    area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    patches = (near["rule"] == correlation.ALL).sum() / len(POOLS)
    assert area / (np.ptp(x) / 30) == pytest.approx(patches)
    marks = [line.get_xdata()[0] for line in fig.axes[1].lines if line.get_marker() in "osDv^"]
    assert sorted(marks) == pytest.approx(sorted(NEAR))


def test_figure_6_says_what_is_missing():
    near, good = similarities(NEAR), scores(GOOD)
    with pytest.raises(MrinbError, match="no pool 'R'"):
        figures.similarity(near, good, compared=("P", "R"))
    few = near[near["pool"].isin(["a", "P", "Q"])]
    assert "2 pools without Q: too few for a correlation" in words(figures.similarity(few, good))
    good.note = None
    with pytest.raises(MrinbError, match="a table has no note"):
        figures.similarity(near, good)


def test_its_tables_hold_every_pool_rule_and_correlation():
    table = figures.similarity_table(similarities(NEAR), scores(GOOD, foreground=GOOD[::-1]))
    assert len(table) == 2 * len(POOLS)
    assert table["ssim"].tolist() == pytest.approx([*GOOD, *GOOD])
    assert table["ssim_foreground"].tolist() == pytest.approx([*GOOD[::-1], *GOOD[::-1]])
    page = str(figures.correlations(similarities(NEAR), scores(GOOD))._repr_html_())
    assert page.count("<tr>") == 1 + 12
    assert "net | key k, s" in page


def test_curves_end_at_all_patches_of_each_pool():
    near = similarities(NEAR)
    near.loc[(near["rule"] == correlation.ALL) & (near["pool"] == "P"), "compared"] = 50
    near.loc[near["rule"] == "", "compared"] = 5
    fig = figures.similarity_curves(near)
    curves = {line.get_label(): line.get_xdata() for line in fig.axes[0].lines}
    assert list(curves["P"]) == [5, 10, 50]
    assert list(curves["a"]) == [5, 10]
    assert fig.note["embedder"] == "net"


def test_pictures_of_patches():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (3, 8, 8)).astype(np.uint8)
    names = np.array(["brain/T2-Aera"] * 3)
    arrays = {"test": images, "nearest": images, "similarity": np.array([0.1, 0.5, 1.0]),
              "of": names, "from": names}  # fmt: skip
    fig = figures.matches({"P": arrays, "Q": arrays}, NOTE)
    assert len(fig.axes) == 9
    assert "0.50" in words(fig)
    assert fig.note["embedder"] == "some net"
    with pytest.raises(MrinbError, match="no matches"):
        figures.matches({})


def test_patches_are_drawn_where_they_lie():
    image = np.zeros((20, 20), np.uint8)
    inside = np.zeros_like(image)
    image[12:16, 3:7], inside[5:18, 1:9] = 255, 1
    arrays = {"image": image, "foreground": inside, "patch": np.array(4),
              "kept": np.array([[12, 3]]), "discarded": np.array([[0, 16]])}  # fmt: skip
    fig = figures.patches({"brain/T2-Aera": arrays}, NOTE)
    ax = fig.axes[0]
    boxes = [(p.get_x() + 0.5, p.get_y() + 0.5) for p in ax.patches]
    assert sorted(boxes) == [(3, 4), (16, 16)]
    shown = np.asarray(ax.images[0].get_array())
    assert (shown[4:8, 3:7] == 255).all()  # the picture is turned, and so is the kept square
    with pytest.raises(MrinbError, match="no patches"):
        figures.patches({})
