"""Tables of similarities and scores of eight pools, for tests of ranks and figures."""

import pandas as pd

from mrinb.stats import correlation
from mrinb.tables import noted

POOLS = ("a", "b", "c", "d", "e", "P", "P+Q", "Q")
SUBJECTS = tuple(f"s{i}" for i in range(8))


def similarities(means, pools=POOLS):
    """Two test patches of each subject; ``means`` is a similarity a pool."""
    rows = [
        {
            "pool": pool, "pool_string": f"<{pool}>", "contains": "Q" in pool, "rule": rule,
            "single": "P" not in pool,
            "compared": 10, "distribution": "brain/T2-Aera", "subject": subject,
            "similarity": mean + shift,
        }
        for pool, mean in zip(pools, means, strict=True)
        for rule in (*correlation.RULES, "")
        for subject in SUBJECTS
        for shift in ((-0.01, 0.01) if rule else (0.5, 0.5))
    ]  # fmt: skip
    note = {
        "data": "simulated data",
        "profile": "quick",
        "seeds": [],
        "key": "k",
        "embedder": "net",
    }
    return noted(pd.DataFrame(rows), note)


def scores(means, pools=POOLS, seeds=3, foreground=None):
    foreground = means if foreground is None else foreground
    rows = [
        {
            "pool": pool, "model": "unet", "seed": seed, "epoch": epoch, "split": split,
            "distribution": distribution, "target": "Q", "shift": "contrast", "volume": subject,
            "subject": subject, "slice": 0, "acceleration": 4,
            "ssim": mean + 0.001 * (seed - 1) if last else 0.1,
            "ssim_foreground": inside + 0.001 * (seed - 1),
        }
        for pool, mean, inside in zip(pools, means, foreground, strict=True)
        for seed in range(seeds)
        for epoch, split, distribution in (
            (6, "test", "brain/T2-Aera"), (2, "test", "brain/T2-Aera"),
            (6, "val", "brain/T2-Aera"), (6, "test", "knee/PD-Aera"),
        )
        for last in [(epoch, split, distribution) == (6, "test", "brain/T2-Aera")]
        for subject in SUBJECTS
    ]  # fmt: skip
    note = {"data": "simulated data", "profile": "quick", "seeds": [0, 1, 2], "key": "s"}
    return noted(pd.DataFrame(rows), note)


NEAR = [0.5, 0.52, 0.51, 0.55, 0.6, 0.65, 0.8, 0.82]
GOOD = [0.7, 0.72, 0.71, 0.75, 0.8, 0.82, 0.9, 0.91]
