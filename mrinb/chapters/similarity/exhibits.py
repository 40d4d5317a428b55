"""Exhibits of Appendix D: which patches are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mrinb.compute.context import Context
from mrinb.exhibits import Arrays, chosen_items, exhibit
from mrinb.similarity import search
from mrinb.specs import ExhibitSpec


@exhibit()
def patches(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Which patches Appendix D keeps: a slice, its foreground, and candidates in and out.

    Returns:
        ``image`` uint8 (height, width), ``foreground`` (height, width), ``kept`` and ``discarded``
        first rows and columns (patches, 2), and the ``patch``'s side in pixels.
    """
    assert spec.data is not None
    volume, index = chosen_items(spec, context)[-1]
    side = search.patch_size(spec.data)
    chosen = search.choice(volume, index, side)
    arrays = {**chosen._asdict(), "patch": np.array(side)}
    return arrays | {"foreground": chosen.foreground.astype(np.uint8)}
