"""The runner: two worker processes against one."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Row, bench, race
from mrinb.compute import workers
from mrinb.compute.context import Context
from mrinb.compute.runner import ensure
from mrinb.data.volumes import data_spec
from mrinb.pools import Pool
from mrinb.profiles import PROFILES
from mrinb.recipes import RECIPES
from mrinb.specs import ModelSpec, TrainSpec

RUNS = 8
ROUNDS = 3


@bench("runner")
def runner() -> Iterable[Row]:
    """Eight short trainings with two workers and with one; starting them is not counted."""
    cache = Context().cache
    size = PROFILES["classroom"]._replace(subjects=(2, 1, 1), slices=8)
    pool = Pool.of("knee/PD-Skyra")
    plain = Context(cache=cache, device="cpu")
    data = tuple(data_spec(d, "train", size, plain) for d in pool.distributions)
    ensure(data, plain, RECIPES)
    model = ModelSpec(name="unet", options=(("channels", 8), ("pools", 4)))
    specs = [
        TrainSpec(pool=pool.expanded(), data=data, model=model, epochs=2, seed=seed)
        for seed in range(RUNS)
    ]
    with TemporaryDirectory() as folder:
        times = {number: _Timed(specs, Path(folder), cache, number) for number in (1, 2)}
        # Both pools are kept: starting workers and importing torch is no part of the question.
        two, one = race(times[2], times[1], ROUNDS)
        for timed in times.values():
            timed.pool.close()
    yield Row("8 trainings: two workers against one", two, one, 1.7)


class _Timed:
    """Trains everything from an empty store with so many workers."""

    def __init__(self, specs: list[TrainSpec], folder: Path, cache: Path, number: int) -> None:
        self.specs, self.folder, self.cache, self.number = specs, folder, cache, number
        self.pool = workers.Workers(number)

    def __call__(self) -> None:
        """One round."""
        store = self.folder / f"{self.number}-{time.monotonic_ns()}"
        context = Context(store=store, cache=self.cache, device="cpu", workers=self.number)
        with workers.using(self.pool), contextlib.redirect_stderr(io.StringIO()):  # no bar
            ensure(self.specs, context, RECIPES)
