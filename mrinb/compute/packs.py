"""Packs: the results of one chapter and profile in a few files, read like single entries.

A pack is a folder. ``index.parquet`` has a row for each result (kind, key, spec, its files with
digests, and where it comes from). Tables of one name and columns are stacked, sorted by key, in
``NAME.parquet``; arrays lie in ``arrays.zip`` and whatever else there is in ``files.zip``. The
index names these files with their checksums: while they hold, nothing else is looked at. Where one
does not, digests of what the file holds decide which results can be used.

A store may have many packs, and packs may share results. Then they must hold the same values.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrinb.compute.entry import Columns, Damaged, Entry, sha256
from mrinb.errors import MrinbError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

INDEX = "index.parquet"
ARRAYS = "arrays.zip"
OTHERS = "files.zip"
FORM = 1
"""Form of packs; one of a later form is not read."""
META = b"mrinb-pack"
TEXTS = ("created", "device", "git")
NUMBERS: Mapping[str, type] = {"seed": int, "seconds": float}
STRUCTURES = ("cost", "versions")
UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, RuntimeError,
    ArithmeticError, MemoryError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What libraries raise at files that are not what they should be."""
MEND = "restore it (git checkout) or publish its chapter again"


@dataclass(frozen=True)
class Packed(Entry):
    """An entry of a pack; it answers like one with a folder of its own.

    Attributes:
        pack: where it lies.
    """

    pack: Pack

    @property
    def where(self) -> str:
        """Its place, for messages."""
        return f"{self.pack.folder}: {self.kind} {self.key}"

    def path(self, name: str) -> Path:
        """Path of a copy of one file, which lasts as long as this process."""
        self.require(name)
        path = Path(_copies().name) / hashlib.sha256(self.where.encode()).hexdigest()[:20] / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(self.content(name))
        return path

    def content(self, name: str) -> bytes:
        """The bytes of one file."""
        stem, _, form = self.require(name).rpartition(".")
        if form == "parquet" and self.place(name).endswith(".parquet"):
            import pyarrow as pa
            from pyarrow.parquet import write_table

            sink = pa.BufferOutputStream()
            write_table(self.arrow(stem), sink, store_schema=False)
            return sink.getvalue().to_pybytes()
        return self.pack.member(self.place(name), member(self.kind, self.key, name))

    def arrow(self, name: str) -> pa.Table:
        """Read ``name.parquet`` as it is."""
        place = self.place(self.require(f"{name}.parquet"))
        if place.endswith(".parquet"):
            return self.pack.stack(place).arrow(self.key)
        import pyarrow as pa
        from pyarrow.parquet import read_table

        return read_table(pa.BufferReader(self.content(f"{name}.parquet")))

    def table(self, name: str) -> pd.DataFrame:
        """Read ``name.parquet``."""
        place = self.place(self.require(f"{name}.parquet"))
        if place.endswith(".parquet"):
            return self.pack.stack(place).frame(self.key)
        return self.arrow(name).to_pandas()

    def digest(self, name: str) -> str:
        """Digest of what one file holds, as the index has it."""
        return self.record["files"][self.require(name)]["digest"]

    def check(self, name: str) -> None:
        """Compare what one file holds with its digest.

        Raises:
            Damaged: it differs or cannot be read.
        """
        place = self.place(name)
        try:
            if place.endswith(".parquet"):
                found = self.pack.stack(place).digest(self.key)
            else:
                found = Entry.digest(self, name)
        except UNREADABLE as error:
            raise Damaged(f"{name} cannot be read from {place}") from error
        if found != self.digest(name):
            raise Damaged(f"{name} in {place} differs from its digest")

    def place(self, name: str) -> str:
        """The pack's file in which one of the entry's files lies."""
        return self.record["files"][name].get("in") or usual_place(name)


def usual_place(name: str) -> str:
    """The pack's file in which a file lies unless the index says otherwise."""
    form = name.rpartition(".")[2]
    return name if form == "parquet" else ARRAYS if form == "npz" else OTHERS


def member(kind: str, key: str, name: str) -> str:
    """Name of an entry's file within a pack's zip."""
    return f"{kind}/{key}/{name}"


@functools.cache
def _copies() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="mrinb-packed-")


