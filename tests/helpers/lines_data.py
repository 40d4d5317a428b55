"""Slice scores of networks whose points lie on known lines."""

import numpy as np
import pandas as pd

from mrinb.stats import lines

HEIGHTS = {"P_best": 0.0, "P, size of P_best": 0.02, "P": 0.05, "P+Q": 0.1}
MODELS = {"unet": (0, 1, 2), "vit": (0,), "varnet": (0,)}


def table(
    heights=HEIGHTS, models=MODELS, slope=0.5, ahead=0.0, spread=0.05, run=0.0, subject=0.0,
    own=0.0, taste=0.0, subjects=(4, 12), rng=None,
):  # fmt: skip
    """Slice scores of points on parallel lines.

    Noise: ``run`` moves a run on all training sets, ``own`` a seed on one of them, ``subject`` a
    test subject with all runs, ``taste`` one with all runs on one training set. ``ahead`` is how
    far P is to the right of P_best.
    """
    rng = rng or np.random.default_rng(0)
    of_subject = {t: rng.normal(0, subject, n) for t, n in zip(("P_best", "Q"), subjects,
                                                               strict=True)}  # fmt: skip
    of_taste = {
        (target, training): rng.normal(0, taste, len(of_subject[target]))
        for target in of_subject for training in heights
    }  # fmt: skip
    of_seed = {
        (model, seed, training): rng.normal(0, own)
        for model, seeds in models.items() for seed in seeds for training in heights
    }  # fmt: skip
    rows = []
    for model, seeds in models.items():
        for size in ("full", "quarter"):
            for seed in seeds:
                together = rng.normal(0, run)
                for training, height in heights.items():
                    alone = of_seed[model, seed, training]
                    for epoch in (2, 4, 6):
                        x = 0.8 + spread * (epoch / 6 - (size == "quarter"))
                        x += ahead * (training == "P")
                        y = 0.3 + slope * x + height + together + alone
                        for target, value in (("P_best", x), ("Q", y)):
                            eases = of_subject[target] + of_taste[target, training]
                            for i, ease in enumerate(eases):
                                rows += [
                                    ("s", model, training, size, seed, epoch, target,
                                     f"{target}{i}", j, value + ease, value + ease - 0.1)
                                    for j in range(2)
                                ]  # fmt: skip
    columns = [*lines.POINT, "target", "subject", "slice", "ssim", "ssim_foreground"]
    return pd.DataFrame(rows, columns=columns)
