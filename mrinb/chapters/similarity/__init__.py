"""Appendix D: how similar training data are to test data."""

from mrinb.chapters.similarity import figures
from mrinb.chapters.similarity.experiment import (
    matches,
    patches,
    similarities,
)

__all__ = ["figures", "matches", "patches", "similarities"]
