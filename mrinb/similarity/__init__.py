"""Similarity of data sets by features of patches (Appendix D)."""
