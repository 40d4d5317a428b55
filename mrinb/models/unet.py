"""The U-net of the paper: fastMRI's, on one-channel magnitude images."""

from __future__ import annotations

from fastmri.models import Unet

from mrinb.models.base import ImageReconstructor


def build(channels: int = 32, pools: int = 4) -> ImageReconstructor:
    """Build a U-net.

    10, 32 and 128 channels are the paper's models of 757 thousand, 7.8 and 124 million parameters.

    Args:
        channels: channels of the first layer; each of the ``pools`` poolings doubles them.
        pools: number of poolings.
    """
    return ImageReconstructor(Unet(1, 1, channels, pools))
