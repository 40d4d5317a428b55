"""Toy results for tests of store and runner."""

import errno
import json
import os
import sys
import time
from pathlib import Path
from typing import ClassVar

from mrinb.compute.context import Context
from mrinb.compute.leases import StoreError
from mrinb.compute.recipe import Cost, Files, Job, Need, Recipe, Tolerance
from mrinb.compute.runner import ensure
from mrinb.compute.specs import Spec
from mrinb.errors import MrinbError


class ToyData(Spec):
    kind: ClassVar[str] = "toydata"
    folder: str
    name: str = "a"
    count: int = 1
    gate: str = ""
    fault: bool = False
    unit_s: float = 0.0


class ToyTrain(Spec):
    kind: ClassVar[str] = "toytrain"
    log: str
    gate: str = ""
    data: ToyData | None = None
    fault: str = ""
    seed: int = 0
    units: float = 1.0
    version: int = 1


class ToyEval(Spec):
    kind: ClassVar[str] = "toyeval"
    train: ToyTrain
    number: int = 0
    unit_s: float = 0.001


def remember(context, name, specs):
    """Put results on the list of a chapter."""
    path = context.store / "chapters" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([{"kind": s.kind, "key": s.key} for s in specs]))


def note(path, line):
    with Path(path).open("a") as file:
        file.write(line + "\n")


def lines(path):
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def train(spec, job: Job):
    note(spec.log, f"begin {spec.seed}")
    scratch = job.scratch()
    job.progress(0.5, "half")
    if spec.fault == "user":
        raise MrinbError("the file x.h5 is broken: repair it")
    if spec.fault == "bug":
        raise ZeroDivisionError("oh")
    if spec.fault == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if spec.fault == "die":
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
    if spec.fault == "torch":
        import torch

        note(spec.log, f"threads {torch.get_num_threads()}")
    note(scratch / "steps", "step")
    wait_for(lambda: not spec.gate or Path(spec.gate).exists(), 60)
    job.draft.path("epoch-01.weights").write_bytes(bytes(100))
    job.draft.json("history", {"loss": 1 / (1 + spec.seed), "steps": lines(scratch / "steps")})
    note(spec.log, f"end {spec.seed}")


def evaluate(spec, job: Job):
    entry = job.fetch(spec.train, ("*.weights",))
    loss = entry.json("history")["loss"]
    job.draft.json("scores", {"ssim": [1 - loss, 0.5], "name": "x", "from": len(entry.files)})
    note(spec.train.log, f"eval {spec.number}")


def files(spec, context):
    return [context.cache / f"{spec.name}-{n}" for n in range(spec.count)]


def make(spec, path, context):
    log = Path(spec.folder) / "prepared"
    note(log, f"begin {path.name}")
    if spec.fault:
        raise StoreError(f"{path.parent}: cannot write")
    wait_for(lambda: not spec.gate or Path(spec.gate).exists())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"made by {os.getpid()}")
    note(log, f"end {path.name}")


RECIPES = {
    ToyData: Recipe(
        None,
        lambda s: [],
        lambda s, c: Cost("d", s.count, s.unit_s),
        lambda s: s.name,
        files=Files(files, make),
    ),
    ToyTrain: Recipe(
        train,
        lambda s: [Need(s.data)] if s.data else [],
        lambda s, c: Cost("t", s.units, 10.0),
        lambda s: "toy run",
        outdated=lambda s: None if s.version == 1 else "the toy has version 1",
        published=("*.json",),
    ),
    ToyEval: Recipe(
        evaluate,
        lambda s: [Need(s.train, ("*.weights",))],
        lambda s, c: Cost("e", 1, s.unit_s),
        lambda s: f"toy scores {s.number}",
        published=("*.json",),
        tolerance=lambda s: Tolerance(1e-6),
    ),
}


def main():
    """Compute some toy runs: ``sys.argv`` holds store, number of workers and specs."""
    root, number, text = sys.argv[1:]
    context = Context(store=Path(root), cache=Path(root).with_name("cache"), workers=int(number))
    specs = [ToyTrain(**item) for item in json.loads(text)]
    print("ready", flush=True)
    ensure(specs, context, RECIPES)
