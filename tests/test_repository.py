"""The files around the package say what is true of it."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from places import ROOT

from mrinb.publish import book

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
TARGETS = ("setup", "book", "test", "test-fast", "lint", "bench", "refresh")


def commands(text):
    """Every line of the fenced shell blocks, without comments."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


ALL = sorted({c for d in DOCUMENTS for c in commands(d.read_text(encoding="utf-8"))})


def dry(*arguments, cwd=ROOT):
    command = ["make", "--dry-run", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", TARGETS)
def test_the_makefile_has(target):
    assert dry(target).returncode == 0


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["book", "test"])
def test_as_the_first_command_make_installs_first(target, tmp_path):
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    lines = dry(target, cwd=tmp_path).stdout.splitlines()
    made = next(i for i, line in enumerate(lines) if "-m venv .venv" in line)
    installed = next(i for i, line in enumerate(lines) if "install --quiet -e" in line)
    used = next(i for i, line in enumerate(lines) if re.match(r"\.venv/bin/(mrinb|ruff)", line))
    assert made < installed < used


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_with_an_old_python_says_what_to_do(tmp_path):
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = ["make", "setup", f"PYTHON={old}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("command", [c for c in ALL if c.startswith("make ")])
def test_a_documented_make_command_exists(command):
    assert dry(*command.split()[1:]).returncode == 0


@pytest.mark.parametrize("command", [c for c in ALL if c.startswith("mrinb ")])
def test_a_documented_mrinb_command_exists(command):
    words = [w for w in command.split()[1:] if re.fullmatch(r"[a-z]+", w)][:2]
    subcommand = words if words[0] in ("data", "results") else words[:1]
    done = subprocess.run(
        [sys.executable, "-m", "mrinb.cli", *subcommand, "--help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command", [c for c in ALL if re.search(r"^(mrinb run|papermill).* -p ", c)]
)
def test_a_documented_rerun_names_a_chapter_and_parameters_there_are(command):
    words = command.split()
    chapter = book.find_chapter(ROOT, words[2] if words[0] == "mrinb" else words[1])
    given = {words[i + 1]: words[i + 2] for i, word in enumerate(words) if word == "-p"}
    assert given
    assert book.check_parameters(chapter, given) == given


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_within_the_repository_resolve(document):
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)\)|:link: (\S+)|:img-top: (\S+)", text)
    for link in filter(None, (link for match in links for link in match)):
        if not link.startswith(("http:", "https:")):
            path = document.parent / link
            assert path.exists() or path.with_suffix(".ipynb").exists(), link


def test_the_map_of_the_readme_names_what_exists():
    table = README.partition("## The map")[2].partition("## ")[0]
    names = [
        n for row in re.findall(r"^\| (`.*?) \|", table, re.M) for n in re.findall("`(.*?)`", row)
    ]
    assert len(names) > 5
    assert [n for n in names if not (ROOT / n).exists()] == []


def test_environment_yml_and_requirements_say_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["-r requirements.txt", "-e ."]
    python = next(d for d in environment["dependencies"] if str(d).startswith("python="))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == f">={python.partition('=')[2]}"
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"]["file"] == ["requirements.txt"]


def test_every_requirement_has_a_tested_lower_bound():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert len(wanted) > 10
    assert [line for line in wanted if not re.match(r"[\w.-]+(>=|==)\d", line)] == []


def test_every_page_of_the_toc_exists_and_every_chapter_is_in_it():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [c["file"] for part in toc["parts"] for c in part["chapters"]]
    missing = [f for f in files if not any((ROOT / f"{f}{e}").exists() for e in (".md", ".ipynb"))]
    assert missing == []
    chapters = [c.path.relative_to(ROOT).with_suffix("").as_posix() for c in book.chapters(ROOT)]
    assert [f for f in files if f.startswith("notebooks/")] == chapters


def test_the_vendored_scripts_carry_their_licence():
    assert "Apache License" in (ROOT / "book/_static/mathjax/LICENSE").read_text()
    assert "MIT License" in (ROOT / "LICENSE").read_text()
