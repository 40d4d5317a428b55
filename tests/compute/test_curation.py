import os
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from toy_recipes import RECIPES, ToyTrain, lines
from typer.testing import CliRunner

from mrinb import recipes
from mrinb.cli import results as cli_results
from mrinb.compute import context as context_module
from mrinb.compute import curation as results
from mrinb.compute import exchange, publication
from mrinb.compute.curation import compare, diff, gc, recompute
from mrinb.compute.entry import entry_folder, read_entry, write_entry
from mrinb.compute.publication import publish
from mrinb.compute.runner import ensure
from mrinb.compute.store import Store, entries
from mrinb.errors import MrinbError


def put(context, chapter, book, name="3"):
    return publish(name, "quick", Store(context.store), book, RECIPES)


@pytest.fixture
def other(context, chapter, tmp_path):
    """A second working store with the same results."""
    return shutil.copytree(context.store, tmp_path / "other")


def change(root, spec, name, text):
    """Change a file of an entry and its checksum with it."""
    folder = entry_folder(root, spec.kind, spec.key)
    record = dict(read_entry(folder).record)
    (folder / name).write_text(text)
    write_entry(folder, record)


def test_a_sample_is_recomputed_from_nothing(context, chapter, book):
    put(context, chapter, book)
    before = len(lines(chapter[0].log))
    checks = recompute(book, 3, context, recipes=RECIPES)
    assert len(checks) == 3
    assert all(c.agrees and c.worst == 0 for c in checks)
    assert lines(chapter[0].log)[before:].count("begin 0") == 1  # with all it is made from
    assert len(list(entries(context.store))) == 3
    assert len(recompute(book, 1, context, recipes=RECIPES)) == 1


def test_a_recomputed_number_that_differs_is_found(context, chapter, other):
    change(other, chapter[1], "scores.json", '{"from": 2, "name": "x", "ssim": [0.0, 0.51]}')
    checks = {c.entry.key: c for c in recompute(other, 3, context, recipes=RECIPES)}
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


def test_diff_names_what_is_missing_and_what_differs(context, chapter, other, book):
    put(context, chapter, book)
    assert diff(context.store, book, RECIPES).empty  # decoded, where one is packed
    assert diff(context.store, other, RECIPES).empty
    extra = ToyTrain(log=chapter[0].log, seed=7)
    ensure([extra], context, RECIPES)
    change(other, chapter[1], "scores.json", '{"from": 2, "name": "x", "ssim": [0.0, 0.75]}')
    table = diff(context.store, other, RECIPES).set_index("key")
    assert len(table) == 2
    assert table.loc[extra.key, "found"] == "only in A"
    assert table.loc[chapter[1].key, "found"] == "differs"
    assert table.loc[chapter[1].key, "largest"] == 0.25
    assert (
        diff(other, context.store, RECIPES).set_index("key").loc[extra.key, "found"] == "only in B"
    )
    change(context.store, chapter[1], "scores.json", '{"from": 2, "name": "x", "ssim": [0.0, 1.0]}')
    assert "differs" in set(diff(context.store, book, RECIPES)["found"])


def test_listing(context, chapter, book):
    put(context, chapter, book)
    table = results.ls([context.store, book], recipes=RECIPES)
    assert len(table) == 6
    assert set(table["what"]) == {"toy run", "toy scores 0", "toy scores 1"}
    assert (table["seed"] == 0).all()
    assert len(results.ls([book], ["toytrain"], recipes=RECIPES)) == 1
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
    for module, function in (
        (results, "ls"), (results, "verify"), (results, "recompute"), (results, "diff"),
        (results, "gc"), (publication, "publish"), (publication, "check_published"),
        (exchange, "export"),
    ):  # fmt: skip
        real = getattr(module, function)

        def with_toys(*given, real=real, **named):
            given = [RECIPES if value is recipes.RECIPES else value for value in given]
            named |= {"recipes": RECIPES} if "recipes" in named else {}
            return real(*given, **named)

        monkeypatch.setattr(module, function, with_toys)
    monkeypatch.setattr(context_module, "PUBLISHED", book)
    monkeypatch.setenv("MRINB_CACHE", str(context.store.parent / "user"))

    def run(*words):
        done = CliRunner().invoke(cli_results.app, [str(w) for w in words])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return run


def test_the_commands(command, context, chapter, other, book, tmp_path):
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

    code, text = command("export", tmp_path / "all.zip", "--store", store)
    assert code == 0 and text.endswith("3 results exported, 0 outdated ones left out\n")
    code, text = command("import", tmp_path / "all.zip", "--store", tmp_path / "new")
    assert (code, text) == (0, "3 results added, 0 completed, 0 were there already\n")
    assert command("diff", store, tmp_path / "new") == (0, "no differences\n")

    change(other, chapter[1], "scores.json", '{"from": 2, "name": "x", "ssim": [0.0, 0.75]}')
    code, text = command("diff", other, book)
    assert code == 1 and "differs" in text
    code, text = command("verify", other, "--sample", "3")
    assert code == 1 and "DIFFERS: toy scores 0" in text and "0 problems" in text
    next(other.glob("toytrain/*/*/history.json")).write_text("")
    code, text = command("verify", other)
    assert code == 1 and "1 problems" in text
    with pytest.raises(MrinbError, match=r"unknown chapter"):
        command("publish", "9", "--profile", "quick", "--store", store)
