"""The paper's lists of files: which volumes trained and tested what, and nothing of the volumes.

Facts from the paper's public repository (MLI-lab/mri_data_diversity, Apache-2.0), in compressed
CSV, the column names ours.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pandas as pd

SECTION7 = "section7"
TRAIN_SUBSETS = "fastmri_train_subsets"
TEST = "fastmri_test"
PATHOLOGY = "pathology_test"


@cache
def table(name: str) -> pd.DataFrame:
    """One of the paper's lists.

    Args:
        name: ``SECTION7`` (dataset, filename, role, official_split, and the slices start to stop
            that are kept), ``TRAIN_SUBSETS`` (family, seed, filename, smallest_subset: the largest
            n for which the file is in the 1/n subset), ``TEST`` (filename) or ``PATHOLOGY``.

    Returns:
        The list; not to be changed.
    """
    place = files("mrinb.data.splits") / f"{name}.csv.xz"
    with place.open("rb") as file:
        return pd.read_csv(file, compression="xz")
