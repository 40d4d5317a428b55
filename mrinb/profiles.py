"""The three sizes at which every chapter runs. What a small profile may shrink stands here."""

from __future__ import annotations

from typing import NamedTuple

from mrinb.errors import unknown


class Profile(NamedTuple):
    """Sizes of one profile.

    The mask rule, loss, schedule, normalisation, SSIM and splits are not here, because no profile
    may change them.

    Attributes:
        name: ``quick``, ``classroom`` or ``paper``.
        simulated: whether the data are simulated when no data root is given.
        size: target matrix (a full-size matrix of 320 becomes this).
        coils: at most so many coils.
        subjects: simulated subjects for train, val and test of each distribution.
        slices: slices of each simulated volume.
        train_slices, test_slices: slices of each distribution used of real files (Appendix B.1).
        unet_channels: channels of the U-net's first layer.
        unet_pools: pooling layers of the U-net.
        epochs: epochs of every run.
        seeds: number of seeds.
        exhibit_slices: slices of a distribution that the comparer shows.
    """

    name: str
    simulated: bool
    size: int
    coils: int
    subjects: tuple[int, int, int]
    slices: int
    train_slices: int
    test_slices: int
    unet_channels: int
    unet_pools: int
    epochs: int
    seeds: int
    exhibit_slices: int


PROFILES = {
    p.name: p
    for p in (
        Profile("quick", True, 64, 4, (2, 1, 2), 4, 8, 8, 8, 4, 12, 1, 2),
        Profile("classroom", True, 96, 8, (8, 2, 4), 8, 64, 32, 8, 4, 6, 3, 2),
        Profile("paper", False, 320, 32, (128, 8, 8), 16, 2048, 128, 32, 4, 60, 5, 4),
    )
}
"""``quick`` looks, ``classroom`` is the published book, ``paper`` has the paper's own sizes."""


def profile(name: str) -> Profile:
    """Look a profile up by name.

    Raises:
        MrinbError: no profile has this name.
    """
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    return PROFILES[name]
