import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import standin
from places import ROOT
from verdict_words import FOUND

from mrinb.errors import MrinbError
from mrinb.publish import book, output, pages

FAIL = "from mrinb.errors import MrinbError\nraise MrinbError('data_root /nowhere: no such folder')"


@pytest.fixture
def root(tmp_path):
    """A book's folder with two small chapters and an appendix."""
    standin.write(tmp_path, "01_introduction", "1 Introduction", "print(profile)")
    standin.write(tmp_path, "03_one_model_or_several", "3 One model", "print(profile, seed, rate)")
    standin.write(tmp_path, "A_one_more_thing", "A Something", "1 + 1")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n"
        "  - file: notebooks/01_introduction\n  - file: notebooks/03_one_model_or_several\n"
    )
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n")
    (tmp_path / "book" / "_static").mkdir(parents=True)
    for name in ("mrinb.css", "mrinb.js", "icon.svg"):
        shutil.copy(ROOT / "book" / "_static" / name, tmp_path / "book" / "_static")
    shutil.copy(ROOT / "book" / "references.bib", tmp_path / "book")
    (tmp_path / "book" / "index.md").write_text(
        "# Stand-in\n\n```{include} _generated/profiles.md\n```\n"
        "```{include} _generated/answers.md\n```\n```{include} _generated/comparer.md\n```\n"
        "```{include} _generated/scoreboard_small.md\n```\n"
        "```{include} _generated/scoreboard.md\n```\n"
    )
    return tmp_path


def printed(path):
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.text for c in cells for o in c.get("outputs", []) if "text" in o)


def test_chapters_are_ordered_numbers_first(root):
    assert [c.number for c in book.chapters(root)] == ["1", "3", "A"]


@pytest.mark.parametrize(
    "word",
    ["3", "03", "03_one", "one_model", "one-model", "03_one_model_or_several.ipynb"],
)
def test_a_chapter_is_found_by(root, word):
    assert book.find_chapter(root, word).name == "03_one_model_or_several"


def test_an_appendix_is_found_by_its_letter(root):
    assert book.find_chapter(root, "a").name == "A_one_more_thing"


@pytest.mark.parametrize("word", ["4", "one_mdel", "", "o", "0"])
def test_an_unknown_chapter_is_answered_with_those_there_are(root, word):
    with pytest.raises(MrinbError, match=r"unknown chapter .*03_one_model_or_several"):
        book.find_chapter(root, word)


def test_an_ambiguous_chapter_names_the_candidates(root):
    standin.write(root, "04_one_model_more", "4")
    with pytest.raises(MrinbError, match="03_one_model_or_several, 04_one_model_more"):
        book.find_chapter(root, "one_model")


def test_a_folder_without_chapters_is_named(tmp_path):
    with pytest.raises(MrinbError, match="no chapters in"):
        book.chapters(tmp_path)


def test_parameters_are_read_in_their_declared_types(root):
    chapter = book.find_chapter(root, "3")
    given = {"seed": "7", "rate": "1e-3", "fast": "true", "profile": "quick", "store": Path("x")}
    assert book.check_parameters(chapter, given) == {
        "seed": 7,
        "rate": 0.001,
        "fast": True,
        "profile": "quick",
        "store": "x",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "many"),
        ("seed", "1.5"),
        ("seed", True),
        ("rate", "fast"),
        ("fast", "1x"),
        ("profile", 3),
    ],
)
def test_a_parameter_of_another_type_is_named(root, name, value):
    with pytest.raises(MrinbError, match=f"^parameter {name} = .*: give a value of type"):
        book.check_parameters(book.find_chapter(root, "3"), {name: value})


def test_an_unknown_parameter_is_answered_with_the_nearest(root):
    with pytest.raises(MrinbError, match="unknown parameter 'sed': did you mean seed"):
        book.check_parameters(book.find_chapter(root, "3"), {"sed": 1})


