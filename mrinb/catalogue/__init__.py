"""The distributions of Figure 2 and the datasets of Table 1, as data.

Everything that tells one distribution from another (scanner, field, coils, matrix, contrast) is
stated here once; the simulator, the file index, the figures and the pools read it. A row of Table 1
(``table1``) owns its distributions, its converter and its role.
Sources: paper, Table 1 and Figure 2.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from mrinb.catalogue import fastmri, others
from mrinb.catalogue.base import Dataset, Distribution, Scanner
from mrinb.catalogue.fastmri import BRAINS, HEADS, KNEES
from mrinb.catalogue.table1 import DATASETS
from mrinb.errors import unknown

__all__ = [
    "DATASETS", "DISTRIBUTIONS", "EVERY", "EXTRA", "SCANNERS", "Dataset", "Distribution",
    "Scanner", "distribution", "matching",
]  # fmt: skip

SCANNERS: dict[str, Scanner] = {**fastmri.SCANNERS, **others.SCANNERS}
"""Scanner models by name."""

DISTRIBUTIONS: dict[str, Distribution] = {d.name: d for d in (*KNEES, *BRAINS)}
"""The 16 fastMRI distributions of Figure 2, by name."""

EXTRA: dict[str, Distribution] = {d.name: d for d in HEADS}
"""Distributions that exist only as simulated, and stand for no dataset."""

EVERY: dict[str, Distribution] = {
    **{d.name: d for row in DATASETS for d in row.distributions},
    **EXTRA,
}
"""Every distribution in the order of Table 1, those that are only simulated last."""


def distribution(name: str) -> Distribution:
    """Look a distribution up by name.

    Raises:
        MrinbError: no distribution has this name; the nearest names are given.
    """
    if name not in EVERY:
        raise unknown("distribution", name, EVERY)
    return EVERY[name]


def matching(pattern: str) -> list[str]:
    """Names that a glob pattern matches, in catalogue order.

    A pattern that matches any of Figure 2's distributions means these alone, so that ``*`` is the
    16 of the paper; the others are found by patterns of their own, such as ``head/*``.
    """
    for names in (list(DISTRIBUTIONS), [n for n in EVERY if n not in DISTRIBUTIONS]):
        found = [name for name in names if fnmatchcase(name, pattern)]
        if found:
            return found
    return []
