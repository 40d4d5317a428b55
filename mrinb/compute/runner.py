"""Has results in the store: finds them, or computes what is missing, here or in workers.

What is asked for is resolved into a graph of missing results; those whose needs are met are
computed, the longest chain of work first. Every result goes into the store when it is finished,
so that a killed run loses only what was being computed, and a training not even that. Data that are
made here are tasks as well, one for each file of the data cache: what needs them starts when they
are there.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrinb.compute import workers
from mrinb.compute.context import Context
from mrinb.compute.entry import Entry
from mrinb.compute.leases import Holder, StoreError
from mrinb.compute.recipe import Cost, Files, Need, Recipe, Recipes
from mrinb.compute.specs import Spec
from mrinb.compute.store import Store, entries, seed_of
from mrinb.compute.workers import Order, perform, store_of
from mrinb.errors import MrinbError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ensure", "estimate", "plan"]

POOL_START_S = 5.0
"""Work shorter than starting worker processes is done in this process."""
NEWEST = 50
"""So many results of a group tell how fast it is: code and machines change."""
POLL_S = 0.2
ANNOUNCED_S = 2.0
"""Work that is expected to take so long is announced."""
ANNOUNCEMENT = "computing "
"""How the announcement starts, by which pages of the book leave it out."""


@dataclass(eq=False)
class Task:
    """A missing result, or one missing file of the data cache.

    Attributes:
        spec: what.
        recipe: how.
        files: glob patterns of the files that whoever needs it uses.
        needs: the tasks that come first.
        cost: what it is expected to take.
        seconds: the same in seconds.
        rank: seconds of the longest chain of tasks that starts with it.
        state: ``new``, ``running``, ``done`` or ``failed``.
        fraction: how much of it is done.
        text: what it says of itself, or what another process does about it.
        dead: token of a lease on it whose holder has been given up.
        path: the file of the data cache that is made; None for an entry of the store.
        share: how much of its spec the file is.
        specs: every spec that has the file.
    """

    spec: Spec
    recipe: Recipe
    files: set[str] = field(default_factory=set)
    needs: list[Task] = field(default_factory=list)
    cost: Cost | None = None
    seconds: float = 0.0
    rank: float = 0.0
    state: str = "new"
    fraction: float = 0.0
    text: str = ""
    dead: str | None = None
    path: Path | None = None
    share: float = 1.0
    specs: dict[Spec, None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is, in words."""
        seed = seed_of(self.spec)
        return self.recipe.label(self.spec) + ("" if seed is None else f", seed {seed}")

    def order(self, context: Context) -> Order:
        """The order for whoever computes it."""
        if self.path is not None:
            assert self.recipe.files is not None
            make = self.recipe.files.make
            return Order(self.spec, make, context, dead=self.dead, path=self.path)
        assert self.recipe.compute is not None and self.cost is not None
        record = (("cost", {"group": self.cost.group, "units": self.cost.units}),)
        files = tuple(sorted(self.files))
        return Order(self.spec, self.recipe.compute, context, files, self.dead, record)


def ensure(specs: Sequence[Spec], context: Context, recipes: Recipes) -> dict[Spec, Entry]:
    """Find results, and compute those that are missing.

    Args:
        specs: what is wanted.
        context: stores, workers, and whether computing is allowed.
        recipes: how each kind of result is made.

    Returns:
        The entry of each spec; specs that are not kept in the store (data) are left out.

    Raises:
        MrinbError: something is missing and may not be computed, or a computation failed; what
            the others gave is in the store.
    """
    store = store_of(context)
    found = {spec: store.find(spec) for spec in specs if not recipe_of(spec, recipes).files}
    tasks = graph([s for s in specs if found.get(s) is None], context, recipes)
    if tasks:
        _permit(tasks, context)
        if _results(tasks):
            store.check_writable()
        _announce(tasks, context)
        _compute(tasks, context)
        found |= {spec: store.find(spec) for spec, entry in found.items() if entry is None}
    kept = {spec: entry for spec, entry in found.items() if entry is not None}
    if len(kept) < len(found):
        lost = next(spec for spec in found if spec not in kept)
        raise MrinbError(f"{lost.kind} {lost.key} was computed and is gone from {context.store}")
    return kept