class Stack:
    """Tables of many entries one below the other, read as a whole and handed out in parts.

    Args:
        path: the file; its first column is ``key``.
    """

    def __init__(self, path: Path) -> None:
        import numpy as np
        from pyarrow.parquet import ParquetFile

        with ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)
        keys = np.asarray(table["key"].to_pylist(), dtype=object)
        starts = np.flatnonzero(np.r_[len(keys) > 0, keys[1:] != keys[:-1]])
        stops = [*starts[1:], len(keys)]
        self._rows = {keys[a]: (int(a), int(b)) for a, b in zip(starts, stops, strict=True)}
        self._table = table.drop_columns("key")

    def _range(self, key: str) -> tuple[int, int]:
        return self._rows.get(key, (0, 0))

    def arrow(self, key: str) -> pa.Table:
        """The rows of one entry."""
        start, stop = self._range(key)
        return self._table.slice(start, stop - start)

    def frame(self, key: str) -> pd.DataFrame:
        """The rows of one entry, as if they had been read from a file of their own."""
        import pandas as pd

        whole = self._frame
        if whole is None:
            return self.arrow(key).to_pandas()
        start, stop = self._range(key)
        part = whole.iloc[start:stop]
        part.index = pd.RangeIndex(stop - start)
        return part

    def frames(self, keys: Sequence[str]) -> tuple[pd.DataFrame, list[int]]:
        """The rows of some entries, and how many each has."""
        import numpy as np

        ranges = [self._range(key) for key in keys]
        rows = np.concatenate([np.arange(start, stop) for start, stop in ranges])
        whole = self._frame
        table = self._table.take(rows).to_pandas() if whole is None else whole.iloc[rows]
        return table, [stop - start for start, stop in ranges]

    def digest(self, key: str) -> str:
        """Digest of the rows of one entry."""
        return self._columns.digest(*self._range(key))

    @functools.cached_property
    def _columns(self) -> Columns:
        return Columns(self._table)

    @functools.cached_property
    def _frame(self) -> pd.DataFrame | None:
        """All rows at once; None where gaps would give the others' numbers another type."""
        import pyarrow as pa

        gaps = any(
            c.null_count and not pa.types.is_string(c.type) and not pa.types.is_floating(c.type)
            for c in self._table.columns
        )
        return None if gaps else self._table.to_pandas()


