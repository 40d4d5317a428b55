"""Computing one result, in this process or in worker processes of one thread each."""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from mrinb.compute.context import Context
from mrinb.compute.leases import Holder, LeaseLost, Leases, StoreError
from mrinb.compute.recipe import Job
from mrinb.compute.specs import Spec
from mrinb.compute.store import Store
from mrinb.errors import MrinbError

WORKERS = "MRINB_WORKERS"
"""Environment variable with the number of workers where none is asked for."""

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def default_workers() -> int:
    """The number of workers where none is asked for.

    It is that of the environment variable ``MRINB_WORKERS`` if there is one, else one for each
    core that this process may use: a cluster's job may use fewer than the machine has.

    Raises:
        MrinbError: the variable holds no number of workers.
    """
    given = os.environ.get(WORKERS, "").strip()
    if not given:
        from joblib import cpu_count  # minds affinity and limits of the process's control group

        return int(cpu_count())
    if not given.isdecimal():
        raise MrinbError(
            f"{WORKERS} is {given!r}: give a whole number of worker processes, 0 for none"
        )
    return int(given)


class Order(NamedTuple):
    """What a worker is told to compute.

    Attributes:
        spec: what.
        compute: the recipe's function, a ``Compute``, or the ``Make`` of a file.
        context: where.
        files: glob patterns of files that a stored entry must have to be good enough.
        dead: token of a lease whose holder has been given up.
        record: more for the entry's record.
        path: the one file of the data cache that is made; None for an entry of the store.
    """

    spec: Spec
    compute: Callable[..., None]
    context: Context
    files: tuple[str, ...] = ()
    dead: str | None = None
    record: tuple[tuple[str, Any], ...] = ()
    path: Path | None = None


class Event(NamedTuple):
    """What a worker tells.

    Attributes:
        order: what it is about.
        kind: ``progress``, ``done``, ``busy`` (another process computes it), ``error``, or
            ``stop`` where the store itself fails.
        fraction: how much is done.
        text: a few words on progress, or one line on an error.
    """

    order: Order
    kind: str
    fraction: float = 0.0
    text: str = ""


@functools.lru_cache(maxsize=8)
def _store(root: Path, published: tuple[Path, ...]) -> Store:
    return Store(root, published)


def store_of(context: Context) -> Store:
    """The store of a context; the same object for the same folders, so that it verifies once."""
    return _store(context.store, context.published)


@functools.lru_cache(maxsize=8)
def _file_leases(cache: Path) -> Leases:
    return Leases(cache / "leases", what="data cache")


def _file_lease_name(path: Path, cache: Path) -> str:
    return os.path.relpath(path, cache).replace(os.sep, "+")


def file_holder(path: Path, cache: Path) -> tuple[Holder, bool] | None:
    """Who makes a file of the data cache and whether it seems alive; None if nobody does."""
    leases, name = _file_leases(cache), _file_lease_name(path, cache)
    holder = leases.holder(name)
    return None if holder is None else (holder, leases.alive(name, holder))


def perform(order: Order, progress: Callable[[float, str], None]) -> bool:
    """Compute one result and put it into the store, or make a file, unless it is there by now.

    Args:
        order: what to compute.
        progress: told the fraction done and a short text.

    Returns:
        False if another living process is computing it.
    """
    if order.path is not None:
        return _make_file(order, order.path)
    spec, store = order.spec, store_of(order.context)
    lease = store.lease(spec, order.dead)
    if lease is None:
        return False

    def report(fraction: float, text: str = "") -> None:
        lease.report(text or f"{fraction:.0%}")
        progress(fraction, text)

    try:
        with lease:
            if store.find(spec, order.files) is None:
                resumed = any(store.scratch_folder(spec).glob("*"))
                with store.create(spec, resumed=resumed, **dict(order.record)) as draft:
                    order.compute(spec, Job(spec, order.context, store, draft, report))
    except LeaseLost:
        return False
    return True


def _make_file(order: Order, path: Path) -> bool:
    cache = order.context.cache
    lease = _file_leases(cache).acquire(_file_lease_name(path, cache), order.dead)
    if lease is None:
        return False
    with lease:
        if not path.exists():
            order.compute(order.spec, path, order.context)
    return True


def complain(order: Order, error: BaseException) -> str:
    """One line for an error; what is not the user's to mend leaves its traceback in a file."""
    if isinstance(error, MrinbError):
        return str(error)
    line = " ".join(f"{type(error).__name__}: {error}".split())
    path = order.context.store / "errors" / f"{order.spec.kind}-{order.spec.key}.txt"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        line += f" (traceback in {path})"
    return line


