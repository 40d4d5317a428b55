"""Numbers of simulated subjects, from which the split of each follows."""

from __future__ import annotations

from hashlib import blake2b

from mrinb.catalogue import Distribution
from mrinb.errors import MrinbError, unknown

SPLITS = ("train", "val", "test")

_SUBJECTS_PER_DISTRIBUTION = 10_000


def subject_id(distribution: Distribution, split: str, index: int) -> int:
    """Number of a subject: distributions have different subjects, splits disjoint ones.

    The number is ``3 (10000 code + index) + split`` with a 20 bit digest of the distribution's
    name as code, or of the name under which it shares its subjects (``Distribution.subjects``), so
    that a subject's split is its number modulo 3 wherever and in however many datasets it appears.

    Args:
        distribution: whose patient.
        split: ``train``, ``val`` or ``test``.
        index: position in the split, from 0.

    Returns:
        The number.

    Raises:
        MrinbError: for an unknown split or an index outside 0 to 9999.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if not 0 <= index < _SUBJECTS_PER_DISTRIBUTION:
        raise MrinbError(f"subject index {index}: give one between 0 and 9999")
    name = distribution.subjects or distribution.name
    code = int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) >> 12
    return 3 * (_SUBJECTS_PER_DISTRIBUTION * code + index) + SPLITS.index(split)
