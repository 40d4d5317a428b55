"""What Appendix A asks the lab for: l1-wavelet least squares at several weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mrinb.chapters.regularisation.experiment import label
from mrinb.errors import MrinbError
from mrinb.exhibits import Pictures
from mrinb.lab import Lab
from mrinb.labels import L1_WAVELET, ZERO_FILLED
from mrinb.pools import Pool
from mrinb.recon.models import l1_wavelet
from mrinb.runs import Panel, labelled
from mrinb.specs import Coil, DataSpec, ModelSpec, Split
from mrinb.tables import noted


def scores(
    lab: Lab,
    on: Mapping[str, Pool],
    weights: Sequence[float],
    split: Split = "test",
    *,
    coil: Coil = "single",
    iterations: int = 100,
    slices: int | None = None,
) -> pd.DataFrame:
    """Score l1-wavelet regularised least squares at several weights, and zero-filled images.

    Args:
        lab: the chapter's lab.
        on: pools to test on by name.
        weights: regularisation weights.
        split: ``test`` or ``val``.
        coil: emulated single-coil data, or multi-coil data with ESPIRiT maps.
        iterations: iterations of FISTA.
        slices: slices of each distribution; None is the profile's number of ``images``, of
            which validation has half.

    Returns:
        A table as that of ``evaluate``; the column ``pool`` names the weight (``λ = 0.01``),
        ``weight`` is the weight, NaN for zero-filled images. Nothing is trained: seeds are -1.
    """
    if iterations < 1:
        raise MrinbError(f"iterations = {iterations}: give a number above 0")
    tests = {
        (target, d): _images(lab, d, split, coil, slices)
        for target, pool in on.items()
        for d in pool.distributions
    }
    specs = {
        (target, d, weight): lab.eval_spec(None, data, method=_l1(weight, iterations, coil))
        for (target, d), data in tests.items()
        for weight in (None, *weights)
    }
    entries = lab.fetch(list(specs.values()))
    labels = [
        {
            "pool": ZERO_FILLED if weight is None else label(weight),
            "weight": np.nan if weight is None else weight,
            "pool_string": "", "train_slices": 0, "model": L1_WAVELET, "seed": -1, "epoch": 0,
            "shift": "", "target": target,
        }
        for target, _, weight in specs
    ]  # fmt: skip
    table = labelled([entries[spec] for spec in specs.values()], "scores", labels)
    return noted(table, lab.note(list(specs.values())))


def panel(
    lab: Lab,
    distribution: str,
    weights: Sequence[float],
    *,
    coil: Coil = "single",
    iterations: int = 100,
    slices: int | None = None,
) -> Panel:
    """One test slice at several weights; arguments as of ``scores``."""
    data = _images(lab, distribution, "test", coil, slices)
    reference = lab.exhibit("reference", data, slices=1)
    pictures = [
        lab.exhibit("reconstruction", data, method=_l1(weight, iterations, coil), slices=1)
        for weight in weights
    ]
    first, *rest = lab.show([reference, *pictures])
    labels = [ZERO_FILLED, *map(label, weights)]
    arrays = [first["zero_filled"], *(a["image"] for a in rest)]
    images = {
        name: Pictures(a, first["white"]).floats()[0]
        for name, a in zip(labels, arrays, strict=True)
    }
    scores = {name: float(a["ssim"][0]) for name, a in zip(labels, [first, *rest], strict=True)}
    target = Pictures(first["target"], first["white"]).floats()[0]
    return Panel(target, images, scores, lab.note([reference, *pictures]))


def _images(lab: Lab, distribution: str, split: Split, coil: Coil, slices: int | None) -> DataSpec:
    if slices is not None and slices < 0:
        raise MrinbError(f"images = {slices}: give 0 or a larger number")
    count = slices or lab.profile.images
    return lab.data(
        distribution, split, coil=coil, slices=count if split == "test" else -(-count // 2)
    )


def _l1(weight: float | None, iterations: int, coil: Coil) -> ModelSpec | None:
    """l1-wavelet least squares of one weight; None for zero-filled images."""
    return None if weight is None else l1_wavelet.spec(weight, iterations, coil)
