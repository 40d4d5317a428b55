"""One stored result: its record, its files, and digests of what they hold.

A digest is of decoded values, so a file that is compressed anew keeps its digest.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrinb.errors import MrinbError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

ENTRY = "entry.json"


class Damaged(Exception):
    """An entry's files are not what its record says."""


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
    def where(self) -> str:
        """Its place, for messages."""
        return str(self.folder)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files, sorted."""
        return tuple(sorted(self.record["files"]))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(f["bytes"] for f in self.record["files"].values())

    def has(self, patterns: Sequence[str]) -> bool:
        """Whether each glob pattern matches at least one file."""
        return all(any(fnmatchcase(f, p) for f in self.files) for p in patterns)

    def require(self, name: str) -> str:
        """The name of a file that must be there.

        Raises:
            MrinbError: the entry has no such file.
        """
        if name not in self.record["files"]:
            raise MrinbError(f"result {self.kind} {self.key} has no file {name!r}: {self.files}")
        return name

    def path(self, name: str) -> Path:
        """Path of one file.

        Raises:
            MrinbError: the entry has no such file.
        """
        return self.folder / self.require(name)

    def content(self, name: str) -> bytes:
        """The bytes of one file."""
        return self.path(name).read_bytes()

    def arrow(self, name: str) -> pa.Table:
        """Read ``name.parquet`` as it is."""
        from pyarrow.parquet import ParquetFile  # pandas' reader takes twice as long

        with ParquetFile(self.path(f"{name}.parquet")) as file:
            return file.read(use_threads=False)

    def table(self, name: str) -> pd.DataFrame:
        """Read ``name.parquet``."""
        return self.arrow(name).to_pandas()

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Read all arrays of ``name.npz``."""
        import numpy as np

        with np.load(io.BytesIO(self.content(f"{name}.npz")), allow_pickle=False) as file:
            return {n: file[n] for n in file.files}

    def json(self, name: str) -> Any:
        """Read ``name.json``."""
        return json.loads(self.content(f"{name}.json").decode())

    def digest(self, name: str) -> str:
        """Digest of what one file holds: a table's values, arrays, else its bytes."""
        stem, _, form = name.rpartition(".")
        if form == "parquet":
            table = self.arrow(stem)
            if stackable(table.schema):
                return Columns(table).digest(0, len(table))
        if form == "npz":
            return arrays_digest(self.arrays(stem))
        return hashlib.sha256(self.content(name)).hexdigest()


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
        import pyarrow as pa

        self.arrow(name, pa.Table.from_pandas(table, preserve_index=False))

    def arrow(self, name: str, table: pa.Table) -> None:
        """Write ``name.parquet`` from columns as they are."""
        import pyarrow as pa
        from pyarrow.parquet import write_table

        numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
        words = [f.name for f in table.schema if not any(is_a(f.type) for is_a in numbers)]
        # Without embedded schemas and statistics a file of scores is a quarter of the size.
        write_table(
            table.replace_schema_metadata(None), self.path(f"{name}.parquet"), compression="zstd",
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


def stackable(schema: pa.Schema) -> bool:
    """Whether tables of these columns can be stacked: plain numbers, truth values and text."""
    from pyarrow import types

    plain = (
        types.is_integer, types.is_float32, types.is_float64, types.is_boolean, types.is_string,
    )  # fmt: skip
    unique = len(set(schema.names)) == len(schema.names)
    return (
        unique
        and bool(schema.names)
        and "key" not in schema.names
        and all(any(is_a(f.type) for is_a in plain) for f in schema)
    )


class Columns:
    """The columns of a stackable table, made ready for the digests of ranges of its rows.

    Args:
        table: the table.
    """

    def __init__(self, table: pa.Table) -> None:
        import pyarrow as pa

        self._header = [[f.name, str(f.type)] for f in table.schema]
        self._columns: list[Any] = []
        for column in table.columns:
            gaps = column.is_null().to_numpy() if column.null_count else None
            if pa.types.is_string(column.type):
                self._columns.append((column.to_pylist(), None))
            else:
                zero = pa.scalar(0, pa.int8()).cast(column.type)
                self._columns.append((column.fill_null(zero).to_numpy(), gaps))

    def digest(self, start: int, stop: int) -> str:
        """SHA-256 of the names, types and values of rows ``start`` to ``stop``."""
        found = hashlib.sha256(json.dumps([self._header, stop - start]).encode())
        for values, gaps in self._columns:
            part = values[start:stop]
            if isinstance(part, list):
                found.update(json.dumps(part).encode())
                continue
            found.update(part.tobytes())
            if gaps is not None and gaps[start:stop].any():
                found.update(gaps[start:stop].tobytes())
        return found.hexdigest()


def arrays_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the names, types, shapes and values of arrays."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        found.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        found.update(array.tobytes())
    return found.hexdigest()


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


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
