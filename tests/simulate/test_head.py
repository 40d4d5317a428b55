"""Heads of another source than the template's: anatomy, subjects, distributions."""

import json

import numpy as np
import places
import pytest
from tissue_maps import depths, share

from mrinb import catalogue
from mrinb.errors import MrinbError
from mrinb.simulate import acquire, head_atlas, subjects
from mrinb.simulate.head import Head
from mrinb.simulate.tissues import BRAIN_TISSUES, Grid
from mrinb.specs import SimulatorSpec

GRID = Grid(250, 230, (250.0, 230.0), 5.0)
GOLDEN = places.GOLDEN / "head.json"


def first(source):
    """The first subject that is made from one of the two people."""
    return next(h for h in map(Head, range(40)) if h.source == source)


@pytest.fixture(scope="module")
def volumes():
    """Five slices of a subject from each person, low to high."""
    heads = [first(s.name) for s in head_atlas.SOURCES]
    return {h.source: [h.render(p, GRID) for p in h.positions(5)] for h in heads}


def test_fractions_are_shares_and_the_head_lies_in_air(volumes):
    for maps in (m for volume in volumes.values() for m in volume):
        filled = maps.fractions.sum(0)
        assert maps.fractions.min() >= 0
        assert filled.max() <= 1 + 1e-4
        assert max(edge.max() for edge in (filled[:2], filled[-2:], filled[:, :2])) < 0.02
        for texture in (maps.pd, maps.t1, maps.t2):
            assert abs(texture.mean() - 1) < 0.06


def test_layers_follow_from_brain_to_scalp(volumes):
    for volume in volumes.values():
        maps = volume[3]
        order = depths(maps, "skin", "fat", "cortical_bone", "grey_matter", "white_matter")
        assert order == sorted(order)


def test_brain_volume_and_white_to_grey_ratio_are_those_of_adults(volumes):
    for source, volume in volumes.items():
        white, grey = (
            sum(float(share(m, *n).sum()) for m in volume)
            for n in (("white_matter",), ("grey_matter", "deep_grey"))
        )
        spacing = np.diff(first(source).positions(5))[0]
        assert 0.8 < (white + grey) * spacing * 1e-6 < 1.7
        assert 0.4 < white / grey < 1.2


def test_subjects_use_both_people_and_both_sides_and_differ():
    heads = [Head(s) for s in range(24)]
    assert len({(h.source, h.mirrored) for h in heads}) == 4
    alike = [h for h in heads if (h.source, h.mirrored) == (heads[0].source, heads[0].mirrored)]
    a, b = (share(h.render(20.0, GRID), "white_matter") for h in alike[:2])
    again = share(Head(0).render(20.0, GRID), "white_matter")
    np.testing.assert_array_equal(a, again)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] < 0.9


def digest(source):
    """Mean fractions of one slice on blocks of 25 by 23 mm."""
    maps = first(source).render(4.0, GRID)
    blocks = maps.fractions.reshape(len(BRAIN_TISSUES), 10, 25, 10, 23).mean((2, 4))
    names = zip(BRAIN_TISSUES, blocks.round(2).tolist(), strict=True)
    head = catalogue.distribution("head/T2-Prisma")
    return {"versions": [list(v) for v in acquire.versions(head)], "maps": dict(names)}


@pytest.mark.parametrize("source", [s.name for s in head_atlas.SOURCES])
def test_pixels_change_only_with_a_version(source):
    stored, now = json.loads(GOLDEN.read_text())[source], digest(source)
    assert stored["versions"] == now["versions"], "a version was raised: store digest() anew"
    for name, values in now["maps"].items():
        np.testing.assert_allclose(
            values, stored["maps"][name], atol=0.011, err_msg=f"{name} changed: raise VERSION"
        )


def test_each_is_scanned_as_the_brain_of_its_contrast_and_scanner():
    spec = SimulatorSpec(size=32, coils=2, subjects=1, slices=1)
    for name, distribution in catalogue.EXTRA.items():
        twin = catalogue.DISTRIBUTIONS[name.replace("head/", "brain/")]
        assert distribution._replace(name="", dataset="", anatomy="") == twin._replace(
            name="", dataset="", anatomy=""
        )
        assert distribution.snr == twin.snr
    assert not set(catalogue.EXTRA) & set(catalogue.DISTRIBUTIONS)
    number = subjects.subject_id(distribution, "test", 0)
    pair = [acquire.simulate_volume(d, number, spec) for d in (distribution, twin)]
    assert pair[0].kspace.shape == pair[1].kspace.shape
    assert not np.array_equal(pair[0].kspace, pair[1].kspace)


def ball_of_tissues():
    """A T1-like ball: fluid outside, a grey shell, a white core; noise and a receive bias."""
    z, y, x = np.mgrid[:44, :44, :44] - 21.5
    radius = np.sqrt(x**2 + y**2 + z**2)
    labels = np.select([radius < 11, radius < 15, radius < 18], [3, 2, 1], 0)
    clean = np.array([0, 0.25, 0.7, 1.0])[labels]
    noise = 0.04 * np.random.default_rng(0).standard_normal(labels.shape)
    return labels, (clean + noise).astype(np.float32), np.exp(0.008 * x).astype(np.float32)


def test_the_mixture_finds_fluid_grey_and_white():
    labels, image, _ = ball_of_tissues()
    found = head_atlas.mixture(image, labels > 0)
    assert not found[labels == 0].any()
    assert (found == labels)[labels > 0].mean() > 0.95


def test_the_receive_bias_is_seen_in_the_white_matter():
    labels, image, bias = ball_of_tissues()
    factor = head_atlas.receive(image * bias, labels > 1)
    core = labels == 3
    assert np.corrcoef(factor[core], bias[core])[0, 1] > 0.9
    left, had = ((b / b.mean()).std() for b in ((bias / factor)[core], bias[core]))
    assert left < 0.9 * had


def test_another_image_than_the_atlas_is_made_from_is_refused(tmp_path):
    path = tmp_path / "T1.nii.gz"
    path.write_bytes(b"nothing")
    with pytest.raises(MrinbError, match=r"T1\.nii\.gz: this is not the image that s1"):
        head_atlas.main([str(path), str(path)])
