"""Small exhibits whose pixels are known."""

import html
import shutil
from pathlib import Path

import numpy as np
import pydata_sphinx_theme

from mrinb.widgets import CompareData, View

POOLS = {"P": "knees", "P+Q": "knees and brains", "half of P+Q": "half of both"}
MODELS = ["U-net", "VarNet"]
SHAPE = (3, 24, 32)  # slices, height, width
LEVELS = {"P": 40, "P+Q": 80, "half of P+Q": 120}


def grey(model: str, pool: str, slice_index: int, view: int = 0) -> int:
    """The 8-bit value of the left half of one reconstruction."""
    return LEVELS[pool] + 10 * MODELS.index(model) + 3 * slice_index + 30 * view


def stack(levels: list[int]) -> np.ndarray:
    """Slices that are white in the last stored row (shown first) and grey elsewhere."""
    images = np.empty(SHAPE, np.float32)
    images[:] = np.reshape(levels, (-1, 1, 1))
    images[:, -1] = 255
    return images


def view(number: int, label: str) -> View:
    slices = SHAPE[0]
    images, scores = {}, {}
    for model in MODELS:
        for pool in POOLS:
            levels = [grey(model, pool, i, number) for i in range(slices)]
            images[model, pool] = stack(levels)
            scores[model, pool] = [{"ssim": v / 255, "psnr": v / 10} for v in levels]
        scores[model, "zero-filled"] = [{"ssim": 0.1, "psnr": 1.0}] * slices
    return View(
        label,
        "test",
        images,
        target=stack([100 + 3 * i for i in range(slices)]),
        zero_filled=stack([10] * slices),
        scores=scores,
        vmax=[255.0] * slices,
        notes=["Simulated data", "profile quick", f"key {number}"],
    )


def exhibit() -> CompareData:
    return CompareData(POOLS, MODELS, [view(0, "Brain T1, 3 T"), view(1, "Knee PD & fat")])


def phantom(coils: int = 3, height: int = 40, width: int = 52) -> np.ndarray:
    """Fully sampled k-space of a few discs, complex64 (coils, height, width)."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    disc = (x**2 + y**2 < 0.7) + 0.8 * ((x - 0.2) ** 2 + (y + 0.3) ** 2 < 0.1)
    rng = np.random.default_rng(7)
    centres = rng.uniform(-1, 1, (coils, 2))
    sense = [np.exp(-((x - a) ** 2) - (y - b) ** 2 + 2j * (a * x + b * y)) for a, b in centres]
    noise = rng.standard_normal((2, coils, height, width)) * 0.01
    images = np.stack(sense) * disc + noise[0] + 1j * noise[1]
    shifted = np.fft.ifftshift(images, axes=(-2, -1))
    return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1)).astype(np.complex64)


MAIN = "display:block;width:100%;box-sizing:border-box;max-width:46rem;margin:auto;padding:0 0.5rem"

PAGE = """<!doctype html>
<html lang="en" data-theme="{theme}" data-mode="{theme}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="theme.css"></head>
<body><main class="bd-content" style="{main}">
<h1 id="top">{title}</h1>
{outputs}
</main></body></html>
"""


def write_page(folder: Path, *widgets, theme: str = "light", name: str = "index.html") -> Path:
    """Write a page with these widgets' stored outputs, in the book's theme."""
    styles = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/styles"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(styles / "pydata-sphinx-theme.css", folder / "theme.css")
    outputs = "\n".join(
        f'<div class="cell_output"><div class="output text_html">{widget.to_html()}</div></div>'
        for widget in widgets
    )
    page = PAGE.format(
        theme=theme, title=html.escape("A page of widgets"), outputs=outputs, main=MAIN
    )
    (folder / name).write_text(page, encoding="utf-8")
    return folder
