from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrinb import exhibits
from mrinb.chapters.setup.exhibits import image_statistics
from mrinb.compute.context import Context
from mrinb.data.volumes import Volume
from mrinb.errors import MrinbError
from mrinb.specs import ExhibitSpec


def volume(name, slices):
    shape = (slices, 2, 8, 8)
    return Volume(Path(name), name, name, "knee/PD-Aera", slices, shape, (8, 8), 1.0, (0, 8))


def test_pictures_keep_values_to_half_a_grey_level():
    rng = np.random.default_rng(0)
    images = rng.random((3, 5, 4)).astype(np.float32) * np.array([1, 20, 300])[:, None, None]
    white = images.reshape(3, -1).max(axis=1)
    back = exhibits.Pictures.of(images, white).floats()
    assert np.abs(back - images).max(axis=(1, 2)) == pytest.approx(white / 510, rel=0.2)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 12))
def test_shown_slices_are_inside_their_volumes_and_spread(sizes, count):
    found = tuple(volume(f"v{i}", n) for i, n in enumerate(sizes))
    shown = exhibits.shown_slices(found, count)
    assert len(shown) == count
    assert all(0 <= index < v.slices for v, index in shown)
    assert len({v.name for v, _ in shown}) == min(count, len(found))
    assert shown == exhibits.shown_slices(found[::-1], count)


def test_shown_slices_are_of_the_commonest_size():
    sizes = {"a": (8, 8), "b": (6, 6), "c": (6, 6), "d": (9, 9)}
    found = tuple(volume(name, 3)._replace(recon_shape=size) for name, size in sizes.items())
    assert {v.name for v, _ in exhibits.shown_slices(found, 4)} == {"b", "c"}


def test_statistics_of_white_noise_are_flat_and_of_a_blur_are_not():
    rng = np.random.default_rng(1)
    noise = np.abs(rng.standard_normal((128, 128))) + 3
    arrays = image_statistics([noise])
    power = arrays["power"][4:]
    assert power.max() / power.min() < 3
    smooth = np.add.outer(np.arange(128.0), np.arange(128.0)) + 1
    steep = image_statistics([smooth])["power"]
    assert steep[2] / steep[-1] > 1e3
    widths = np.diff(arrays["edges"])
    assert 0 < (arrays["density"] * widths).sum() <= 1 + 1e-9


def test_real_head_is_a_real_picture(tmp_path):
    spec = ExhibitSpec(name="real_head", options=(("size", 96),))
    arrays = exhibits.compute(spec, None, Context(cache=tmp_path))
    assert arrays["power"][1] > 100 * arrays["power"][-2]


def test_toy_exhibit_matches_the_toy_module(tmp_path):
    spec = ExhibitSpec(name="toy_risk", options=(("d", 4), ("draws", 500), ("n", 40)))
    arrays = exhibits.compute(spec, None, Context(cache=tmp_path))
    assert (np.diff(arrays["risk"]) > -0.02).all()
    assert arrays["sigmas"][0] == 0.05


def test_unknown_exhibit_is_named(tmp_path):
    with pytest.raises(MrinbError, match="unknown exhibit 'referense': did you mean reference"):
        exhibits.compute(ExhibitSpec(name="referense"), None, Context(cache=tmp_path))
