import itertools

import numpy as np
import pytest

from mrinb.errors import MrinbError
from mrinb.simulate import contrast
from mrinb.simulate.tissues import BRAIN_TISSUES, KNEE_TISSUES, TissueMaps

SEEDS = range(5)


def pure(name, kind, field_t, seed=0):
    """Signal of a patch of one tissue, through the whole of ``signal``."""
    ones = np.ones((8, 8), np.float32)
    maps = TissueMaps((name,), ones[None], ones, ones, ones)
    return float(contrast.signal(maps, kind, field_t, np.random.default_rng(seed)).mean())


def timing(kind, field_t, seed=0):
    return contrast.sequence(kind, field_t, np.random.default_rng(seed))


@pytest.mark.parametrize("field_t", [1.5, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_t2_orders_tissues_as_radiologists_know_them(field_t, seed):
    value = {t: pure(t, "T2", field_t, seed) for t in BRAIN_TISSUES}
    assert value["csf"] == max(v for t, v in value.items() if t != "vitreous")
    assert value["vitreous"] == pytest.approx(value["csf"], rel=0.1)
    assert value["csf"] > 2 * value["grey_matter"]
    assert value["grey_matter"] > 1.25 * value["white_matter"] > 0
    assert value["fat"] > value["grey_matter"]
    assert value["muscle"] < 0.6 * value["white_matter"]
    assert value["blood"] < 0.3 * value["white_matter"]


@pytest.mark.parametrize("field_t", [1.5, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_flair_nulls_csf_and_keeps_grey_above_white(field_t, seed):
    value = {t: pure(t, "FLAIR", field_t, seed) for t in BRAIN_TISSUES}
    assert value["csf"] < 0.12 * value["white_matter"]
    assert value["grey_matter"] > value["white_matter"]
    assert value["fat"] < 1.8 * value["white_matter"]


@pytest.mark.parametrize(("kind", "field_t"), [("T1", 1.5), ("T1POST", 1.5), ("T1POST", 3.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_t1_has_bright_fat_then_white_grey_csf(kind, field_t, seed):
    value = {t: pure(t, kind, field_t, seed) for t in BRAIN_TISSUES}
    order = ["fat", "white_matter", "deep_grey", "grey_matter", "csf"]
    assert sorted(order, key=value.get, reverse=True) == order
    assert value["csf"] < 0.6 * value["white_matter"]


@pytest.mark.parametrize("field_t", [1.5, 3.0])
def test_gadolinium_brightens_what_takes_it_up_and_nothing_else(field_t):
    before, after = (timing(k, field_t) for k in ("T1", "T1POST"))
    after = after._replace(flow_void=before.flow_void)
    for tissue, least in {"blood": 1.5, "enhancing": 1.25, "mucosa": 1.25}.items():
        gain = contrast.tissue_signal(tissue, after, field_t) / contrast.tissue_signal(
            tissue, before, field_t
        )
        assert gain > least, tissue
    for tissue in ("white_matter", "grey_matter", "csf", "fat"):
        assert contrast.tissue_signal(tissue, after, field_t) == contrast.tissue_signal(
            tissue, before, field_t
        )


@pytest.mark.parametrize("field_t", [1.5, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_fat_saturation_darkens_fat_and_nothing_else(field_t, seed):
    plain = {t: pure(t, "PD", field_t, seed) for t in KNEE_TISSUES}
    saturated = {t: pure(t, "PDFS", field_t, seed) for t in KNEE_TISSUES}
    assert plain["fat"] > 1.3 * plain["muscle"]
    assert saturated["fat"] < 0.45 * saturated["muscle"]
    assert saturated["fatty_marrow"] < 0.5 * saturated["muscle"]
    assert saturated["synovial_fluid"] == max(saturated.values())
    assert saturated["cartilage"] > 0.8 * plain["cartilage"]
    for name in ("meniscus", "tendon", "cortical_bone"):
        assert plain[name] < 0.35 * plain["cartilage"], name


@pytest.mark.parametrize("tissue", sorted(contrast.TISSUES))
def test_t1_grows_and_t2_shrinks_with_the_field(tissue):
    times = [contrast.relaxation(tissue, b) for b in (0.3, 0.7, 1.5, 2.0, 3.0, 5.0, 7.0)]
    assert all(a[1] <= b[1] for a, b in itertools.pairwise(times))
    assert all(a[2] >= b[2] for a, b in itertools.pairwise(times))
    assert all(0 < pd <= 1 and t2 < t1 for pd, t1, t2 in times)


def test_every_tissue_of_the_anatomies_is_known():
    assert set(BRAIN_TISSUES) | set(KNEE_TISSUES) <= set(contrast.TISSUES)


def test_spin_echo_is_the_textbook_formula():
    sequence = contrast.Sequence(500.0, 20.0)
    pd, t1, t2 = contrast.relaxation("muscle", 1.5)
    expected = 0.9 * pd * (1 - np.exp(-500 / (1.1 * t1))) * np.exp(-20 / (0.8 * t2))
    assert contrast.tissue_signal("muscle", sequence, 1.5, 0.9, 1.1, 0.8) == pytest.approx(expected)


def test_gradient_echo_peaks_at_the_ernst_angle():
    _, t1, _ = contrast.relaxation("white_matter", 3.0)
    ernst = float(np.rad2deg(np.arccos(np.exp(-20 / t1))))
    at = [
        float(contrast.tissue_signal("white_matter", contrast.Sequence(20, 3, flip_deg=a), 3.0))
        for a in (ernst - 5, ernst, ernst + 5)
    ]
    assert at[1] == max(at)


def test_signal_is_linear_in_the_fractions():
    ones = np.ones((4, 4), np.float32)
    names = ("white_matter", "csf")
    maps = TissueMaps(names, np.stack([0.3 * ones, 0.5 * ones]), ones, ones, ones)
    mixed = contrast.signal(maps, "T2", 3.0, np.random.default_rng(0)).mean()
    parts = 0.3 * pure("white_matter", "T2", 3.0) + 0.5 * pure("csf", "T2", 3.0)
    assert mixed == pytest.approx(parts, rel=1e-5)


@pytest.mark.parametrize("kind", sorted(contrast.VERSIONS))
def test_protocols_vary_a_little_between_volumes(kind):
    drawn = [timing(kind, 3.0, seed) for seed in range(20)]
    one = kind.startswith("MP2RAGE")  # all of the 7T database has one protocol
    for name in ("tr_ms", "te_ms"):
        values = np.array([getattr(d, name) for d in drawn])
        assert (values.std() == 0) if one else (0 < values.std() < 0.15 * values.mean())


def test_unknown_names_are_one_clear_line():
    rng = np.random.default_rng(0)
    with pytest.raises(MrinbError, match="unknown contrast 'T3': did you mean"):
        contrast.sequence("T3", 3.0, rng)
    with pytest.raises(MrinbError, match="unknown tissue 'gray_matter': did you mean grey_matter"):
        contrast.relaxation("gray_matter", 3.0)
    with pytest.raises(MrinbError, match="field strength 30 T: give one between"):
        contrast.relaxation("fat", 30)
