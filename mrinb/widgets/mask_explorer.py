"""The mask explorer: which lines of k-space are kept, and what that does to the image."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from mrinb.errors import MrinbError
from mrinb.widgets.host import (
    StoredWidget,
    figure_html,
    module_source,
    one_of,
    preview_png,
    shared,
    style_source,
    to_uint8,
    upright,
    webp_uri,
)

KINDS = ("equispaced", "equispaced_fraction", "random")
MAX_COILS = 4
INT16 = 32767


class MaskExplorer(StoredWidget):
    """Undersample one slice in the browser: mask, zero-filled image, point spread, numbers.

    Args:
        kspace: fully sampled, already cropped, complex ``(coils, height, width)``; more than four
            coils are compressed to four virtual ones, which the notes say.
        target: the ground truth, ``(height, width)``; the RSS image of `kspace` where not given.
        presets: centre fraction by acceleration of the preset buttons; the paper's where not given.
        notes: where the data come from: simulated or real, profile, seed, key.
        **initial: first values: ``kind`` (one of `KINDS`), ``acceleration``, ``center_fraction``,
            ``offset`` (the seed, for random masks), ``show``, ``title``, and ``name``, under which
            the state stands in the page's address.
    """

    module = "mask_explorer"
    _esm = module_source("mask_explorer")
    _css = style_source()

    data = shared(traitlets.Dict())
    kind = shared(traitlets.Unicode("equispaced"))
    acceleration = shared(traitlets.Int(4))
    center_fraction = shared(traitlets.Float(0.08))
    offset = shared(traitlets.Int(0))
    show = shared(traitlets.Unicode("zero-filled"))

    def __init__(
        self,
        kspace: np.ndarray,
        target: np.ndarray | None = None,
        presets: dict[int, float] | None = None,
        notes: Sequence[str] = (),
        **initial: Any,
    ) -> None:
        kspace = np.asarray(kspace)
        check_kspace(kspace, target)
        coils, kept = compress(kspace)
        truth = rss(inverse_dft(inverse_dft(kspace, -2), -1)) if target is None else target
        if len(coils) < len(kspace):
            words = f"{len(kspace)} coils compressed to {len(coils)}: {kept:.1%} of the energy kept"
            notes = [*notes, words]
        self._notes = list(notes)
        self._target = np.asarray(truth, dtype=np.float64)
        state = first_state(initial)
        state["data"] = pack(coils, kspace, self._target, presets or paper_presets(), self._notes)
        super().__init__(**state)

    def still(self) -> str:
        """Return the picture shown where no script runs: the fully sampled image."""
        image = upright(to_uint8(self._target[None], self._target.max()))[0]
        alt = (
            "The fully sampled image of the slice whose k-space the mask explorer undersamples; "
            "the explorer itself needs JavaScript."
        )
        return figure_html(preview_png(image), alt, 320, "; ".join([alt, *self._notes]))


def paper_presets() -> dict[int, float]:
    """Return the centre fraction that the paper's code uses at each acceleration."""
    from mrinb.recon.masks import CENTER_FRACTIONS  # loads torch

    return dict(CENTER_FRACTIONS)


def first_state(initial: dict[str, Any]) -> dict[str, Any]:
    """Return valid first values of the state.

    Args:
        initial: what the caller wants.

    Raises:
        MrinbError: naming what is not possible, and what is.
    """
    valid = ["name", "title", "kind", "acceleration", "center_fraction", "offset", "show"]
    for key in initial:
        one_of("mask explorer setting", key, valid)
    state = {"name": "mask", **initial}
    one_of("mask", state.get("kind", KINDS[0]), list(KINDS))
    one_of("picture", state.get("show", "zero-filled"), ["zero-filled", "target", "error"])
    if not 1 <= state.get("acceleration", 4) <= 16:
        raise MrinbError(f"acceleration {state['acceleration']}: choose 1 to 16")
    if not 0 <= state.get("center_fraction", 0.08) <= 0.4:
        raise MrinbError(f"center_fraction {state['center_fraction']}: choose 0 to 0.4")
    return state


