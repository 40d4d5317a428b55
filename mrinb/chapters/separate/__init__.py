"""Chapter 3 and Appendix B: one model for all data, or separate ones."""

from mrinb.chapters.separate import figures
from mrinb.chapters.separate.experiment import (
    FLAT_RATES,
    NO_VARIATION,
    RATE,
    count_parameters,
    flat_rates,
    four_pools,
    join_models,
    learning_rates,
    networks,
    scatter_verdicts,
    seed_scatter,
    shifts_of,
    sizes,
    skewed_pools,
    small_channels,
    small_pools,
)

__all__ = [
    "FLAT_RATES",
    "NO_VARIATION",
    "RATE",
    "count_parameters",
    "figures",
    "flat_rates",
    "four_pools",
    "join_models",
    "learning_rates",
    "networks",
    "scatter_verdicts",
    "seed_scatter",
    "shifts_of",
    "sizes",
    "skewed_pools",
    "small_channels",
    "small_pools",
]
