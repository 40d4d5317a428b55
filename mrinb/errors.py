"""The one exception users see, and the words for a name that does not exist."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable


class MrinbError(Exception):
    """A problem the user can mend: its message is one line that says what and what to do.

    The command line prints it and exits with code 2; a notebook shows it as the last line. Names of
    files that are not UTF-8 are written with escapes, since no notebook can hold them.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(str(message).encode(errors="backslashreplace").decode())


def reason(error: BaseException) -> str:
    """Why the system failed, in its own few words; HDF5 buries them in lines of its own."""
    told = re.search(r"errno = (\d+)", str(error))
    if told:
        return os.strerror(int(told.group(1)))
    lines = str(error).strip().splitlines()
    return getattr(error, "strerror", None) or (lines[0] if lines else type(error).__name__)


def unknown(kind: str, name: object, valid: Iterable[str]) -> MrinbError:
    """Build the error for a name that is not among the valid ones.

    Args:
        kind: what the name stands for, such as ``"model"``.
        name: the name as given.
        valid: every name that would have been accepted.

    Returns:
        The error, naming the nearest valid names first.
    """
    names = list(valid)
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return MrinbError(f"unknown {kind} {str(name)!r}: {hint}valid: {', '.join(names)}")
