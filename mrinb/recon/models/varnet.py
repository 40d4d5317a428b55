"""The end-to-end variational network of the paper: fastMRI's parameters, fewer transforms.

Masks run along the phase encoding, so the data stay in image space along the readout throughout
and each step takes one transform where fastMRI takes two. Along the phase encoding both k-space
and coil images are kept in the order of the FFT; only the coil-combined image is shifted.
Source: Sriram et al., "End-to-End Variational Networks for Accelerated MRI Reconstruction", 2020.
"""

from __future__ import annotations

from typing import Any, cast

import fastmri.models
import torch
import torch.nn.functional as F
from torch import Tensor

from mrinb.data.slices import crop, rss
from mrinb.errors import MrinbError
from mrinb.recon.models.base import Measured, Reconstructor
from mrinb.recon.models.unet import run

TINY = torch.finfo(torch.float32).tiny
"""Divisors are at least this, so that slices and pixels of zeros give zeros and no NaN."""


def build(
    cascades: int = 8,
    pools: int = 4,
    channels: int = 12,
    sens_pools: int = 4,
    sens_channels: int = 9,
    oversampling: int = 1,
) -> VarNet:
    """Build an end-to-end VarNet.

    The defaults are the paper's model of 9.3 million parameters; its code has 8 channels in the
    sensitivity network (9.2 million).

    Args:
        cascades: number of cascades, each a data-consistency step and a U-net.
        pools: poolings of the cascades' U-nets.
        channels: channels of the first layer of the cascades' U-nets.
        sens_pools: poolings of the sensitivity network.
        sens_channels: channels of the first layer of the sensitivity network.
        oversampling: 1 if the network sees the whole readout, as fastMRI's does, and its output
            is cropped; 0 if the readout's oversampling is removed before, which is faster.

    Raises:
        MrinbError: ``oversampling`` is neither.
    """
    if oversampling > 1:
        raise MrinbError(f"model varnet: oversampling is {oversampling}; give 0 or 1")
    network = HybridVarNet(cascades, sens_channels, sens_pools, channels, pools)
    return VarNet(network, full_readout=bool(oversampling))


class VarNet(Reconstructor):
    """A variational network from measurements to images.

    Args:
        network: the network.
        full_readout: whether it sees the readout with its oversampling.
    """

    def __init__(self, network: HybridVarNet, full_readout: bool) -> None:
        super().__init__()
        self.network = network
        self.full_readout = full_readout

    def place(self, device: torch.device) -> None:
        """Move to a device, with the weights laid out as its U-nets read them."""
        cpu = device.type == "cpu"
        self.network.to(
            device, memory_format=torch.channels_last if cpu else torch.contiguous_format
        )

    def forward(self, measured: Measured) -> Tensor:
        """Reconstruct images (slices, height, recon_width).

        Raises:
            MrinbError: there are no central lines to estimate sensitivities from.
        """
        hybrid, lines, width, center, height = measured
        if center < 1:
            raise MrinbError("VarNet needs central lines of k-space: raise the center fraction")
        # Slices share nothing, and without gradients one at a time takes a fraction of the memory.
        parts = hybrid.split(len(hybrid) if torch.is_grad_enabled() else 1)
        images = [self.network(part, lines, center) for part in parts]
        image = torch.cat(images) if len(images) > 1 else images[0]
        return crop(image, (height or image.shape[-2], width))


class HybridVarNet(fastmri.models.VarNet):
    """fastMRI's VarNet on data that are in image space along the readout: equal outputs."""

    def forward(self, hybrid: Tensor, lines: Tensor, center: int) -> Tensor:
        """Reconstruct root-sum-of-squares images.

        Args:
            hybrid: complex (slices, coils, height, width), k-space along the width.
            lines: kept lines, boolean (width,).
            center: number of central lines from which sensitivities are estimated.

        Returns:
            Images (slices, height, width).
        """
        lines = torch.fft.ifftshift(lines)
        known = torch.where(lines, torch.fft.ifftshift(hybrid, dim=-1), 0)
        maps = self._sensitivities(known, center)
        kspace = known
        cascade: Any
        for cascade in self.cascades:
            image = (_to_image(kspace) * maps.conj()).sum(1)
            change = _run(cascade.model, torch.fft.fftshift(image, dim=-1))
            change = _to_kspace(torch.fft.ifftshift(change, dim=-1)[:, None] * maps)
            consistent = torch.where(lines, kspace - known, 0) * cascade.dc_weight
            kspace = kspace - consistent - change
        return torch.fft.fftshift(_rss(_to_image(kspace)), dim=-1)

    def _sensitivities(self, known: Tensor, center: int) -> Tensor:
        """Sensitivity maps (slices, coils, height, width) from the central lines."""
        width = known.shape[-1]
        start = (width - center + 1) // 2
        used = torch.zeros(width, dtype=torch.bool, device=known.device)
        used[start : start + center] = True
        low = torch.fft.fftshift(_to_image(torch.where(torch.fft.ifftshift(used), known, 0)), -1)
        maps = _run(cast(Any, self.sens_net).norm_unet, low.flatten(0, 1)).view_as(known)
        maps = torch.fft.ifftshift(maps, dim=-1)
        # A complex product takes a tenth of the time of a complex quotient.
        return maps * _rss(maps)[:, None].clamp_min(TINY).reciprocal()


def _to_image(kspace: Tensor) -> Tensor:
    return torch.fft.ifft(kspace, norm="ortho")


def _to_kspace(image: Tensor) -> Tensor:
    return torch.fft.fft(image, norm="ortho")


class _RootSumOfSquares(torch.autograd.Function):
    """Root sum of squares over coils; where all are zero its gradient is zero.

    torch's norm of complex numbers does the same and takes ten times as long.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        total = rss(images)
        ctx.save_for_backward(images, total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        images, total = ctx.saved_tensors
        return images * torch.where(total > 0, grad / total, 0)[:, None]


def _rss(images: Tensor) -> Tensor:
    return _RootSumOfSquares.apply(images)


def _run(network: Any, image: Tensor) -> Tensor:
    """A ``NormUnet`` on complex images (slices, height, width): normalised, padded with zeros."""
    parts = torch.view_as_real(image)  # The layout of two channels, channels last.
    mean = parts.mean((1, 2), keepdim=True)
    std = parts.std((1, 2), keepdim=True).clamp_min(TINY)
    height, width = image.shape[-2:]
    bottom, right = -height % 16, -width % 16
    padding = (0, 0, right // 2, right - right // 2, bottom // 2, bottom - bottom // 2)
    padded = F.pad((parts - mean) / std, padding)
    output = run(network.unet, padded.permute(0, 3, 1, 2))
    output = crop(output, (height, width)).permute(0, 2, 3, 1)
    return torch.view_as_complex((output * std + mean).contiguous())
