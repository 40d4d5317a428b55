"""How a kind of result is made: what it needs, how it is computed, how long that takes.

The runner, the store and the workers are handed a table of these and know nothing else of a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mrinb.compute.context import Context
from mrinb.compute.entry import Draft, Entry
from mrinb.compute.specs import Spec
from mrinb.compute.store import Store
from mrinb.errors import MrinbError


class Need(NamedTuple):
    """Something that must be there before a result can be computed.

    Attributes:
        spec: what is needed.
        files: glob patterns of the files of it that are used.
    """

    spec: Spec
    files: tuple[str, ...] = ()


class Cost(NamedTuple):
    """What a computation is expected to take.

    Attributes:
        group: computations of one group take the same time a unit.
        units: number of units, such as slices times epochs.
        unit_s: seconds a unit on one core where none of the group has been measured yet.
    """

    group: str
    units: float
    unit_s: float


class Tolerance(NamedTuple):
    """How far a recomputed number may lie off.

    Numbers that training enters are compared by their means, because rounding differs between
    processors and training amplifies it.

    Attributes:
        relative: largest difference relative to the root mean square of the values.
        mean: whether means of columns and arrays are compared in place of single values.
    """

    relative: float
    mean: bool = False


@dataclass(frozen=True)
class Job:
    """What a recipe's function is given.

    Attributes:
        spec: what to compute.
        context: where the data lie, and the device.
        store: where needed results are found.
        draft: where files are written.
        progress: to be told the fraction done and a short text.
    """

    spec: Spec
    context: Context
    store: Store
    draft: Draft
    progress: Callable[[float, str], None]

    def scratch(self) -> Path:
        """Folder that survives a kill of this computation."""
        return self.store.scratch(self.spec)

    def fetch(self, spec: Spec, files: Sequence[str] = ()) -> Entry:
        """A result that this one needs.

        Raises:
            MrinbError: it is not in the store.
        """
        entry = self.store.find(spec, files)
        if entry is None:
            raise MrinbError(f"{spec.kind} {spec.key} has gone from the results store: run again")
        return entry

    def steps(self, done: int, total: int) -> None:
        """Tell progress as steps done out of all."""
        self.progress(done / max(total, 1), f"{done / max(total, 1):.0%}")


Compute = Callable[[Any, Job], None]
Make = Callable[[Any, Path, Context], None]


class Files(NamedTuple):
    """How results are made that are files of the data cache and no entries of the store.

    Attributes:
        paths: the files that a result consists of, there or not; results may share files.
        make: writes one of them, whole or not at all. It must be importable, for worker processes.
    """

    paths: Callable[[Any, Context], Sequence[Path]]
    make: Make


class Recipe(NamedTuple):
    """How one kind of result is made. ``compute`` must be importable, for worker processes.

    Attributes:
        compute: writes the result's files into the job's draft; None for files of the data cache.
        needs: what must be there before.
        cost: what it is expected to take.
        label: what it is, in words, without the seed.
        files: how they are made where they are files of the data cache.
        outdated: why a spec can no longer be computed by this code, or None.
        published: glob patterns of the files that are published.
        tolerance: how far a recomputation may lie off.
    """

    compute: Compute | None
    needs: Callable[[Any], Sequence[Need]]
    cost: Callable[[Any, Context], Cost]
    label: Callable[[Any], str]
    files: Files | None = None
    outdated: Callable[[Any], str | None] = lambda spec: None
    published: tuple[str, ...] = ("*.parquet", "*.json", "*.npz")
    tolerance: Callable[[Any], Tolerance] = lambda spec: Tolerance(1e-4)


Recipes = Mapping[type[Spec], Recipe]
