"""Turning and moving images in k-space, for odd and even sizes."""

import numpy as np
import pytest
from source_forms import to_kspace

from mrinb.slicing import kspace as transforms


def image(shape, seed=0):
    random = np.random.default_rng(seed)
    return random.standard_normal(shape) + 1j * random.standard_normal(shape)


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_reverse_turns_the_image_exactly(size, axis):
    original = image((size, size + 1, size + 3))
    turned = transforms.reverse(to_kspace(original, (0, 1, 2)), axis)
    expected = to_kspace(np.flip(original, axis), (0, 1, 2))
    np.testing.assert_allclose(turned, expected, atol=1e-6)


@pytest.mark.parametrize("size", [5, 6, 7, 8])
def test_recentre_agrees_with_the_plain_transform(size):
    kspace = image((3, size))
    plain = np.abs(np.fft.ifft(kspace, axis=1)) * np.sqrt(size)
    moved = transforms.recentre(kspace.astype(np.complex64), 1)
    centred = np.abs(transforms.centred(moved, (1,), inverse=True))
    np.testing.assert_allclose(centred, plain, atol=1e-5)


@pytest.mark.parametrize("size", [5, 6])
def test_centred_is_the_definition(size):
    original = image((size, 4))
    kspace = transforms.centred(original, (0, 1), inverse=False)
    np.testing.assert_allclose(kspace, to_kspace(original, (0, 1)), atol=1e-12)
    np.testing.assert_allclose(transforms.centred(kspace, (0, 1), inverse=True), original)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_acquired_lines_are_found_along_any_axis(axis):
    kspace = np.zeros((7, 8, 9, 10), np.complex64)
    at = [3, 3, 3, 3]
    for line in (2, 5):
        at[axis] = line
        kspace[tuple(at)] = 1
    assert transforms.acquired(kspace, axis) == (2, 6)
    assert transforms.acquired(np.zeros_like(kspace), axis) == (0, kspace.shape[axis])


def test_targets_are_cropped_in_the_middle():
    original = image((2, 3, 9, 8))
    target = transforms.target(to_kspace(original, (2, 3)).astype(np.complex64), (5, 20))
    expected = np.sqrt((np.abs(original) ** 2).sum(1))[:, 2:7]
    np.testing.assert_allclose(target, expected, rtol=1e-5)
