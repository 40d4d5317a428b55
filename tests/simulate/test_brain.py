import json

import numpy as np
import places
import pytest
from scipy import ndimage
from tissue_maps import depths, share

from mrinb.simulate import brain
from mrinb.simulate.brain import Brain
from mrinb.simulate.tissues import BRAIN_TISSUES, Grid

GRID = Grid(240, 220, (240.0, 220.0), 5.0)
GOLDEN = places.GOLDEN / "brain.json"
SUBJECTS = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def volumes():
    """Five slices of each subject, low to high."""
    return {s: [Brain(s).render(p, GRID) for p in Brain(s).positions(5)] for s in SUBJECTS}


def each(volumes):
    return [maps for volume in volumes.values() for maps in volume]


def test_fractions_are_shares_and_textures_average_one(volumes):
    for maps in each(volumes):
        assert maps.names == BRAIN_TISSUES
        assert maps.fractions.shape == (len(BRAIN_TISSUES), GRID.height, GRID.width)
        assert maps.fractions.dtype == np.float32
        assert maps.fractions.min() >= 0
        assert maps.fractions.sum(0).max() <= 1 + 1e-4
        for texture in (maps.pd, maps.t1, maps.t2):
            assert texture.dtype == np.float32
            assert abs(texture.mean() - 1) < 0.06
            assert texture.std() > 1e-3


def test_the_head_lies_inside_air_with_skin_around_it(volumes):
    for maps in each(volumes):
        filled = maps.fractions.sum(0)
        assert filled[:3].max() == filled[-3:].max() == filled[:, :3].max() == 0
        assert filled[:, -3:].max() == 0
        rim = ndimage.binary_dilation(filled < 0.05, iterations=2) & (filled > 0.5)
        assert share(maps, "skin")[rim].mean() > 0.4


def test_layers_follow_from_brain_to_scalp(volumes):
    """From the middle outwards at mid height: brain, CSF, bone, fat or muscle, skin."""
    for volume in volumes.values():
        maps = volume[2]
        order = depths(maps, "skin", "fat", "cortical_bone", "grey_matter", "white_matter")
        assert order == sorted(order)


def test_brain_volume_and_white_to_grey_ratio_are_those_of_adults(volumes):
    for volume in volumes.values():
        white, grey = (
            sum(float(share(m, *n).sum()) for m in volume)
            for n in (("white_matter",), ("grey_matter", "deep_grey"))
        )
        spacing = np.diff(Brain(0).positions(5))[0]
        litres = (white + grey) * spacing * 1e-6
        assert 0.8 < litres < 1.7
        assert 0.4 < white / grey < 1.2


def test_ventricles_are_csf_deep_in_the_brain(volumes):
    for volume in volumes.values():
        csf = share(volume[2], "csf")
        assert csf[80:170, 85:135].sum() > 100
        assert csf[80:170, 85:135].max() > 0.9


def test_cortex_is_crisp_not_an_average():
    """At half a millimetre most brain pixels hold one tissue; in the atlas most do not."""
    grid = Grid(480, 440, (240.0, 220.0), 1.0, 1)
    maps = Brain(5).render(25.0, grid)
    parts = np.stack([share(maps, n) for n in ("white_matter", "grey_matter", "csf")])
    here = parts.sum(0) > 0.95
    assert (parts.max(0)[here] > 0.9).mean() > 0.75
    atlas = brain._atlas()
    level = int(25 - atlas.origin[2])
    white = brain._load("wm")[0][:, :, level]
    grey = brain._load("gm")[0][:, :, level]
    brainy = white + grey > 0.5
    assert (np.maximum(white, grey)[brainy] > 0.9).mean() < 0.6


def test_orbits_come_in_low_slices_only():
    grid = GRID
    for subject in SUBJECTS:
        head = Brain(subject)
        low = [share(head.render(z, grid), "vitreous").sum() for z in (-42.0, -38.0, -34.0)]
        assert max(low) > 200, "two globes of 24 mm"
        assert share(head.render(20.0, grid), "vitreous").sum() == 0


def test_both_sides_have_an_eye_and_it_is_in_front():
    low = Brain(1).render(-38.0, GRID)
    rows, columns = np.nonzero(share(low, "vitreous") > 0.5)
    assert rows.max() < GRID.height / 2
    assert (columns < GRID.width / 2).any()
    assert (columns > GRID.width / 2).any()


def test_amounts_hold_at_any_resolution():
    fine = Brain(2).render(10.0, Grid(480, 440, (240.0, 220.0), 5.0))
    coarse = Brain(2).render(10.0, GRID)
    for name in ("white_matter", "grey_matter", "csf", "cortical_bone", "fat"):
        a, b = share(fine, name).sum() / 4, share(coarse, name).sum()
        assert a == pytest.approx(b, rel=0.06), name


def test_subjects_differ_and_the_same_subject_does_not():
    one, again = (Brain(7, 3).render(5.0, GRID).fractions for _ in range(2))
    assert np.array_equal(one, again)
    for other in (Brain(8, 3), Brain(7, 4)):
        assert np.abs(one - other.render(5.0, GRID).fractions).sum(0).mean() > 0.05


def test_positions_cover_the_range_evenly():
    for count in (2, 8, 16):
        at = Brain(0).positions(count)
        assert len(at) == count
        np.testing.assert_allclose(np.diff(at), np.diff(at)[0])
        assert at[0] < -30
        assert at[-1] > 60
    assert len(Brain(0).positions(1)) == 1


def digest():
    """Mean fractions of one slice on 20 mm blocks."""
    maps = Brain(11).render(4.0, GRID)
    blocks = maps.fractions.reshape(len(BRAIN_TISSUES), 12, 20, 11, 20).mean((2, 4))
    return {
        "version": brain.VERSION,
        "maps": {n: b.round(2).tolist() for n, b in zip(BRAIN_TISSUES, blocks, strict=True)},
    }


def test_pixels_change_only_with_the_version():
    stored, now = json.loads(GOLDEN.read_text()), digest()
    assert stored["version"] == now["version"], "VERSION was raised: store digest() in brain.json"
    for name, values in now["maps"].items():
        np.testing.assert_allclose(
            values, stored["maps"][name], atol=0.011, err_msg=f"{name} changed: raise VERSION"
        )