def check_kspace(kspace: np.ndarray, target: np.ndarray | None) -> None:
    """Refuse arrays that the explorer cannot show.

    Args:
        kspace: should be complex ``(coils, height, width)``.
        target: should be ``(height, width)`` of the same size.

    Raises:
        MrinbError: saying what is wrong.
    """
    if kspace.ndim != 3 or not np.iscomplexobj(kspace):
        raise MrinbError(f"kspace must be complex (coils, height, width), not {kspace.shape}")
    if not np.isfinite(kspace).all() or not kspace.any():
        raise MrinbError("kspace contains NaN or infinity, or only zeros")
    if target is not None and np.shape(target) != kspace.shape[1:]:
        raise MrinbError(f"target is {np.shape(target)}, kspace {kspace.shape}: crop them alike")
    if max(kspace.shape[1:]) > 256:
        raise MrinbError(f"kspace {kspace.shape} is too large for a page: crop it to at most 256")


def inverse_dft(data: np.ndarray, axis: int) -> np.ndarray:
    """Return the centred orthonormal inverse Fourier transform along one axis.

    Args:
        data: any shape.
        axis: the axis.
    """
    shifted = np.fft.ifftshift(data, axes=axis)
    return np.fft.fftshift(np.fft.ifft(shifted, axis=axis, norm="ortho"), axes=axis)


def rss(images: np.ndarray) -> np.ndarray:
    """Return the root of the sum of squares over coils.

    Args:
        images: complex ``(coils, height, width)``.
    """
    return np.sqrt((np.abs(images) ** 2).sum(axis=0))


def compress(kspace: np.ndarray) -> tuple[np.ndarray, float]:
    """Compress to at most four virtual coils by singular values.

    Args:
        kspace: complex ``(coils, height, width)``.

    Returns:
        The virtual coils, and the fraction of the energy that they hold.
    """
    if len(kspace) <= MAX_COILS:
        return kspace, 1.0
    flat = kspace.reshape(len(kspace), -1)
    values, vectors = np.linalg.eigh(flat @ flat.conj().T)
    largest = vectors[:, ::-1][:, :MAX_COILS]
    virtual = (largest.conj().T @ flat).reshape(MAX_COILS, *kspace.shape[1:])
    return virtual, float(values[::-1][:MAX_COILS].sum() / values.sum())


def pack(
    coils: np.ndarray,
    kspace: np.ndarray,
    target: np.ndarray,
    presets: dict[int, float],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Return the slice as the browser gets it.

    The transform along readout is done here, as masks leave it alone. Real and imaginary parts go
    as 16-bit integers with one scale a line of k-space, so that weak outer lines keep precision.

    Args:
        coils: k-space of up to four coils, complex ``(coils, height, width)``.
        kspace: k-space of all coils, for its picture.
        target: ground truth, ``(height, width)``.
        presets: centre fraction by acceleration.
        notes: where the data come from.
    """
    hybrid = inverse_dft(coils, -2)
    parts = np.stack([hybrid.real, hybrid.imag])
    scale = np.abs(parts).max(axis=(0, 1, 2)) / INT16
    scale[scale == 0] = 1
    whole = np.round(parts / scale).astype("<i2")
    magnitude = np.log1p(rss(kspace) / rss(kspace).max() * 1e3)
    picture = to_uint8(magnitude[None], magnitude.max())[0]
    return {
        "coils": coils.shape[0],
        "height": coils.shape[1],
        "width": coils.shape[2],
        "hybrid": base64.b64encode(whole.tobytes()).decode(),
        "scale": [float(f"{value:.9g}") for value in scale],
        "target": base64.b64encode(target.astype("<f4").tobytes()).decode(),
        "kspace": webp_uri(picture),
        "presets": [[int(factor), float(fraction)] for factor, fraction in presets.items()],
        "notes": list(notes),
    }
