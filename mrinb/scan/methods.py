"""A scan reconstructed by published networks, by l1-wavelet and by zeros, and the scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mrinb import weights
from mrinb.comparison import CompareData, View
from mrinb.data.slices import zero_filled
from mrinb.errors import MrinbError
from mrinb.labels import L1_WAVELET, ZERO_FILLED
from mrinb.recon import masks, metrics
from mrinb.recon.models import Measured, build, l1_wavelet
from mrinb.scan.source import Scan
from mrinb.specs import Coil
from mrinb.weights import Network

WEIGHT = {"single": 0.003, "multi": 0.01}
"""Weight of l1-wavelet for one coil and for several; ``book/own_scan.md`` says why these."""
SHOWN = ("ssim", "ssim_foreground", "psnr", "nmse")
_WHITE = 99.5

Progress = Callable[[str], None]


class Method(NamedTuple):
    """A way to reconstruct.

    Attributes:
        ident: its name in the comparer.
        label: its name for readers.
        run: from measured slices to images (slices, height, width).
    """

    ident: str
    label: str
    run: Callable[[Measured], Tensor]


class Outcome(NamedTuple):
    """A scan and what was made of it.

    Attributes:
        scan: the scan.
        mask: the lines that were kept of it, or measured.
        images: reconstruction float32 (slices, height, width) by method, zero-filled first.
        labels: name for readers by method.
        scores: one row a method and slice, columns ``method, slice`` and ``SHOWN``; empty where
            there is no target.
        failed: why a method is missing, a line each.
    """

    scan: Scan
    mask: masks.Mask
    images: dict[str, np.ndarray]
    labels: dict[str, str]
    scores: pd.DataFrame
    failed: list[str]


def methods(scan: Scan, networks: Sequence[Network]) -> list[Method]:
    """What a scan is reconstructed by: networks for as many coils as it has, and l1-wavelet."""
    found = [
        Method(n.name, n.label, weights.load(n.name))
        for n in networks
        if n.model != "varnet" or scan.coils > 1
    ]
    coil: Coil = "multi" if scan.coils > 1 else "single"
    wavelet = build(l1_wavelet.spec(WEIGHT[coil], coil=coil))
    words = f"l1-wavelet, weight {WEIGHT[coil]:g}, not trained"
    return [*found, Method(L1_WAVELET, words, wavelet)]


@torch.inference_mode()
def reconstruct(
    scan: Scan,
    networks: Sequence[Network],
    acceleration: int = 4,
    progress: Progress = lambda words: None,
) -> Outcome:
    """Reconstruct a scan by every method.

    Args:
        scan: the scan; a fully sampled one is undersampled here.
        networks: published networks.
        acceleration: nominal acceleration where the scan is fully sampled.
        progress: told what is being done.

    Raises:
        MrinbError: no such acceleration, or weights cannot be read.
    """
    mask = scan.mask(acceleration)
    measured = Measured(scan.hybrid, mask.lines, scan.recon[1], mask.low, scan.recon[0])
    images = {ZERO_FILLED: zero_filled(*measured[:3])}
    labels, failed = {ZERO_FILLED: "zero-filled"}, []
    for method in methods(scan, networks):
        progress(method.label)
        try:
            # One slice at a time: matrices are as large as they come.
            parts = [method.run(_slice(measured, i)) for i in range(len(scan.hybrid))]
        except MrinbError as error:
            failed.append(f"{method.label}: {error}")
            continue
        images[method.ident] = torch.cat(parts)
        labels[method.ident] = method.label
    arrays = {name: image.float().numpy() for name, image in images.items()}
    return Outcome(scan, mask, arrays, labels, _scores(scan, images), failed)


def _slice(measured: Measured, i: int) -> Measured:
    return measured._replace(hybrid=measured.hybrid[i : i + 1])


def _scores(scan: Scan, images: dict[str, Tensor]) -> pd.DataFrame:
    if scan.target is None:
        return pd.DataFrame(columns=["method", "slice", *SHOWN])
    largest = torch.full((len(scan.target),), scan.max_value)
    foreground = metrics.foreground(scan.target)
    rows = []
    for name, image in images.items():
        values = metrics.score(image, scan.target, largest, foreground)
        table = {score: values[score] for score in SHOWN}
        rows.append(pd.DataFrame({"method": name, "slice": scan.indices, **table}))
    return pd.concat(rows, ignore_index=True)


def summary(outcome: Outcome) -> pd.DataFrame:
    """Mean scores of each method over the slices, the best SSIM first."""
    means = outcome.scores.groupby("method", sort=False)[list(SHOWN)].mean()
    return means.sort_values("ssim", ascending=False)


def words(outcome: Outcome) -> str:
    """How a scan was undersampled, in a line."""
    mask, own = outcome.mask, outcome.scan.measured is not None
    what = "as measured" if own else f"undersampled {mask.acceleration}-fold here"
    return (
        f"{what}: {int(mask.lines.sum())} of {mask.acquired} lines, effective acceleration "
        f"{mask.effective:.2f}"
    )


def comparison(outcome: Outcome) -> CompareData:
    """An outcome for the comparer; its pools are the methods."""
    scan = outcome.scan
    target = scan.target.numpy() if scan.target is not None else outcome.images[ZERO_FILLED]
    model = "as measured" if scan.measured is not None else f"{outcome.mask.acceleration}-fold"
    shown = {name: image for name, image in outcome.images.items() if name != ZERO_FILLED}
    scores = {
        (model, name): rows[["ssim", "psnr"]].to_dict("records")
        for name, rows in outcome.scores.groupby("method")
    }
    white = np.percentile(target.reshape(len(target), -1), _WHITE, axis=1)
    view = View(
        label=scan.name,
        split="your scan",
        images={(model, name): image for name, image in shown.items()},
        target=target,
        zero_filled=outcome.images[ZERO_FILLED],
        scores=scores,
        vmax=white.tolist(),
        notes=[words(outcome)],
        truth=scan.target is not None,
    )
    return CompareData(
        pools={name: outcome.labels[name] for name in shown}, models=[model], views=[view]
    )
