"""Image quality: foreground SSIM SSIM, PSNR and NMSE of each slice, and SSIM as a training loss.

These four are the default group of metrics; ``GROUPS`` has the others.

SSIM is the paper's: fastMRI's, with a uniform 7 x 7 window, k1 0.01, k2 0.03, sample covariance,
valid windows only, and the volume's maximum as data range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor
from torch.autograd.function import once_differentiable

from mrinb.errors import MrinbError, unknown
from mrinb.recon import perceptual

VERSIONS: dict[str, int] = {"nmse": 1, "psnr": 1, "ssim": 1, "ssim_foreground": 2}
"""Version of each default metric; a change of a metric's numbers raises its version."""

Measure = Callable[[Tensor, Tensor, Tensor, Tensor], dict[str, Tensor]]
"""Metrics of each slice, from output, target, data range and the target's foreground."""

WINDOW = 7
K1, K2 = 0.01, 0.03
CACHED_PIXELS = 2**17
FOREGROUND_LEVEL = 0.1
"""Foreground is where the smoothed target exceeds this fraction of its own 99th percentile..."""
FLOOR_FACTOR = 1.3
"""...and this multiple of its 5th percentile, which in noisy images is the noise floor of air."""


def _box_sum(image: Tensor) -> Tensor:
    """Sums over all valid WINDOW x WINDOW windows, as 1 + 2 + 4 shifted additions along an axis."""
    for dim in (-2, -1):
        n = image.shape[dim]
        two = image.narrow(dim, 0, n - 1) + image.narrow(dim, 1, n - 1)
        total = two.narrow(dim, 0, n - 6) + two.narrow(dim, 2, n - 6)
        image = total.add_(two.narrow(dim, 4, n - 6)).add_(image.narrow(dim, 6, n - 6))
    return image


def _terms(output: Tensor, target: Tensor, max_value: Tensor) -> tuple[Tensor, ...]:
    """Window means and the four factors A1, A2, B1, B2 of SSIM."""
    area = WINDOW**2
    sample = area / (area - 1)
    scale = max_value.reshape(-1, 1, 1)
    c1, c2 = (K1 * scale) ** 2, (K2 * scale) ** 2
    stack = output.new_empty((4, *output.shape))
    stack[0], stack[1] = output, target
    torch.mul(output, output, out=stack[2]).addcmul_(target, target)
    torch.mul(output, target, out=stack[3])
    ux, uy, squares, product = _box_sum(stack).div_(area).unbind()
    of_squares = (ux * ux).addcmul_(uy, uy)
    of_product = ux * uy
    b2 = (squares - of_squares).mul_(sample).add_(c2)
    a2 = (product - of_product).mul_(2 * sample).add_(c2)
    return ux, uy, of_product.mul_(2).add_(c1), a2, of_squares.add_(c1), b2


class _MeanSSIM(torch.autograd.Function):
    """Mean SSIM of each slice, with the gradient by the output in closed form.

    Autograd through fastMRI's five convolutions costs a fifth of a small U-net's step; four box
    sums forward and three backward cost a tenth of that.
    """

    @staticmethod
    def forward(ctx: Any, output: Tensor, target: Tensor, max_value: Tensor) -> Tensor:
        ux, uy, a1, a2, b1, b2 = _terms(output, target, max_value)
        ssim = (a1 * a2).div_(b1).div_(b2)
        ctx.save_for_backward(output, target, ux, uy, a1, a2, b1, b2, ssim)
        return ssim.mean((-2, -1))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        output, target, ux, uy, a1, a2, b1, b2, ssim = ctx.saved_tensors
        area = WINDOW**2
        sample = area / (area - 1)
        by_xx = -sample * ssim / b2
        by_xy = 2 * sample * a1 / (b1 * b2)
        by_x = 2 * (uy * a2 / (b1 * b2) - ux * (ssim / b1 + by_xx)) - uy * by_xy
        scale = grad / (area * ssim[0].numel())
        maps = torch.stack((by_x, 2 * by_xx, by_xy)) * scale.reshape(-1, 1, 1)
        pad = WINDOW - 1
        of_x, of_xx, of_xy = _box_sum(F.pad(maps, (pad, pad, pad, pad))).unbind()
        return of_x + output * of_xx + target * of_xy, None, None


