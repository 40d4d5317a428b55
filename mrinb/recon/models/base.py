"""What every reconstruction network takes and gives."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mrinb.data.slices import crop, normalise, zero_filled


class Measured(NamedTuple):
    """Undersampled slices of one volume.

    Attributes:
        hybrid: slices after the readout transform, complex, shape (slices, coils, height, width):
            image space along height, k-space along width.
        lines: kept lines of k-space, boolean, shape (width,).
        recon_width: width of the image in pixels.
        center: number of fully sampled central lines (``masks.Mask.low``).
        recon_height: height of the image in pixels where ``hybrid`` has the whole readout with
            its oversampling; None means that it is cropped already.
    """

    hybrid: Tensor
    lines: Tensor
    recon_width: int
    center: int = 0
    recon_height: int | None = None


class Reconstructor(nn.Module):
    """A network from measurements to images (slices, height, width) in the data's units.

    Attributes:
        full_readout: whether it takes the readout with its oversampling.
    """

    full_readout = False

    def place(self, device: torch.device) -> None:
        """Move to a device, with the parameters in the memory layout that is fastest there."""
        self.to(device)

    def forward(self, measured: Measured) -> Tensor:
        """Reconstruct the images."""
        raise NotImplementedError


class ImageReconstructor(Reconstructor):
    """An image-to-image network between normalisation of the zero-filled image and its inverse.

    The input has zero mean and unit standard deviation; both are restored in the output.
    Source: Appendix B.2.

    Args:
        network: maps images (slices, 1, height, width) to images of the same shape.
        multiple: the zero-filled image is padded on all sides with zeros to a multiple of this,
            before it is normalised; the output is cropped.
    """

    def __init__(self, network: nn.Module, multiple: int = 1) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple

    def place(self, device: torch.device) -> None:
        """Move to a device; the network's own ``place`` chooses the layout where it has one."""
        getattr(self.network, "place", self.network.to)(device)

    def forward(self, measured: Measured) -> Tensor:
        """Reconstruct images (slices, height, recon_width)."""
        filled = zero_filled(measured.hybrid, measured.lines, measured.recon_width)
        image, mean, std = normalise(_padded(filled, self.multiple))
        return crop(self.network(image[:, None])[:, 0], _size(filled)) * std + mean


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def _padded(image: Tensor, multiple: int) -> Tensor:
    """Images in the middle of zeros, so that height and width are multiples."""
    bottom, right = (-length % multiple for length in _size(image))
    if not bottom and not right:
        return image
    return F.pad(image, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
