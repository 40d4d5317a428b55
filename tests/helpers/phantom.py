"""Small volumes that look like something: an ellipse with three spots, through smooth coils."""

import numpy as np
from scipy import fft
from synthetic import write

AXES = (-2, -1)


def images(slices=4, coils=3, height=64, width=48):
    """Coil images, complex64 (slices, coils, height, width); each slice has its own shape."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    found = np.empty((slices, coils, height, width), np.complex64)
    for i in range(slices):
        size = 0.25 + 0.5 * (i + 1) / slices
        body = ((y / 0.45 / size) ** 2 + (x / 0.8 / size) ** 2 < 1).astype(float)
        body += 0.8 * ((y - 0.1) ** 2 + (x + 0.25) ** 2 < 0.01)
        body += 0.5 * ((y + 0.15) ** 2 + (x - 0.1 - 0.2 * i / slices) ** 2 < 0.02)
        for c in range(coils):
            at = 2 * np.pi * c / coils
            weight = np.exp(-((y - np.sin(at)) ** 2 + (x - np.cos(at)) ** 2) / 3)
            found[i, c] = body * weight * np.exp(1j * (at + y)) * 1e-4
    noise = np.random.RandomState(0).standard_normal((2, *found.shape)) * 5e-7
    return found + (noise[0] + 1j * noise[1]).astype(np.complex64)


def to_kspace(image):
    return fft.fftshift(fft.fft2(fft.ifftshift(image, AXES), norm="ortho"), AXES)


def to_image(kspace):
    return fft.fftshift(fft.ifft2(fft.ifftshift(kspace, AXES), norm="ortho"), AXES)


def rss(kspace, recon):
    found = np.sqrt((np.abs(to_image(kspace)) ** 2).sum(1)).astype(np.float32)
    top, left = ((n - m) // 2 for n, m in zip(found.shape[1:], recon, strict=True))
    return found[:, top : top + recon[0], left : left + recon[1]]


def write_phantom(path, kspace=None, target=None, recon=(32, 32), attributes=None, **options):
    """Write a phantom; k-space and target may be changed by functions."""
    plain = to_kspace(images())
    sound = rss(plain, recon)

    def change(arrays):
        arrays["kspace"] = (kspace(plain) if kspace else plain).astype(np.complex64)
        arrays["reconstruction_rss"] = target(sound) if target else sound
        if options.get("single"):
            arrays["reconstruction_esc"] = arrays.pop("reconstruction_rss")

    largest = float((target(sound) if target else sound).max())
    options.pop("single", None)
    return write(
        path, plain.shape, recon, change=change,
        attributes={"max": largest, **(attributes or {})}, **options,
    )  # fmt: skip
