"""Appendix C: changes of the forward model, in accelerations and in coils."""

from mrinb.chapters.forward import figures
from mrinb.chapters.forward.experiment import (
    FEWER,
    JOINT,
    TRAINED,
    UNSEEN,
    Accelerations,
    accelerations,
    beside_paper,
    coils_alone,
    fold,
    lines,
    matching,
)

__all__ = [
    "FEWER",
    "JOINT",
    "TRAINED",
    "UNSEEN",
    "Accelerations",
    "accelerations",
    "beside_paper",
    "coils_alone",
    "figures",
    "fold",
    "lines",
    "matching",
]
