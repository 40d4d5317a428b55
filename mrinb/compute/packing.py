"""Writing packs: the same results give the same bytes, and what did not change is not written."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mrinb.compute.entry import Damaged, Entry, sha256, stackable
from mrinb.compute.packs import (
    ARRAYS,
    FORM,
    INDEX,
    META,
    NUMBERS,
    OTHERS,
    STRUCTURES,
    TEXTS,
    Pack,
    member,
    open_pack,
    usual_place,
)

if TYPE_CHECKING:
    import pyarrow as pa

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a zip."""
FEW = 16
"""Numbers of which there are so many times fewer than rows are written as a dictionary."""


class Item(NamedTuple):
    """What of an entry goes into a pack.

    Attributes:
        entry: the entry.
        names: those of its files.
    """

    entry: Entry
    names: tuple[str, ...]

    @property
    def ident(self) -> tuple[str, str]:
        """Kind and key."""
        return self.entry.kind, self.entry.key


class _Part(NamedTuple):
    """One file of one entry, on its way into one file of the pack."""

    entry: Entry
    name: str
    digest: str
    place: str

    @property
    def what(self) -> tuple[str, str, str, str]:
        """What tells whether a file of the pack would be the same."""
        return self.entry.key, self.entry.kind, self.name, self.digest


@dataclass(frozen=True)
class Staged:
    """A pack that is written but not yet in its place.

    Attributes:
        folder: its place.
        staging: where the files that changed lie.
        contents: all files but the index, with checksums and sizes.
    """

    folder: Path
    staging: Path
    contents: Mapping[str, Mapping[str, Any]]

    @property
    def bytes(self) -> int:
        """Size of the pack."""
        index = self.staging / INDEX
        size = (index if index.exists() else self.folder / INDEX).stat().st_size
        return size + sum(f["bytes"] for f in self.contents.values())

    def commit(self) -> None:
        """Move the files that changed into place, the index last, and remove what is left over."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.staging.iterdir(), key=lambda p: p.name == INDEX):
            path.replace(self.folder / path.name)
        for path in self.folder.iterdir():
            if path.name not in {INDEX, *self.contents}:
                path.unlink()


def stage(folder: Path, items: Sequence[Item], staging: Path, old: Pack | None = None) -> Staged:
    """Write a pack beside its place.

    Args:
        folder: its place.
        items: what goes in, each key once.
        staging: an empty folder on the same file system.
        old: the pack that is there; files of it whose content stays are not written.

    Returns:
        The pack, to be committed.
    """
    staging.mkdir(parents=True, exist_ok=True)
    ordered = sorted(items, key=lambda item: item.ident)
    parts = _parts(ordered)
    groups: dict[str, list[_Part]] = {}
    for part in sorted(parts, key=lambda p: p.what):
        groups.setdefault(part.place, []).append(part)
    before = _whats(old)
    contents: dict[str, Mapping[str, Any]] = {}
    for place, group in sorted(groups.items()):
        if old is not None and before.get(place) == [p.what for p in group] and old.is_whole(place):
            contents[place] = old.contents[place]
            continue
        path = staging / place
        if place.endswith(".parquet"):
            _write_stack(path, group)
        else:
            _write_zip(path, group)
        contents[place] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    index = staging / INDEX
    _write_index(index, ordered, parts, contents)
    if old is not None and sha256(index) == sha256(folder / INDEX):
        index.unlink()
    return Staged(folder, staging, contents)


def _whats(pack: Pack | None) -> dict[str, list[tuple[str, str, str, str]]]:
    """What each file of a pack holds."""
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    for entry in pack.entries() if pack else ():
        for name in entry.files:
            what = (entry.key, entry.kind, name, entry.digest(name))
            found.setdefault(entry.place(name), []).append(what)
    return {place: sorted(whats) for place, whats in found.items()}


def _parts(items: Sequence[Item]) -> list[_Part]:
    schemas: dict[str, list[str]] = {}
    shapes = {}
    for item in items:
        for name in item.names:
            shape = _shape(item.entry, name)
            shapes[item.ident, name] = shape
            if shape is not None and shape not in schemas.setdefault(name, []):
                schemas[name].append(shape)
    places = {
        (name, shape): name
        if n == 0 and name != INDEX
        else f"{name.removesuffix('.parquet')}-{n + 1}.parquet"
        for name, found in schemas.items()
        for n, shape in enumerate(sorted(found))
    }
    return [
        _Part(
            item.entry,
            name,
            item.entry.digest(name),
            _place(name, shapes[item.ident, name], places),
        )
        for item in items
        for name in item.names
    ]


def _place(name: str, shape: str | None, places: Mapping[tuple[str, str], str]) -> str:
    if shape is not None:
        return places[name, shape]
    return ARRAYS if name.endswith(".npz") else OTHERS


def _shape(entry: Entry, name: str) -> str | None:
    """Names and types of a table's columns as text; None for what is not stacked."""
    stem, _, form = name.rpartition(".")
    if form != "parquet":
        return None
    schema = entry.arrow(stem).schema
    return json.dumps([[f.name, str(f.type)] for f in schema]) if stackable(schema) else None


