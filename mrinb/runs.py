"""What the lab hands out: training runs, choices among them, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mrinb.compute.entry import Entry
from mrinb.compute.packs import together
from mrinb.errors import MrinbError
from mrinb.pools import Pool
from mrinb.recon.training import kept_epochs
from mrinb.specs import TrainSpec


@dataclass(frozen=True)
class Runs:
    """Training runs of several pools, one a seed; described, not necessarily computed yet.

    Attributes:
        model: the model's name.
        pools: pool by label, such as ``{"P+Q": Pool}``.
        specs: training runs by label, one a seed.
        slices: number of training slices by label.
    """

    model: str
    pools: Mapping[str, Pool]
    specs: Mapping[str, tuple[TrainSpec, ...]]
    slices: Mapping[str, int]

    @property
    def early(self) -> list[int]:
        """Epochs before the last whose weights are kept."""
        return kept_epochs(next(iter(self.specs.values()))[0])[:-1]

    def __or__(self, other: Runs) -> Runs:
        """Both together, such as runs of labs at other accelerations, to be scored together.

        Raises:
            MrinbError: they are of different models, or share a label.
        """
        if self.model != other.model:
            raise MrinbError(
                f"runs of {self.model} and of {other.model} are scored on their own: "
                "evaluate them apart"
            )
        for label in self.specs:
            if label in other.specs:
                raise MrinbError(f"two groups of runs are called {label!r}: rename one")
        return replace(
            self,
            pools={**self.pools, **other.pools},
            specs={**self.specs, **other.specs},
            slices={**self.slices, **other.slices},
        )


class Best(NamedTuple):
    """Which single distribution's networks do best on a pool (Section 4).

    Attributes:
        table: one row a distribution: mean score of its networks over seeds and slices of the
            pool's ``test`` and ``val`` splits, columns ``distribution, test, val``.
        by_test: the best by the paper's rule, which looks at test data.
        by_validation: the best by validation data.
        scores: table of ``Lab.evaluate`` of each split, ``test`` and ``val``.
        metric: the score they were chosen by.
    """

    table: pd.DataFrame
    by_test: str
    by_validation: str
    scores: Mapping[str, pd.DataFrame]
    metric: str = "ssim"


class Panel(NamedTuple):
    """One slice reconstructed by several methods.

    Attributes:
        target: ground truth (height, width), upside down as fastMRI stores images.
        images: reconstruction (height, width) by label.
        ssim: SSIM of each, computed from float images.
        note: where the picture comes from.
    """

    target: np.ndarray
    images: Mapping[str, np.ndarray]
    ssim: Mapping[str, float]
    note: Mapping[str, Any]


class Shown(NamedTuple):
    """Arrays by name and the note that belongs under their picture."""

    arrays: Mapping[str, Any]
    note: Mapping[str, Any]


def labelled(
    entries: Sequence[Entry], name: str, labels: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Tables of results one below the other, each with its labels in further columns.

    They are read and labelled together: a chapter has thousands of small ones.

    Args:
        entries: the results, at least one.
        name: which of their tables.
        labels: further columns of each.
    """
    table, lengths = together(entries, name)
    repeated = np.repeat(np.arange(len(lengths)), lengths)
    return table.join(pd.DataFrame(labels).iloc[repeated].reset_index(drop=True))
