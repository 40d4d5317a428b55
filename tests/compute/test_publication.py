"""Publishing chapters: what goes into the published store, what stays, what is refused."""

import json

import pytest
from toy_recipes import RECIPES, ToyEval, ToyTrain, remember

from mrinb.compute import packs, publication
from mrinb.compute.context import Context
from mrinb.compute.curation import folder_bytes, verify
from mrinb.compute.publication import check_published, publish
from mrinb.compute.runner import ensure
from mrinb.compute.store import Store, entries
from mrinb.errors import MrinbError


def put(context, book, name="3"):
    return publish(name, "quick", Store(context.store), book, RECIPES)


def tree(folder):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def recomputed(context, spec, value):
    """Give the store other values for a result."""
    store = Store(context.store)
    for path in store.find(spec).folder.iterdir():
        path.unlink()
    with pytest.warns(UserWarning, match="damaged"):
        assert store.find(spec) is None
    with store.create(spec) as draft:
        draft.json("scores", value)


def test_publishing_copies_scores_and_histories_but_no_weights(context, chapter, book):
    done = put(context, book)
    assert done[:4] == (3, 0, 0, 0)
    assert done.bytes == folder_bytes(book)
    files = {e.kind: e.files for e in entries(book)}
    assert files == {"toytrain": ("history.json",), "toyeval": ("scores.json",)}
    assert sorted(str(p.relative_to(book)) for p in book.rglob("*")) == [
        "03_one-quick", "03_one-quick/files.zip", "03_one-quick/index.parquet"
    ]  # fmt: skip
    assert check_published(book, RECIPES) == []
    found = ensure(
        chapter,
        Context(store=context.store / "none", published=(book,), compute="never"),
        RECIPES,
    )
    assert len(found) == 3


def test_publishing_again_changes_nothing(context, chapter, book):
    put(context, book)
    before = tree(book)
    assert put(context, book, "03_one")[:4] == (0, 3, 0, 0)
    assert tree(book) == before


@pytest.mark.parametrize("name", ["files.zip", "index.parquet"])
def test_publishing_mends_a_damaged_pack(context, chapter, book, name):
    put(context, book)
    path = book / "03_one-quick" / name
    path.write_bytes(path.read_bytes()[:-30])
    assert len(check_published(book, RECIPES)) >= 1
    assert put(context, book)[:2] == (3, 0)
    assert check_published(book, RECIPES) == []


def test_weights_on_the_list_are_published(context, chapter, book, monkeypatch):
    monkeypatch.setattr(publication, "WEIGHTS", "*.weights")
    book.mkdir(parents=True)
    (book / "weights.txt").write_text(f"# shown in chapter 1\n{chapter[0].key}  # the wide pool\n")
    put(context, book)
    entry = Store(book / "none", (book,)).find(chapter[0])
    assert entry.files == ("epoch-01.weights", "history.json")
    assert entry.path("epoch-01.weights").read_bytes() == bytes(100)
    assert check_published(book, RECIPES) == []
    (book / "weights.txt").write_text("")
    (problem,) = check_published(book, RECIPES)
    assert "weights.txt" in problem
    assert put(context, book)[:2] == (1, 2)
    assert check_published(book, RECIPES) == []


@pytest.mark.parametrize("limit", ["LARGEST_BYTES", "LARGEST_WEIGHTS_BYTES"])
def test_a_store_that_would_be_too_large_stays_as_it_was(
    context, chapter, book, monkeypatch, limit
):
    put(context, book)
    before = tree(book)
    monkeypatch.setattr(publication, "WEIGHTS", "*.weights")
    (book / "weights.txt").write_text(chapter[0].key)
    with monkeypatch.context() as patch:
        patch.setattr(publication, limit, 99)
        with pytest.raises(MrinbError, match="MB, more than"):
            put(context, book)
    assert {p: v for p, v in tree(book).items() if p.name != "weights.txt"} == before
    put(context, book)
    monkeypatch.setattr(publication, limit, 99)
    assert len(check_published(book, RECIPES)) == 1


