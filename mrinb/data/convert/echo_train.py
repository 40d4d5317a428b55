"""Phase correction of fast spin echoes by a reference readout for each echo of the train.

The echoes of a train differ by a constant phase and a shift along the readout, which is a linear
phase in the image. Both are found from reference readouts without phase encoding (Ahn and Cho,
1987), from all coils together, since the cause is the gradients and not the coils.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mrinb.slicing.kspace import centred


def correct(
    data: np.ndarray, segment: np.ndarray, references: Mapping[int, np.ndarray]
) -> np.ndarray:
    """Bring the lines of one slice to the phase of the first echo that has a reference.

    Args:
        data: complex64 (lines, coils, readout), the k-space of a slice.
        segment: int (lines,), the echo that acquired each line.
        references: complex64 (coils, readout) of each echo; lines of others stay as they are.

    Returns:
        complex64 k-space of the same shape.
    """
    if len(references) < 2:
        return data
    profiles = {echo: centred(line, (-1,), inverse=True) for echo, line in references.items()}
    first = profiles[min(profiles)]
    hybrid = centred(data, (-1,), inverse=True)
    for echo, profile in profiles.items():
        hybrid[segment == echo] *= np.exp(1j * phase(first, profile)).astype(np.complex64)
    return centred(hybrid, (-1,), inverse=False)


def phase(first: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Linear phase along the readout that brings one echo's profile to another's.

    Args:
        first: complex (coils, readout), the profile to match.
        profile: complex (coils, readout).

    Returns:
        float (readout,) in radians.
    """
    ratio = (first * profile.conj()).sum(axis=0)
    slope = np.angle((ratio[1:] * ratio[:-1].conj()).sum())
    x = np.arange(len(ratio)) - len(ratio) // 2
    return np.angle((ratio * np.exp(-1j * slope * x)).sum()) + slope * x
