"""Chapter 4: diverse training data and robustness."""

from mrinb.chapters.robustness import figures
from mrinb.chapters.robustness.experiment import (
    OTHERS,
    SELECTOR,
    Labelled,
    Rule,
    Study,
    capacity,
    disagree,
    labelled,
    networks_on,
    rival,
    scatter,
    second_target,
    shares,
    shares_table,
    singles,
    study,
)

__all__ = [
    "OTHERS",
    "SELECTOR",
    "Labelled",
    "Rule",
    "Study",
    "capacity",
    "disagree",
    "figures",
    "labelled",
    "networks_on",
    "rival",
    "scatter",
    "second_target",
    "shares",
    "shares_table",
    "singles",
    "study",
]