def _write_stack(path: Path, parts: Sequence[_Part]) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = []
    for part in parts:
        table = part.entry.arrow(part.name.removesuffix(".parquet")).replace_schema_metadata(None)
        tables.append(table.add_column(0, "key", pa.array([part.entry.key] * len(table))))
    stack = pa.concat_tables(tables).combine_chunks()
    many = [
        f.name
        for f in stack.schema
        if pa.types.is_floating(f.type)
        and pc.count_distinct(stack[f.name]).as_py() * FEW > len(stack)
    ]
    words = [n for n in stack.column_names if n not in many and not _is_whole(stack.schema, n)]
    _write_parquet(path, stack, words, many)


def _is_whole(schema: pa.Schema, name: str) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(schema.field(name).type)


def _write_parquet(
    path: Path,
    table: pa.Table,
    words: Sequence[str],
    split: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> None:
    """One row group and one page a column, so that what repeats is found however far apart."""
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(
        path,
        table.schema,
        compression="zstd",
        compression_level=12,
        use_dictionary=list(words),
        use_byte_stream_split=list(split) or False,
        data_page_size=1 << 30,
        write_statistics=False,
        store_schema=False,
        write_page_checksum=True,
    ) as file:
        file.write_table(table, row_group_size=max(len(table), 1))
        if about is not None:
            file.add_key_value_metadata({META: json.dumps(about, sort_keys=True)})


def _write_zip(path: Path, parts: Sequence[_Part]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for part in sorted(parts, key=lambda p: (p.entry.kind, p.entry.key, p.name)):
            info = zipfile.ZipInfo(member(part.entry.kind, part.entry.key, part.name), LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system, info.external_attr = 3, 0o644 << 16
            file.writestr(info, _content(part), compresslevel=9)


def _content(part: _Part) -> bytes:
    """A file's bytes; arrays uncompressed, since the zip around them compresses better."""
    import numpy as np

    stem, _, form = part.name.rpartition(".")
    if form != "npz":
        return part.entry.content(part.name)
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **part.entry.arrays(stem))
    return sink.getvalue()


def _write_index(
    path: Path,
    items: Sequence[Item],
    parts: Sequence[_Part],
    contents: Mapping[str, Mapping[str, Any]],
) -> None:
    import pyarrow as pa

    files: dict[tuple[str, str], dict[str, Any]] = {item.ident: {} for item in items}
    for part in parts:
        size = part.entry.record["files"][part.name]["bytes"]
        listed = {"bytes": size, "digest": part.digest}
        if part.place != usual_place(part.name):
            listed["in"] = part.place
        files[part.entry.kind, part.entry.key][part.name] = listed
    rows = [_row(item.entry, files[item.ident]) for item in items]
    texts = ("kind", "key", "spec", "files", *STRUCTURES, *TEXTS, "more")
    forms = {n: pa.string() for n in texts} | {"seed": pa.int64(), "seconds": pa.float64()}
    table = pa.table({n: pa.array([row.get(n) for row in rows], t) for n, t in forms.items()})
    words = ["kind", "cost", "versions", "device", "git", "more"]
    _write_parquet(path, table, words, about={"form": FORM, "files": contents})


def _row(entry: Entry, files: Mapping[str, Any]) -> dict[str, Any]:
    """The row of an entry: what has another form than usual goes into ``more``."""
    row: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in entry.record.items():
        if name in NUMBERS or name in TEXTS:
            usual = type(value) is NUMBERS.get(name, str)
            (row if usual else more)[name] = value
        elif name in ("kind", "key", "spec"):
            row[name] = value
        elif name in STRUCTURES and value is not None:
            row[name] = _json(value)
        elif name != "files":
            more[name] = value
    return row | {"files": _json(files), "more": _json(more) if more else None}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def read_old(folder: Path) -> Pack | None:
    """The pack in a folder, or None where there is none that can be read."""
    try:
        return open_pack(folder)
    except Damaged:
        return None
