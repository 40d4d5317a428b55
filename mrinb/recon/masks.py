"""Undersampling masks along the phase-encoding direction, equal to fastMRI's line for line.

Every mask keeps a centred block of lines and, outside it, equidistant or random lines. Random
numbers come from ``numpy.random.RandomState``, whose stream is frozen, in the order in which
``fastmri.data.subsample.MaskFunc`` draws them: the same state gives the same mask in both.
Where a change makes the same seed give another mask, raise ``VERSION``.
"""

from __future__ import annotations

import functools
import hashlib
from typing import NamedTuple

import numpy as np
import torch

from mrinb.errors import MrinbError
from mrinb.specs import SamplingSpec

VERSION = 1
"""Version of the draws; it enters keys through ``SamplingSpec.version``."""

CENTER_FRACTIONS = {2: 0.16, 3: 0.12, 4: 0.08, 8: 0.04, 16: 0.02}
"""Fraction of fully sampled central lines for each nominal acceleration (the paper's code)."""

Seed = np.random.RandomState | int


class Mask(NamedTuple):
    """An undersampling mask.

    Attributes:
        lines: kept lines of k-space, boolean, shape (width,).
        acceleration: nominal acceleration.
        low: number of fully sampled central lines, before zero-padding is taken away.
        acquired: number of lines that a full scan acquires: the width less zero-padding.
    """

    lines: torch.Tensor
    acceleration: int
    low: int
    acquired: int

    @property
    def effective(self) -> float:
        """Lines of a full scan for each line kept; zero-padded lines count on neither side."""
        return self.acquired / int(self.lines.sum())


def sampling(*accelerations: int, mask: str = "equispaced") -> SamplingSpec:
    """Describe masks of the given accelerations with the paper's centre fractions.

    Args:
        accelerations: nominal accelerations; several mean that each draw picks one of them.
        mask: ``equispaced``, ``equispaced_fraction`` or ``random``.

    Raises:
        MrinbError: an acceleration has no stated centre fraction, or the kind is unknown.
    """
    for value in accelerations:
        if value not in CENTER_FRACTIONS:
            valid = ", ".join(map(str, CENTER_FRACTIONS))
            raise MrinbError(f"acceleration {value}: choose one of {valid}")
    if mask not in _LINES:
        raise MrinbError(f"mask {mask!r}: choose one of {', '.join(_LINES)}")
    fractions = tuple(CENTER_FRACTIONS[a] for a in accelerations)
    return SamplingSpec.model_validate(
        {
            "mask": mask,
            "accelerations": accelerations,
            "center_fractions": fractions,
            "version": VERSION,
        }
    )


def center(width: int, center_fraction: float) -> torch.Tensor:
    """Fully sampled central lines.

    Returns:
        Boolean tensor of shape (width,).
    """
    low = round(width * center_fraction)
    start = (width - low + 1) // 2
    lines = torch.zeros(width, dtype=torch.bool)
    lines[start : start + low] = True
    return lines


def equispaced(width: int, acceleration: int, center_fraction: float, offset: int) -> torch.Tensor:
    """Every ``acceleration``-th line from ``offset``, and the central lines.

    The effective acceleration is lower than the nominal one (3.24 for 4 at width 368).
    Source: ``EquiSpacedMaskFunc`` of fastMRI, which the paper's code uses.

    Args:
        width: number of lines.
        acceleration: distance between lines.
        center_fraction: fraction of lines kept in the centre.
        offset: first line, 0 to ``acceleration - 1``.

    Returns:
        Boolean tensor of shape (width,).
    """
    lines = center(width, center_fraction)
    lines[offset::acceleration] = True
    return lines


def stride(width: int, acceleration: int, center_fraction: float) -> float:
    """Distance of the outer lines at which width / acceleration lines are kept in all.

    Raises:
        MrinbError: the central lines alone are as many as that, or more.
    """
    low = round(width * center_fraction)
    if low * acceleration >= width:
        raise MrinbError(
            f"equispaced_fraction mask: {low} central lines of {width} leave none to place at "
            f"acceleration {acceleration}: choose a center fraction below {1 / acceleration:.3g}"
        )
    return (acceleration * (low - width)) / (low * acceleration - width)


def equispaced_fraction(
    width: int, acceleration: int, center_fraction: float, offset: int
) -> torch.Tensor:
    """Equidistant lines at an adjusted stride, so that about width / acceleration are kept.

    Source: ``EquispacedMaskFractionFunc`` of fastMRI.

    Args:
        width: number of lines.
        acceleration: acceleration that is met, the central lines included.
        center_fraction: fraction of lines kept in the centre.
        offset: first line, 0 to the rounded stride less one.

    Returns:
        Boolean tensor of shape (width,).

    Raises:
        MrinbError: no stride meets the acceleration.
    """
    lines = center(width, center_fraction)
    outer = np.arange(offset, width - 1, stride(width, acceleration, center_fraction))
    lines[torch.from_numpy(np.around(outer).astype(np.int64))] = True
    return lines


