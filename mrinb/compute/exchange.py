"""Results from one store to another, in files: what another machine computed is merged here.

An exported file is a zip around a pack and the lists of what chapters used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mrinb.compute import packs
from mrinb.compute.curation import Outdated, spec_of
from mrinb.compute.entry import Damaged, Draft, Entry, write_entry
from mrinb.compute.packing import LONG_AGO, Item, stage
from mrinb.compute.publication import chapter_record, published_files, read_list
from mrinb.compute.recipe import Recipes
from mrinb.compute.store import Store
from mrinb.errors import MrinbError

CHAPTERS = "chapters.json"
"""Within an exported file: kind and key of what each chapter used, by chapter and profile."""
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class Exported(NamedTuple):
    """What was exported.

    Attributes:
        paths: the files.
        results: number of results in them.
        outdated: results left out because this version of the code would not make them.
    """

    paths: list[Path]
    results: int
    outdated: int


class Imported(NamedTuple):
    """What was imported.

    Attributes:
        added: results that were not there.
        completed: results that were there with fewer files.
        kept: results that were there already.
    """

    added: int
    completed: int
    kept: int


def read_size(text: str) -> int:
    """Bytes that a text such as ``15MB`` means.

    Raises:
        MrinbError: it means none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?B?)", text.strip().upper())
    if not found or found[2] not in UNITS or not (size := int(float(found[1]) * UNITS[found[2]])):
        raise MrinbError(f"size {text!r} is not understood: write it like 15MB")
    return size


def export(
    store: Store,
    target: Path,
    recipes: Recipes,
    *,
    split: int | None = None,
    chapter: str | None = None,
    profile: str = "classroom",
    weights: bool = False,
) -> Exported:
    """Write the finished results of a working store into one file or several.

    Args:
        store: the store; published ones are left alone.
        target: the file; of several, those beside it named ``NAME-1.zip`` and so on.
        recipes: how each kind of result is made.
        split: largest size of a file in bytes; None writes one.
        chapter: only what this chapter used.
        profile: profile that the chapter was run with.
        weights: whether all files go along, so that computing can go on elsewhere; else those
            that are published.

    Raises:
        MrinbError: there is nothing to export, a result is larger than a file may be, or a file is
            there already or cannot be written.
    """
    lists = {p.stem: read_list(p) for p in sorted((store.root / "chapters").glob("*.json"))}
    wanted = None
    if chapter is not None:
        record = chapter_record(chapter, profile, store.root)
        lists = {record.stem: lists[record.stem]}
        wanted = set(lists[record.stem])
    items, outdated = _finished(store, recipes, wanted, weights)
    if not items:
        raise MrinbError(f"{store.root} has no finished results to export: is it the right store?")
    with _scratch(target) as scratch:
        files = list(_write(items, lists, scratch, split))
        single = len(files) == 1
        paths = [
            target if single else target.with_name(f"{target.stem}-{n}{target.suffix}")
            for n in range(1, len(files) + 1)
        ]
        if there := [path for path in paths if path.exists()]:
            raise MrinbError(f"{there[0]} is there already: remove it or give another name")
        for file, path in zip(files, paths, strict=True):
            file.replace(path)
    return Exported(paths, len(items), outdated)


def _finished(
    store: Store, recipes: Recipes, wanted: set[tuple[str, str]] | None, weights: bool
) -> tuple[list[Item], int]:
    """What is exported, checked, and how many outdated results are left out."""
    own = Store(store.root)
    items, outdated = [], 0
    for listed in own.entries():
        if wanted is not None and (listed.kind, listed.key) not in wanted:
            continue
        entry = own.lookup(listed.kind, listed.key)
        if entry is None:  # damaged: set aside with a warning
            continue
        try:
            _, recipe = spec_of(entry, recipes)
        except Outdated:
            outdated += 1
            continue
        if names := entry.files if weights else published_files(entry, recipe):
            items.append(Item(entry, names))
    return items, outdated


