"""How far noise alone keeps simulated images from their targets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mrinb.catalogue import Distribution
from mrinb.simulate.acquire import simulate_volume
from mrinb.simulate.subjects import subject_id
from mrinb.specs import SimulatorSpec


class NoiseCeiling(NamedTuple):
    """How far noise alone keeps an image from the target, as SSIM averaged over slices.

    Attributes:
        noise_free: of the noise-free image.
        with_floor: of the noise-free image raised by the noise's expected power, as a root sum of
            squares of noisy coils is; a network learns this floor, so that its scores may exceed
            ``noise_free`` and can hardly exceed ``with_floor``.
    """

    noise_free: float
    with_floor: float


def noise_ceiling(
    distribution: Distribution, spec: SimulatorSpec, subject: int = 0
) -> NoiseCeiling:
    """SSIM of noise-free images against the target of one volume.

    Args:
        distribution: the distribution.
        spec: sizes and seed.
        subject: position of the subject in the test split.

    Returns:
        The two ceilings (fastMRI's SSIM: uniform 7 x 7 window, range of the volume).
    """
    from skimage.metrics import structural_similarity

    number = subject_id(distribution, "test", subject)
    noisy = simulate_volume(distribution, number, spec)
    silent = simulate_volume(distribution, number, spec, noise=False)
    # Noise power of an image sample, summed over coils; lines not acquired carry none.
    power = (np.abs(noisy.kspace - silent.kspace) ** 2).mean((2, 3)).sum(1)
    target, clean = noisy.reconstruction_rss, silent.reconstruction_rss
    raised = np.sqrt(clean**2 + power[:, None, None])

    def score(images: np.ndarray) -> float:
        pairs = zip(target, images, strict=True)
        span = float(target.max())
        values = [structural_similarity(t, c, win_size=7, data_range=span) for t, c in pairs]
        return float(np.mean(values))

    return NoiseCeiling(score(clean), score(raised))
