import json
import os
import time

import numpy as np
import pandas as pd
import pytest
from toy_recipes import RECIPES, ToyEval, ToyTrain, lines
from typer.testing import CliRunner

from mrinb.cli import results as cli_results
from mrinb.compute import curation as results
from mrinb.compute import workers
from mrinb.compute.context import Context
from mrinb.compute.curation import check_published, compare, diff, gc, publish, recompute, verify
from mrinb.compute.runner import ensure
from mrinb.compute.store import Store, entries, entry_folder
from mrinb.errors import MrinbError


@pytest.fixture
def context(tmp_path):
    workers._store.cache_clear()
    return Context(store=tmp_path / "store", cache=tmp_path / "cache")


@pytest.fixture
def chapter(context, tmp_path):
    """Three results of chapter 03 in the store, on its list."""
    train = ToyTrain(log=str(tmp_path / "log"))
    specs = [train, ToyEval(train=train), ToyEval(train=train, number=1)]
    ensure(specs, context, RECIPES)
    remember(context, "03_one-quick", specs)
    return specs


@pytest.fixture
def book(tmp_path):
    return tmp_path / "book" / "results"


def remember(context, name, specs):
    path = context.store / "chapters" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([{"kind": s.kind, "key": s.key} for s in specs]))


def put(context, chapter, book, name="3"):
    return publish(name, "quick", Store(context.store), book, RECIPES)


def change(root, spec, name, text):
    """Change a file of an entry and its checksum with it."""
    from mrinb.compute.store import read_entry, write_entry

    folder = entry_folder(root, spec.kind, spec.key)
    record = dict(read_entry(folder).record)
    (folder / name).write_text(text)
    write_entry(folder, record)


def test_publishing_copies_scores_and_histories_but_no_weights(context, chapter, book):
    done = put(context, chapter, book)
    assert done[:4] == (3, 0, 0, 0)
    assert done.bytes == results.folder_bytes(book)
    files = {e.kind: e.files for e in entries(book)}
    assert files == {"toytrain": ("history.json",), "toyeval": ("scores.json",)}
    assert sorted(p.name for p in book.iterdir()) == ["chapters", "toyeval", "toytrain"]
    assert check_published(book, RECIPES) == []
    found = ensure(
        chapter,
        Context(store=context.store / "none", published=(book,), compute="never"),
        RECIPES,
    )
    assert len(found) == 3


def test_publishing_again_changes_nothing(context, chapter, book):
    put(context, chapter, book)
    before = {p: p.stat().st_mtime_ns for p in book.rglob("*.json") if "chapters" not in p.parts}
    assert put(context, chapter, book, "03_one")[:4] == (0, 3, 0, 0)
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_publishing_mends_a_damaged_entry(context, chapter, book):
    put(context, chapter, book)
    path = next(book.glob("toytrain/*/*/history.json"))
    path.write_text("{}")
    assert put(context, chapter, book)[:2] == (1, 2)
    assert check_published(book, RECIPES) == []


def test_weights_on_the_list_are_published(context, chapter, book, monkeypatch):
    monkeypatch.setattr(results, "WEIGHTS", "*.weights")
    book.mkdir(parents=True)
    (book / "weights.txt").write_text(f"# shown in chapter 1\n{chapter[0].key}  # the wide pool\n")
    put(context, chapter, book)
    entry = Store(book).find(chapter[0])
    assert entry.files == ("epoch-01.weights", "history.json")
    (book / "weights.txt").write_text("")
    (problem,) = check_published(book, RECIPES)
    assert "weights.txt" in problem
    assert put(context, chapter, book)[:2] == (1, 2)
    assert check_published(book, RECIPES) == []


@pytest.mark.parametrize("limit", ["LARGEST_BYTES", "LARGEST_WEIGHTS_BYTES"])
def test_sizes_are_checked(context, chapter, book, monkeypatch, limit):
    monkeypatch.setattr(results, "WEIGHTS", "*.weights")
    monkeypatch.setattr(results, limit, 99)
    book.mkdir(parents=True)
    (book / "weights.txt").write_text(chapter[0].key)
    with pytest.raises(MrinbError, match="MB, more than"):
        put(context, chapter, book)
    assert len(check_published(book, RECIPES)) == 1


def test_what_no_chapter_uses_any_more_goes(context, chapter, book):
    put(context, chapter, book)
    remember(context, "04_two-quick", chapter[:2])
    put(context, chapter, book, "4")
    remember(context, "03_one-quick", chapter[:1])
    assert put(context, chapter, book).removed == 1
    assert {e.key for e in entries(book)} == {s.key for s in chapter[:2]}


def test_outdated_results_are_left_out(context, chapter, book):
    old = ToyTrain(log=chapter[0].log, version=2)
    ensure([old], context, RECIPES)
    remember(context, "03_one-quick", [*chapter, old])
    assert put(context, chapter, book)[:3] == (3, 0, 1)
    assert check_published(book, RECIPES) == []