def recipe_of(spec: Spec, recipes: Recipes) -> Recipe:
    """The recipe of a spec.

    Raises:
        MrinbError: specs of its type are not results.
    """
    if type(spec) not in recipes:
        raise MrinbError(f"a {spec.kind} is no result that can be computed")
    return recipes[type(spec)]


def graph(
    specs: Sequence[Spec],
    context: Context,
    recipes: Recipes,
    speeds: Mapping[str, float] | None = None,
) -> list[Task]:
    """What has to be computed for some specs, each task after those it needs.

    Args:
        specs: the results.
        context: stores and device.
        recipes: how each kind of result is made.
        speeds: seconds a unit of each group of computations; None are those of the stores.
    """
    return _Graph(context, recipes).resolve(specs, speeds)


class _Graph:
    def __init__(self, context: Context, recipes: Recipes) -> None:
        self.context, self.recipes = context, recipes
        self.store = store_of(context)
        self.tasks: dict[tuple[str, str], Task] = {}
        self.files: dict[Spec, list[Task]] = {}

    def resolve(self, specs: Sequence[Spec], speeds: Mapping[str, float] | None) -> list[Task]:
        for spec in specs:
            self._visit(Need(spec))
        if speeds is None:
            speeds = rates(self.store) if self.tasks else {}
        ordered = list(self.tasks.values())
        for task in ordered:
            cost = task.recipe.cost(task.spec, self.context)
            task.cost = cost._replace(units=cost.units * task.share)
            task.seconds = _seconds(task.cost, speeds)
            task.rank = task.seconds
        for task in reversed(ordered):
            for need in task.needs:
                need.rank = max(need.rank, need.seconds + task.rank)
        return ordered

    def _visit(self, need: Need) -> list[Task]:
        """The tasks that a need waits for."""
        spec, recipe = need.spec, recipe_of(need.spec, self.recipes)
        if recipe.files:
            return self._visit_files(spec, recipe, recipe.files)
        ident = (spec.kind, spec.key)
        task = self.tasks.get(ident)
        if task is None:
            if self.store.find(spec, need.files) is not None:
                return []
            task = Task(spec, recipe)
            task.needs = [t for n in recipe.needs(spec) for t in self._visit(n)]
            self.tasks[ident] = task
        task.files.update(need.files)
        return [task]

    def _visit_files(self, spec: Spec, recipe: Recipe, files: Files) -> list[Task]:
        if spec not in self.files:
            paths = files.paths(spec, self.context)
            self.files[spec] = []
            for path in paths:
                if not path.exists():
                    task = Task(spec, recipe, path=path, share=1 / len(paths))
                    task = self.tasks.setdefault(("file", str(path)), task)
                    task.specs[spec] = None
                    self.files[spec].append(task)
        return self.files[spec]


def _results(tasks: Sequence[Task]) -> list[Task]:
    """The tasks whose results go into the store."""
    return [task for task in tasks if task.path is None]


def _is_there(spec: Spec, recipe: Recipe, store: Store, context: Context) -> bool:
    if recipe.files:
        return all(path.exists() for path in recipe.files.paths(spec, context))
    return store.find(spec) is not None


def rates(store: Store) -> dict[str, float]:
    """Seconds a unit of each group of computations, as measured for a store's newest entries.

    What this machine has measured goes before what was published.
    """
    speeds: dict[str, float] = {}
    for root in (*reversed(store.published), store.root):
        seen: dict[str, list[tuple[str, float]]] = {}
        for entry in entries(root):
            cost = entry.record.get("cost")
            if cost and cost["units"] and not entry.record.get("resumed"):
                speed = entry.record["seconds"] / cost["units"]
                seen.setdefault(cost["group"], []).append((entry.record["created"], speed))
        for group, values in seen.items():
            speeds[group] = statistics.median(speed for _, speed in sorted(values)[-NEWEST:])
    return speeds


