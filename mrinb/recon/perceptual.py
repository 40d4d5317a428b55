"""Metrics built after human vision that need no weights: HaarPSI, VIF and multi-scale SSIM.

They are those of the library ``piq``. It takes values from 0 to 1: images are divided by the
volume's maximum, and what lies outside is cut off. VIF is its form in pixels. Multi-scale SSIM has
as many of its five scales as the image has room for (161 pixels a side for all, 81 for four, 41 for
three), with their weights made to add up to 1: compare it among images of one size only.
Sources: Reisenhofer et al. 2018; Sheikh and Bovik 2006; Wang, Simoncelli and Bovik 2003.
"""

from __future__ import annotations

import warnings
from types import ModuleType

import torch
from torch import Tensor

from mrinb.errors import MrinbError

VERSIONS: dict[str, int] = {"haarpsi": 1, "ms_ssim": 1, "vif": 1}
"""Version of each metric; a change of a metric's numbers raises its version."""

SMALLEST = 41
"""Pixels a side that VIF needs."""
KERNEL = 11
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales of multi-scale SSIM, the finest first."""


def measure(output: Tensor, target: Tensor, max_value: Tensor, inside: Tensor) -> dict[str, Tensor]:
    """The metrics of each slice (a ``metrics.Measure``).

    Raises:
        MrinbError: ``piq`` is not installed, or the images are too small.
    """
    piq = _library()
    side = min(target.shape[-2:])
    if side < SMALLEST:
        raise MrinbError(
            f"perceptual metrics need images of at least {SMALLEST} x {SMALLEST} pixels, "
            f"not {target.shape[-2]} x {target.shape[-1]}"
        )
    scale = max_value.reshape(-1, 1, 1)
    x, y = ((image / scale).clamp(0, 1)[:, None].float() for image in (output, target))
    weights = torch.tensor(SCALE_WEIGHTS[: scales(side)], device=x.device)
    return {
        "haarpsi": piq.haarpsi(x, y, reduction="none"),
        "ms_ssim": piq.multi_scale_ssim(x, y, reduction="none", scale_weights=weights),
        "vif": piq.vif_p(x, y, reduction="none"),
    }


def scales(side: int) -> int:
    """Number of scales of multi-scale SSIM for which an image of so many pixels has room."""
    return sum(side > (KERNEL - 1) * 2**level for level in range(len(SCALE_WEIGHTS)))


def _library() -> ModuleType:
    try:
        with warnings.catch_warnings():  # of Python syntax in the library itself
            warnings.simplefilter("ignore", SyntaxWarning)
            import piq
    except ImportError as error:
        raise MrinbError(
            "perceptual metrics need the package piq: pip install 'mrinb[metrics]'"
        ) from error
    found: ModuleType = piq
    return found
