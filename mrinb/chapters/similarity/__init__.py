"""Appendix D: how similar training data are to test data."""

from mrinb.chapters.similarity import figures

__all__ = ["figures"]
