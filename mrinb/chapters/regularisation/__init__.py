"""Appendix A: regularisation weights of l1-wavelet least squares."""

from mrinb.chapters.regularisation import figures
from mrinb.chapters.regularisation.experiment import (
    PRINTED,
    WEIGHTS,
    at_edge,
    beside_paper,
    best,
    grid,
    label,
    means,
    shown_weights,
    track,
)
from mrinb.chapters.regularisation.parallel import beside, parallel_imaging
from mrinb.chapters.regularisation.runs import (
    panel,
    scores,
)

__all__ = [
    "PRINTED",
    "WEIGHTS",
    "at_edge",
    "beside",
    "beside_paper",
    "best",
    "figures",
    "grid",
    "label",
    "means",
    "panel",
    "parallel_imaging",
    "scores",
    "shown_weights",
    "track",
]
