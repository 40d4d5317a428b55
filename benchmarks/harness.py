"""Speed of mrinb against what it replaces: ``python -m benchmarks [NAME]...``.

Benchmarks are functions in this folder, one module a subject, registered by name::

    @bench("loader")
    def loader() -> Iterable[Row]: ...

Machines are noisy, so two things are run in turn and their medians compared (``race``). A ratio
that misses its promise is printed as such and is no error.
"""

from __future__ import annotations

import gc
import importlib
import pkgutil
import statistics
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mrinb.errors import unknown


class Row(NamedTuple):
    """One comparison.

    Attributes:
        what: what is timed.
        ours_s: seconds with mrinb.
        theirs_s: seconds with what it is compared with.
        promise: the ratio ``theirs_s / ours_s`` that is promised, or None.
    """

    what: str
    ours_s: float
    theirs_s: float
    promise: float | None = None

    @property
    def ratio(self) -> float:
        """How many times as fast as the other."""
        return self.theirs_s / self.ours_s

    @property
    def kept(self) -> bool:
        """Whether the promise is kept; without one, it is."""
        return self.promise is None or self.ratio >= self.promise


Benchmark = Callable[[], Iterable[Row]]

BENCHMARKS: dict[str, Benchmark] = {}


def bench(name: str) -> Callable[[Benchmark], Benchmark]:
    """Register a benchmark."""

    def register(function: Benchmark) -> Benchmark:
        BENCHMARKS[name] = function
        return function

    return register


def race(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 7, warm: int = 1
) -> tuple[float, float]:
    """Time two functions in turn.

    Args:
        ours: mrinb's.
        theirs: what it is compared with.
        rounds: times that each is run.
        warm: untimed runs of each beforehand.

    Returns:
        Median seconds of each.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(warm + rounds):
        for function, taken in zip((ours, theirs), times, strict=True):
            gc.collect()
            start = time.perf_counter()
            function()
            if turn >= warm:
                taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def load() -> dict[str, Benchmark]:
    """Import every module of this folder and return what they registered."""
    import benchmarks

    for module in pkgutil.iter_modules(benchmarks.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"benchmarks.{module.name}")
    return BENCHMARKS


def table(rows: Sequence[Row]) -> str:
    """Rows as text, one line each."""
    width = max([len(r.what) for r in rows], default=0)
    lines = [f"{'':{width}}  {'mrinb':>10}  {'other':>10}  {'ratio':>6}  promise"]
    for row in rows:
        promise = ""
        if row.promise is not None:
            promise = f"{row.promise:.2f} {'kept' if row.kept else 'MISSED'}"
        lines.append(
            f"{row.what:{width}}  {_seconds(row.ours_s):>10}  {_seconds(row.theirs_s):>10}  "
            f"{row.ratio:6.2f}  {promise}".rstrip()
        )
    return "\n".join(lines)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.2f} ms"


def main(names: Sequence[str] = ()) -> int:
    """Run benchmarks and print their tables.

    Args:
        names: which; none are all.

    Returns:
        Exit code: 0, or 1 if a benchmark failed.

    Raises:
        MrinbError: there is no benchmark of this name.
    """
    import torch

    torch.set_num_threads(1)
    found = load()
    for name in names:
        if name not in found:
            raise unknown("benchmark", name, sorted(found))
    failed = 0
    for name in names or sorted(found):
        print(f"# {name}", flush=True)
        try:
            print(table(list(found[name]())), flush=True)
        except Exception:
            traceback.print_exc()
            failed = 1
    return failed
