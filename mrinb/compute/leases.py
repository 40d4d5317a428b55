"""Leases: of several processes that want the same missing result, one computes it.

A lease is a file that its holder rewrites every few seconds. It says who holds it and how far the
work is. It is free again when the holder lets it go, when the holder's process is gone, or when no
heartbeat was seen for a while; what is seen is the file's time of change, compared with itself, so
that the clocks of two machines need not agree.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mrinb.errors import MrinbError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Holder:
    """What a lease file says.

    Attributes:
        pid: process that holds the lease.
        host: machine and process namespace in which ``pid`` is meant.
        token: random text, new with every lease.
        progress: how far the work is, for others to show.
    """

    pid: int
    host: str
    token: str
    progress: str = ""


class StoreError(MrinbError):
    """A store's folder or disk fails, so that no other result can be kept either."""


class LeaseLost(Exception):
    """Another process took the lease over, because this one was silent for too long."""


@contextlib.contextmanager
def guard(folder: Path) -> Iterator[None]:
    """Exclusive access to a folder's small files, freed by the system if this process dies.

    On file systems without locks it guards nothing; entries stay whole even then, and at worst a
    result is computed twice.
    """
    with (folder / ".guard").open("a") as file:
        if fcntl is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Leases:
    """The leases of one store.

    Args:
        folder: where lease files lie; made when first needed.
        what: what the folder above it is, for messages.
        beat_s: seconds between two heartbeats.
        patience: heartbeats that may be missed before a lease is free.
    """

    def __init__(
        self, folder: Path, beat_s: float = 5.0, patience: int = 6, what: str = "results store"
    ) -> None:
        self.folder = folder
        self.what = what
        self.beat_s = beat_s
        self.patience = patience
        self._seen: dict[str, tuple[str, int, float]] = {}

    def holder(self, name: str) -> Holder | None:
        """Who holds a lease, alive or not; None if it is free."""
        return _read(self.folder / name)

    def alive(self, name: str, holder: Holder) -> bool:
        """Whether a holder is still at work, as far as can be seen up to now.

        A holder of this machine is asked directly. One elsewhere is watched: call this again and
        again, and it is given up after ``patience`` heartbeats without a change.
        """
        if holder.host == _host() and not _exists(holder.pid):
            return False
        try:
            changed = (self.folder / name).stat().st_mtime_ns
        except OSError:
            return False
        now = time.monotonic()
        token, before, since = self._seen.get(name, ("", 0, now))
        if (token, before) != (holder.token, changed):
            self._seen[name] = (holder.token, changed, now)
            return True
        return now - since < self.patience * self.beat_s

    def acquire(self, name: str, dead: str | None = None) -> Lease | None:
        """Take a lease, or return None if a living process holds it.

        Args:
            name: the lease.
            dead: token of a holder that the caller has watched and given up.

        Raises:
            StoreError: the folder cannot be written to.
        """
        mine = Holder(os.getpid(), _host(), secrets.token_hex(8))
        path = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with guard(self.folder):
                held = _read(path)
                if held is not None and held.token != dead and self.alive(name, held):
                    return None
                if held is None and not path.exists():
                    with path.open("x") as file:
                        file.write(json.dumps(asdict(mine)))
                else:
                    _write(path, mine)
        except FileExistsError:
            return None
        except OSError as error:
            raise StoreError(
                f"{self.what} {self.folder.parent} cannot be written to "
                f"({error.strerror or error}): choose another folder"
            ) from error
        return Lease(path, mine, self.beat_s)


class Lease:
    """A lease that this process holds. A context manager; heartbeats run while it is open."""

    def __init__(self, path: Path, holder: Holder, beat_s: float) -> None:
        self.path = path
        self.lost = False
        self._holder = holder
        self._beat_s = beat_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease {path.name}", daemon=True)

    def report(self, progress: str) -> None:
        """Say how far the work is; it reaches the file with the next heartbeat.

        Raises:
            LeaseLost: another process has taken over, so that this work is in vain.
        """
        if self.lost:
            raise LeaseLost(self.path.name)
        self._holder = replace(self._holder, progress=progress)

    def _beat(self) -> None:
        while not self._end.wait(self._beat_s):
            with contextlib.suppress(OSError), guard(self.path.parent):
                held = _read(self.path)
                if held is None or held.token != self._holder.token:
                    self.lost = True
                    return
                try:
                    _write(self.path, self._holder)
                except OSError:  # a full disk: the heartbeat needs no space
                    os.utime(self.path)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._end.set()
        self._thread.join()
        with contextlib.suppress(OSError), guard(self.path.parent):
            held = _read(self.path)
            if held is not None and held.token == self._holder.token:
                self.path.unlink()


def _read(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        # Being written just now, or cut short by a full disk: nobody's, until proved otherwise.
        return Holder(0, "", "")


def _write(path: Path, holder: Holder) -> None:
    new = path.with_name(f"{path.name}.{holder.token}")
    try:
        new.write_text(json.dumps(asdict(holder)))
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _host() -> str:
    # Containers may share a folder and a host name and still count processes apart.
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        space = ""
    return f"{socket.gethostname()}{space}"


def _exists(pid: int) -> bool:
    if os.name == "nt":  # there, signal 0 would end the process: rely on heartbeats
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to notice (Linux)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]
