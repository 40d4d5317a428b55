"""The three sizes at which every chapter runs. What a small profile may shrink stands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mrinb.errors import unknown
from mrinb.models import NETWORKS
from mrinb.models import label as network_name

__all__ = [
    "NETWORKS",
    "PROFILES",
    "Network",
    "Profile",
    "network_name",
    "profile",
    "unet",
    "varnet",
]


class Network(NamedTuple):
    """Size and training of one network in a profile.

    Attributes:
        options: (name, value) pairs of its ``ModelSpec``.
        epochs: epochs of every run, whatever its pool.
        seeds: number of seeds; with one there are no error bars.
        shift: the one shift that the profile has time for, by name; on others it is run where
            they or it are asked for. Empty: all of the profile's.
    """

    options: tuple[tuple[str, int], ...]
    epochs: int
    seeds: int
    shift: str = ""


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
        networks: size and training of each network.
        models: networks that a chapter about all of them runs if it is not told which.
        exhibit_slices: slices of a distribution that the comparer shows.
        patches: patches of every split whose similarity is measured (Appendix D).
        embedder_size: pixels a side to which they are enlarged for EfficientNet-Lite0.
        images: test slices of each distribution of Appendix A, where validation has half as many.
        grid_slices: slices that Appendix B.2's learning-rate grid trains on.
        shift: which shift of Sections 3 and 4 is run where none is asked for: one by name, or
            ``all``.
        channels: channels of the U-nets whose capacity Chapter 4 compares.
    """

    name: str
    simulated: bool
    size: int
    coils: int
    subjects: tuple[int, int, int]
    slices: int
    train_slices: int
    test_slices: int
    networks: Mapping[str, Network]
    models: tuple[str, ...]
    exhibit_slices: int
    patches: int = 256
    embedder_size: int = 112
    images: int = 100
    grid_slices: int = 128
    shift: str = "all"
    channels: tuple[int, ...] = (4, 8, 16, 32)

    def trained(self, epochs: int = 0, seeds: int = 0) -> Profile:
        """The profile with other epochs or seeds for every network; 0 keeps its own."""
        networks = {
            name: n._replace(epochs=epochs or n.epochs, seeds=seeds or n.seeds)
            for name, n in self.networks.items()
        }
        return self._replace(networks=networks)


def unet(channels: int, epochs: int, seeds: int) -> Network:
    """A U-net of a profile, with the paper's four pools."""
    return Network((("channels", channels), ("pools", 4)), epochs, seeds)


def _vit(patch: int, width: int, heads: int, depth: int, size: int, epochs: int) -> Network:
    options = {"patch": patch, "width": width, "heads": heads, "depth": depth, "size": size}
    return Network(tuple(sorted(options.items())), epochs, 1)


def varnet(
    cascades: int,
    channels: int,
    sens_channels: int,
    oversampling: int,
    epochs: int,
    shift: str = "",
) -> Network:
    """A VarNet of a profile, one seed, U-nets with the paper's four pools."""
    options = {
        "cascades": cascades, "channels": channels, "pools": 4,
        "sens_channels": sens_channels, "sens_pools": 4, "oversampling": oversampling,
    }  # fmt: skip
    return Network(tuple(sorted(options.items())), epochs, 1, shift)


_ALL = tuple(NETWORKS)

PROFILES = {
    p.name: p
    for p in (
        Profile(
            "quick", True, 64, 4, (2, 1, 2), 4, 8, 8,
            {
                "unet": unet(8, 6, 1),
                "vit": _vit(8, 64, 4, 2, 64, 4),
                "varnet": varnet(2, 2, 2, 0, 3),
            },
            ("unet",), 2, patches=48, images=32, grid_slices=16, shift="contrast",
            channels=(4, 8),
        ),
        Profile(
            "classroom", True, 96, 8, (8, 2, 4), 8, 64, 32,
            {
                "unet": unet(8, 6, 3),
                "vit": _vit(8, 128, 4, 4, 96, 6),
                "varnet": varnet(4, 4, 3, 0, 3, "contrast"),
            },
            _ALL, 2,
        ),
        Profile(
            "paper", False, 320, 32, (128, 8, 8), 16, 2048, 128,
            {
                "unet": unet(32, 60, 5),
                "vit": _vit(10, 396, 9, 4, 320, 60),
                "varnet": varnet(8, 12, 9, 1, 60),
            },
            _ALL, 4, patches=2048, embedder_size=224, grid_slices=2048,
        ),
    )
}  # fmt: skip
"""``quick`` looks, ``classroom`` is the published book, ``paper`` has the paper's own sizes."""


def profile(name: str) -> Profile:
    """Look a profile up by name.

    Raises:
        MrinbError: no profile has this name.
    """
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    return PROFILES[name]
