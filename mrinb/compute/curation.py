"""Looking after results: listing, verifying, comparing and clearing up."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mrinb.compute import packs
from mrinb.compute.context import Context
from mrinb.compute.entry import ENTRY, Damaged, Entry, check_files, read_entry
from mrinb.compute.recipe import Recipe, Recipes, Tolerance
from mrinb.compute.runner import ensure
from mrinb.compute.specs import Spec
from mrinb.compute.store import Store, entries
from mrinb.compute.workers import store_of
from mrinb.errors import MrinbError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COMPARED = (".parquet", ".npz", ".json")
TIMINGS = ("seconds",)
"""Columns that say how fast a machine was: never compared."""


class Outdated(Exception):
    """An entry's spec is not one that this version of the code would make."""


def spec_of(entry: Entry, recipes: Recipes) -> tuple[Spec, Recipe]:
    """The spec of an entry, and how it is made.

    Raises:
        Outdated: the spec's form or key, or a version in it, has changed since.
    """
    kinds = {spec.kind: (spec, recipe) for spec, recipe in recipes.items()}
    if entry.kind not in kinds:
        raise Outdated(f"there is no kind {entry.kind!r} any more")
    form, recipe = kinds[entry.kind]
    try:
        spec = form.model_validate_json(entry.record["spec"])
    except ValueError as error:
        raise Outdated(f"a {entry.kind} is described differently now") from error
    if spec.key != entry.key:
        raise Outdated(f"a {entry.kind} like this has another key now")
    if reason := recipe.outdated(spec):
        raise Outdated(reason)
    return spec, recipe


def ls(roots: Sequence[Path], kinds: Sequence[str] = (), *, recipes: Recipes) -> pd.DataFrame:
    """List entries.

    Args:
        roots: folders of stores.
        kinds: only these; none are all.
        recipes: how each kind of result is made.

    Returns:
        A row for each entry: kind, key, what, seed, kB, seconds, device, created, store.
    """
    import pandas as pd

    rows = [
        {
            "kind": entry.kind,
            "key": entry.key,
            "what": _what(entry, recipes),
            "seed": entry.record.get("seed"),
            "kB": round(entry.size / 1000, 1),
            "seconds": entry.record.get("seconds"),
            "device": entry.record.get("device", ""),
            "created": entry.record.get("created", ""),
            "store": str(root),
        }
        for root in roots
        for entry in entries(root, kinds)
    ]
    columns = ["kind", "key", "what", "seed", "kB", "seconds", "device", "created", "store"]
    return pd.DataFrame(rows, columns=columns).astype({"seed": "Int64"})


def _what(entry: Entry, recipes: Recipes) -> str:
    try:
        spec, recipe = spec_of(entry, recipes)
    except Outdated as reason:
        return f"outdated: {reason}"
    return recipe.label(spec)


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _damages(folder: Path, recipes: Recipes) -> Iterator[str]:
    for path in sorted(folder.glob(f"*/??/*/{ENTRY}")):
        try:
            entry = read_entry(path.parent)
            check_files(entry)
            if (entry.kind, entry.key) != (path.parts[-4], path.parts[-2]):
                raise Damaged(f"it is of {entry.kind} {entry.key}")
            spec_of(entry, recipes)
        except Damaged as damage:
            yield f"{path.parent}: {damage}"
        except Outdated as reason:
            yield f"{path.parent}: {reason}"
    union, broken = packs.open_union(folder)
    for place, what in broken.items():
        yield f"{place}: {what}: {packs.MEND}"
    for pack in union.packs:
        yield from pack.damages()
    yield from packs.conflicts(union.packs)
    for packed in union:
        try:
            spec_of(packed, recipes)
        except Outdated as reason:
            yield f"{packed.where}: {reason}"


class Check(NamedTuple):
    """How a recomputed entry compares with the stored one.

    Attributes:
        entry: the stored one.
        what: its description.
        worst: largest relative difference.
        where: file and column of it.
        tolerance: what is allowed.
    """

    entry: Entry
    what: str
    worst: float
    where: str
    tolerance: Tolerance

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.worst <= self.tolerance.relative