def random_lines(
    width: int, acceleration: int, center_fraction: float, random: np.random.RandomState
) -> torch.Tensor:
    """Lines kept at random, so that width / acceleration are expected, and the central lines.

    Source: ``RandomMaskFunc`` of fastMRI.

    Returns:
        Boolean tensor of shape (width,).
    """
    low = round(width * center_fraction)
    chance = (width / acceleration - low) / (width - low) if low < width else 0.0
    kept = torch.from_numpy(random.uniform(size=width) < chance)
    return center(width, center_fraction) | kept


def _equispaced(w: int, a: int, f: float, random: np.random.RandomState) -> torch.Tensor:
    return equispaced(w, a, f, int(random.randint(0, high=a)))


def _equispaced_fraction(w: int, a: int, f: float, random: np.random.RandomState) -> torch.Tensor:
    return equispaced_fraction(w, a, f, int(random.randint(0, high=round(stride(w, a, f)))))


_LINES = {
    "equispaced": _equispaced,
    "equispaced_fraction": _equispaced_fraction,
    "random": random_lines,
}


def draw(
    sampling: SamplingSpec, width: int, random: Seed, padding: tuple[int, int] | None = None
) -> Mask:
    """Draw one mask.

    Args:
        sampling: kind, accelerations and centre fractions.
        width: number of lines of k-space.
        random: random state, or the seed of one.
        padding: first acquired line and the line after the last; those outside are zeros in the
            file and are not kept. None means that all lines were acquired.

    Returns:
        The mask.

    Raises:
        MrinbError: the description makes no sense, or keeps no line at this width.
    """
    _check(sampling)
    if isinstance(random, int):
        random = np.random.RandomState(random)
    choice = int(random.randint(len(sampling.accelerations)))
    acceleration = sampling.accelerations[choice]
    fraction = sampling.center_fractions[choice]
    lines = _LINES[sampling.mask](width, acceleration, fraction, random)
    left, right = padding or (0, width)
    lines[:left] = False
    lines[right:] = False
    if not lines.any():
        raise MrinbError(f"acceleration {acceleration} keeps no line of {width}: lower it")
    return Mask(lines, acceleration, round(width * fraction), right - left)


@functools.lru_cache(maxsize=1024)
def for_volume(
    sampling: SamplingSpec, name: str, width: int, padding: tuple[int, int] | None = None
) -> Mask:
    """The one mask of a volume in evaluation: it depends on the volume's name only.

    The seed is the sequence of the character codes of the file's name, ``.h5`` included: the mask
    that fastMRI's ``UnetDataTransform`` and the paper's code give the same file. All slices share
    one tensor: do not change it.

    Args:
        sampling: kind, accelerations and centre fractions.
        name: the volume's name, without ``.h5``.
        width: number of lines of k-space.
        padding: as in ``draw``.
    """
    codes = [ord(letter) for letter in f"{name}.h5"]
    return draw(sampling, width, np.random.RandomState(codes), padding)


def for_step(
    sampling: SamplingSpec,
    seed: int,
    epoch: int,
    position: int,
    width: int,
    padding: tuple[int, int] | None = None,
) -> Mask:
    """A fresh training mask (Appendix B.2), the same whichever worker or rank draws it.

    Args:
        sampling: kind, accelerations and centre fractions.
        seed: the run's seed.
        epoch: pass over the pool, from 0.
        position: position of the mini-batch (or slice) in the epoch's order, over all ranks.
        width: number of lines of k-space.
        padding: as in ``draw``.
    """
    return draw(sampling, width, state(seed, epoch, position), padding)


def state(*numbers: int) -> np.random.RandomState:
    """A random state that depends on a sequence of integers and nothing else."""
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4"))


def _check(sampling: SamplingSpec) -> None:
    accelerations, fractions = sampling.accelerations, sampling.center_fractions
    if not accelerations or len(accelerations) != len(fractions):
        raise MrinbError(
            f"masks need a center fraction for each acceleration: there are {len(accelerations)} "
            f"accelerations and {len(fractions)} center fractions"
        )
    if min(accelerations) < 1:
        raise MrinbError(f"acceleration {min(accelerations)}: the smallest is 1, all lines")
    bad = [f for f in fractions if not 0 <= f <= 1]
    if bad:
        raise MrinbError(f"center fraction {bad[0]:g}: it lies between 0 and 1")
