"""From score tables to differences, paired by seed and slice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from mrinb.errors import MrinbError
from mrinb.labels import L1_WAVELET, ZERO_FILLED
from mrinb.stats.rules import METRICS

"""The pool of rows that no training made; their seed is -1 and they pair with every seed."""

COLUMNS = (
    "pool", "model", "seed", "epoch", "distribution", "split", "target", "shift", "volume",
    "subject", "slice", "acceleration", *METRICS,
)  # fmt: skip
"""Columns of the score table that claims read."""


def clean(
    scores: pd.DataFrame, metrics: tuple[str, str] = METRICS, lines: bool = False
) -> pd.DataFrame:
    """Test rows of each run's last epoch (of every epoch where lines are compared), checked."""
    columns = list(dict.fromkeys((*COLUMNS, *(("training", "size") * lines), *metrics)))
    missing = [c for c in columns if c not in scores.columns]
    if missing:
        raise MrinbError(f"score table lacks column {missing[0]!r}: give the table of lab.evaluate")
    table = scores.loc[scores["split"] == "test", columns].reset_index(drop=True)
    if table.empty:
        raise MrinbError("score table has no rows of split 'test': evaluate the runs on test data")
    table["seed"] = table["seed"].fillna(-1).astype(int)
    table["epoch"] = table["epoch"].fillna(-1)
    last = table.groupby(["shift", "pool", "model", "seed"], dropna=False)["epoch"]
    table = table if lines else table[table["epoch"] == last.transform("max")]
    if (table.groupby(["shift", "target"])["acceleration"].nunique() > 1).any():
        raise MrinbError(
            "score table mixes accelerations on one target: keep the rows of one of them"
        )
    for column in ("shift", "target", "subject", "distribution", "volume", "slice"):
        if table[column].isna().any():
            raise MrinbError(f"score table has rows without {column}: every slice needs one")
    for metric in metrics:
        bad = table[~np.isfinite(table[metric].to_numpy(float))]
        if len(bad):
            row = bad.iloc[0]
            raise MrinbError(
                f"{metric} of pool {row['pool']!r}, volume {row['volume']!r}, slice {row['slice']} "
                f"is {row[metric]}: mend that reconstruction or leave its slice out"
            )
    return table


def every_network(scores: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of every shift and network, zero-filled rows with each network."""
    scores = scores[scores["pool"] != L1_WAVELET]
    for shift in scores["shift"].unique():
        rows = scores[scores["shift"] == shift]
        zero = rows["pool"] == ZERO_FILLED
        models = rows.loc[~zero, "model"].unique()
        if not len(models):
            raise MrinbError(f"score table of shift {shift!r} holds no trained model")
        for model in models:
            yield rows[zero | (rows["model"] == model)]


def most_seeds(scores: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The parts of those models that have most seeds."""
    parts = list(every_network(scores))
    seeds = [part.loc[part["pool"] != ZERO_FILLED, "seed"].nunique() for part in parts]
    yield from (part for part, n in zip(parts, seeds, strict=True) if n == max(seeds))


def _grid(part: pd.DataFrame, pool: str, target: str, metric: str) -> pd.DataFrame:
    """Scores of one pool on one target: a row for each slice, a column for each seed."""
    rows = part[(part["pool"] == pool) & (part["target"] == target)]
    if rows.empty:
        raise MrinbError(
            f"score table has no rows of pool {pool!r} on target {target!r}: "
            f"its pools are {', '.join(map(repr, part['pool'].unique()))}"
        )
    index = ["subject", "distribution", "volume", "slice"]
    if rows.duplicated([*index, "seed"]).any():
        raise MrinbError(f"score table holds a slice of pool {pool!r} twice for the same seed")
    grid = rows.pivot(index=index, columns="seed", values=metric).sort_index()
    if grid.isna().to_numpy().any():
        raise MrinbError(f"seeds of pool {pool!r} were not all tested on the same slices of target "
                         f"{target!r}")  # fmt: skip
    return grid


def paired(part: pd.DataFrame, target: str, a: str, b: str, metric: str) -> pd.DataFrame:
    """Differences pool ``a`` minus pool ``b``, paired by seed and slice.

    Args:
        part: cleaned score rows of one shift and model.
        target: ``P`` or ``Q``.
        a: label of the first pool.
        b: label of the second pool, or ``zero-filled``, which pairs with every seed.
        metric: column of scores.

    Returns:
        One row a slice with subject as the first index level, one column a seed that both have.

    Raises:
        MrinbError: a pool is missing, or the two share no seed or were tested on different slices.
    """
    first, second = _grid(part, a, target, metric), _grid(part, b, target, metric)
    if not first.index.equals(second.index):
        raise MrinbError(
            f"pools {a!r} and {b!r} were tested on different slices of target {target!r}: "
            "evaluate both on the same data"
        )
    if b == ZERO_FILLED:
        return first.sub(second.iloc[:, 0], axis=0)
    seeds = first.columns.intersection(second.columns)
    if seeds.empty:
        raise MrinbError(f"pools {a!r} and {b!r} share no seed: train both with the same seeds")
    return first[seeds] - second[seeds]