def verify(folder: Path, recipes: Recipes) -> list[str]:
    """Check every entry of a store: checksums, keys, versions. One line for each problem."""
    if not folder.is_dir():
        raise MrinbError(f"{folder}: no such folder; give a results store")
    return list(_damages(folder, recipes))


def recompute(
    folder: Path, sample: int, context: Context, seed: int = 0, *, recipes: Recipes
) -> list[Check]:
    """Recompute some entries from an empty store, with everything they are made from.

    Simulated data come from the cache where they are there. Zero-filled scores and exhibits must
    agree to 0.1 % of the root mean square of a column or array; what training enters is compared
    by means, to 3 %, because rounding differs between processors and training amplifies it.

    Args:
        folder: the store.
        sample: number of entries, drawn at random.
        context: data, device and workers.
        seed: seed of the draw.
        recipes: how each kind of result is made.
    """
    found = []
    for entry in entries(folder):
        try:
            found.append((entry, *spec_of(entry, recipes)))
        except Outdated:
            continue
    chosen = random.Random(seed).sample(found, min(sample, len(found)))
    with tempfile.TemporaryDirectory(prefix="mrinb-verify-") as empty:
        context = replace(context, store=Path(empty), published=(), compute="auto", limit_s=None)
        made = ensure([spec for _, spec, _ in chosen], context, recipes)
        return [
            _check(entry, made[spec], recipe.label(spec), recipe.tolerance(spec))
            for entry, spec, recipe in chosen
        ]


def _check(entry: Entry, made: Entry, what: str, tolerance: Tolerance) -> Check:
    column = "mean" if tolerance.mean else "relative"
    rows = [(getattr(row, column), f"{row.file} {row.column}") for row in compare(made, entry)]
    worst, where = max(rows, default=(float("inf"), "no file in common"))
    return Check(entry, what, worst, where, tolerance)


class Difference(NamedTuple):
    """How one column or array differs between two entries of the same key.

    Attributes:
        file: name of the file.
        column: name of the column, array or JSON value.
        relative: largest difference over the root mean square of the second; infinite where
            shapes or words differ.
        mean: difference of the means over the same.
        largest: largest difference.
    """

    file: str
    column: str
    relative: float
    mean: float
    largest: float


def compare(a: Entry, b: Entry) -> list[Difference]:
    """Compare two entries number by number, in the files that both have; weights are left out."""
    rows = []
    for name in sorted(set(a.files) & set(b.files)):
        if not name.endswith(COMPARED):
            continue
        ours, theirs = _columns(a, name), _columns(b, name)
        for column in sorted(ours.keys() | theirs.keys()):
            if column in TIMINGS:
                continue
            both = column in ours and column in theirs
            relative, mean, largest = (
                _differ(ours[column], theirs[column]) if both else (float("inf"),) * 3
            )
            rows.append(Difference(name, column, relative, mean, largest))
    return rows