class Pack:
    """One pack, whose index is read when this is made and whose other files when needed.

    Args:
        folder: its folder.

    Raises:
        Damaged: the index cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        from pyarrow.parquet import ParquetFile

        self.folder = folder
        try:
            with ParquetFile(folder / INDEX, page_checksum_verification=True) as file:
                about = json.loads((file.metadata.metadata or {})[META])
                rows = file.read(use_threads=False)
            self.form: int = about["form"]
            self.contents: dict[str, dict[str, Any]] = about["files"]
            self._columns = {n: rows[n].to_pylist() for n in rows.column_names}
            idents = zip(self._columns["kind"], self._columns["key"], strict=True)
            self.rows = {ident: n for n, ident in enumerate(idents)}
            self._paths = {name: folder / name for name in self.contents}
        except UNREADABLE as error:
            raise Damaged(f"{INDEX} cannot be read") from error
        if self.form != FORM:
            raise Damaged(f"{INDEX} has form {self.form}, this version reads {FORM}: update mrinb")
        self._entries: dict[int, Packed] = {}
        self._whole: dict[str, tuple[tuple[int, int], bool]] = {}
        self._stacks: dict[str, Stack] = {}
        self._zips: dict[str, zipfile.ZipFile] = {}
        self._checked: set[tuple[str, str]] = set()

    @property
    def name(self) -> str:
        """Chapter and profile, such as ``04-classroom``."""
        return self.folder.name

    def entry(self, kind: str, key: str) -> Packed:
        """One entry, as the index has it; its files are not looked at.

        Raises:
            Damaged: its row cannot be understood.
        """
        row = self.rows[kind, key]
        if row not in self._entries:
            try:
                record = _record({n: values[row] for n, values in self._columns.items()})
            except UNREADABLE as error:
                raise Damaged(f"{INDEX}: the row of {kind} {key} cannot be read") from error
            self._entries[row] = Packed(self.folder, record, self)
        return self._entries[row]

    def entries(self) -> Iterator[Packed]:
        """All entries as the index has them."""
        for kind, key in self.rows:
            yield self.entry(kind, key)

    def check(self, entry: Packed) -> None:
        """Return if what an entry holds is what its digests say.

        Raises:
            Damaged: it is not.
        """
        for name in entry.files:
            if not self.is_whole(entry.place(name)) and (entry.key, name) not in self._checked:
                entry.check(name)
                self._checked.add((entry.key, name))

    def is_whole(self, name: str) -> bool:
        """Whether one of the pack's files has its checksum; computed again if the file changed."""
        path = self._paths.get(name)
        if path is None:
            return False
        try:
            stat = path.stat()
            state = (stat.st_mtime_ns, stat.st_size)
            if self._whole.get(name, (None,))[0] != state:
                self._stacks.pop(name, None)
                self._zips.pop(name, None)
                self._checked.clear()
                expected = self.contents[name]
                same = stat.st_size == expected["bytes"] and sha256(path) == expected["sha256"]
                self._whole[name] = (state, same)
        except OSError:
            return False
        return self._whole[name][1]

    def stack(self, name: str) -> Stack:
        """The stacked tables of one file."""
        if name not in self._stacks:
            self._stacks[name] = Stack(self.folder / name)
        return self._stacks[name]

    def member(self, name: str, inner: str) -> bytes:
        """One file of one zip."""
        if name not in self._zips:
            self._zips[name] = zipfile.ZipFile(self.folder / name)
        return self._zips[name].read(inner)

    def damages(self) -> list[str]:
        """What is wrong with its files and entries, all of them decoded; one line each."""
        known = {INDEX, *self.contents}
        found = [
            f"{self.folder / name} is missing or differs from its checksum: {MEND}"
            for name in sorted(self.contents)
            if not self.is_whole(name)
        ]
        found += [
            f"{path}: does not belong into a pack"
            for path in sorted(self.folder.iterdir())
            if path.name not in known
        ]
        for ident in self.rows:
            try:
                entry = self.entry(*ident)
                check_names(entry)
                for name in entry.files:
                    entry.check(name)
            except Damaged as damage:
                found.append(f"{self.folder}: {' '.join(ident)}: {damage}: {MEND}")
        return found


def check_names(entry: Entry) -> None:
    """Check that an entry's key is its spec's and that its names can name files.

    Raises:
        Damaged: they cannot.
    """
    text = f"{entry.kind}:{entry.record['spec']}"
    if hashlib.sha256(text.encode()).hexdigest()[:20] != entry.key:
        raise Damaged("its key is not its spec's")
    for name in (entry.kind, *entry.files):
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise Damaged(f"{name!r} cannot name a file")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    """The record of an entry from its row of the index."""
    record = {n: row[n] for n in ("kind", "key", "spec")}
    record |= {n: row[n] for n in (*TEXTS, *NUMBERS) if row[n] is not None}
    record |= {n: _parsed(row[n]) for n in STRUCTURES if row[n] is not None}
    record |= _parsed(row["more"] or "{}")
    files = json.loads(row["files"])
    if not all(isinstance(f["bytes"], int) and f["digest"] for f in files.values()):
        raise ValueError("files")
    return record | {"files": files}


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    """JSON that many rows share."""
    return json.loads(text)


_OPEN: dict[Path, tuple[tuple[int, int], Pack]] = {}


def open_pack(folder: Path) -> Pack:
    """A pack; the same object for the same folder while its index does not change.

    Raises:
        Damaged: the index cannot be read.
    """
    try:
        stat = (folder / INDEX).stat()
    except OSError as error:
        raise Damaged(f"{INDEX} cannot be read") from error
    state = (stat.st_mtime_ns, stat.st_size)
    if folder not in _OPEN or _OPEN[folder][0] != state:
        _OPEN[folder] = (state, Pack(folder))
    return _OPEN[folder][1]


def folders(root: Path) -> list[Path]:
    """Folders of the packs of a store, sorted."""
    return sorted(path.parent for path in root.glob(f"*/{INDEX}"))


State = tuple[int, tuple[tuple[Path, int, int], ...]]


