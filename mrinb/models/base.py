"""What every reconstruction network takes and gives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mrinb.data.slices import normalise, zero_filled


class Measured(NamedTuple):
    """Undersampled slices of one volume.

    Attributes:
        hybrid: slices after the readout transform and crop, complex, shape
            (slices, coils, height, width): image space along height, k-space along width.
        lines: kept lines of k-space, boolean, shape (width,).
        recon_width: width of the image in pixels.
    """

    hybrid: Tensor
    lines: Tensor
    recon_width: int


class Reconstructor(nn.Module):
    """A network from measurements to images (slices, height, recon_width) in the data's units."""

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
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def place(self, device: torch.device) -> None:
        """Move to a device; the network's own ``place`` chooses the layout where it has one."""
        getattr(self.network, "place", self.network.to)(device)

    def forward(self, measured: Measured) -> Tensor:
        """Reconstruct images (slices, height, recon_width)."""
        image, mean, std = normalise(zero_filled(*measured))
        return self.network(image[:, None])[:, 0] * std + mean
