"""Parallel imaging without training, scored on the data that networks are scored on.

Where a scan has several coils, what they see differently fills in most of the lines that were left
out, and no training data are needed for that. l1-wavelet least squares with ESPIRiT maps is such a
method, and a network is of use where it does better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.recon.models import l1_wavelet
from mrinb.runs import labelled
from mrinb.shifts import Shift
from mrinb.specs import DataSpec, EvalSpec
from mrinb.tables import noted

PARALLEL_WEIGHTS = (0.001, 0.003, 0.01, 0.03)
"""Weights that validation data choose from."""
PARALLEL_ITERATIONS = 50
"""Validation SSIM is that of 100 within 0.002: several coils leave less to iterate for."""


def parallel_imaging(
    lab: Lab,
    on: Shift | Mapping[str, Pool],
    split: str = "test",
    *,
    chosen_on: Mapping[str, Pool] | None = None,
    weights: Sequence[float] = PARALLEL_WEIGHTS,
    iterations: int = PARALLEL_ITERATIONS,
) -> pd.DataFrame:
    """Score l1-wavelet least squares on multi-coil data.

    The weight is the one whose mean SSIM is highest on validation data: of each test pool for
    itself, as a clinic would choose it for its own scans. A network that never saw *Q* has no such
    help; ``chosen_on={"Q": shift.P}`` takes it from this method too.

    Args:
        lab: the chapter's lab: its sampling and coils.
        on: pools to test on by name; a shift stands for its P and Q.
        split: ``test`` or ``val``.
        chosen_on: by name of a test pool, another pool whose validation data choose its weight.
        weights: weights to choose from.
        iterations: iterations of FISTA.

    Returns:
        A table as that of ``lab.evaluate``, with ``pool`` and ``model`` ``l1-wavelet`` and no seed
        (-1), to be joined to it (``lab.join``) for figures, which draw it as a line beside
        zero-filled. Its column ``weight`` is the weight chosen.

    Raises:
        MrinbError: a weight or the iterations are not positive, or there is no such data.
    """
    shift = on.name if isinstance(on, Shift) else ""
    targets = {"P": on.P, "Q": on.Q} if isinstance(on, Shift) else dict(on)
    chosen = choose_weights(lab, {**targets, **(chosen_on or {})}, weights, iterations)
    specs = {
        (target, d): _spec(lab, lab.data(d, split), chosen[target], iterations)
        for target, pool in targets.items()
        for d in pool.distributions
    }
    entries = lab.fetch(list(specs.values()))
    labels = [
        {
            "pool": l1_wavelet.NAME, "pool_string": "", "train_slices": 0,
            "model": l1_wavelet.NAME, "seed": -1, "epoch": 0, "shift": shift, "target": target,
            "weight": chosen[target],
        }
        for target, _ in specs
    ]  # fmt: skip
    table = labelled([entries[spec] for spec in specs.values()], "scores", labels)
    return noted(table, lab.note(list(specs.values())))


def choose_weights(
    lab: Lab, on: Mapping[str, Pool], weights: Sequence[float], iterations: int
) -> dict[str, float]:
    """The weight with the highest mean SSIM on each pool's validation slices."""
    specs = {
        (target, weight, d): _spec(lab, lab.data(d, "val"), weight, iterations)
        for target, pool in on.items()
        for weight in weights
        for d in pool.distributions
    }
    entries = lab.fetch(list(specs.values()))
    means = pd.Series(
        {
            (target, weight): pd.concat(
                [entries[specs[target, weight, d]].table("scores") for d in pool.distributions]
            )["ssim"].mean()
            for target, pool in on.items()
            for weight in weights
        }
    )
    return {target: float(means[target].idxmax()) for target in on}


def _spec(lab: Lab, data: DataSpec, weight: float, iterations: int) -> EvalSpec:
    return lab.eval_spec(None, data, method=l1_wavelet.spec(weight, iterations))


def beside(
    lab: Lab, scores: pd.DataFrame, on: Shift | Mapping[str, Pool], wanted: bool = True
) -> pd.DataFrame:
    """A score table with the rows of ``parallel_imaging``, for figures.

    Args:
        lab: the chapter's lab.
        scores: table of ``lab.evaluate`` on the same pools.
        on: those pools; a shift stands for its P and Q.
        wanted: whether they are to be there.
    """
    return lab.join([scores, parallel_imaging(lab, on)]) if wanted else scores
