"""The results store: one folder for each result, named by its key, whole or not there at all.

Layout: ``<root>/<kind>/<first two digits of key>/<key>/`` holds ``entry.json`` and the files that
it lists with size and SHA-256. Beside the kinds lie ``leases``, ``tmp`` (entries being written),
``scratch`` (half-done work that can go on), ``damaged`` (entries set aside), ``errors`` and
``chapters`` (which entries a chapter used). A published store holds packs in place of such folders
(``packs``), and either kind can be looked into.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib.metadata
import os
import platform
import secrets
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mrinb import __version__
from mrinb.compute import packs
from mrinb.compute.entry import (
    ENTRY,
    Damaged,
    Draft,
    Entry,
    check_files,
    entry_folder,
    read_entry,
    write_entry,
)
from mrinb.compute.leases import Holder, Lease, Leases, StoreError, guard
from mrinb.compute.specs import Spec

SERVICE = ("leases", "tmp", "scratch", "damaged", "errors", "chapters")
"""Folders of a store that hold no entries."""


class Store:
    """A writable store and the read-only ones that are looked into after it.

    Args:
        root: folder of the writable store; made when first written to.
        published: folders of read-only stores.
        beat_s: seconds between heartbeats of a lease.
    """

    def __init__(self, root: Path, published: Sequence[Path] = (), beat_s: float = 5.0) -> None:
        self.root = Path(root)
        self.published = tuple(Path(p) for p in published)
        self.leases = Leases(self.root / "leases", beat_s)
        self._verified: dict[Path, tuple[tuple[int, int], ...]] = {}
        self._unions: dict[Path, packs.Union] = {}
        self._warned: set[Path] = set()

    def find(self, spec: Spec, files: Sequence[str] = ()) -> Entry | None:
        """Look a result up, first in the writable store, then in the published ones.

        A damaged entry of the writable store is set aside, one of a published store is passed
        over; both with one line of warning.

        Args:
            spec: what is looked for.
            files: glob patterns, each of which a file of the entry must match. A published
                training, for example, has a history but seldom weights.
        """
        return self.lookup(spec.kind, spec.key, files, spec.canonical())

    def lookup(
        self, kind: str, key: str, files: Sequence[str] = (), canonical: str | None = None
    ) -> Entry | None:
        """Like ``find``, for a key whose spec may be unknown."""
        for root in (self.root, *self.published):
            if root != self.root and (packed := self._unpack(root, kind, key, files, canonical)):
                return packed
            entry = self._open(root, kind, key, canonical)
            if entry is not None and entry.has(files):
                return entry
        return None

    def _unpack(
        self, root: Path, kind: str, key: str, files: Sequence[str], canonical: str | None
    ) -> Entry | None:
        """Look a result up in the packs of a published store."""
        union = self._union(root)
        for entry in union.find(kind, key):
            try:
                if canonical is not None and entry.record["spec"] != canonical:
                    raise Damaged(f"{packs.INDEX} has another spec")
                if entry.has(files):
                    entry.pack.check(entry)
                    return entry
            except Damaged as damage:
                self._warn(
                    entry.pack.folder,
                    f"{entry.where} is damaged ({damage}) and is not used: {packs.MEND}",
                )
        return None

    def _union(self, root: Path) -> packs.Union:
        """The packs of a published store, those that can be read, opened anew if any changed."""
        known = self._unions.get(root)
        if known is None or not known.fresh():
            known, damages = packs.open_union(root)
            for folder, damage in damages.items():
                self._warn(folder, f"{folder} is damaged ({damage}) and is not used: {packs.MEND}")
            self._unions[root] = known
        return known

    def _open(self, root: Path, kind: str, key: str, canonical: str | None) -> Entry | None:
        folder = entry_folder(root, kind, key)
        if not folder.is_dir():
            return None
        try:
            return self._verify(folder, kind, key, canonical)
        except Damaged as damage:
            if root != self.root:
                self._warn(folder, f"{folder} is damaged ({damage}) and is not used")
                return None
        return self._set_aside(folder, kind, key, canonical)

    def _verify(self, folder: Path, kind: str, key: str, canonical: str | None) -> Entry:
        """Open an entry; its checksums are computed again only if a file's time or size changed."""
        entry = read_entry(folder)
        if (entry.kind, entry.key) != (kind, key):
            raise Damaged(f"{ENTRY} is of {entry.kind} {entry.key}")
        if canonical is not None and entry.record["spec"] != canonical:
            raise Damaged(f"{ENTRY} has another spec")
        try:
            stats = [(folder / n).stat() for n in (ENTRY, *entry.files)]
        except OSError as error:
            raise Damaged(f"{Path(error.filename).name} is missing") from error
        state = tuple((s.st_mtime_ns, s.st_size) for s in stats)
        if self._verified.get(folder) != state:
            check_files(entry)
            self._verified[folder] = state
        return entry

    def _set_aside(self, folder: Path, kind: str, key: str, canonical: str | None) -> Entry | None:
        """Move a damaged entry out of the way, unless another process has just mended it."""
        aside = self.root / "damaged" / f"{kind}-{key}-{secrets.token_hex(3)}"
        try:
            aside.parent.mkdir(exist_ok=True)
            with guard(self.root):
                try:
                    return self._verify(folder, kind, key, canonical)
                except Damaged as damage:
                    if not folder.is_dir():
                        return None
                    folder.rename(aside)
                    self._warn(
                        aside, f"{folder} is damaged ({damage}): set aside as {aside}, to be redone"
                    )
        except OSError:
            self._warn(folder, f"{folder} is damaged, cannot be set aside, and is not used")
        return None

    def _warn(self, about: Path, text: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(text, stacklevel=2)

    @contextlib.contextmanager
    def create(self, spec: Spec, **record: Any) -> Iterator[Draft]:
        """Write an entry: files put into the draft appear in the store on a clean exit, at once.

        If the entry is there already when this ends, the older one stays, except that one without
        some of the new files gives way.

        Args:
            spec: what the entry is of.
            **record: more for ``entry.json``, such as ``device``; ``seconds`` is measured if not
                given.

        Raises:
            StoreError: the store cannot be written to, or the disk is full.
        """
        tmp = self.root / "tmp" / f"{spec.kind}-{spec.key}-{secrets.token_hex(4)}"
        started = time.perf_counter()
        try:
            tmp.mkdir(parents=True)
            yield Draft(tmp, record)
            record.setdefault("seconds", round(time.perf_counter() - started, 3))
            self._commit(spec, tmp, record)
        except Exception as error:
            line = self._trouble(error)
            if line is None:
                raise
            raise StoreError(line) from error
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
        shutil.rmtree(self.scratch_folder(spec), ignore_errors=True)

    def check_writable(self) -> None:
        """Return if entries can be written, which is better known before hours of work than after.

        Raises:
            StoreError: the store cannot be written to, or the disk is full.
        """
        probe = self.root / "tmp" / f"probe-{secrets.token_hex(4)}"
        try:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"x")
            probe.unlink()
        except OSError as error:
            raise StoreError(self._trouble(error) or str(error)) from error

    def _commit(self, spec: Spec, tmp: Path, record: Mapping[str, Any]) -> None:
        entry = {
            "kind": spec.kind,
            "key": spec.key,
            "spec": spec.canonical(),
            "versions": versions(),
            "git": git_revision(),
            "seed": seed_of(spec),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **record,
        }
        write_entry(tmp, entry)
        self.adopt(tmp, spec.kind, spec.key)

    def adopt(self, tmp: Path, kind: str, key: str) -> None:
        """Rename a complete folder on this file system into its place.

        Raises:
            OSError: the store cannot be written to.
        """
        folder = entry_folder(self.root, kind, key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with guard(self.root):
            if folder.exists():
                with contextlib.suppress(Damaged):
                    if self._verify(folder, kind, key, None).has(read_entry(tmp).files):
                        return
                folder.rename(tmp.with_name(f"{tmp.name}-old"))
                shutil.rmtree(tmp.with_name(f"{tmp.name}-old"), ignore_errors=True)
            tmp.rename(folder)

    def _trouble(self, error: Exception) -> str | None:
        """The one line for an error that comes from this store's folder or disk, else None."""
        number = getattr(error, "errno", None)
        full = number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        if full:
            return f"the disk of results store {self.root} is full: free some space or move it"
        if not isinstance(error, OSError):
            return None
        here = str(error.filename or "").startswith(str(self.root))
        if here or number == errno.EROFS:
            why = error.strerror or error
            return f"results store {self.root} cannot be written to ({why}): choose another folder"
        return None

    def scratch_folder(self, spec: Spec) -> Path:
        """Where ``scratch`` lies, whether it is there or not."""
        return self.root / "scratch" / f"{spec.kind}-{spec.key}"

    def scratch(self, spec: Spec) -> Path:
        """Folder for half-done work on a spec; it stays until the spec's entry is written.

        Raises:
            StoreError: the store cannot be written to.
        """
        folder = self.scratch_folder(spec)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(self._trouble(error) or str(error)) from error
        return folder

    def lease(self, spec: Spec, dead: str | None = None) -> Lease | None:
        """Take the lease for computing a spec; None if another living process holds it.

        What a killed process left half-written of this spec is removed.
        """
        lease = self.leases.acquire(f"{spec.kind}-{spec.key}", dead)
        if lease is not None:
            for old in (self.root / "tmp").glob(f"{spec.kind}-{spec.key}-*"):
                shutil.rmtree(old, ignore_errors=True)
        return lease

    def holder(self, spec: Spec) -> tuple[Holder, bool] | None:
        """Who computes a spec and whether it seems alive; None if nobody does."""
        name = f"{spec.kind}-{spec.key}"
        holder = self.leases.holder(name)
        return None if holder is None else (holder, self.leases.alive(name, holder))

    def entries(self, kinds: Sequence[str] = ()) -> Iterator[Entry]:
        """All readable entries of the writable store, checksums not verified."""
        yield from entries(self.root, kinds)


def entries(root: Path, kinds: Sequence[str] = ()) -> Iterator[Entry]:
    """All readable entries below a store's folder, in order of kind and key, not verified.

    What packs share is given once; entries in folders of their own come before those in packs.
    """
    for path in sorted(root.glob(f"*/??/*/{ENTRY}")):
        kind = path.parts[-4]
        if kind not in SERVICE and (not kinds or kind in kinds):
            with contextlib.suppress(Damaged):
                yield read_entry(path.parent)
    union, _ = packs.open_union(root)
    for entry in union:
        if not kinds or entry.kind in kinds:
            yield entry


def seed_of(spec: Spec) -> int | None:
    """The seed of a spec or of the training within it."""
    seed = getattr(spec, "seed", None)
    train = getattr(spec, "train", None)
    return seed if seed is not None or train is None else seed_of(train)


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python, mrinb and the libraries that numbers depend on."""
    found = {"python": platform.python_version(), "mrinb": __version__}
    for name in ("numpy", "torch", "fastmri"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


@functools.cache
def git_revision() -> str | None:
    """Revision of the checkout that this package is run from; None if it is not a checkout."""
    here = Path(__file__)
    # A package installed into some other project's checkout is not tracked by it.
    if _git("ls-files", "--error-unmatch", here.name, folder=here.parent) is None:
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*", folder=here.parent)


def _git(*command: str, folder: Path) -> str | None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command],
            capture_output=True, text=True, timeout=10, check=True, env=env,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