def _state(root: Path) -> State:
    """What changes when a pack of a store comes, goes or is written anew."""
    try:
        changed = root.stat().st_mtime_ns
        return changed, _stats(path / INDEX for path in sorted(root.iterdir()) if path.is_dir())
    except OSError:
        return 0, ()


def _stats(paths: Iterable[Path]) -> tuple[tuple[Path, int, int], ...]:
    found = []
    for path in paths:
        try:
            stat = path.stat()
            found.append((path, stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append((path, 0, -1))
    return tuple(found)


class Union:
    """The packs of one store together, by key.

    Args:
        root: the store's folder.
        packs: its packs.
        state: what the folder looked like before they were opened.
    """

    def __init__(self, root: Path, packs: Sequence[Pack], state: State) -> None:
        self.packs = packs
        self._root, self._state = root, state
        self._places: dict[tuple[str, str], list[Pack]] = {}
        for pack in packs:
            for ident in pack.rows:
                self._places.setdefault(ident, []).append(pack)

    def fresh(self) -> bool:
        """Whether no pack has come, gone or been written anew since these were opened."""
        changed, indices = self._state
        try:
            return (
                self._root.stat().st_mtime_ns == changed
                and _stats(path for path, *_ in indices) == indices
            )
        except OSError:
            return changed == 0

    def find(self, kind: str, key: str) -> Iterator[Packed]:
        """The entries of a key, as the indices have them.

        Raises:
            MrinbError: packs hold different values under this key.
        """
        places = self._places.get((kind, key), ())
        if len(places) > 1 and (problems := conflicts(places, [(kind, key)])):
            raise MrinbError(problems[0])
        for pack in places:
            yield pack.entry(kind, key)

    def __iter__(self) -> Iterator[Packed]:
        for ident in sorted(self._places):
            yield self._places[ident][0].entry(*ident)


def open_union(root: Path) -> tuple[Union, dict[Path, Damaged]]:
    """The packs of a store that can be read, and what is wrong with the others, by folder."""
    state, found, damages = _state(root), [], {}
    for index, _, size in state[1]:
        if size < 0:
            continue
        folder = index.parent
        try:
            found.append(open_pack(folder))
        except Damaged as damage:
            damages[folder] = damage
    return Union(root, found, state), damages


def together(entries: Sequence[Entry], name: str) -> tuple[pd.DataFrame, list[int]]:
    """The tables ``name`` of entries one below the other, read at once where packs have them.

    Args:
        entries: the entries, at least one.
        name: the table's name.

    Returns:
        The rows of all, and how many each entry has.
    """
    import pandas as pd

    parts: list[pd.DataFrame] = []
    lengths: list[int] = []
    for stack, group in itertools.groupby(entries, lambda entry: _stack_of(entry, name)):
        if stack is None:
            parts += (tables := [entry.table(name) for entry in group])
            lengths += [len(table) for table in tables]
        else:
            table, counts = stack.frames([entry.key for entry in group])
            parts.append(table)
            lengths += counts
    return pd.concat(parts, ignore_index=True), lengths


def _stack_of(entry: Entry, name: str) -> Stack | None:
    if not isinstance(entry, Packed):
        return None
    place = entry.place(entry.require(f"{name}.parquet"))
    return entry.pack.stack(place) if place.endswith(".parquet") else None


def conflicts(packs: Sequence[Pack], idents: Sequence[tuple[str, str]] | None = None) -> list[str]:
    """Results that packs share with different values; one line for each pair of packs.

    Args:
        packs: the packs.
        idents: kinds and keys that are looked at; None are all.
    """
    first: dict[tuple[str, str], Pack] = {}
    found = []
    for pack in packs:
        for ident in pack.rows if idents is None else idents:
            other = first.setdefault(ident, pack)
            if other is not pack and (names := differing(other.entry(*ident), pack.entry(*ident))):
                found.append(
                    f"{' '.join(ident)} differs between chapters {other.name} and {pack.name} "
                    f"of {pack.folder.parent} ({', '.join(names)}): publish both from one store"
                )
    return found


def differing(a: Entry, b: Entry) -> list[str]:
    """Names of the files that two entries have and that hold different values."""
    return [n for n in a.files if n in b.files and a.digest(n) != b.digest(n)]
