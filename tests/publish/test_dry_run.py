"""Chapters run dry: what they need is found, nothing is computed, drawn or written."""

import json
import re
import sys
from pathlib import Path
from unittest import mock

import pytest
import standin
from tiny import TINY
from typer.testing import CliRunner

from mrinb import profiles
from mrinb.cli import plan as cli_plan
from mrinb.compute import workers
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.publish.book import chapters
from mrinb.publish.dry_run import MISSING, dry_run
from mrinb.stats import claims

ROOT = Path(__file__).parents[2]
LAB = """\
from mrinb import figures, widgets
from mrinb.chapters import robustness, separate, setup
from mrinb.stats import claims
from mrinb.lab import Lab
from mrinb.pools import Pool
lab = Lab.from_parameters(globals(), chapter="09")
P, Q = Pool.of("knee/PD-Skyra"), Pool.of("knee/PDFS-Aera")"""
EVALUATE = """\
tables = []
for name, pool in {"a": P, "b": Q, "c": P + Q}.items():
    runs = lab.train(model, {name: pool})
    tables.append(lab.evaluate(runs, on={"P": P, "Q": Q}))
    means = 1 / tables[-1].groupby("pool")["ssim"].mean()
    print(f"{means[name]:.3f}", sum(means) / len(means))
scores = lab.join(tables)
first, *others = [table for table in tables]"""
CLAIM = """\
verdict = claims.check(
    "diverse-beats-narrow", scores, narrow="a", diverse="c", unseen="Q"
)
figures.show(figures.bars(scores), alt="", note=scores.note)
verdict"""
BEST = """\
best = lab.best_single(P + Q, on=P)
if best.by_test == best.by_validation:
    runs = lab.train(model, {"best": Pool.of(best.by_test)})
    data = lab.reconstructions(runs, on=Q)
    widgets.Comparer(data, left=data.views[0].label)"""


OUTCOMES = """\
figures.table(robustness.cases_table(
    scores.assign(shift="s"), narrow="a", diverse="c", both="c", others="b"
))
scatter = separate.seed_scatter(scores.assign(series="U-net"))
figures.table(separate.scatter_verdicts(scatter), "The scatter of seeds")"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A folder with chapters, a profile that takes seconds, and stores of its own."""
    monkeypatch.setitem(profiles.PROFILES, "quick", TINY._replace(name="quick"))
    monkeypatch.setenv("MRINB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MRINB_PUBLISHED", str(tmp_path / "published"))
    monkeypatch.setenv("MRINB_WORKERS", "0")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "_toc.yml").write_text("root: book/index\n")
    workers._store.cache_clear()
    return tmp_path


def chapter(book, *cells, name="09_chapter"):
    return standin.write(book, name, "Chapter", *cells)


def kinds(dry):
    found = [spec.kind for spec in dry.wanted]
    return {kind: found.count(kind) for kind in found}