def test_publishing_needs_a_run_chapter_and_all_its_results(context, chapter, book):
    with pytest.raises(MrinbError, match=r"unknown chapter '5'.*03_one"):
        put(context, chapter, book, "5")
    with pytest.raises(MrinbError, match="no chapter has been run with profile paper"):
        publish("3", "paper", Store(context.store), book, RECIPES)
    remember(context, "03_one-quick", [*chapter, ToyEval(train=chapter[0], number=9)])
    with pytest.raises(MrinbError, match=r"is not in .*: run it again"):
        put(context, chapter, book)


def test_publishing_into_a_file(context, chapter, book):
    book.parent.mkdir()
    book.write_text("")
    with pytest.raises(MrinbError, match="cannot be written to"):
        put(context, chapter, book)


def test_verify_finds_every_kind_of_damage(context, chapter, book, tmp_path):
    put(context, chapter, book)
    assert verify(book, RECIPES) == []
    train, one, two = (entry_folder(book, s.kind, s.key) for s in chapter)
    (train / "history.json").write_text("{}")
    (one / "entry.json").write_text("[]")
    record = json.loads((two / "entry.json").read_text())
    record["spec"] = record["spec"].replace('"number":1', '"number":2')
    (two / "entry.json").write_text(json.dumps(record))
    problems = verify(book, RECIPES)
    assert len(problems) == 3
    text = "\n".join(problems)
    assert "history.json differs from its checksum" in text
    assert "entry.json cannot be read" in text
    assert "another key now" in text
    with pytest.raises(MrinbError, match="no such folder"):
        verify(tmp_path / "nowhere", RECIPES)


def test_check_published_finds_strays(context, chapter, book):
    put(context, chapter, book)
    (book / "tmp").mkdir()
    (book / "chapters" / "03_one-quick.json").write_text(
        json.dumps([{"kind": s.kind, "key": s.key} for s in chapter[:2]]
                   + [{"kind": "toyeval", "key": "gone"}])
    )  # fmt: skip
    text = "\n".join(check_published(book, RECIPES))
    assert f"toyeval {chapter[2].key}: no published chapter uses it" in text
    assert "toyeval gone: a chapter uses it, and it is missing" in text
    assert "tmp: does not belong" in text


def test_a_sample_is_recomputed_from_nothing(context, chapter, book):
    put(context, chapter, book)
    before = len(lines(chapter[0].log))
    checks = recompute(book, 3, context, recipes=RECIPES)
    assert len(checks) == 3
    assert all(c.agrees and c.worst == 0 for c in checks)
    assert lines(chapter[0].log)[before:].count("begin 0") == 1  # with all it is made from
    assert len(list(entries(context.store))) == 3
    assert len(recompute(book, 1, context, recipes=RECIPES)) == 1


def test_a_recomputed_number_that_differs_is_found(context, chapter, book):
    put(context, chapter, book)
    change(book, chapter[1], "scores.json", '{"from": 2, "name": "x", "ssim": [0.0, 0.51]}')
    checks = {c.entry.key: c for c in recompute(book, 3, context, recipes=RECIPES)}
    wrong = checks.pop(chapter[1].key)
    assert not wrong.agrees
    assert wrong.where == "scores.json /ssim"
    assert wrong.worst == pytest.approx(0.01 / (0.51 / np.sqrt(2)))
    assert all(c.agrees for c in checks.values())


def test_comparing_tables_and_arrays(tmp_path):
    spec = ToyTrain(log="x")
    table = pd.DataFrame({"volume": ["a", "b"], "ssim": [0.5, 0.7], "seconds": [1.0, 2.0]})
    arrays = {"image": np.array([3, 4], np.uint8), "nan": np.array([np.nan, 1.0])}
    made = []
    for number, change_table, change_arrays in (
        (0, {}, {}),
        (1, {"ssim": [0.6, 0.6], "seconds": [5.0, 6.0]}, {"image": np.array([4, 4], np.uint8)}),
        (2, {"volume": ["a", "c"]}, {"image": np.array([3], np.uint8), "nan": np.ones(2)}),
    ):
        store = Store(tmp_path / str(number))
        with store.create(spec) as draft:
            draft.table("scores", table.assign(**change_table))
            draft.arrays("arrays", arrays | change_arrays)
        made.append(store.find(spec))

    def against(entry):
        return {row.column: row for row in compare(entry, made[0])}

    assert {r.largest for r in against(made[0]).values()} == {0}
    other = against(made[1])
    assert other["ssim"].largest == pytest.approx(0.1)
    assert other["ssim"].mean == pytest.approx(0, abs=1e-12)
    assert other["ssim"].relative == pytest.approx(0.1 / np.sqrt((0.25 + 0.49) / 2))
    assert other["image"].largest == 1
    assert "seconds" not in other
    assert other["nan"].largest == 0
    third = against(made[2])
    assert {n for n, r in third.items() if r.relative == np.inf} == {"volume", "image", "nan"}


