"""Data: the fastMRI file layout, indices of data roots, slices, and the simulator."""
