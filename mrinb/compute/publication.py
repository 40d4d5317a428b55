"""The published store: a pack for each chapter and profile, and what must hold for it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from mrinb.compute import packs
from mrinb.compute.curation import Outdated, folder_bytes, spec_of, verify
from mrinb.compute.entry import Damaged, Entry
from mrinb.compute.packing import Item, Staged, read_old, stage
from mrinb.compute.recipe import Recipe, Recipes
from mrinb.compute.store import SERVICE, Store
from mrinb.errors import MrinbError, unknown

WEIGHTS = "*.safetensors"
ALLOWED = "weights.txt"
"""File of a published store: keys of the trainings whose weights are published, one a line."""
LARGEST_BYTES = 60_000_000
LARGEST_WEIGHTS_BYTES = 10_000_000

Ident = tuple[str, str]


class Published(NamedTuple):
    """What publishing did.

    Attributes:
        copied: entries written.
        kept: entries that were there already.
        outdated: entries left out because this version of the code would not make them.
        removed: entries removed because no published chapter uses them.
        bytes: size of the published store afterwards.
    """

    copied: int
    kept: int
    outdated: int
    removed: int
    bytes: int


def publish(
    chapter: str,
    profile: str,
    store: Store,
    target: Path,
    recipes: Recipes,
) -> Published:
    """Write what a chapter used into its pack, weights only if they are on the store's list.

    Results that other chapters' packs share are written there too if they changed.

    Args:
        chapter: the chapter as the store knows it, or the start of its name or its number.
        profile: profile it was run with.
        store: where its results are.
        target: the published store.
        recipes: how each kind of result is made.

    Raises:
        MrinbError: the chapter was not run, a result of it is missing, or the published store
            cannot be written to or would be too large; it stays as it was.
    """
    record = chapter_record(chapter, profile, store.root)
    wanted = read_list(record)
    source = Store(store.root, (*store.published, target))
    found, outdated = _collect(wanted, source, record.stem, recipes)
    allowed = allowed_weights(target)
    old = {folder.name: read_old(folder) for folder in packs.folders(target)}
    known = {ident: entry for pack in old.values() if pack for ident, entry in _intact(pack)}
    items: dict[Ident, Item] = {}
    copied = 0
    for entry, recipe in found:
        item = Item(entry, published_files(entry, recipe, entry.key in allowed))
        there = known.get(item.ident)
        if there is not None and _same(item, there):
            item = Item(there, there.files)
        else:
            copied += 1
        items[item.ident] = item
    todo = {record.stem: list(items.values())} | _shared(items, old, record.stem)
    with _writing(target) as staging:
        staged = [
            stage(target / name, contents, staging / name, old.get(name))
            for name, contents in sorted(todo.items())
        ]
        _check_room(target, staged, todo)
        for pack in staged:
            pack.commit()
    left = {ident for folder in packs.folders(target) for ident in packs.open_pack(folder).rows}
    return Published(
        copied, len(items) - copied, outdated, len(known.keys() - left), folder_bytes(target)
    )


def read_list(record: Path) -> list[Ident]:
    """Kinds and keys that a chapter used."""
    return [(item["kind"], item["key"]) for item in json.loads(record.read_text("utf-8"))]


def chapter_record(chapter: str, profile: str, root: Path) -> Path:
    """The list of what a chapter used.

    Args:
        chapter: the chapter as the store knows it, or the start of its name or its number.
        profile: profile it was run with.
        root: folder of the store.

    Raises:
        MrinbError: it was not run, or several fit.
    """
    folder = root / "chapters"
    names = {
        p.stem.removesuffix(f"-{profile}"): p for p in sorted(folder.glob(f"*-{profile}.json"))
    }
    found = [name for name in names if name == chapter]
    found = found or [n for n in names if n.startswith((chapter, chapter.zfill(2)))]
    if not names:
        raise MrinbError(f"no chapter has been run with profile {profile} and store {root}")
    if len(found) != 1:
        raise unknown("chapter", chapter, names)
    return names[found[0]]


def published_files(entry: Entry, recipe: Recipe, with_weights: bool = False) -> tuple[str, ...]:
    """The files of an entry that are published."""
    patterns = (*recipe.published, WEIGHTS) if with_weights else recipe.published
    return tuple(n for n in entry.files if any(fnmatchcase(n, p) for p in patterns))


def _collect(
    wanted: Sequence[Ident], source: Store, chapter: str, recipes: Recipes
) -> tuple[list[tuple[Entry, Recipe]], int]:
    """Entries with how they are made, and how many this code would not make any more."""
    found = []
    for kind, key in wanted:
        entry = source.lookup(kind, key)
        if entry is None:
            raise MrinbError(
                f"{kind} {key} of chapter {chapter} is not in {source.root}: run it again"
            )
        try:
            found.append((entry, spec_of(entry, recipes)[1]))
        except Outdated:
            continue
    return found, len(wanted) - len(found)


def _intact(pack: packs.Pack) -> Iterator[tuple[Ident, packs.Packed]]:
    for ident in pack.rows:
        try:
            entry = pack.entry(*ident)
            pack.check(entry)
        except Damaged:
            continue
        yield ident, entry


def _same(item: Item, there: Entry) -> bool:
    return item.names == there.files and not packs.differing(there, item.entry)


def _shared(
    items: Mapping[Ident, Item], old: Mapping[str, packs.Pack | None], chapter: str
) -> dict[str, list[Item]]:
    """Other chapters' packs with results that changed, and what is to be in them."""
    todo = {}
    for name, pack in old.items():
        if pack is None or name == chapter:
            continue
        mine = dict(_intact(pack))
        if any(i in mine and not _same(items[i], mine[i]) for i in items):
            todo[name] = [items.get(i, Item(entry, entry.files)) for i, entry in mine.items()]
    return todo


