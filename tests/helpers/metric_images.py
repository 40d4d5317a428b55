"""Images that metrics are tested on."""

import torch


def images(slices=3, height=40, width=45, scale=1e-4, seed=0):
    """Blobs and their noisy reconstructions, in fastMRI's tiny units."""
    random = torch.Generator().manual_seed(seed)
    target = torch.rand(slices, 1, 6, 7, generator=random)
    target = torch.nn.functional.interpolate(target, (height, width), mode="bilinear")[:, 0]
    output = target + 0.1 * torch.randn(slices, height, width, generator=random)
    largest = torch.linspace(1, 1.5, slices) * target.max()
    return output * scale, target * scale, largest * scale


def disc(noise=0.02):
    y, x = torch.meshgrid(torch.arange(80) - 40, torch.arange(90) - 50, indexing="ij")
    radius = (y**2 + x**2).sqrt()
    body = (radius < 25) & ~(radius < 8)
    random = torch.Generator().manual_seed(0)
    air = noise * torch.randn(2, 80, 90, generator=random).norm(dim=0)
    return body * 1.0 + air, radius


def golden_images():
    target, _ = disc()
    output, _ = disc(0.05)
    return 1.1 * output.roll(1, 0)[None], target[None], torch.ones(1)
