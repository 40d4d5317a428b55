import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import toy_recipes
from places import HELPERS
from toy_recipes import RECIPES, ToyData, ToyEval, ToyTrain, lines, note, wait_for

from mrinb.compute import runner, workers
from mrinb.compute.context import Context
from mrinb.compute.runner import ensure, estimate, graph, plan
from mrinb.compute.store import Store, entries
from mrinb.errors import MrinbError
from mrinb.specs import SamplingSpec


@pytest.fixture
def context(tmp_path):
    workers._store.cache_clear()
    return Context(store=tmp_path / "store", cache=tmp_path / "cache")


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "log")


@pytest.fixture(scope="module")
def two():
    """Two workers, shared by the tests of this module."""
    yield 2
    workers.close_pool()


def start(context, specs, number=0):
    text = json.dumps([spec.model_dump() for spec in specs])
    folder = str(Path(toy_recipes.__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import toy_recipes; toy_recipes.main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(context.store), str(number), text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def replace(context, **changes):
    import dataclasses

    return dataclasses.replace(context, **changes)


def test_chained_needs_are_computed_once_and_found_again(context, log, tmp_path):
    data = ToyData(folder=str(tmp_path))
    train = ToyTrain(log=log, data=data)
    specs = [ToyEval(train=train, number=n) for n in range(2)]
    found = ensure(specs, context, RECIPES)
    assert lines(log) == ["begin 0", "end 0", "eval 0", "eval 1"]
    assert lines(tmp_path / "prepared") == ["begin a-0", "end a-0"]
    assert found[specs[0]].json("scores")["ssim"] == [0.0, 0.5]
    assert ensure([*specs, train], context, RECIPES).keys() == {*specs, train}
    assert len(lines(log)) == 4


def test_data_are_files_of_the_cache_and_no_entries(context, tmp_path):
    data = ToyData(folder=str(tmp_path), count=3)
    assert ensure([data], context, RECIPES) == {}
    assert not context.store.exists()
    names = ["a-0", "a-1", "a-2"]
    assert lines(tmp_path / "prepared") == [f"{w} {n}" for n in names for w in ("begin", "end")]
    (context.cache / "a-1").unlink()
    ensure([data], context, RECIPES)
    assert lines(tmp_path / "prepared")[6:] == ["begin a-1", "end a-1"]
    assert not [p for p in (context.cache / "leases").iterdir() if p.name != ".guard"]


def test_a_training_starts_when_its_own_data_are_there(context, log, two, tmp_path):
    """Other data wait for a gate that is opened only when the training has ended."""
    gate = tmp_path / "gate"
    own = ToyData(folder=str(tmp_path), name="own", count=2, unit_s=9)
    other = ToyData(folder=str(tmp_path), name="other", count=1, gate=str(gate), unit_s=1)
    first = ToyTrain(log=log, data=own, units=9)
    second = ToyTrain(log=log, data=other, seed=1, units=0.1)
    real = workers.Workers.events

    def events(self, timeout):
        if "end 0" in lines(log):
            gate.touch()
        yield from real(self, timeout)

    workers.Workers.events, before = events, workers.Workers.events
    try:
        found = ensure([first, second], replace(context, workers=two), RECIPES)
    finally:
        workers.Workers.events = before
    assert len(found) == 2
    assert lines(log) == ["begin 0", "end 0", "begin 1", "end 1"]


def test_workers_make_the_files_of_one_split_side_by_side(context, two, tmp_path):
    data = ToyData(folder=str(tmp_path), count=6, unit_s=2)
    ensure([data], replace(context, workers=two), RECIPES)
    made = {path.read_text() for path in context.cache.glob("a-*")}
    assert len(list(context.cache.glob("a-*"))) == 6
    assert made <= {f"made by {w.process.pid}" for w in workers.pool(two)._workers}
    assert len(made) == 2


@pytest.mark.parametrize("number", [0, 2])
def test_two_processes_make_a_file_once(context, log, tmp_path, number):
    gate = tmp_path / "gate"
    data = ToyData(folder=str(tmp_path), count=4, gate=str(gate), unit_s=9)
    specs = [ToyTrain(log=log, seed=n, data=data) for n in range(2)]
    both = [start(context, specs, number) for _ in range(2)]
    assert [p.stdout.readline() for p in both] == ["ready\n"] * 2
    wait_for(lambda: len(lines(tmp_path / "prepared")) >= 2)
    gate.touch()
    assert [p.wait(60) for p in both] == [0, 0], [p.stderr.read() for p in both]
    assert len(lines(tmp_path / "prepared")) == 2 * 4
    assert sorted(lines(log)) == [f"{w} {n}" for w in ("begin", "end") for n in range(2)]


def test_a_file_whose_maker_was_killed_is_made_again_and_no_other(context, log, tmp_path):
    gate = tmp_path / "gate"
    first = ToyData(folder=str(tmp_path), name="first", count=2, unit_s=9)
    second = ToyData(folder=str(tmp_path), name="second", gate=str(gate))
    specs = [ToyTrain(log=log, data=data, seed=n) for n, data in enumerate((first, second))]
    process = start(context, specs)
    # Nothing waits for the gate but the second's data, which therefore come last.
    wait_for(lambda: "begin second-0" in lines(tmp_path / "prepared"))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = lines(tmp_path / "prepared")
    gate.touch()
    ensure(specs, context, RECIPES)
    made = {f"end first-{n}" for n in range(2)} & set(before)
    again = lines(tmp_path / "prepared")[len(before) :]
    assert "end second-0" in again
    assert not made & set(again)
    assert not [p for p in (context.cache / "leases").iterdir() if p.name != ".guard"]


def test_files_that_splits_share_are_made_once_and_counted_once(context, tmp_path):
    whole = ToyData(folder=str(tmp_path), count=4, unit_s=3)
    part = ToyData(folder=str(tmp_path), count=2, unit_s=3)
    tasks = graph([whole, part], context, RECIPES)
    assert [task.path.name for task in tasks] == ["a-0", "a-1", "a-2", "a-3"]
    assert sum(task.seconds for task in tasks) == 12
    table = plan([whole, part], context, RECIPES)
    assert table["missing"].tolist() == [2]
    assert table["missing_seconds"].tolist() == [12]
    ensure([part], context, RECIPES)
    table = plan([whole, part], context, RECIPES)
    assert table[["stored", "missing"]].to_numpy().tolist() == [[1, 1]]
    assert table["missing_seconds"].tolist() == [6]


@pytest.mark.parametrize("number", [0, 2])
def test_a_cache_that_cannot_be_written_to_stops_everything(context, log, two, tmp_path, number):
    data = ToyData(folder=str(tmp_path), count=6, fault=True, unit_s=9)
    train = ToyTrain(log=log, data=data)
    with pytest.raises(MrinbError, match="cannot write"):
        ensure([train], replace(context, workers=number), RECIPES)
    assert len(lines(tmp_path / "prepared")) <= max(number, 1) + 1
    assert not lines(log)
    context.cache.with_name("blocked").write_text("in the way")
    blocked = replace(context, cache=context.cache.with_name("blocked"), workers=number)
    with pytest.raises(MrinbError, match=r"data cache .*blocked cannot be written to"):
        ensure([train], blocked, RECIPES)


def test_the_record_says_how_it_was_made(context, log):
    (entry,) = ensure([ToyTrain(log=log, seed=4)], context, RECIPES).values()
    assert entry.record["seed"] == 4
    assert entry.record["cost"] == {"group": "t", "units": 1.0}
    assert entry.record["seconds"] >= 0
    assert entry.record["resumed"] is False


def publish(context, log, tmp_path, weights):
    """A published store with a training and one of its evaluations."""
    train = ToyTrain(log=log)
    store = Store(tmp_path / "published")
    with store.create(train) as draft:
        draft.json("history", {"loss": 0.75})
        if weights:
            draft.path("epoch-01.weights").write_bytes(b"w")
    with store.create(ToyEval(train=train)) as draft:
        draft.json("scores", "published")
    return train, replace(context, published=(tmp_path / "published",))


def test_published_scores_need_no_training(context, log, tmp_path):
    train, context = publish(context, log, tmp_path, weights=False)
    context = replace(context, compute="never")
    found = ensure([train, ToyEval(train=train)], context, RECIPES)
    assert found[ToyEval(train=train)].json("scores") == "published"
    assert not context.store.exists()


def test_a_missing_score_needs_weights_and_so_the_training_again(context, log, tmp_path):
    train, context = publish(context, log, tmp_path, weights=False)
    other = ToyEval(train=train, number=1)
    found = ensure([train, other], context, RECIPES)
    assert lines(log) == ["begin 0", "end 0", "eval 1"]
    assert found[other].json("scores")["ssim"] == [0.0, 0.5]
    kinds = [e.kind for e in entries(context.store)]
    assert kinds == ["toyeval", "toytrain"]


def test_published_weights_serve(context, log, tmp_path):
    train, context = publish(context, log, tmp_path, weights=True)
    ensure([ToyEval(train=train, number=1)], context, RECIPES)
    assert lines(log) == ["eval 1"]


def test_a_damaged_entry_is_computed_again(context, log):
    spec = ToyTrain(log=log)
    path = ensure([spec], context, RECIPES)[spec].path("history.json")
    path.write_text("{}")
    with pytest.warns(UserWarning, match="set aside"):
        (entry,) = ensure([spec], context, RECIPES).values()
    assert entry.json("history")["loss"] == 1
    assert lines(log) == ["begin 0", "end 0"] * 2


def test_longest_chain_first(context, log):
    short = [ToyTrain(log=log, seed=n, units=1) for n in range(3)]
    long = ToyTrain(log=log, seed=3, units=2)
    chain = ToyEval(train=ToyTrain(log=log, seed=4, units=1.5), unit_s=20)
    ensure([*short, long, chain], context, RECIPES)
    assert [line for line in lines(log) if line.startswith("begin")][:2] == ["begin 4", "begin 3"]


def test_policy_never_lists_what_is_missing(context, log):
    specs = [ToyTrain(log=log, seed=n) for n in range(5)]
    with pytest.raises(MrinbError) as error:
        ensure(specs, replace(context, compute="never"), RECIPES)
    text = str(error.value)
    assert text.startswith("5 results are missing and nothing may be computed")
    assert "toy run, seed 0; toy run, seed 1; toy run, seed 2; ..." in text
    assert "about 50 s" in text
    assert "\n" not in text
    assert not context.store.exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("answer", ["y", "no"])
def test_policy_ask_asks(context, log, monkeypatch, answer):
    asked = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or answer)
    spec = ToyTrain(log=log)
    context = replace(context, compute="ask")
    if answer == "y":
        assert ensure([spec], context, RECIPES)
        assert ensure([spec], context, RECIPES)
    else:
        with pytest.raises(MrinbError, match="not computed"):
            ensure([spec], context, RECIPES)
        assert not context.store.exists()
    assert len(asked) == 1
    assert "toy run, seed 0" in asked[0]
    assert "10 s" in asked[0]


def test_policy_ask_without_anybody_to_ask(context, log, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(MrinbError, match="nobody is here to ask"):
        ensure([ToyTrain(log=log)], replace(context, compute="ask"), RECIPES)
    assert not lines(log)


def test_a_notebook_without_a_front_end_cannot_ask(context, log, monkeypatch):
    def refuse(text):
        raise NotImplementedError("no stdin")

    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.setattr("builtins.input", refuse)
    with pytest.raises(MrinbError, match="nobody is here to ask"):
        ensure([ToyTrain(log=log)], replace(context, compute="ask"), RECIPES)


def test_auto_asks_over_the_limit_only(context, log, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    specs = [ToyTrain(log=log, seed=n) for n in range(2)]
    with pytest.raises(MrinbError, match="over the limit of 15 s"):
        ensure(specs, replace(context, limit_s=15), RECIPES)
    assert not lines(log)
    assert len(ensure(specs, replace(context, limit_s=21), RECIPES)) == 2


def test_estimates_learn_from_the_store(context, log):
    spec = ToyTrain(log=log, units=3)
    assert estimate(spec, context, RECIPES) == 30
    for n, seconds in enumerate((2.0, 4.0, 60.0)):
        cost = {"group": "t", "units": 2.0}
        with Store(context.store).create(
            ToyTrain(log=log, seed=n), seconds=seconds, cost=cost, resumed=False
        ):
            pass
    assert estimate(spec, context, RECIPES) == 6
    (task,) = graph([spec], context, RECIPES)
    assert task.seconds == 6


def test_estimates_go_by_the_newest_results(context, log, monkeypatch):
    monkeypatch.setattr(runner, "NEWEST", 2)
    cost = {"group": "t", "units": 1.0}
    for n, (created, seconds) in enumerate([("2026-03", 4.0), ("2026-01", 99.0), ("2026-02", 2.0)]):
        with Store(context.store).create(
            ToyTrain(log=log, seed=n), seconds=seconds, cost=cost, created=created
        ):
            pass
    assert estimate(ToyTrain(log=log, units=1, seed=9), context, RECIPES) == 3


def test_estimates_pass_resumed_runs_over_and_prefer_this_machine(context, log, tmp_path):
    cost = {"group": "t", "units": 1.0}
    with Store(tmp_path / "published").create(ToyTrain(log=log), seconds=5.0, cost=cost):
        pass
    context = replace(context, published=(tmp_path / "published",))
    spec = ToyTrain(log=log, units=1, seed=9)
    assert estimate(spec, context, RECIPES) == 5
    with Store(context.store).create(
        ToyTrain(log=log, seed=1), seconds=0.1, cost=cost, resumed=True
    ):
        pass
    assert estimate(spec, context, RECIPES) == 5
    with Store(context.store).create(ToyTrain(log=log, seed=2), seconds=7.0, cost=cost):
        pass
    assert estimate(spec, context, RECIPES) == 7


def test_plan_counts_runs_and_what_is_there(context, log, tmp_path):
    data = ToyData(folder=str(tmp_path))
    trains = [ToyTrain(log=log, data=data, seed=n) for n in range(2)]
    ensure([ToyEval(train=trains[0])], context, RECIPES)
    table = plan([ToyEval(train=t) for t in trains], context, RECIPES).set_index("kind")
    assert table.index.tolist() == ["toydata", "toytrain", "toyeval"]
    assert table["runs"].tolist() == [1, 2, 2]
    assert table["stored"].tolist() == [1, 1, 1]
    assert table["missing"].tolist() == [0, 1, 1]
    assert table.loc["toytrain", "what"] == "toy run"
    assert table.loc["toytrain", "seconds"] == pytest.approx(
        2 * table.loc["toytrain", "missing_seconds"]
    )


def test_an_error_is_one_line_and_the_rest_is_kept(context, log):
    bad = ToyTrain(log=log, fault="user", units=9)
    good = ToyTrain(log=log, seed=1)
    with pytest.raises(MrinbError) as error:
        ensure([ToyEval(train=bad), ToyEval(train=good)], context, RECIPES)
    assert str(error.value) == (
        "toy run, seed 0: the file x.h5 is broken: repair it; "
        "1 not started for want of these; 2 finished and are kept"
    )
    assert Store(context.store).find(ToyEval(train=good)) is not None
    assert Store(context.store).holder(bad) is None


def test_an_unexpected_error_leaves_its_traceback_in_a_file(context, log):
    with pytest.raises(MrinbError, match=r"ZeroDivisionError: oh \(traceback in (.*)\)") as error:
        ensure([ToyTrain(log=log, fault="bug")], context, RECIPES)
    assert "\n" not in str(error.value)
    (path,) = (context.store / "errors").iterdir()
    assert str(path) in str(error.value)
    assert "in train" in path.read_text()


@pytest.mark.parametrize("number", [0, 2])
def test_a_full_disk_stops_everything(context, log, two, number):
    specs = [ToyTrain(log=log, seed=n, fault="full", units=9 - n) for n in range(6)]
    with pytest.raises(MrinbError) as error:
        ensure(specs, replace(context, workers=number), RECIPES)
    assert str(error.value).startswith(f"the disk of results store {context.store} is full")
    assert len(lines(log)) <= max(number, 1) + 1
    assert list(entries(context.store)) == []


@pytest.mark.parametrize("number", [0, 2])
def test_a_store_that_cannot_be_written_to(context, log, two, number):
    context.store.write_text("in the way")
    specs = [ToyTrain(log=log, seed=n) for n in range(3)]
    with pytest.raises(MrinbError, match=f"results store {context.store} cannot be written to"):
        ensure(specs, replace(context, workers=number), RECIPES)
    assert not lines(log)


def test_a_spec_without_a_recipe(context):
    with pytest.raises(MrinbError, match="a sampling is no result"):
        ensure([SamplingSpec()], context, RECIPES)


def test_workers_compute_in_one_thread_each(context, log, two):
    context = replace(context, workers=two)
    specs = [ToyTrain(log=log, seed=n) for n in range(3)]
    specs.append(ToyTrain(log=log, seed=3, fault="torch"))
    before = os.environ.get("OMP_NUM_THREADS")
    found = ensure([ToyEval(train=s) for s in specs], context, RECIPES)
    assert len(found) == 4
    assert sorted(line for line in lines(log) if "end" in line) == [f"end {n}" for n in range(4)]
    assert "threads 1" in lines(log)
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_short_work_is_done_here_and_in_one_thread(context, log):
    import torch

    workers.close_pool()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        short = ToyTrain(log=log, fault="torch", units=0.01)
        ensure([short], replace(context, workers=2), RECIPES)
        assert "threads 1" in lines(log)
        assert torch.get_num_threads() == 2
        assert not workers.pool_runs(2)
    finally:
        torch.set_num_threads(before)


def test_workers_stay_for_the_next_call(context, log, two):
    context = replace(context, workers=two)
    ensure([ToyTrain(log=log, seed=n) for n in range(2)], context, RECIPES)
    pids = {w.process.pid for w in workers.pool(two)._workers}
    ensure([ToyTrain(log=log, seed=n) for n in range(2, 4)], context, RECIPES)
    assert {w.process.pid for w in workers.pool(two)._workers} == pids


def test_two_workers_work_at_once(context, log, two, tmp_path):
    # Each waits for a gate that is opened only when both have begun.
    gate = tmp_path / "gate"
    specs = [ToyTrain(log=log, seed=n, gate=str(gate)) for n in range(2)]
    seen = []
    real = workers.Workers.events

    def events(self, timeout):
        if len(lines(log)) == 2:
            gate.touch()
        for event in real(self, timeout):
            seen.append(event)
            yield event

    workers.Workers.events, before = events, workers.Workers.events
    try:
        ensure(specs, replace(context, workers=two), RECIPES)
    finally:
        workers.Workers.events = before
    assert [e.text for e in seen if e.kind == "progress"] == ["half", "half"]


def test_errors_in_workers(context, log, two):
    specs = [
        ToyTrain(log=log, fault="die", units=9),
        ToyTrain(log=log, fault="bug", seed=1, units=8),
        ToyTrain(log=log, seed=2),
        ToyTrain(log=log, seed=3),
    ]
    with pytest.raises(MrinbError, match="1 more failed; 2 finished and are kept") as error:
        ensure(specs, replace(context, workers=two), RECIPES)
    assert "a worker ended with code -9 (out of memory?)" in str(error.value) or (
        "ZeroDivisionError" in str(error.value)
    )
    assert "\n" not in str(error.value)
    assert Store(context.store).find(specs[3]) is not None
    again = [ToyTrain(log=log, seed=n) for n in range(4, 7)]
    assert len(ensure(again, replace(context, workers=two), RECIPES)) == 3


@pytest.mark.parametrize("number", [0, 2])
def test_two_processes_compute_a_result_once(context, log, tmp_path, number):
    gate = tmp_path / "gate"
    specs = [ToyTrain(log=log, seed=n, gate=str(gate)) for n in range(3)]
    both = [start(context, specs, number) for _ in range(2)]
    assert [p.stdout.readline() for p in both] == ["ready\n"] * 2
    wait_for(lambda: lines(log))
    gate.touch()
    assert [p.wait(60) for p in both] == [0, 0], [p.stderr.read() for p in both]
    assert sorted(lines(log)) == [f"{w} {n}" for w in ("begin", "end") for n in range(3)]
    assert not any(list((context.store / n).glob("*")) for n in ("tmp", "scratch"))
    assert not [p for p in (context.store / "leases").iterdir() if p.name != ".guard"]


@pytest.mark.parametrize("number", [0, 2])
def test_a_killed_run_is_taken_over_and_resumes(context, log, tmp_path, number):
    gate = tmp_path / "gate"
    done = ToyTrain(log=log, seed=5, units=9)
    specs = [ToyTrain(log=log, seed=n, gate=str(gate)) for n in range(2)]
    process = start(context, [done, *specs], number)
    begun = 2 if number == 0 else 3
    wait_for(lambda: sum("begin" in line for line in lines(log)) == begun)
    wait_for(lambda: all((Store(context.store).scratch_folder(s) / "steps").exists()
                         for s in specs[: begun - 1]))  # fmt: skip
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    gate.touch()
    found = ensure([done, *specs], context, RECIPES)
    assert found[specs[0]].json("history")["steps"] == ["step", "step"]
    assert found[specs[0]].record["resumed"] is True
    assert sum(line == "begin 5" for line in lines(log)) == 1
    assert not list((context.store / "tmp").iterdir())
    assert not list((context.store / "scratch").iterdir())


@pytest.mark.parametrize("number", [0, 2])
def test_an_interrupt_ends_workers_and_leaves_a_sound_store(context, log, tmp_path, number):
    specs = [ToyTrain(log=log, seed=n, gate=str(tmp_path / "gate")) for n in range(2)]
    process = start(context, specs, number)
    wait_for(lambda: len(lines(log)) == max(number, 1))
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(30) != 0
    assert "KeyboardInterrupt" in process.stderr.read()
    wait_for(lambda: Store(context.store).holder(specs[0]) is None)
    assert list(entries(context.store)) == []
    assert not list((context.store / "tmp").iterdir())


def test_a_script_without_main_guard_can_use_workers(context, log):
    code = f"""
import sys
sys.path.insert(0, {str(HELPERS)!r})
from pathlib import Path
from toy_recipes import RECIPES, ToyTrain, note
from mrinb.compute.context import Context
from mrinb.compute.runner import ensure
note({log!r}, "script")
specs = [ToyTrain(log={log!r}, seed=n) for n in range(2)]
ensure(specs, Context(store=Path({str(context.store)!r}), workers=2), RECIPES)
"""
    script = Path(log).with_name("script.py")
    script.write_text(code)
    subprocess.run([sys.executable, str(script)], check=True, timeout=60)
    assert lines(log).count("script") == 1
    assert sum(line.startswith("end") for line in lines(log)) == 2


def test_progress_shows_time_left_and_what_others_do(context, log, tmp_path, monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(runner.time, "monotonic", lambda: clock[0])
    tasks = graph([ToyTrain(log=log, seed=n, units=n + 1) for n in range(2)], context, RECIPES)
    with runner._Bar(tasks) as bar:
        bar.show()
        assert bar.bar is None
        clock[0] = 3.0
        tasks[0].state, tasks[0].fraction = "done", 1.0
        tasks[1].state, tasks[1].fraction, tasks[1].text = "running", 0.25, "epoch 2/8"
        bar.show()
        text = bar.bar.format_meter(**bar.bar.format_dict | {"elapsed": 3.0})
        assert text.startswith("1 of 2 results  50%|")
        assert "toy run: epoch 2/8" in text
        # 30 s were expected; half of it is done, and nothing is known yet of the pace.
        assert bar.left_s == pytest.approx(15 * 10 / 25)
        clock[0] = 33.0
        assert bar.left_s == pytest.approx(15 * (30 + 10) / 25)
        bar.show()
        assert "about 24 s left" in bar.bar.postfix
    assert "1 of 2 results" in capsys.readouterr().err


def test_progress_counts_results_and_files_of_data(context, log, tmp_path):
    data = ToyData(folder=str(tmp_path), count=3)
    tasks = graph([ToyTrain(log=log, data=data)], context, RECIPES)
    next(t for t in tasks if t.path is not None).state = "done"
    assert runner._counts(tasks) == "0 of 1 results, 1 of 3 data files"
    assert runner._counts(graph([data], context, RECIPES)) == "0 of 3 data files"


def test_workers_follow_what_the_process_may_use(monkeypatch):
    monkeypatch.delenv(workers.WORKERS, raising=False)
    may_use = os.sched_getaffinity(0)
    code = "from mrinb.compute.workers import default_workers; print(default_workers())"
    one = f"import os; os.sched_setaffinity(0, [{min(may_use)}]); {code}"
    run = subprocess.run([sys.executable, "-c", one], capture_output=True, text=True, check=True)
    assert run.stdout == "1\n"
    assert 1 <= workers.default_workers() <= len(may_use)
    monkeypatch.setenv(workers.WORKERS, " 3 ")
    assert workers.default_workers() == 3
    monkeypatch.setenv(workers.WORKERS, "0")
    assert workers.default_workers() == 0


@pytest.mark.parametrize("text", ["abc", "-1", "2.5", "1e3"])
def test_a_number_of_workers_that_is_none_is_one_line(monkeypatch, text):
    monkeypatch.setenv(workers.WORKERS, text)
    with pytest.raises(MrinbError, match=f"MRINB_WORKERS is '{text}': give a whole number"):
        workers.default_workers()


def test_someone_elses_work_is_waited_for_and_shown(context, log, tmp_path, monkeypatch):
    spec = ToyTrain(log=log, gate=str(tmp_path / "gate"))
    process = start(context, [spec])
    wait_for(lambda: lines(log))
    shown = []
    monkeypatch.setattr(runner, "POLL_S", 0.01)

    def show(self):
        shown.extend(t.text for t in self.tasks if t.text)
        note(tmp_path / "gate", "open")

    monkeypatch.setattr(runner._Bar, "show", show)
    assert ensure([spec], context, RECIPES)
    assert process.wait(30) == 0
    assert lines(log) == ["begin 0", "end 0"]
    assert f"in process {process.pid}: begun" in shown
