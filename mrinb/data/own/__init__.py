"""Scans as a researcher has them, brought into the fastMRI layout: ``mrinb data import``.

``arrays`` reads a file, ``axes`` says which axis is which, ``conventions`` where the middles of
k-space and image are and what was not measured, ``scan`` puts them together.
"""