def _columns(entry: Entry, name: str) -> Mapping[str, np.ndarray]:
    """The numbers of a file, by column."""
    import numpy as np

    stem, _, form = name.rpartition(".")
    if form == "parquet":
        return {c: values.to_numpy() for c, values in entry.table(stem).items()}
    if form == "npz":
        return entry.arrays(stem)
    if form == "json":
        return {path: np.asarray(value) for path, value in _leaves(entry.json(stem))}
    return {"bytes": np.frombuffer(entry.content(name), np.uint8)}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a JSON document with their paths; a list of numbers is one value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}/{name}")
    elif isinstance(value, list) and any(isinstance(v, (list, dict)) for v in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{index}")
    else:
        yield path or "/", value


def _differ(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """Largest and mean difference over the root mean square of b, and the largest difference."""
    import numpy as np

    infinite = (float("inf"),) * 3
    if a.shape != b.shape:
        return infinite
    if not (np.issubdtype(a.dtype, np.number) and np.issubdtype(b.dtype, np.number)):
        return (0.0, 0.0, 0.0) if np.array_equal(a, b) else infinite
    wide = np.complex128 if np.iscomplexobj(a) or np.iscomplexobj(b) else np.float64
    a, b = a.astype(wide), b.astype(wide)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return infinite
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if not a.size:
        return 0.0, 0.0, 0.0
    scale = float(np.sqrt(np.mean(np.abs(b) ** 2))) or 1.0
    largest = float(np.abs(a - b).max())
    return largest / scale, float(np.abs(a.mean() - b.mean())) / scale, largest


def diff(a: Path, b: Path, recipes: Recipes) -> pd.DataFrame:
    """What differs between two stores.

    Args:
        a: folder of a store.
        b: folder of another.
        recipes: how each kind of result is made.

    Returns:
        A row for each entry that is in one only, and for each column or array that differs:
        kind, key, what, found (``only in A``, ``only in B`` or ``differs``), file, column,
        relative, mean, largest.
    """
    import pandas as pd

    for folder in (a, b):
        if not folder.is_dir():
            raise MrinbError(f"{folder}: no such folder; give a results store")
    ours, theirs = ({(e.kind, e.key): e for e in entries(root)} for root in (a, b))
    rows: list[dict[str, Any]] = []
    for ident in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get(ident), theirs.get(ident)
        entry = left or right
        assert entry is not None
        about = {"kind": entry.kind, "key": entry.key, "what": _what(entry, recipes)}
        if left is None or right is None:
            rows.append(about | {"found": "only in B" if left is None else "only in A"})
        elif _differ_at_all(left, right):
            rows += [
                about | {"found": "differs"} | row._asdict()
                for row in compare(left, right)
                if row.largest > 0
            ]
    names = ["kind", "key", "what", "found", *Difference._fields]
    return pd.DataFrame(rows, columns=names)


def _differ_at_all(left: Entry, right: Entry) -> bool:
    """Whether files that two entries have differ; checksums tell it sooner than their values."""
    ours, theirs = left.record["files"], right.record["files"]
    both = ours.keys() & theirs.keys()
    if all(ours[n].get("sha256", 0) == theirs[n].get("sha256", 1) for n in both):
        return False
    return bool(packs.differing(left, right))


class Removal(NamedTuple):
    """Something that can go.

    Attributes:
        path: the folder or file.
        why: reason.
        bytes: size.
    """

    path: Path
    why: str
    bytes: int


def gc(store: Store, days: float = 7.0, remove: bool = False, *, recipes: Recipes) -> list[Removal]:
    """Find, and remove if asked to, what a store no longer needs.

    That is: half-written entries of killed processes, half-done work untouched for some days,
    entries set aside as damaged, tracebacks, leases of dead processes, and entries that this
    version of the code would no longer make. What a living process works on stays.

    Args:
        store: the store; published ones are left alone.
        days: age at which half-done work goes.
        remove: whether to remove.
        recipes: how each kind of result is made.
    """
    found = list(_garbage(store, days, recipes))
    if remove:
        for item in found:
            _remove(item.path)
    return found


def _garbage(store: Store, days: float, recipes: Recipes) -> Iterator[Removal]:
    live = {
        path.name
        for path in (store.root / "leases").glob("*-*")
        if (holder := store.leases.holder(path.name)) and store.leases.alive(path.name, holder)
    }
    for folder, why in (
        ("tmp", "half-written"),
        ("scratch", f"half-done work, untouched for {days:g} days"),
        ("damaged", "set aside as damaged"),
        ("errors", "traceback of an error"),
        ("leases", "lease of a process that is gone"),
    ):
        for path in sorted((store.root / folder).glob("*-*")):
            name = "-".join(path.name.split("-")[:2]).removesuffix(".txt")
            fresh = folder == "scratch" and time.time() - _touched(path) < days * 86400
            if name not in live and not fresh:
                yield Removal(path, why, folder_bytes(path) or _size(path))
    for entry in entries(store.root):
        try:
            spec_of(entry, recipes)
        except Outdated as reason:
            yield Removal(entry.folder, str(reason), folder_bytes(entry.folder))


def _touched(path: Path) -> float:
    return max(p.stat().st_mtime for p in (path, *path.rglob("*")))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def default_store(folder: Path | None = None) -> Store:
    """The store of a folder, or the user's own."""
    context = Context() if folder is None else Context(store=folder)
    return store_of(context)
