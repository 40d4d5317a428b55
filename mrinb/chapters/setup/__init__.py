"""Chapter 2: the data, the measurement, the reconstruction, and a toy problem."""

from mrinb.chapters.setup import figures
from mrinb.chapters.setup.experiment import (
    forward_model,
    gallery,
    image_statistics,
    mask_explorer,
    noise_ceilings,
    scan,
    statistics_table,
    toy,
)

__all__ = [
    "figures",
    "forward_model",
    "gallery",
    "image_statistics",
    "mask_explorer",
    "noise_ceilings",
    "scan",
    "statistics_table",
    "toy",
]
