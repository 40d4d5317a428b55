"""Chapter 2: the data, the measurement, the reconstruction, and a toy problem."""

from mrinb.chapters.setup import figures

__all__ = ["figures"]