def test_a_chapter_runs_with_its_parameters(root, tmp_path):
    out = tmp_path / "new" / "out.ipynb"
    values = {"profile": "quick", "seed": "5"}
    assert book.run_chapter("3", values, out, root=root, quiet=True) == out
    assert printed(out) == "quick 5 0.5\n"
    assert list(out.parent.iterdir()) == [out]


def test_a_chapter_runs_in_this_interpreter_and_the_given_environment(root, tmp_path):
    standin.write(root, "05_where", "5", "import sys, os\nprint(sys.executable, os.environ['X'])")
    out = tmp_path / "out.ipynb"
    book.run_chapter("5", {}, out, root=root, env={"X": "here"}, quiet=True)
    assert printed(out).split() == [sys.executable, "here"]


def test_a_bad_request_leaves_nothing(root, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    for chapter, values in (("9", {}), ("3", {"nope": 1}), ("3", {"seed": "x"})):
        with pytest.raises(MrinbError):
            book.run_chapter(chapter, values, tmp_path / "out.ipynb", root=root, quiet=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_run_keeps_the_earlier_output_and_the_failed_notebook_beside(root, tmp_path):
    out = tmp_path / "out.ipynb"
    out.write_text("earlier")
    standin.write(root, "05_fails", "5", FAIL)
    with pytest.raises(
        MrinbError, match=r"^data_root /nowhere: no such folder \(see .*out\.failed\.ipynb\)$"
    ):
        book.run_chapter("5", {"seed": 2}, out, root=root, quiet=True)
    assert out.read_text() == "earlier"
    assert "no such folder" in (tmp_path / "out.failed.ipynb").read_text()
    standin.write(root, "05_fails", "5", "print('fine')")
    book.run_chapter("5", {}, out, root=root, quiet=True)
    assert printed(out) == "fine\n"
    assert not (tmp_path / "out.failed.ipynb").exists()


def test_another_error_is_one_line_with_its_kind_and_cell(root, tmp_path):
    standin.write(root, "05_fails", "5", "x = 1", "raise ValueError('two\\nlines')")
    with pytest.raises(MrinbError, match=r"^cell \[4\] failed with ValueError: two \(see .*failed"):
        book.run_chapter("5", {}, tmp_path / "out.ipynb", root=root, quiet=True)


def test_a_kernel_that_dies_is_told(root, tmp_path):
    standin.write(root, "05_dies", "5", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(MrinbError, match=r"the kernel of 05_dies died .*out\.failed\.ipynb"):
        book.run_chapter("5", {}, tmp_path / "out.ipynb", root=root, quiet=True)


@pytest.mark.parametrize("name", ["03_one_model_or_several", "01_introduction", "new"])
def test_no_output_goes_among_the_sources(root, name):
    source = root / "notebooks" / f"{name}.ipynb"
    before = {p: p.read_bytes() for p in source.parent.iterdir()}
    with pytest.raises(MrinbError, match="among the chapters' sources"):
        book.run_chapter("3", {}, source, root=root, quiet=True)
    assert {p: p.read_bytes() for p in source.parent.iterdir()} == before


def test_only_regular_notebooks_are_replaced(root, tmp_path, monkeypatch):
    monkeypatch.setattr(book, "execute", None)
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / "real.ipynb").write_text("{}")
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "real.ipynb")
    (tmp_path / "dangling.ipynb").symlink_to(tmp_path / "none")
    (tmp_path / "b.failed.ipynb").symlink_to(tmp_path / "real.ipynb")
    before = sorted(tmp_path.rglob("*"))
    for name, words in {
        "pipe.ipynb": "is no regular file", "folder.ipynb": "is a folder",
        "thesis.tex": "no notebook",
        "link.ipynb": "is a link", "dangling.ipynb": "is a link",
        "b.ipynb": "b.failed.ipynb is a link",
        "x" * 300 + ".ipynb": "name",
    }.items():  # fmt: skip
        with pytest.raises(MrinbError, match=words):
            book.run_chapter("3", {}, tmp_path / name, root=root, quiet=True)
    with pytest.raises(MrinbError, match="/dev/null is no regular file"):
        book.run_chapter("3", {}, Path("/dev/null"), root=root, quiet=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_write_that_fails_leaves_no_part(root, tmp_path, monkeypatch):
    out = tmp_path / "out" / "a.ipynb"

    def full(self, *_, **__):
        self.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(MrinbError, match=r"cannot write .*a\.ipynb \(No space left"):
        output.write_notebook(nbformat.v4.new_notebook(), out)
    assert list(out.parent.iterdir()) == []


def test_a_foreign_kernel_of_the_same_name_is_not_started(root, tmp_path, monkeypatch):
    place = tmp_path / "jupyter" / "kernels" / "python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(
        '{"argv": ["false", "{connection_file}"], "display_name": "x", "language": "python"}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(place.parents[1]))
    out = tmp_path / "out.ipynb"
    book.run_chapter("3", {}, out, root=root, quiet=True)
    assert printed(out)


def test_errors_of_ours_are_told_in_their_own_words(root, tmp_path):
    def below(kind):
        return {kind.__name__} | {name for sub in kind.__subclasses__() for name in below(sub)}

    import mrinb.compute.store
    import mrinb.data.volumes  # noqa: F401 - so that every subclass is known

    assert below(MrinbError) == set(book._OURS)
    raised = "from mrinb.compute.leases import StoreError\nraise StoreError('the disk is full')"
    standin.write(root, "05_fails", "5", raised)
    with pytest.raises(MrinbError, match=r"^the disk is full \(see "):
        book.run_chapter("5", {}, tmp_path / "out.ipynb", root=root, quiet=True)


def test_a_place_that_cannot_be_written_is_told_before_anything_runs(root, tmp_path, monkeypatch):
    monkeypatch.setattr(book, "execute", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(MrinbError, match=r"cannot write .*choose another folder"):
        book.run_chapter("3", {}, tmp_path / "file" / "out.ipynb", root=root, quiet=True)


def test_progress_tells_headings_and_the_last_line_printed(root, tmp_path):
    code = "import sys\nprint('first')\nsys.stderr.write('10 %\\r20 %\\r')"
    standin.write(root, "05_slow", "5 Slow things", code)
    told = []
    chapter = book.find_chapter(root, "5")
    book.execute(chapter, {}, tmp_path / "o.ipynb", tell=lambda n, text: told.append((n, text)))
    assert told[0] == (0, "5 Slow things")  # then: parameters, papermill's cell, the code
    assert {"first", "20 %"} <= {text for _, text in told}
    assert told[-1][0] == 3


def test_a_page_keeps_no_timestamps_and_no_live_widgets(root, tmp_path):
    code = (
        "from IPython.display import display\n"
        "kind = 'application/vnd.jupyter.' + 'widget-view+json'\n"
        "display({kind: {'model_id': 'x'}, 'text/html': '<b>b</b>'}, raw=True)\n"
        "display({kind: {'model_id': 'y'}, 'text/plain': ' 0%' + '|' + ' 00:00'}, raw=True)"
    )
    standin.write(root, "05_widget", "5", code)
    chapter, live, page = book.find_chapter(root, "5"), tmp_path / "l.ipynb", tmp_path / "p.ipynb"
    book.execute(chapter, {"seed": 1}, live)
    book.execute(chapter, {"seed": 1}, page, clean=True)
    for word in (book.WIDGET_MIME, "iopub", '"papermill":', "start_time", "0%| 00:00"):
        assert word in live.read_text()
        assert word not in page.read_text()
    assert "<b>b</b>" in page.read_text()
    assert "0%| 00:00" in live.read_text() and "0%| 00:00" not in page.read_text()
    tags = [c.metadata.get("tags", []) for c in nbformat.read(page, as_version=4).cells]
    assert ["injected-parameters", "remove-cell"] in tags


@pytest.mark.slow
def test_a_book_is_built(root, tmp_path):
    code = (
        "import os\nfrom pathlib import Path\n"
        "folder = Path(os.environ['MRINB_SIDECAR_DIR'])\nfolder.mkdir(parents=True)\n"
        "(folder / 'x.js').write_text('1;')\n"
        "print(*(os.environ[f'MRINB_{n}'] for n in ('BOOK', 'COMPUTE', 'SIDECAR_URL')))"
    )
    standin.write(root, "01_introduction", "1 Introduction", code)
    verdict = (
        "from mrinb.stats import claims\nfrom unittest import mock\n"
        "words = dict(statement='a < b_c_d.', paper='Fig. 1', verdict='holds', text='n', "
        "control=False, finding='one network', kind='better', claim='c', count=1, parts='', "
        "title='One for both', needed='', printed=None, networks=['U-net'], anchor='claim-c-0', "
        "pooled=[dict(metric='ssim', estimate=0.1, low=0.05, high=0.2, margin=0.005, "
        "verdict='holds')] * 2)\n"
        "with mock.patch.object(claims.Verdict, 'words', lambda self: words):\n"
        "    display(claims.Verdict('shift-is-there', 'holds', 0, (0, 0), 0, {}, 3, 8, 'n', ()))\n"
        "from mrinb.stats.headlines import HEADLINE_MIME\n"
        "display({HEADLINE_MIME: 'It is so.', 'text/plain': 'It is so.'}, raw=True)"
    )
    standin.write(root, "A_one_more_thing", "A Something", verdict)
    (root / "book" / "index.md").write_text(
        "# Stand-in\n\n```{include} _generated/answers.md\n```\n"
        "```{include} _generated/profiles.md\n```\n"
        "```{include} _generated/scoreboard_small.md\n```\n"
        "```{include} _generated/scoreboard.md\n```\n"
        "```{include} _generated/tally.md\n```\n```{include} _generated/claims.md\n```\n"
    )
    with (root / "_toc.yml").open("a") as toc:
        toc.write("  - file: notebooks/A_one_more_thing\n")
    out = tmp_path / "out"
    assert book.build(root, out, "quick", quiet=True) == out / "_build" / "html" / "index.html"
    html = out / "_build" / "html"
    page = (html / "notebooks" / "01_introduction.html").read_text()
    assert "1 never ../_static/exhibits/" in page
    assert "../_static/mrinb.css" in page
    assert (html / "_static" / "exhibits" / "x.js").is_file()
    index = (html / "book" / "index.html").read_text()
    assert "classroom" in index
    assert (
        "claims: <strong>holds</strong> 1." in index
        and "Appendix A" in index
        and "a &lt; b_c_d." in index
    )
    assert 'href="../notebooks/A_one_more_thing.html#claim-c-0"' in index
    assert re.search(r'href="../notebooks/A_one_more_thing.html">.*A Something.*: It is so', index)
    assert index.count('<div class="mrinb-board">') == 2
    assert "vnd.mrinb" not in (html / "notebooks" / "A_one_more_thing.html").read_text()
    assert [p.name for p in (out / "_build").iterdir()] == ["html"]


@pytest.mark.slow
def test_the_first_page_is_a_document_that_leads_on(root, tmp_path):
    first = book.build(root, tmp_path / "out", "quick", chapters=[], quiet=True)
    text = first.read_text()
    assert text.startswith("<!doctype html>")
    assert "book/index.html" in text


@pytest.mark.slow
def test_what_fails_is_listed_once_for_all_chapters_and_the_earlier_book_stays(root, tmp_path):
    html = tmp_path / "out" / "_build" / "html"
    html.mkdir(parents=True)
    (html / "index.html").write_text("earlier")
    standin.write(root, "01_introduction", "1", FAIL)
    standin.write(root, "A_one_more_thing", "A", FAIL.replace("/nowhere", "/elsewhere"))
    with pytest.raises(MrinbError) as caught:
        book.build(root, tmp_path / "out", "quick", quiet=True)
    assert "01_introduction: data_root /nowhere" in str(caught.value)
    assert "A_one_more_thing: data_root /elsewhere" in str(caught.value)
    assert (html / "index.html").read_text() == "earlier"


@pytest.mark.slow
def test_a_warning_fails_the_book_and_is_told(root, tmp_path):
    (root / "book" / "index.md").write_text("# Stand-in\n\n{doc}`nowhere`\n")
    with pytest.raises(MrinbError, match=r"(?s)Jupyter Book found faults.*unknown document"):
        book.build(root, tmp_path / "out", "quick", chapters=[], quiet=True)


def test_an_unknown_parameter_stops_the_book_before_anything_runs(root, tmp_path):
    with pytest.raises(MrinbError, match="unknown parameter"):
        book.build(root, tmp_path / "out", "quick", parameters={"colour": "red"}, quiet=True)
    assert not (tmp_path / "out").exists()


def test_the_store_is_named_to_chapters_but_not_in_pages(root, tmp_path):
    env = book.kernel_environment(root, tmp_path / "stage", tmp_path / "mine", "never")
    assert env["MRINB_STORE"] == str(tmp_path / "mine")
    assert env["MRINB_PUBLISHED"] == str(root / "book" / "results")
    assert (
        "stage" in book.kernel_environment(root, tmp_path / "stage", None, "never")["MRINB_STORE"]
    )
    assert book.kernel_environment(root, tmp_path / "stage", None, "auto")["MRINB_STORE"] == ""


@pytest.mark.parametrize(
    "what",
    [
        "build(root, root / 'out', 'quick', chapters=['1'])",
        "run_chapter('1', {}, root / 'out.ipynb', root=root)",
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_kernel_and_leaves_no_output(root, tmp_path, what, number):
    mark = tmp_path / "pid"
    code = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    standin.write(root, "01_introduction", "1", code)
    script = "from pathlib import Path\nfrom mrinb.publish.book import *\n"
    script += f"root = Path({str(root)!r})\n{what}"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not (mark.exists() and mark.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(60) != 0
    assert not _alive(int(mark.read_text()))
    assert not (root / "out.ipynb").exists()
    assert not (root / "out" / "_build" / "html").exists()


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_claims_of_chapters_are_counted_and_listed():
    made = pages.claims(FOUND, "quick")
    assert made["tally.md"] == (
        "In the `quick` profile:\n\n"
        "- 3 verdicts on the paper's claims: **holds** 2, **undecided** 1.\n"
        "- 1 verdicts on our controls: **holds** 1.\n"
    )
    lines = made["claims.md"].splitlines()
    assert [x for x in lines if x.startswith("## ")] == ["## Chapter 3", "## Appendix A"]
    assert lines.count("### The paper's claims") == 2 and lines.count("### Our controls") == 1
    assert [x.count("mrinb-verdict") for x in lines if x.startswith("<div")] == [1] * 4
    assert "<p>&lt;</p>" in made["claims.md"] and "{doc}`../notebooks/A_three`" in lines
    nothing = pages.claims({"04_two": []}, "quick")
    assert "No chapter" in nothing["tally.md"] and nothing["scoreboard.md"] == "\n"


def test_generated_pages_name_every_profile_parameter_and_distribution(root):
    declared = {c.name: book.inspect_notebook(str(c.path)) for c in book.chapters(root)[:2]}
    declared["03_one_model_or_several"]["shift"] = {
        "name": "shift", "inferred_type_name": "str", "default": '"all"', "help": "a | b",
    }  # fmt: skip
    text = pages.generated(declared)
    assert "| `quick` | `classroom` | `paper` |" in text["profiles.md"]
    shared, first, second = text["parameters.md"].split("````{dropdown}")
    assert text["parameters.md"].count("| `profile` |") == shared.count("| `profile` |") == 1
    assert first.startswith(" Appendix A") or first.startswith(" Chapter")
    assert second.startswith(" Chapter 3") and '| `shift` | `str` | `"all"` | a \\| b |' in second
    assert len(text["distributions.md"].splitlines()) == 2 + 16
    assert "| `knee/*` | all knees | 6 |" in text["pools.md"]
    assert (
        "| 4 | `contrast` | `brain/T1POST-* + brain/FLAIR-Skyra + brain/T1-Aera` | `brain/T2-*` |"
        in (text["shifts.md"].splitlines())
    )
    assert text["profiles.md"].count("contrast shift only") == 1
