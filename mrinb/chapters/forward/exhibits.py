"""Exhibits of Appendix C: what masks keep of k-space."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mrinb.compute.context import Context
from mrinb.data.volumes import volumes
from mrinb.exhibits import Arrays, exhibit
from mrinb.recon import masks
from mrinb.specs import ExhibitSpec


@exhibit()
def lines(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """What the masks of a split's volumes keep.

    Returns:
        ``volume``, nominal ``acceleration``, lines ``acquired`` by a full scan, ``low`` fully
        sampled ones, lines ``kept`` and ``effective`` acceleration (volumes,).
    """
    assert spec.data is not None
    found = volumes(spec.data, context)
    drawn = [masks.for_volume(spec.sampling, v.name, v.kspace_shape[-1], v.padding) for v in found]
    return {
        "volume": np.array([v.name for v in found]),
        "acceleration": np.array([m.acceleration for m in drawn]),
        "acquired": np.array([m.acquired for m in drawn]),
        "low": np.array([m.low for m in drawn]),
        "kept": np.array([int(m.lines.sum()) for m in drawn]),
        "effective": np.array([m.effective for m in drawn]),
    }