def estimate(spec: Spec, context: Context, recipes: Recipes) -> float:
    """Seconds that one result is expected to take on one core, without what it needs."""
    cost = recipe_of(spec, recipes).cost(spec, context)
    return _seconds(cost, rates(store_of(context)))


def _seconds(cost: Cost, speeds: Mapping[str, float]) -> float:
    return cost.units * speeds.get(cost.group, cost.unit_s)


def wall_seconds(tasks: Sequence[Task], context: Context) -> float:
    """Seconds that tasks are expected to take with the workers there are."""
    longest = max((t.rank for t in tasks), default=0.0)
    return max(longest, sum(t.seconds for t in tasks) / max(context.workers, 1))


def plan(
    specs: Sequence[Spec],
    context: Context,
    recipes: Recipes,
    speeds: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """What results take, with all they are made from, whether they are in the store or not.

    Args:
        specs: the results.
        context: stores and device.
        recipes: how each kind of result is made.
        speeds: seconds a unit of each group of computations; None are those of the stores.

    Returns:
        A row for each kind and description: kind, what, runs, seconds (of all runs on one core),
        stored (runs found), missing (runs that would be computed now), missing_seconds.
    """
    import pandas as pd

    store = store_of(context)
    speeds = rates(store) if speeds is None else speeds
    missing: dict[Spec, float] = {}
    for task in graph(specs, context, recipes, speeds):
        for spec in task.specs or (task.spec,):
            seconds = task.seconds / max(len(task.specs), 1)
            missing[spec] = missing.get(spec, 0.0) + seconds
    rows = []
    for spec in _closure(specs, recipes):
        recipe = recipe_of(spec, recipes)
        rows.append(
            {
                "kind": spec.kind,
                "what": recipe.label(spec),
                "runs": 1,
                "seconds": _seconds(recipe.cost(spec, context), speeds),
                "stored": int(_is_there(spec, recipe, store, context)),
                "missing": int(spec in missing),
                "missing_seconds": missing.get(spec, 0.0),
            }
        )
    columns = ["kind", "what", "runs", "seconds", "stored", "missing", "missing_seconds"]
    table = pd.DataFrame(rows, columns=columns)
    return table.groupby(["kind", "what"], sort=False, as_index=False).sum()


def _closure(specs: Sequence[Spec], recipes: Recipes) -> list[Spec]:
    """Specs and all they need, needs first, each once."""
    found: dict[Spec, None] = {}

    def visit(spec: Spec) -> None:
        if spec not in found:
            for need in recipe_of(spec, recipes).needs(spec):
                visit(need.spec)
            found[spec] = None

    for spec in specs:
        visit(spec)
    return list(found)


def duration(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _permit(tasks: Sequence[Task], context: Context) -> None:
    """Return if the tasks may be computed; else say why not."""
    work = _results(tasks)
    if not work:
        return
    seconds = wall_seconds(tasks, context)
    what = f"{len(work)} results are missing" if len(work) > 1 else "1 result is missing"
    names = "; ".join(t.name for t in work[:3]) + ("; ..." if len(work) > 3 else "")
    if context.compute == "never":
        raise MrinbError(
            f"{what} and nothing may be computed (compute is never): {names}. "
            f"Computing takes about {duration(seconds)}: allow it with compute auto or ask"
        )
    within = context.limit_s is None or seconds <= context.limit_s
    if context.compute == "auto" and within:
        return
    limit = "" if within else f", over the limit of {duration(context.limit_s or 0)}"
    question = f"{what} ({names}); computing takes about {duration(seconds)}{limit}"
    if not _agreed(question):
        raise MrinbError(f"{question}: not computed")


def _agreed(question: str) -> bool:
    """Ask on a terminal or in a notebook.

    Raises:
        MrinbError: nobody is there to answer.
    """
    try:
        if "ipykernel" not in sys.modules and not sys.stdin.isatty():
            raise EOFError
        answer = input(f"{question}. Compute now? [y/N] ")
    # A notebook that is run by a program refuses questions with NotImplementedError.
    except (EOFError, OSError, ValueError, NotImplementedError) as error:
        raise MrinbError(
            f"{question}, and nobody is here to ask: set compute to auto, without a limit"
        ) from error
    return answer.strip().lower() in ("y", "yes")


def _announce(tasks: Sequence[Task], context: Context) -> None:
    """Say what is about to be computed and how long that takes, if it takes a while."""
    seconds = wall_seconds(tasks, context)
    if seconds >= ANNOUNCED_S:
        work = len(_results(tasks))
        what = f"{work} result{'s' * (work != 1)}" if work else "data"
        print(f"{ANNOUNCEMENT}{what}, about {duration(seconds)}", file=sys.stderr, flush=True)


def _compute(tasks: Sequence[Task], context: Context) -> None:
    with _Bar(tasks, context.workers) as bar:
        short = sum(t.seconds for t in tasks) < POOL_START_S
        if context.workers == 0:
            failures = _Here(tasks, context, bar).finish()
        elif short and not workers.pool_runs(context.workers):
            with workers.one_thread():  # as a worker would, so that the numbers are the same
                failures = _Here(tasks, context, bar).finish()
        else:
            failures = _InPool(tasks, context, bar).finish()
    if failures:
        work = _results(tasks)
        kept = sum(t.state == "done" for t in work)
        more = f"; {len(failures) - 1} more failed" if len(failures) > 1 else ""
        skipped = sum(t.state == "skipped" for t in work)
        more += f"; {skipped} not started for want of these" if skipped else ""
        more += f"; {kept} finished and are kept" if kept else ""
        (task, line), *_ = failures.items()
        raise MrinbError(f"{task.name}: {line}{more}")


class _Run:
    """Works through the tasks; subclasses say where."""

    def __init__(self, tasks: Sequence[Task], context: Context, bar: _Bar) -> None:
        self.tasks = sorted(tasks, key=lambda t: -t.rank)
        self.context, self.bar = context, bar
        self.store = store_of(context)
        self.failures: dict[Task, str] = {}

    def ready(self) -> Iterator[Task]:
        """Tasks that can be started now, the longest chain first.

        Those that another living process is computing are passed over until it has ended.
        """
        for task in self.tasks:
            if task.state != "new" or any(need.state != "done" for need in task.needs):
                continue
            held = self._holder(task)
            if held is not None and held[1]:
                task.text = f"in process {held[0].pid}: {held[0].progress or 'begun'}"
                continue
            task.dead = held[0].token if held is not None else None
            yield task

    def _holder(self, task: Task) -> tuple[Holder, bool] | None:
        if task.path is None:
            return self.store.holder(task.spec)
        return workers.file_holder(task.path, self.context.cache)

    def close(self, task: Task, line: str = "") -> None:
        """A task has ended, with one line about an error if there was one."""
        task.state, task.text = ("failed", "") if line else ("done", "")
        task.fraction = 1.0
        if line:
            self.failures[task] = line
            self._skip(task)
        self.bar.show()

    def _skip(self, failed: Task) -> None:
        """Give up what needs a task that has failed, directly or through others."""
        lost = {failed}
        while True:
            more = [t for t in self.tasks if t.state == "new" and not lost.isdisjoint(t.needs)]
            if not more:
                return
            for task in more:
                task.state = "skipped"
            lost.update(more)

    @property
    def left(self) -> bool:
        """Whether there is something to do or to wait for."""
        return any(task.state in ("new", "running") for task in self.tasks)


class _Here(_Run):
    """Computes in this process, one task at a time."""

    def finish(self) -> dict[Task, str]:
        while self.left:
            task = next(self.ready(), None)
            if task is None:
                self.bar.show()
                time.sleep(POLL_S)
            else:
                self._perform(task)
        return self.failures

    def _perform(self, task: Task) -> None:
        def progress(fraction: float, text: str) -> None:
            task.fraction, task.text = fraction, text
            self.bar.show()

        task.state = "running"
        order = task.order(self.context)
        try:
            done = perform(order, progress)
        except StoreError:
            raise
        except Exception as error:
            self.close(task, workers.complain(order, error))
        else:
            if done:
                self.close(task)
            else:
                task.state = "new"


class _InPool(_Run):
    """Deals tasks out to worker processes."""

    def finish(self) -> dict[Task, str]:
        pool = workers.pool(self.context.workers)
        try:
            while self.left:
                self._deal(pool)
                for event in pool.events(POLL_S):
                    self._heed(event)
                self.bar.show()
        except BaseException:  # an interrupt: the workers' work is of no use any more
            workers.close_pool()
            raise
        return self.failures

    def _deal(self, pool: workers.Workers) -> None:
        if not pool.idle:
            return
        for task in list(itertools.islice(self.ready(), pool.idle)):
            task.state = "running"
            pool.submit(task.order(self.context))

    def _heed(self, event: workers.Event) -> None:
        what = (event.order.spec, event.order.path)
        task = next(t for t in self.tasks if t.state == "running" and (t.spec, t.path) == what)
        if event.kind == "progress":
            task.fraction, task.text = event.fraction, event.text
        elif event.kind == "busy":
            task.state = "new"
        elif event.kind == "stop":
            raise StoreError(event.text)
        else:
            self.close(task, event.text if event.kind == "error" else "")


class _Bar:
    """A progress bar in expected seconds, shown if the work takes longer than two."""

    def __init__(self, tasks: Sequence[Task], workers: int = 1) -> None:
        self.tasks, self.workers = tasks, max(workers, 1)
        self.total = sum(_weight(t) for t in tasks)
        self.began = self.last = time.monotonic()
        self.first: float | None = None
        self.bar: Any = None
        watched = "ipykernel" in sys.modules or sys.stderr.isatty()
        self.pause = 0.1 if watched else 10.0  # a log needs fewer lines than an eye

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self._draw()
            self.bar.close()

    def show(self) -> None:
        """Draw the bar, if it is time to."""
        now = time.monotonic()
        if self.first is None and self.done:
            self.first = now
        if now - self.began < 2 or (self.bar is not None and now - self.last < self.pause):
            return
        self.last = now
        if self.bar is None:
            self._open(now)
        self._draw()

    @property
    def done(self) -> float:
        """Expected seconds of what is done."""
        return sum(_weight(t) * t.fraction for t in self.tasks)

    @property
    def left_s(self) -> float:
        """Seconds left: the estimate at first, then more and more what is measured."""
        trust = min(10.0, self.total)
        spent = 0.0 if self.first is None else time.monotonic() - self.first
        pace = (spent + trust / self.workers) / (self.done + trust)
        return pace * (self.total - self.done)

    def _open(self, now: float) -> None:
        from tqdm.auto import tqdm

        layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
        self.bar = tqdm(total=self.total, bar_format=layout, dynamic_ncols=True)
        self.bar.start_t -= now - self.began

    def _draw(self) -> None:
        left = _ended(self.tasks) < len(self.tasks)
        now = [t for t in self.tasks if t.state in ("new", "running") and t.text]
        texts = [f"{t.recipe.label(t.spec)[:40]}: {t.text}" for t in now[:2]]
        texts = [f"about {duration(self.left_s)} left", *texts] if left else []
        self.bar.n = min(self.done, self.total)
        self.bar.set_description_str(_counts(self.tasks), refresh=False)
        self.bar.set_postfix_str("; ".join(texts), refresh=False)
        self.bar.refresh()


def _counts(tasks: Sequence[Task]) -> str:
    """How many results, and how many files of data, there are by now."""
    files = [task for task in tasks if task.path is not None]
    kinds = ((_results(tasks), "results"), (files, "data files"))
    return ", ".join(f"{_ended(some)} of {len(some)} {what}" for some, what in kinds if some)


def _ended(tasks: Sequence[Task]) -> int:
    return sum(t.state in ("done", "failed", "skipped") for t in tasks)


def _weight(task: Task) -> float:
    return max(task.seconds, 1e-3)