def command(*words):
    app = cli_plan.typer.Typer()
    app.command()(cli_plan.plan)
    app.command()(cli_plan.claims)
    done = CliRunner().invoke(app, [str(w) for w in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def run(path, **values):
    """Run a chapter for real, in this process."""
    import nbformat

    space = {"display": print, **values}
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    for cell in cells:
        exec(cell.source, space)
        space |= values
    return space


def test_a_dry_run_asks_for_what_a_run_computes(book):
    path = chapter(book, LAB, EVALUATE, CLAIM.replace("figures.show", "(lambda *a, **o: 0)"))
    before = dry_run(path, {"profile": "quick"})
    assert kinds(before) == {"eval": 2 * (3 * 2 + 1)}
    assert before.verdicts == {}
    judged = dry_run(path, {"profile": "quick"}, judge=True)
    assert judged.verdicts == {("diverse-beats-narrow", 0): None}
    assert not (book / "cache").exists()

    run(path, profile="quick")
    (recorded,) = (book / "cache" / "results" / "chapters").glob("09-quick.json")
    items = json.loads(recorded.read_text())
    wanted = {(spec.kind, spec.key) for spec in before.wanted}
    assert {(item["kind"], item["key"]) for item in items} == wanted

    workers._store.cache_clear()
    after = dry_run(path, {"profile": "quick"}, compute="never", judge=True)
    assert after.wanted == before.wanted
    assert after.stood_in == 0
    assert after.verdicts["diverse-beats-narrow", 0].verdict == "underpowered"
    assert dry_run(path, {"profile": "quick"}, fresh=True).stood_in > 0

    text = command("plan", "9", "--profile", "quick")
    assert "09_chapter: 24 results, all there" in text
    fresh = command("plan", "9", "--profile", "quick", "--fresh", "--workers", "2")
    assert "24 of 24 results are missing" in fresh
    assert "with 2 at once" in fresh
    text = command("claims", "--profile", "quick")
    assert text.startswith("underpowered           diverse-beats-narrow")
    assert claims.CLAIMS["diverse-beats-narrow"].statement in text
    assert text.endswith(
        "the paper's claims in the quick profile: 1 underpowered\n"
        "our controls in the quick profile: none\n"
    )
    csv = command("claims", "9", "--profile", "quick", "--csv")
    assert csv.splitlines()[1].startswith("diverse-beats-narrow,01,")


def test_cases_and_scatter_are_told_beside_the_claims(book):
    path = chapter(book, LAB, EVALUATE, OUTCOMES)
    assert dry_run(path, {"profile": "quick"}, judge=True).outcomes == []
    run(path, profile="quick", figures=mock.MagicMock())
    workers._store.cache_clear()
    outcomes = dry_run(path, {"profile": "quick"}, compute="never", judge=True).outcomes
    assert [(o.question, o.word) for o in outcomes] == [
        ("Nguyen's case, s, U-net", "underpowered"),
        ("the scatter of seeds falls with the number of slices", "underpowered"),
        ("beyond 3,000 slices it is next to none", "beyond this profile"),
    ]
    text = command("claims", "--profile", "quick")
    for _, word, numbers in outcomes:
        assert f"{word:22} " in text and f"    {numbers}\n" in text
    assert text.endswith(
        "the paper's claims in the quick profile: none\nour controls in the quick profile: none\n"
    )


def test_results_that_a_choice_rests_on_are_stood_in_for(book):
    dry = dry_run(chapter(book, LAB, BEST), {"profile": "quick"})
    assert kinds(dry)["exhibit"] == 2  # of a network that was chosen
    # 2 distributions of 2 seeds and zero-filled images, on test and validation data
    assert kinds(dry)["eval"] == 2 * (2 * 2 + 1)


def test_claims_that_cannot_be_reached_without_results_are_named(book):
    cells = [EVALUATE, "own = dict(scores.items())", CLAIM.replace('diverse="c"', "**own['c']")]
    dry = dry_run(chapter(book, LAB, *cells), {"profile": "quick"}, judge=True)
    assert dry.verdicts == {("diverse-beats-narrow", 0): None}
    assert command("claims", "--profile", "quick").startswith("not computed")


def test_shared_results_are_counted_once(book):
    chapter(book, LAB, EVALUATE)
    chapter(book, LAB, EVALUATE.replace('"c": P + Q', '"c": (P + Q).half()'), name="10_other")
    text = command("plan", "--profile", "quick", "--full")
    assert len(re.findall(r"^train +unet on knee/PD-Skyra +\d", text, re.M)) == 1
    # 4 data, 3 trainings and 7 tests of each are 24 a chapter; 2 trainings of 2 seeds and what
    # they were tested on are shared.
    each = [line for line in text.splitlines() if "24 of 24 results are missing" in line]
    assert len(each) == 2
    assert "all of them: 30 of 30 results are missing" in text


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["lab.nothing()"], "code cell 4: AttributeError"),
        (["%matplotlib inline"], "code cell 4 is not plain Python"),
        (['lab.train(model, {"R": Pool.of("knee/nothing")})'], "unknown distribution or pattern"),
        ([EVALUATE, 'lab.data("knee/nothing", "test")'], "knee/nothing"),
    ],
)
def test_faults_of_a_chapter_are_told(book, cells, words):
    with pytest.raises(MrinbError, match=words) as caught:
        dry_run(chapter(book, LAB, *cells), {"profile": "quick"})
    assert "\n" not in str(caught.value)


def test_bad_parameters_are_told(book):
    path = chapter(book, LAB)
    with pytest.raises(MrinbError, match="unknown profile 'quik': did you mean quick"):
        dry_run(path, {"profile": "quik"})
    with pytest.raises(MrinbError, match="unknown parameter 'sed': did you mean seed"):
        command("plan", "9", "-p", "sed\0" + "1")


@pytest.mark.parametrize("path", [c.path for c in chapters(ROOT)], ids=lambda path: path.stem)
def test_every_chapter_has_a_plan_on_empty_stores(path, tmp_path, monkeypatch):
    monkeypatch.setenv("MRINB_PUBLISHED", str(tmp_path / "none"))
    given = {"profile": "classroom", "store": str(tmp_path / "store")}
    stage = dry_run(path, given, compute="never")
    assert stage.absent == stage.stood_in > 0


def test_every_public_method_of_the_lab_takes_stand_ins(book):
    """A method that cannot work without results gives a stand-in, as these do."""
    cell = "found = [lab.evaluate(lab.train(model, {'a': P}), {'P': P}), "
    cell += "lab.histories(lab.train(model, {'a': P})), lab.panel(lab.train(model, {'a': P}), "
    cell += "P.distributions[0]), setup.forward_model(lab, 'knee/PD-Skyra'), "
    cell += "setup.toy(lab, 9, 3)]\n"
    cell += "import sys\nsys.modules['found'] = found"
    dry_run(chapter(book, LAB, cell), {"profile": "quick"})
    found = sys.modules.pop("found")
    assert [item is MISSING for item in found[:2]] == [True, True]
    assert len(found) == 5
    assert Lab.evaluate.__qualname__ == "Lab.evaluate"
