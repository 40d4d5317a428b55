"""The U-net of the paper: fastMRI's, on one-channel magnitude images."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from fastmri.models import Unet
from torch import Tensor, nn

from mrinb.recon.models.base import ImageReconstructor

SLOPE = 0.2
"""Slope of fastMRI's leaky ReLU below zero."""
FEW = 4
"""Up to so many channels torch's batch normalisation of one slice is the slower one."""


def build(channels: int = 32, pools: int = 4) -> ImageReconstructor:
    """Build a U-net.

    10, 32 and 128 channels are the paper's models of 757 thousand, 7.8 and 124 million parameters.

    Args:
        channels: channels of the first layer; each of the ``pools`` poolings doubles them.
        pools: number of poolings.
    """
    return ImageReconstructor(ChannelsLastUnet(1, 1, channels, pools))


class ChannelsLastUnet(Unet):
    """fastMRI's U-net; on a CPU the same layers run in channels-last memory.

    Convolutions are faster there, but torch's instance normalisation would copy to the other
    layout and back: ``_norm`` does not.
    """

    def place(self, device: torch.device) -> None:
        """Move to a device, with the weights laid out as its path reads them."""
        cpu = device.type == "cpu"
        self.to(device, memory_format=torch.channels_last if cpu else torch.contiguous_format)

    def forward(self, image: Tensor) -> Tensor:
        """Map images (slices, 1, height, width) to images of the same shape."""
        return run(self, image)


def run(network: Unet, image: Tensor) -> Tensor:
    """Output of fastMRI's U-net; on a CPU its layers run in channels-last memory.

    Args:
        network: the U-net, without dropout.
        image: (slices, channels, height, width).
    """
    if image.device.type != "cpu":
        return Unet.forward(network, image)
    image = image.contiguous(memory_format=torch.channels_last)
    skips = []
    for down in network.down_sample_layers:
        image = _block(down, image)
        skips.append(image)
        image = F.avg_pool2d(image, 2)
    image = _block(network.conv, image)
    block: Any
    for up, block in zip(network.up_transpose_conv, network.up_conv, strict=True):
        skip = skips.pop()
        image = _norm(cast(Any, up).layers[0](image))
        bottom, right = skip.shape[-2] - image.shape[-2], skip.shape[-1] - image.shape[-1]
        if bottom or right:
            image = F.pad(image, (0, right, 0, bottom), "reflect")
        image = torch.cat((image, skip), 1)
        if isinstance(block, nn.Sequential):  # The last one ends in a 1 x 1 convolution.
            return block[1](_block(block[0], image))
        image = _block(block, image)
    raise AssertionError("fastMRI's U-net ends in a sequence")


def _block(block: Any, image: Tensor) -> Tensor:
    return _norm(block.layers[4](_norm(block.layers[0](image))))


def _norm(image: Tensor) -> Tensor:
    """Instance normalisation and leaky ReLU."""
    image = image.contiguous(memory_format=torch.channels_last)
    if len(image) > 1 or image.shape[1] <= FEW:
        return _NormRelu.apply(image)
    # Of one slice it is batch normalisation, which reads either layout.
    return F.leaky_relu_(F.batch_norm(image, None, None, training=True), SLOPE)


class _NormRelu(torch.autograd.Function):
    """Instance normalisation and leaky ReLU, slice by slice; only the result is kept.

    Rows of an image in channels-last memory are rows of a matrix: sums over the height run along
    whole rows, and only what is left of them is summed over the width.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        rows = image.permute(0, 2, 3, 1).flatten(2)
        channels = image.shape[1]
        out = rows - _mean(rows, channels)
        scale = (_mean(out.square(), channels) + 1e-5).rsqrt_()
        F.leaky_relu_(out.mul_(scale), SLOPE)
        ctx.save_for_backward(out, scale)
        return out.view_as(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        out, scale = ctx.saved_tensors
        layout = grad.permute(0, 2, 3, 1)
        channels = grad.shape[1]
        rows = torch.ops.aten.leaky_relu_backward(layout.flatten(2), out, SLOPE, True)
        normalised = F.leaky_relu(out, 1 / SLOPE)
        along = _mean(rows * normalised, channels)
        rows = rows.sub_(_mean(rows, channels)).addcmul_(normalised, along, value=-1).mul_(scale)
        return rows.view_as(layout).permute(0, 3, 1, 2)


def _mean(rows: Tensor, channels: int) -> Tensor:
    """Mean of each channel, repeated along a row: (slices, 1, width x channels)."""
    slices, height, length = rows.shape
    pixels = length // channels
    total = rows.sum(1).view(slices, pixels, channels).sum(1, keepdim=True) / (height * pixels)
    # Not ``repeat``, which takes ten times as long for so few numbers.
    return total.expand(-1, pixels, -1).reshape(slices, 1, length)