def ssim(output: Tensor, target: Tensor, max_value: Tensor) -> Tensor:
    """Mean SSIM of each slice, differentiable by ``output`` once.

    Args:
        output: reconstruction (slices, height, width), in the target's units.
        target: reference (slices, height, width).
        max_value: data range of each slice (slices,), the maximum of its volume.

    Returns:
        Mean over valid windows (slices,).

    Raises:
        MrinbError: the images are smaller than the 7 x 7 window.
    """
    _check(output, target)
    return _MeanSSIM.apply(output, target, max_value)


def ssim_map(output: Tensor, target: Tensor, max_value: Tensor) -> Tensor:
    """SSIM of each valid window (slices, height - 6, width - 6); arguments as of ``ssim``."""
    _check(output, target)
    # A few slices at a time, so that what is computed between stays in the processor's cache.
    count = max(1, CACHED_PIXELS // output[0].numel())
    parts = []
    for images in zip(
        output.split(count), target.split(count), max_value.split(count), strict=True
    ):
        _, _, a1, a2, b1, b2 = _terms(*images)
        parts.append(a1.mul_(a2).div_(b1).div_(b2))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _check(output: Tensor, target: Tensor) -> None:
    if output.shape != target.shape:
        raise MrinbError(
            f"cannot compare images of shapes {tuple(output.shape)} and {tuple(target.shape)}"
        )
    if min(output.shape[-2:]) < WINDOW:
        raise MrinbError(f"SSIM needs images of at least {WINDOW} x {WINDOW} pixels")


def _energy(image: Tensor) -> Tensor:
    """Sum of squares of each slice, in float64."""
    return (image * image).sum((-2, -1)).double()


def psnr(output: Tensor, target: Tensor, max_value: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each slice; arguments as of ``ssim``."""
    mse = _energy(output - target) / target[0].numel()
    return 10 * torch.log10(max_value.double() ** 2 / mse)


def nmse(output: Tensor, target: Tensor) -> Tensor:
    """Squared error over the target's energy, of each slice; arguments as of ``ssim``."""
    return _energy(output - target) / _energy(target)


def matched(output: Tensor, target: Tensor) -> Tensor:
    """Give each slice of the output its target's mean and standard deviation.

    A constant output has no contrast to scale and only takes the mean.
    Source: Appendix C.2 and G.2; unbiased standard deviation over the slice.
    """
    dims = (-2, -1)
    mean, goal = output.mean(dims, keepdim=True), target.mean(dims, keepdim=True)
    std = output.std(dims, keepdim=True)
    gain = torch.where(std > 0, target.std(dims, keepdim=True) / std, 0)
    return (output - mean) * gain + goal


def foreground(target: Tensor) -> Tensor:
    """Where a target shows the body rather than air.

    The target is smoothed by the 7 x 7 window of SSIM and thresholded at ``FOREGROUND_LEVEL`` of
    its own 99th percentile; the largest connected part is kept, closed by a 7 x 7
    window, and its holes are filled.

    Args:
        target: reference (slices, height, width).

    Returns:
        Boolean mask (slices, height, width); all true where nothing would be left.
    """
    images = target.detach().cpu().numpy()
    return torch.from_numpy(np.stack([_foreground(image) for image in images]))


def _foreground(image: np.ndarray) -> np.ndarray:
    smooth = ndimage.uniform_filter(image, WINDOW, mode="nearest")
    low, high = np.percentile(smooth, (5, 99))
    above = smooth > max(FOREGROUND_LEVEL * high, FLOOR_FACTOR * low)
    parts, count = ndimage.label(above)
    if count == 0:
        return np.ones_like(above)
    largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    grown = ndimage.maximum_filter(np.pad(largest, WINDOW), WINDOW)
    closed = ndimage.minimum_filter(grown, WINDOW)[WINDOW:-WINDOW, WINDOW:-WINDOW]
    # What cannot be reached from the image's edge is a hole.
    around, _ = ndimage.label(np.pad(~closed, 1, constant_values=True))
    return around[1:-1, 1:-1] != around[0, 0]


def standard(
    output: Tensor, target: Tensor, max_value: Tensor, inside: Tensor
) -> dict[str, Tensor]:
    """The paper's metrics of each slice (a ``Measure``)."""
    margin = WINDOW // 2
    inside = inside[:, margin:-margin, margin:-margin]
    inside = inside | ~inside.any(-1, keepdim=True).any(-2, keepdim=True)
    window = ssim_map(output, target, max_value)
    body = (window * inside).sum((-2, -1)).double() / inside.sum((-2, -1))
    return {
        "ssim": window.mean((-2, -1)).double(),
        "ssim_foreground": body,
        "psnr": psnr(output, target, max_value),
        "nmse": nmse(output, target),
    }


def score(
    output: Tensor,
    target: Tensor,
    max_value: Tensor,
    inside: Tensor | None = None,
    measure: Measure = standard,
) -> dict[str, np.ndarray]:
    """Metrics of each slice, as it is and matched to the target (``*_matched``).

    Args:
        output: reconstructions (slices, height, width), in the target's units.
        target: references (slices, height, width).
        max_value: data range of each slice (slices,), the maximum of its volume.
        inside: ``foreground`` of the target where it is known already.
        measure: a group's metrics.

    Returns:
        Metric name to values (slices,) in float64.
    """
    inside = (foreground(target) if inside is None else inside).to(output.device)
    scores: dict[str, np.ndarray] = {}
    for suffix, image in (("", output), ("_matched", matched(output, target))):
        values = measure(image, target, max_value, inside)
        scores |= {name + suffix: value.double().cpu().numpy() for name, value in values.items()}
    return scores


class Group(NamedTuple):
    """Metrics that are computed together, and asked for apart from those of other groups.

    An evaluation names the metrics of one group (``EvalSpec.metrics``), so that a new group
    computes no other one again.

    Attributes:
        versions: version of each metric.
        measure: computes them.
    """

    versions: Mapping[str, int]
    measure: Measure

    def pairs(self) -> tuple[tuple[str, int], ...]:
        """All of it, as an evaluation's spec names it."""
        return tuple(sorted(self.versions.items()))


GROUPS: dict[str, Group] = {
    "default": Group(VERSIONS, standard),
    "perceptual": Group(perceptual.VERSIONS, perceptual.measure),
}
"""The groups; the default one is the paper's."""


def version(name: str) -> int | None:
    """Version of a metric of any group, None where there is no such metric."""
    return next((g.versions[name] for g in GROUPS.values() if name in g.versions), None)


def group(pairs: Sequence[tuple[str, int]]) -> Group:
    """The group that an evaluation's metrics belong to; none are the default group's.

    Args:
        pairs: metric and version.

    Raises:
        MrinbError: a metric is unknown or of another version, or they are of several groups.
    """
    found: dict[str, Group] = {}
    for name, wanted in pairs:
        owner = next((g for g, own in GROUPS.items() if name in own.versions), None)
        if owner is None:
            raise unknown("metric", name, [n for g in GROUPS.values() for n in g.versions])
        if wanted != version(name):
            raise MrinbError(f"metric {name} is version {version(name)} here, not {wanted}")
        found[owner] = GROUPS[owner]
    if len(found) > 1:
        raise MrinbError(f"metrics of the groups {', '.join(found)}: evaluate each group by itself")
    return next(iter(found.values()), GROUPS["default"])