@contextmanager
def _scratch(target: Path) -> Iterator[Path]:
    """A folder beside a file to be written, which is gone afterwards."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise MrinbError(f"{target} cannot be written ({error.strerror or error})") from error
    try:
        yield folder
    except OSError as error:
        raise MrinbError(f"{target} cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(
    items: Sequence[Item],
    lists: Mapping[str, Sequence[tuple[str, str]]],
    scratch: Path,
    split: int | None,
    name: str = "0",
) -> Iterator[Path]:
    """Write results into one file, or the halves of them each into its own, and so on."""
    path = scratch / f"{name}.zip"
    _write_one(path, items, lists, scratch / name)
    size = path.stat().st_size
    if split is None or size <= split:
        yield path
        return
    path.unlink()
    if len(items) == 1:
        entry = items[0].entry
        raise MrinbError(
            f"{entry.kind} {entry.key} alone takes {size / 1e6:.2f} MB, more than a file may: "
            "give a larger --split"
        )
    parts = min(len(items), -(-size // split) if name == "0" else 2)
    for n in range(parts):
        part = items[len(items) * n // parts : len(items) * (n + 1) // parts]
        yield from _write(part, lists, scratch, split, f"{name}-{n:04d}")


def _write_one(
    path: Path,
    items: Sequence[Item],
    lists: Mapping[str, Sequence[tuple[str, str]]],
    folder: Path,
) -> None:
    stage(folder, items, folder)
    with zipfile.ZipFile(path, "w") as file:
        for inner in sorted(folder.iterdir()):
            info = zipfile.ZipInfo(inner.name, LONG_AGO)
            with inner.open("rb") as source, file.open(info, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink)
        text = json.dumps({name: sorted(used) for name, used in lists.items()}, sort_keys=True)
        chapters = zipfile.ZipInfo(CHAPTERS, LONG_AGO)
        chapters.compress_type = zipfile.ZIP_DEFLATED
        file.writestr(chapters, text)
    shutil.rmtree(folder)


def import_files(store: Store, files: Sequence[Path], *, keep_own: bool = False) -> Imported:
    """Merge exported files into a working store; nothing is written unless all of them are fine.

    Args:
        store: the store.
        files: exported files.
        keep_own: whether results of this store stay where a file has other values for them.

    Raises:
        MrinbError: a file is damaged or is none of exported results, two have different values for
            one key, or the store cannot be written to.
    """
    store.check_writable()
    store = Store(store.root)
    with tempfile.TemporaryDirectory(prefix="mrinb-import-") as scratch:
        opened = [_open(path, Path(scratch) / str(n)) for n, path in enumerate(files)]
        chosen: dict[tuple[str, str], list[Entry]] = {}
        for path, (pack, _) in zip(files, opened, strict=True):
            for entry in pack.entries():
                _choose(chosen, entry, path, store, keep_own)
        done = [_merge(store, found) for found in chosen.values()]
        for _, lists in opened:
            _merge_lists(store.root, lists)
    return Imported(done.count("added"), done.count("completed"), done.count("kept"))


def _open(path: Path, folder: Path) -> tuple[packs.Pack, dict[str, Any]]:
    """Unpack an exported file and check all that it holds."""
    again = "copy or export it again"
    if not path.is_file():
        raise MrinbError(f"{path}: no such file; give files that mrinb results export wrote")
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            if not {packs.INDEX, CHAPTERS} <= set(names):
                raise MrinbError(f"{path} holds no exported results: give another file")
            if any(not re.fullmatch(r"\w[\w.-]*", name) for name in names):
                raise Damaged("it has a file with an unusable name")
            file.extractall(folder)
        lists = json.loads((folder / CHAPTERS).read_text("utf-8"))
        (folder / CHAPTERS).unlink()
        pack = packs.Pack(folder)
        if problems := pack.damages():
            raise Damaged(problems[0].removesuffix(f": {packs.MEND}").replace(f"{folder}", "pack"))
        if any(not re.fullmatch(r"\w[\w.-]*", name) for name in lists):
            raise Damaged("it has a chapter with an unusable name")
    except Damaged as damage:
        raise MrinbError(f"{path} is damaged ({damage}): {again}") from damage
    except packs.UNREADABLE as error:
        with path.open("rb") as raw:
            ours = raw.read(2) == b"PK"
        if ours:
            raise MrinbError(f"{path} is damaged or cut off: {again}") from error
        raise MrinbError(f"{path} holds no exported results: give another file") from error
    return pack, lists


def _choose(
    chosen: dict[tuple[str, str], list[Entry]],
    entry: Entry,
    path: Path,
    store: Store,
    keep_own: bool,
) -> None:
    """Add an imported entry to those under its key, the store's own first."""
    ident = entry.kind, entry.key
    if ident not in chosen:
        there = store.lookup(*ident)
        chosen[ident] = [there] if there else []
    for other in chosen[ident]:
        if not (names := packs.differing(other, entry)):
            continue
        own = other.folder.is_relative_to(store.root)
        if own and keep_own:
            return
        place = f"results store {store.root}" if own else "another of the files"
        hint = "import with --keep-own to leave yours" if own else "import one of them"
        raise MrinbError(
            f"{' '.join(ident)} of {path} differs from that in {place} ({', '.join(names)}): {hint}"
        )
    chosen[ident].append(entry)


def _merge(store: Store, found: Sequence[Entry]) -> str:
    """Put what entries of one key have together into the store; says what that did."""
    first = found[0]
    sources = {name: entry for entry in reversed(found) for name in entry.files}
    own = first.folder.is_relative_to(store.root)
    if own and set(sources) == set(first.files):
        return "kept"
    tmp = store.root / "tmp" / f"{first.kind}-{first.key}-import-{os.getpid()}"
    try:
        tmp.mkdir(parents=True, exist_ok=True)
        draft = Draft(tmp)
        for name, entry in sources.items():
            _copy(entry, name, draft)
        write_entry(tmp, {n: v for n, v in first.record.items() if n != "files"})
        store.adopt(tmp, first.kind, first.key)
    except OSError as error:
        why = error.strerror or error
        raise MrinbError(
            f"results store {store.root} cannot be written to ({why}): free some space and import "
            "again; what was merged stays"
        ) from error
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    return "completed" if own else "added"


def _copy(entry: Entry, name: str, draft: Draft) -> None:
    stem, _, form = name.rpartition(".")
    if not isinstance(entry, packs.Packed):
        shutil.copyfile(entry.path(name), draft.path(name))
    elif form == "npz":
        draft.arrays(stem, entry.arrays(stem))
    elif form == "parquet" and entry.place(name).endswith(".parquet"):
        draft.arrow(stem, entry.arrow(stem))
    else:
        draft.path(name).write_bytes(entry.content(name))


def _merge_lists(root: Path, lists: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Write down what chapters used, where the store has no list of its own."""
    for name, used in lists.items():
        path = root / "chapters" / f"{name}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            items = [{"kind": kind, "key": key} for kind, key in used]
            path.write_text(json.dumps(items), encoding="utf-8")