@dataclass(eq=False)
class _Worker:
    process: multiprocessing.process.BaseProcess
    pipe: multiprocessing.connection.Connection
    order: Order | None = None


class Workers:
    """Worker processes that stay, because starting one and importing torch takes seconds.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        self.size = workers
        self._workers = [_start() for _ in range(workers)]

    @property
    def idle(self) -> int:
        """Number of workers without an order."""
        return sum(w.order is None for w in self._workers)

    @property
    def sound(self) -> bool:
        """Whether the pool can be used: it is not closed, and nobody is at work."""
        return bool(self._workers) and self.idle == self.size

    def submit(self, order: Order) -> None:
        """Give an order to an idle worker."""
        worker = next(w for w in self._workers if w.order is None)
        if not worker.process.is_alive():
            worker = self._replace(worker)
        worker.order = order
        with contextlib.suppress(BrokenPipeError):  # its end is seen by ``events``
            worker.pipe.send(order)

    def _replace(self, worker: _Worker) -> _Worker:
        worker.pipe.close()
        new = _start()
        self._workers[self._workers.index(worker)] = new
        return new

    def events(self, timeout: float) -> Iterator[Event]:
        """What the workers have told, after at most ``timeout`` seconds of waiting."""
        pipes = {w.pipe: w for w in self._workers if w.order is not None}
        for pipe in multiprocessing.connection.wait(list(pipes), timeout):
            worker = pipes[pipe]  # type: ignore[index]
            order = worker.order
            assert order is not None
            try:
                kind, fraction, text = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join(5)
                code = worker.process.exitcode
                why = "out of memory?" if code == -signal.SIGKILL else "see its messages above"
                kind, fraction, text = "error", 0.0, f"a worker ended with code {code} ({why})"
                self._replace(worker)
            if kind != "progress":
                worker.order = None
            yield Event(order, kind, fraction, text)

    def close(self) -> None:
        """End the workers; what they were computing stays in the scratch folder."""
        for worker in self._workers:
            worker.process.terminate()
        end = time.monotonic() + 3
        for worker in self._workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
        self._workers = []


_pool: Workers | None = None


def pool(workers: int) -> Workers:
    """The pool of this process, started if it is not there in this size."""
    global _pool
    if _pool is None or _pool.size != workers or not _pool.sound:
        close_pool()
        _pool = Workers(workers)
    return _pool


@contextlib.contextmanager
def using(chosen: Workers) -> Iterator[None]:
    """Let a given pool be this process's for a while; it is neither started nor ended."""
    global _pool
    before, _pool = _pool, chosen
    try:
        yield
    finally:
        _pool = before


def pool_runs(workers: int) -> bool:
    """Whether a pool of this size is there already."""
    return _pool is not None and _pool.size == workers and _pool.sound


def close_pool() -> None:
    """End the worker processes, if there are any."""
    global _pool
    if _pool is not None:
        _pool.close()
        _pool = None


atexit.register(close_pool)


def _start() -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True, name="mrinb worker")
    with _one_thread_environment(), _without_main():
        process.start()
    there.close()
    return _Worker(process, here)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Have torch use one thread in this process for a while.

    On a busy machine two threads of one small network wait for each other most of the time.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _one_thread_environment() -> Iterator[None]:
    """An environment in which numerical libraries start with one thread."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a new process from running the user's script again, which may lack a main guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(pipe: multiprocessing.connection.Connection) -> None:
    """Work on orders until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # leaving already
            return
        except Exception as error:
            pipe.send(("error", 0.0, f"{type(error).__name__}: {error}"))
            continue
        pipe.send(_answer(order, pipe))


def _answer(order: Order, pipe: multiprocessing.connection.Connection) -> tuple[str, float, str]:
    last = 0.0

    def progress(fraction: float, text: str) -> None:
        nonlocal last
        if time.monotonic() - last > 0.2:
            last = time.monotonic()
            pipe.send(("progress", fraction, text))

    try:
        context = replace(order.context, workers=0)
        done = perform(order._replace(context=context), progress)
    except StoreError as error:
        return "stop", 0.0, str(error)
    except Exception as error:
        return "error", 0.0, complain(order, error)
    return "done" if done else "busy", 1.0, ""


def _leave(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt the leaving
    sys.exit(1)  # unwinds: leases are let go, temporary folders removed


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