def test_diff_names_what_is_missing_and_what_differs(context, chapter, book):
    put(context, chapter, book)
    assert diff(context.store, book, RECIPES).empty
    extra = ToyTrain(log=chapter[0].log, seed=7)
    ensure([extra], context, RECIPES)
    change(book, chapter[1], "scores.json", '{"from": 2, "name": "x", "ssim": [0.0, 0.75]}')
    table = diff(context.store, book, RECIPES).set_index("key")
    assert len(table) == 2
    assert table.loc[extra.key, "found"] == "only in A"
    assert table.loc[chapter[1].key, "found"] == "differs"
    assert table.loc[chapter[1].key, "largest"] == 0.25
    assert (
        diff(book, context.store, RECIPES).set_index("key").loc[extra.key, "found"] == "only in B"
    )


def test_listing(context, chapter, book):
    put(context, chapter, book)
    table = results.ls([context.store, book], recipes=RECIPES)
    assert len(table) == 6
    assert set(table["what"]) == {"toy run", "toy scores 0", "toy scores 1"}
    assert (table["seed"] == 0).all()
    assert len(results.ls([book], ["toytrain"], RECIPES)) == 1
    assert results.ls([book / "none"], recipes=RECIPES).empty


def test_gc_lists_first_and_removes_what_nobody_needs(context, chapter):
    store = Store(context.store)
    old = ToyTrain(log=chapter[0].log, version=2)
    ensure([old], context, RECIPES)
    stale, fresh, busy = (ToyTrain(log="x", seed=n) for n in range(3))
    for spec in (stale, fresh, busy):
        path = store.scratch(spec) / "state"
        path.write_text("half")
        if spec is not fresh:
            long_ago = time.time() - 8 * 86400
            os.utime(path, (long_ago, long_ago))
            os.utime(path.parent, (long_ago, long_ago))
    (store.root / "tmp" / f"{stale.kind}-{stale.key}-abcd").mkdir(parents=True)
    path = store.find(chapter[2]).path("scores.json")
    path.write_text("")
    with pytest.warns(UserWarning, match="set aside"):
        store.find(chapter[2])
    with store.lease(busy):
        (store.root / "tmp" / f"{busy.kind}-{busy.key}-abcd").mkdir()
        found = gc(store, recipes=RECIPES)
        assert all(item.path.exists() for item in found)
        assert gc(store, remove=True, recipes=RECIPES) == found
    reasons = sorted(item.why for item in found)
    assert reasons == [
        "half-done work, untouched for 7 days",
        "half-written",
        "set aside as damaged",
        "the toy has version 1",
    ]
    assert not any(item.path.exists() for item in found)
    assert store.scratch_folder(fresh).exists()
    assert store.scratch_folder(busy).exists()
    assert {e.key for e in entries(store.root)} == {chapter[0].key, chapter[1].key}
    assert len(gc(store, recipes=RECIPES)) == 2  # its lease is free, so what it left goes too


@pytest.fixture
def command(monkeypatch, context, chapter, book):
    """The command, with the toys in place of the package's own recipes."""
    for function in ("ls", "publish", "verify", "check_published", "recompute", "diff", "gc"):
        real = getattr(results, function)

        def with_toys(*given, real=real, **named):
            return real(*given, recipes=RECIPES, **named)

        monkeypatch.setattr(results, function, with_toys)
    monkeypatch.setattr(results, "PUBLISHED", book)
    monkeypatch.setenv("MRINB_CACHE", str(context.store.parent / "user"))

    def run(*words):
        done = CliRunner().invoke(cli_results.app, [str(w) for w in words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return run


def test_the_commands(command, context, chapter, book):
    store = context.store
    code, text = command("publish", "3", "--profile", "quick", "--store", store)
    assert code == 0 and text.startswith("3 results copied, 0 were there")
    code, text = command("ls", book)
    assert code == 0 and "toy scores 1" in text and text.endswith("3 results, 0.0 MB\n")
    assert "3 results" in command("ls")[1]
    assert "1 results" in command("ls", book, "--kind", "toytrain")[1]
    code, text = command("verify", "--sample", "2")
    assert code == 0 and text.count("agrees: toy") == 2
    assert command("diff", store, book) == (0, "no differences\n")
    assert command("gc", "--store", store) == (0, "0 to remove with --yes, 0.0 MB\n")

    change(book, chapter[1], "scores.json", '{"from": 2, "name": "x", "ssim": [0.0, 0.75]}')
    code, text = command("diff", store, book)
    assert code == 1 and "differs" in text
    code, text = command("verify", book, "--sample", "3")
    assert code == 1 and "DIFFERS: toy scores 0" in text and "0 problems" in text
    next(book.glob("toytrain/*/*/history.json")).write_text("")
    code, text = command("verify", book)
    assert code == 1 and "1 problems" in text
    with pytest.raises(MrinbError, match=r"unknown chapter"):
        command("publish", "9", "--profile", "quick", "--store", store)