def test_what_no_chapter_uses_any_more_goes(context, chapter, book):
    put(context, book)
    remember(context, "04_two-quick", chapter[:2])
    assert put(context, book, "4")[:4] == (0, 2, 0, 0)
    remember(context, "03_one-quick", chapter[:1])
    assert put(context, book).removed == 1
    assert {e.key for e in entries(book)} == {s.key for s in chapter[:2]}
    assert check_published(book, RECIPES) == []


def test_a_shared_result_is_renewed_in_every_pack(context, chapter, book):
    remember(context, "04_two-quick", chapter[:2])
    put(context, book), put(context, book, "4")
    recomputed(context, chapter[1], {"ssim": [0.0, 0.25]})
    assert put(context, book)[:2] == (1, 2)
    assert check_published(book, RECIPES) == []
    for pack in packs.open_union(book)[0].packs:
        assert pack.entry("toyeval", chapter[1].key).json("scores") == {"ssim": [0.0, 0.25]}


def test_outdated_results_are_left_out(context, chapter, book):
    old = ToyTrain(log=chapter[0].log, version=2)
    ensure([old], context, RECIPES)
    remember(context, "03_one-quick", [*chapter, old])
    assert put(context, book)[:3] == (3, 0, 1)
    assert check_published(book, RECIPES) == []


def test_publishing_needs_a_run_chapter_and_all_its_results(context, chapter, book):
    with pytest.raises(MrinbError, match=r"unknown chapter '5'.*03_one"):
        put(context, book, "5")
    with pytest.raises(MrinbError, match="no chapter has been run with profile paper"):
        publish("3", "paper", Store(context.store), book, RECIPES)
    put(context, book)
    before = tree(book)
    remember(context, "03_one-quick", [*chapter, ToyEval(train=chapter[0], number=9)])
    with pytest.raises(MrinbError, match=r"is not in .*: run it again"):
        put(context, book)
    assert tree(book) == before


def test_publishing_into_a_file(context, chapter, book):
    book.parent.mkdir()
    book.write_text("")
    with pytest.raises(MrinbError, match="cannot be written to"):
        put(context, book)
    assert book.read_text() == ""


def test_verify_finds_damage_strays_and_disagreement(context, chapter, book, tmp_path):
    put(context, book)
    assert verify(book, RECIPES) == []
    (book / "tmp").mkdir()
    (book / "notes.md").write_text("")
    (book / "03_one-quick" / "more.txt").write_text("")
    text = "\n".join(check_published(book, RECIPES))
    assert text.count("\n") == 2
    assert "tmp: does not belong" in text and "notes.md: does not belong" in text
    assert "more.txt: does not belong into a pack" in text
    recomputed(context, chapter[1], {"ssim": [0.0, 0.25]})
    remember(context, "04_two-quick", chapter[:2])
    other = tmp_path / "other"
    put(context, other, "4")
    (other / "04_two-quick").rename(book / "04_two-quick")
    problems = verify(book, RECIPES)
    assert any("03_one-quick and 04_two-quick" in p and "scores.json" in p for p in problems)
    with pytest.raises(MrinbError, match="no such folder"):
        verify(tmp_path / "nowhere", RECIPES)


def test_verify_finds_damage_in_a_working_store(context, chapter):
    train, one, two = (Store(context.store).find(s).folder for s in chapter)
    assert verify(context.store, RECIPES) == []
    (train / "history.json").write_text("{}")
    (one / "entry.json").write_text("[]")
    record = json.loads((two / "entry.json").read_text())
    record["spec"] = record["spec"].replace('"number":1', '"number":2')
    (two / "entry.json").write_text(json.dumps(record))
    problems = verify(context.store, RECIPES)
    assert len(problems) == 3
    text = "\n".join(problems)
    assert "history.json differs from its checksum" in text
    assert "entry.json cannot be read" in text
    assert "another key now" in text
