"""The results store: one folder for each result, named by its key, whole or not there at all.

Layout: ``<root>/<kind>/<first two digits of key>/<key>/`` holds ``entry.json`` and the files that
it lists with size and SHA-256. Beside the kinds lie ``leases``, ``tmp`` (entries being written),
``scratch`` (half-done work that can go on), ``damaged`` (entries set aside), ``errors`` and
``chapters`` (which entries a chapter used).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrinb import __version__
from mrinb.compute.leases import Holder, Lease, Leases, StoreError, guard
from mrinb.compute.specs import Spec
from mrinb.errors import MrinbError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ENTRY = "entry.json"
SERVICE = ("leases", "tmp", "scratch", "damaged", "errors", "chapters")
"""Folders of a store that hold no entries."""


class Damaged(Exception):
    """An entry's files are not what its ``entry.json`` says."""


@dataclass(frozen=True)
class Entry:
    """One stored result, its checksums verified when it was opened.

    Attributes:
        folder: where its files lie.
        record: what ``entry.json`` says: kind, key, spec, versions, seed, device, seconds, git,
            created, files.
    """

    folder: Path
    record: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Kind of the spec."""
        return self.record["kind"]

    @property
    def key(self) -> str:
        """Key of the spec."""
        return self.record["key"]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files, sorted."""
        return tuple(sorted(self.record["files"]))

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(f["bytes"] for f in self.record["files"].values())

    def has(self, patterns: Sequence[str]) -> bool:
        """Whether each glob pattern matches at least one file."""
        return all(any(fnmatchcase(f, p) for f in self.files) for p in patterns)

    def path(self, name: str) -> Path:
        """Path of one file.

        Raises:
            MrinbError: the entry has no such file.
        """
        if name not in self.record["files"]:
            raise MrinbError(f"result {self.kind} {self.key} has no file {name!r}: {self.files}")
        return self.folder / name

    def table(self, name: str) -> pd.DataFrame:
        """Read ``name.parquet``."""
        from pyarrow.parquet import ParquetFile  # pandas' reader takes twice as long

        with ParquetFile(self.path(f"{name}.parquet")) as file:
            return file.read(use_threads=False).to_pandas()

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Read all arrays of ``name.npz``."""
        import numpy as np

        with np.load(self.path(f"{name}.npz"), allow_pickle=False) as file:
            return {n: file[n] for n in file.files}

    def json(self, name: str) -> Any:
        """Read ``name.json``."""
        return json.loads(self.path(f"{name}.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Draft:
    """An entry being written: a temporary folder that becomes the entry when all went well.

    Attributes:
        folder: where its files are written.
        record: what is added to ``entry.json``.
    """

    folder: Path
    record: dict[str, Any] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Path at which a file is to be written."""
        return self.folder / name

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Write ``name.parquet``."""
        from pandas.api.types import is_numeric_dtype

        words = [c for c in table if not is_numeric_dtype(table[c])]
        # Without embedded schemas and statistics a file of scores is a quarter of the size.
        table.to_parquet(
            self.path(f"{name}.parquet"), index=False, compression="zstd",
            store_schema=False, write_statistics=False, use_dictionary=words,
        )  # fmt: skip

    def arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays as compressed ``name.npz``, in the types they have."""
        import numpy as np

        path = self.path(f"{name}.npz")
        np.savez_compressed(path, allow_pickle=False, **arrays)

    def json(self, name: str, value: Any) -> None:
        """Write ``name.json``."""
        text = json.dumps(value, indent=1, sort_keys=True)
        self.path(f"{name}.json").write_text(text + "\n", encoding="utf-8")


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
            entry = self._open(root, kind, key, canonical)
            if entry is not None and entry.has(files):
                return entry
        return None

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


def entry_folder(root: Path, kind: str, key: str) -> Path:
    """Folder of an entry."""
    return root / kind / key[:2] / key


def read_entry(folder: Path) -> Entry:
    """Read ``entry.json``; the files are not looked at.

    Raises:
        Damaged: it is missing, is not JSON or lacks something.
    """
    try:
        record = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        valid = all(isinstance(record[n], str) for n in ("kind", "key", "spec"))
        valid &= all(isinstance(f["bytes"], int) and f["sha256"] for f in record["files"].values())
    except FileNotFoundError as error:
        raise Damaged(f"{ENTRY} is missing") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{ENTRY} cannot be read") from error
    if not valid:
        raise Damaged(f"{ENTRY} cannot be read")
    return Entry(folder, record)


def write_entry(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``entry.json`` for all files in a folder."""
    files = {
        p.name: {"sha256": sha256(p), "bytes": p.stat().st_size}
        for p in sorted(folder.iterdir())
        if p.name != ENTRY
    }
    text = json.dumps({**record, "files": files}, indent=1, sort_keys=True)
    (folder / ENTRY).write_text(text + "\n", encoding="utf-8")


def check_files(entry: Entry) -> None:
    """Compare an entry's files with the sizes and checksums it lists.

    Raises:
        Damaged: a file differs or cannot be read.
    """
    for name, expected in entry.record["files"].items():
        path = entry.folder / name
        try:
            same = path.stat().st_size == expected["bytes"] and sha256(path) == expected["sha256"]
        except OSError as error:
            raise Damaged(f"{name} cannot be read") from error
        if not same:
            raise Damaged(f"{name} differs from its checksum")


def entries(root: Path, kinds: Sequence[str] = ()) -> Iterator[Entry]:
    """All readable entries below a store's folder, in order of kind and key, not verified."""
    for path in sorted(root.glob(f"*/??/*/{ENTRY}")):
        kind = path.parts[-4]
        if kind not in SERVICE and (not kinds or kind in kinds):
            with contextlib.suppress(Damaged):
                yield read_entry(path.parent)


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
