"""The vision transformer of the paper, on patches of one-channel magnitude images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mrinb.errors import MrinbError
from mrinb.recon.models.base import ImageReconstructor


def build(
    patch: int = 10, width: int = 396, heads: int = 9, depth: int = 4, size: int = 320, mlp: int = 4
) -> ImageReconstructor:
    """Build a vision transformer.

    The defaults are the paper's small model of 8.0 million parameters; width 1024, heads 16 and
    depth 10 are its large one of 127 million (Appendix G.2 and the paper's code).

    Args:
        patch: side of a patch in pixels.
        width: length of a patch's embedding.
        heads: attention heads, a divisor of ``width``.
        depth: number of transformer blocks.
        size: side of the image, in pixels, for which a position embedding is learned; for other
            images it is interpolated.
        mlp: hidden units of a block's perceptron for each of ``width``.

    Raises:
        MrinbError: the heads do not divide the width.
    """
    if width % heads:
        raise MrinbError(f"model vit: width {width} is not a multiple of heads {heads}")
    return ImageReconstructor(VisionTransformer(patch, width, heads, depth, size, mlp), patch)


class VisionTransformer(nn.Module):
    """Embedded patches, timm's transformer blocks with fused attention, patches again.

    Attention has no bias in queries, keys and values; nothing is dropped out. Weights start as
    timm's: normal, cut off at two units, with standard deviation 0.02 in the blocks, the head and
    the position embedding.

    Args:
        patch: side of a patch in pixels.
        width: length of a patch's embedding.
        heads: attention heads.
        depth: number of blocks.
        size: side of the image for which a position embedding is learned.
        mlp: hidden units of a block's perceptron for each of ``width``.
    """

    def __init__(self, patch: int, width: int, heads: int, depth: int, size: int, mlp: int) -> None:
        # timm takes a second to import, which other networks need not wait for.
        from timm.models.vision_transformer import Block

        super().__init__()
        self.patch = patch
        side = -(-size // patch)
        self.embed = nn.Linear(patch * patch, width)
        self.position = nn.Parameter(
            nn.init.trunc_normal_(torch.empty(1, width, side, side), std=0.02)
        )
        self.blocks = nn.Sequential(*(Block(width, heads, mlp) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, patch * patch)
        for layer in [*self.blocks.modules(), self.head]:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Map images (slices, 1, height, width), of whole patches, to images of the same shape."""
        rows, columns = image.shape[-2] // self.patch, image.shape[-1] // self.patch
        tokens = self.embed(self._patches(image, rows, columns))
        tokens = self.blocks(tokens + self._positions(rows, columns))
        return self._image(self.head(self.norm(tokens)), rows, columns)

    def _patches(self, image: Tensor, rows: int, columns: int) -> Tensor:
        """Pixels of each patch, (slices, patches, pixels)."""
        grid = image.reshape(len(image), rows, self.patch, columns, self.patch).transpose(2, 3)
        return grid.reshape(len(image), rows * columns, -1)

    def _image(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        grid = patches.reshape(len(patches), rows, columns, self.patch, self.patch)
        shape = (len(patches), 1, rows * self.patch, columns * self.patch)
        return grid.transpose(2, 3).reshape(shape)

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Position embedding of a grid of patches, (1, patches, width)."""
        learned: Tensor = self.position
        if learned.shape[-2:] != (rows, columns):
            learned = F.interpolate(learned, (rows, columns), mode="bilinear")
        return learned.flatten(2).transpose(1, 2)
