"""Opening files, and words for what stops it: the file's content, or what lies around it.

What lies around a file (a network drive, locks, memory, permissions, a missing HDF5 filter) passes
or can be mended without touching the file, so nobody is told to download it again, and no verdict
is remembered.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

import h5py

from mrinb.errors import MrinbError

AGAIN = "download or generate it again"

DAMAGE = (
    OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError, MemoryError,
    OverflowError, ArithmeticError, SystemError,
)  # fmt: skip
"""What h5py raises on bytes that make no sense, depending on where they are."""

_LOCKED = "another program holds the file, or the drive has no locks: try again when it is done"
_NETWORK = "the network drive does not answer: see that it is mounted, then try again"
_FILES = "too many files are open: raise the limit (ulimit -n), or use fewer workers"

_CAUSES = {
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "no such file",
    errno.EISDIR: "a folder, not a file",
    errno.EACCES: "you may not read this: change its permissions",
    errno.EPERM: "you may not read this: change its permissions",
    errno.ELOOP: "the link leads in a circle: remove it",
    errno.ENAMETOOLONG: "the name is too long for this system",
    errno.ENOLCK: _LOCKED,
    errno.EAGAIN: _LOCKED,
    errno.EDEADLK: _LOCKED,
    errno.EBUSY: _LOCKED,
    errno.EIO: "the drive cannot read this (input/output error): check the drive or its network",
    errno.EREMOTEIO: _NETWORK,
    errno.ESTALE: "the network drive lost this (stale file handle): mount it again, try again",
    errno.ETIMEDOUT: _NETWORK,
    errno.ENOTCONN: _NETWORK,
    errno.ECONNRESET: _NETWORK,
    errno.ECONNREFUSED: _NETWORK,
    errno.EHOSTDOWN: _NETWORK,
    errno.EHOSTUNREACH: _NETWORK,
    errno.ENETDOWN: _NETWORK,
    errno.ENETUNREACH: _NETWORK,
    errno.ENODEV: "the drive is gone: mount it again",
    errno.ENXIO: "not a file that can be read",
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENOMEM: "out of memory: use fewer workers, or a machine with more",
    errno.EINTR: "reading was interrupted: try again",
}


class UnreachableError(MrinbError):
    """A file could not be reached; this says nothing of its content."""


def cause(error: BaseException) -> str:
    """What around a file stopped reading it, in a few words, or an empty text.

    Args:
        error: what h5py or the system raised.
    """
    if isinstance(error, MemoryError):
        return _CAUSES[errno.ENOMEM]
    text = str(error)
    missing = re.search(r"required filter '?([^']*?)'? is not registered", text)
    if missing or "can't open directory" in text or "H5Z" in text.upper().split(":")[0]:
        name = f" {missing.group(1)}" if missing else ""
        return (
            f"it is compressed with an HDF5 filter that is not installed{name}: install "
            "hdf5plugin and set HDF5_PLUGIN_PATH to its plugins, or rewrite it with h5repack"
        )
    if "already open for write" in text or "already open for read" in text:
        return "another program is writing it, or crashed while it did: try again, or run h5clear"
    told = re.search(r"errno = (\d+)", text)
    number = int(told.group(1)) if told else getattr(error, "errno", None)
    return _CAUSES.get(number or 0, "")


def problem(path: Path, error: BaseException, damage: str) -> MrinbError:
    """The one line for a file that could not be read.

    Args:
        path: the file.
        error: what h5py or the system raised.
        damage: the words where it is the content's fault.
    """
    words = cause(error)
    return UnreachableError(f"{path}: {words}") if words else MrinbError(f"{path}: {damage}")


def open_volume(path: Path) -> h5py.File:
    """Open a volume's file for reading, without a lock where none is to be had.

    HDF5 refuses to have a file open with and without locks in one process, so that what a reader
    opens beside us decides the usual way.

    Raises:
        MrinbError: the file is empty, truncated or not HDF5.
        UnreachableError: it is missing, or something around it stops reading it.
    """
    try:
        try:
            return h5py.File(path, "r", locking="best-effort")
        except OSError as error:
            if "lock" not in str(error):
                raise
            return h5py.File(path, "r", locking=False)  # nobody here writes to it
    except DAMAGE as error:
        raise problem(path, error, _content_problem(path, str(error))) from None


def _content_problem(path: Path, words: str) -> str:
    try:
        if path.is_file() and path.stat().st_size == 0:
            return f"the file is empty: {AGAIN}"
    except OSError:
        pass
    if "truncated" in words:
        return f"the file is truncated: {AGAIN}"
    if "signature" in words:
        return "not an HDF5 file"
    return f"damaged HDF5 file: {AGAIN}"
