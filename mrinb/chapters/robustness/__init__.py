"""Chapter 4: diverse training data and robustness."""

from mrinb.chapters.robustness import figures
from mrinb.chapters.robustness.claims import Case, cases, cases_table
from mrinb.chapters.robustness.experiment import (
    OTHERS,
    SELECTOR,
    Labelled,
    Rule,
    Study,
    beside_parallel,
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
    "Case",
    "Labelled",
    "Rule",
    "Study",
    "beside_parallel",
    "capacity",
    "cases",
    "cases_table",
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
