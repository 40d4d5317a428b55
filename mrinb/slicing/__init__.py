"""Three-dimensional k-space cut into slices, of scanners and of the simulator alike."""
