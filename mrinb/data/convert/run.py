"""Convert a folder: several files at a time, going on where a stopped conversion was."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

from mrinb.data import index
from mrinb.data.convert.base import Converter, Wanted, reader
from mrinb.data.convert.output import CannotWrite, is_done, signature, write
from mrinb.errors import MrinbError

_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, IndexError, EOFError)
"""What h5py and numpy raise on a source that makes no sense, depending on where."""


class Summary(NamedTuple):
    """What a conversion did.

    Attributes:
        written: volumes written.
        kept: volumes that were there already.
        problems: one line for each source that was skipped.
    """

    written: int
    kept: int
    problems: list[str]


class _Task(NamedTuple):
    source: Path
    wanted: list[Wanted]
    destination: Path
    as_paper: bool
    progress: bool


def convert(
    converters: Sequence[Converter],
    source: Path,
    destination: Path,
    as_paper: bool = False,
    workers: int = 1,
    progress: bool = True,
) -> Summary:
    """Convert a file or all files in and below a folder.

    Args:
        converters: datasets that are read from the same sources.
        source: a file, or a folder.
        destination: gets a folder for each dataset.
        as_paper: do as the paper's code does where that matters to someone who compares.
        workers: processes; each holds one volume in memory.
        progress: show a progress bar.

    Returns:
        The summary; sources that cannot be read are skipped and named in it.

    Raises:
        MrinbError: there are no sources, or the destination takes no files.
    """
    sources = find_sources(converters, source, destination)
    tasks, kept = [], 0
    for path in sources:
        wanted = [Wanted(c, prefix) for c in converters if c.accepts(path) for prefix in c.prefixes]
        missing = [w for w in wanted if not _is_there(w, path, destination, as_paper)]
        kept += len(wanted) - len(missing)
        if missing:
            tasks.append(_Task(path, missing, destination, as_paper, progress and workers == 1))
    written, problems = 0, []
    results = _run(tasks, workers)
    for count, problem in tqdm(
        results, total=len(tasks), desc="converting", unit="file", disable=not progress
    ):
        written += count
        if problem:
            problems.append(problem)
    return Summary(written, kept, sorted(problems))


def find_sources(converters: Sequence[Converter], source: Path, destination: Path) -> list[Path]:
    """The source files of some datasets, those converted already left out.

    Raises:
        MrinbError: there are none, or two have the same name.
    """
    source, destination = source.expanduser(), destination.expanduser()
    if not source.exists():
        raise MrinbError(f"{source}: no such file or folder")
    made = {(destination / c.slug).resolve() for c in converters}
    found = index.files_below(source) if source.is_dir() else [source]
    found = [p for p in found if not made & set(p.resolve().parents)]
    accepted = [p for p in found if any(c.accepts(p) for c in converters)]
    if not accepted:
        names = " or ".join(dict.fromkeys(c.files.replace("\\", "") for c in converters))
        raise MrinbError(f"{source}: no source file of {converters[0].family}, named like {names}")
    twins = [name for name, count in Counter(p.name for p in accepted).items() if count > 1]
    if twins:
        raise MrinbError(f"{source}: two files named {twins[0]}: convert their folders separately")
    return accepted


def _is_there(wanted: Wanted, source: Path, destination: Path, as_paper: bool) -> bool:
    mark = signature(source, wanted.converter.slug, as_paper)
    return is_done(wanted.path(source, destination), mark)


def _run(tasks: Sequence[_Task], workers: int) -> Iterator[tuple[int, str]]:
    if workers <= 1 or len(tasks) <= 1:
        yield from map(_one, tasks)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context)
    try:
        for done in as_completed([pool.submit(_one, task) for task in tasks]):
            yield done.result()
    except BrokenProcessPool:
        raise MrinbError(
            "a worker was stopped, perhaps for want of memory: run again with fewer --workers; "
            "what is converted is kept"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _one(task: _Task) -> tuple[int, str]:
    """Convert one source: (volumes written, what is wrong with it)."""
    written = 0
    try:
        read = reader(task.wanted[0].converter)
        for wanted, volume in read(task.source, task.wanted, task.as_paper):
            mark = signature(task.source, wanted.converter.slug, task.as_paper)
            write(volume, wanted.path(task.source, task.destination), mark, task.progress)
            written += 1
    except CannotWrite:
        raise
    except MemoryError:
        return written, f"{task.source}: does not fit into memory: use fewer --workers"
    except MrinbError as error:
        words = str(error)
        return written, words if words.startswith(str(task.source)) else f"{task.source}: {words}"
    except _DAMAGE as error:
        words = str(error).split("\n")[0]
        return written, f"{task.source}: damaged, download it again ({words})"
    return written, ""