@contextmanager
def _writing(target: Path) -> Iterator[Path]:
    """A folder for packs being written, which is gone afterwards."""
    staging = target / "tmp" / f"publish-{os.getpid()}"
    try:
        staging.mkdir(parents=True, exist_ok=True)
        yield staging
    except OSError as error:
        why = error.strerror or error
        raise MrinbError(f"published store {target} cannot be written to ({why})") from error
    finally:
        shutil.rmtree(target / "tmp", ignore_errors=True)


def _check_room(target: Path, staged: Sequence[Staged], todo: Mapping[str, list[Item]]) -> None:
    """Stop if the store would be too large.

    Raises:
        MrinbError: it would be.
    """
    others = [f for f in packs.folders(target) if f.name not in todo]
    size = sum(pack.bytes for pack in staged) + sum(folder_bytes(f) for f in others)
    weights = sum(
        item.entry.record["files"][name]["bytes"]
        for contents in todo.values()
        for item in contents
        for name in item.names
        if fnmatchcase(name, WEIGHTS)
    ) + sum(_weights(packs.open_pack(f).entries()) for f in others)
    if problems := list(_too_large(target, size, weights)):
        raise MrinbError("; ".join(problems))


def _weights(found: Iterable[Entry]) -> int:
    return sum(
        entry.record["files"][name]["bytes"]
        for entry in found
        for name in entry.files
        if fnmatchcase(name, WEIGHTS)
    )


def _too_large(folder: Path, size: int, weights: int) -> Iterator[str]:
    for what, found, largest in (
        ("weights", weights, LARGEST_WEIGHTS_BYTES),
        ("files", size, LARGEST_BYTES),
    ):
        if found > largest:
            yield f"{folder}: {what} of {found / 1e6:.1f} MB, more than {largest / 1e6:.0f} MB"


def allowed_weights(folder: Path) -> set[str]:
    """Keys of the trainings whose weights may be published."""
    path = folder / ALLOWED
    if not path.exists():
        return set()
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}


def check_published(folder: Path, recipes: Recipes) -> list[str]:
    """Whatever is wrong with a published store: damage, size, weights, what does not belong there.

    Args:
        folder: the published store.
        recipes: how each kind of result is made.

    Returns:
        One line for each problem.
    """
    problems = verify(folder, recipes)
    union, _ = packs.open_union(folder)
    allowed, every = allowed_weights(folder), [e for pack in union.packs for e in pack.entries()]
    problems += [
        f"{entry.where}: its key is not in {folder / ALLOWED}, and it has weights"
        for entry in every
        if _weights([entry]) and entry.key not in allowed
    ]
    problems += _too_large(folder, folder_bytes(folder), _weights(every))
    known = {pack.name for pack in union.packs} | {ALLOWED}
    return problems + [
        f"{path}: does not belong into a published store"
        for path in sorted(folder.iterdir())
        if path.name in SERVICE or not (path.name in known or (path / packs.INDEX).exists())
    ]
