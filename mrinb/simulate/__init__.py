"""The simulator: anatomies, contrasts, scanners and the acquisition of k-space."""
