"""From notebooks to pages: run chapters with papermill, build the book with Jupyter Book.

Sources are staged, each chapter runs in a fresh kernel of this interpreter, its output takes the
source's place in the stage, and Jupyter Book builds the stage with warnings as errors.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import yaml
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine
from papermill.inspection import inspect_notebook
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mrinb.compute.runner import ANNOUNCEMENT
from mrinb.errors import MrinbError, unknown
from mrinb.parameters import OPTIONAL, check
from mrinb.publish import first_page, glossary, links, numbering, pages
from mrinb.publish.folding import fold
from mrinb.publish.html import finish_pages
from mrinb.publish.output import failed_name, require_place, write_notebook

SOURCES = ("_config.yml", "_toc.yml", "CHANGELOG.md")
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
Tell = Callable[[int, str], None]
"""Hears of a chapter's progress: code cells finished so far, and what goes on."""


class Chapter(NamedTuple):
    """A notebook of the book.

    Attributes:
        number: ``"3"`` or ``"A"``, from the file's name.
        path: the committed notebook.
    """

    number: str
    path: Path

    @property
    def name(self) -> str:
        """File name without its ending, such as ``03_one_model_or_several``."""
        return self.path.stem

    def matches(self, text: str) -> bool:
        """Whether a user's word means this chapter: number, letter, or start of the name."""
        word = text.removesuffix(".ipynb").rpartition("/")[2].lower()
        title = self.name.partition("_")[2].lower()
        short = word.lstrip("0") or word
        return bool(word) and (
            self.number.lower() == short
            or (not word.isdigit() and len(word) > 1 and self.name.lower().startswith(word))
            or (len(word) > 2 and title.startswith(word.replace("-", "_").replace(" ", "_")))
        )


def repository(start: Path | None = None) -> Path:
    """The folder with the book's sources: here or above, else the one the package lies in.

    Args:
        start: folder to look from; None is the working directory.

    Raises:
        MrinbError: no such folder.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise MrinbError(f"no notebooks/ with a _toc.yml beside it in or above {here}: run in the repo")


def chapters(root: Path) -> list[Chapter]:
    """The chapters of a book: numbers first, then supplements, then appendices.

    Args:
        root: folder that holds ``notebooks/``.

    Raises:
        MrinbError: there are none.
    """
    found = [
        Chapter(p.stem.partition("_")[0].lstrip("0") or "0", p)
        for p in (root / "notebooks").glob("*_*.ipynb")
        if re.match(r"(\d+|[A-Z]\d*)_", p.name) and not p.name.endswith(".failed.ipynb")
    ]
    if not found:
        raise MrinbError(f"no chapters in {root / 'notebooks'}: is {root} the book's folder?")
    return sorted(found, key=_place)


def _place(chapter: Chapter) -> tuple[int, str]:
    """Chapters, then supplements to them, then appendices."""
    number = chapter.number
    return 0 if number.isdigit() else 1 if number.startswith("S") else 2, number.zfill(3)


def find_chapter(root: Path, text: str) -> Chapter:
    """The chapter that a number, a letter or the start of a name stands for.

    Args:
        root: folder that holds ``notebooks/``.
        text: such as ``3``, ``03``, ``A``, ``03_one`` or ``one_model``.

    Raises:
        MrinbError: no chapter, or several, fit.
    """
    known = chapters(root)
    found = [c for c in known if c.matches(str(text))]
    if len(found) != 1:
        raise unknown("chapter", text, [c.name for c in found or known])
    return found[0]


def check_parameters(chapter: Chapter, given: Mapping[str, Any]) -> dict[str, Any]:
    """Compare parameters with the chapter's annotated ones, reading text as the declared type.

    Args:
        chapter: the notebook.
        given: values by name; text stands for numbers and truth values too.

    Returns:
        The values in their declared types.

    Raises:
        MrinbError: a name the chapter does not declare, or a value of another type.
    """
    declared = inspect_notebook(str(chapter.path))
    types = {**OPTIONAL, **{n: d["inferred_type_name"] for n, d in declared.items()}}
    for name in given:
        if name not in types:
            raise unknown("parameter", name, types)
    return {n: _typed(n, v, types[n]) for n, v in given.items()}


_READ: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
}


def _typed(name: str, value: Any, kind: str) -> Any:
    """One value of the declared type; text is read as that type."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and _not_utf8(value):
        raise MrinbError(
            f"parameter {name} = {value}: not UTF-8, which no notebook can hold: rename the "
            "file or folder, or give a link to it"
        )
    if isinstance(value, str) and kind in _READ:
        with suppress(KeyError, ValueError):
            value = _READ[kind](value.strip().lower())
    return check(name, value, kind)


def _not_utf8(text: str) -> bool:
    return any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


class _Client(PapermillNotebookClient):
    """Papermill's client, which also passes on the last line that the kernel printed."""

    tell: Callable[[str], None] = staticmethod(lambda text: None)

    def process_message(self, *args: Any, **kwargs: Any) -> Any:
        output = super().process_message(*args, **kwargs)
        if output and output.output_type == "stream":
            lines = [t.strip() for t in re.split(r"[\r\n]", output.text) if t.strip()]
            self.tell(lines[-1] if lines else "")
        return output


class Kernels:
    """The kernels at work, so that an interrupt reaches them: they are not in our process group."""

    def __init__(self) -> None:
        self.clients: list[_Client] = []
        self.stopped = False

    def interrupt(self) -> None:
        """Interrupt the cells that run, and let no further one start."""
        self.stopped = True
        for client in self.clients:
            provisioner = getattr(client.km, "provisioner", None)
            if provisioner is None or not provisioner.has_process:
                continue
            if provisioner.pgid:  # its worker processes too, as at a terminal
                os.killpg(provisioner.pgid, signal.SIGINT)
            else:
                provisioner.process.terminate()

    @contextmanager
    def threads(self) -> Iterator[ThreadPoolExecutor]:
        """Two threads to run chapters in, which an interrupt or a request to end ends."""
        with ThreadPoolExecutor(max_workers=2) as pool, _terminable():
            try:
                yield pool
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                self.interrupt()
                raise


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does, else the kernels' worker processes would be left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Kernel(AsyncKernelManager):
    """A kernel of this interpreter, whatever ``python3`` is among the kernels installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The one kernel there is."""
        return KernelSpec(**get_kernel_dict())


class ChapterEngine(NBClientEngine):
    """Papermill's engine with progress by cell, and its own environment and folder for the kernel.

    Papermill's own ``cwd`` changes the folder of the whole process; this one may run in threads.
    """

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        tell: Tell = lambda done, text: None,
        kernels: Kernels | None = None,
        **options: Any,
    ) -> None:
        """Run every cell of ``nb_man.nb`` in one new kernel."""
        done = 0
        kernels = kernels or Kernels()

        def started(cell: Any, cell_index: int) -> None:
            if kernels.stopped:
                raise MrinbError("interrupted")
            tell(done, cls.heading(nb_man.nb, cell_index))

        def finished(cell: Any, cell_index: int, execute_reply: Any) -> None:
            nonlocal done
            done += 1
            tell(done, cls.heading(nb_man.nb, cell_index))

        options.pop("log_output", None)
        client = _Client(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=_Kernel,
            timeout=None,
            startup_timeout=120,
            # Else kernels warn of their local sockets, and that they were asked to end.
            extra_arguments=["--log-level=50"],
            resources={"metadata": {"path": str(cwd or Path.cwd())}},
            on_cell_start=started,
            on_cell_executed=finished,
            **options,
        )
        client.tell = lambda text: tell(done, text)
        kernels.clients.append(client)
        client.execute(env={**os.environ, **(env or {})})

    @staticmethod
    def heading(notebook: Any, index: int) -> str:
        """The last heading at or above a cell."""
        for cell in reversed(notebook.cells[: index + 1]):
            found = re.findall(r"^#+ +(.+)$", cell.source, re.M) if cell.cell_type != "code" else []
            if found:
                return found[-1].strip()
        return ""


def execute(
    chapter: Chapter,
    parameters: Mapping[str, Any],
    out: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    widget_state: bool = True,
    clean: bool = False,
    tell: Tell = lambda done, text: None,
    kernels: Kernels | None = None,
) -> Path:
    """Run one notebook in a new kernel of this interpreter.

    Args:
        chapter: the notebook.
        parameters: values to inject, checked already.
        out: where the executed notebook goes, whole or not at all; if the run fails it is kept
            beside, as ``NAME.failed.ipynb``, and ``out`` is left as it was.
        env: further environment variables of the kernel.
        cwd: the kernel's folder; None is the working directory.
        widget_state: whether the state of live widgets is stored.
        clean: whether what a page does not need is left out.
        tell: hears of progress.
        kernels: takes the kernel, so that it can be interrupted.

    Returns:
        ``out``.

    Raises:
        MrinbError: a cell failed; the message is its error's line.
    """
    notebook = parameterize_notebook(load_notebook_node(str(chapter.path)), dict(parameters))
    links.drop_picture(notebook)
    failed = failed_name(out)
    options = {"env": env, "cwd": cwd, "tell": tell, "kernels": kernels}
    try:
        ChapterEngine.execute_notebook(
            notebook,
            "python3",
            progress_bar=False,
            store_widget_state=widget_state,
            **options,
        )
    except DeadKernelError:
        write_notebook(notebook, failed)
        raise MrinbError(
            f"the kernel of {chapter.name} died (memory?): see {failed}, or use a smaller profile"
        ) from None
    error = _first_error(notebook)
    if error:
        write_notebook(notebook, failed)
        raise MrinbError(error if clean else f"{error} (see {failed})")
    write_notebook(cleaned(notebook) if clean else notebook, out)
    failed.unlink(missing_ok=True)
    return out


_OURS = ("CannotWrite", "MrinbError", "StoreError", "UnreachableError")
"""Errors whose words are meant for the user: ``MrinbError`` and its subclasses."""


def _first_error(notebook: Any) -> str:
    """What the first failed cell said: the words alone if they are mrinb's, else with the kind."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                if output.ename in _OURS:
                    return str(output.evalue)
                first = "".join((output.evalue or "").strip().splitlines()[:1])
                return f"cell [{cell.execution_count}] failed with {output.ename}: {first}"
    return ""


def cleaned(notebook: Any) -> Any:
    """An executed notebook without what a page does not need.

    Papermill's and the kernel's timestamps go, and what says how long computing will take; code is
    folded; of a widget only its HTML stays, and a bar of progress, which has none, goes. What
    verdicts say goes into the notebook's metadata, for the book's table of claims.
    """
    from mrinb.stats.claims import VERDICT_MIME  # pandas and scipy: not needed to run a chapter
    from mrinb.stats.headlines import HEADLINE_MIME

    verdicts, headlines = [], []
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if not (_announces(o) or _needs_kernel(o))]
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_MIME, None)
            verdicts.append(output.get("data", {}).pop(VERDICT_MIME, None))
            headlines.append(output.get("data", {}).pop(HEADLINE_MIME, None))
    fold(notebook)
    notebook.metadata["verdicts"] = [words for words in verdicts if words]
    notebook.metadata["headlines"] = [sentence for sentence in headlines if sentence]
    return notebook


def _announces(output: Any) -> bool:
    """Whether an output is nothing but the runner's word that it computes."""
    if output.output_type != "stream" or output.name != "stderr":
        return False
    return all(line.startswith(ANNOUNCEMENT) for line in output.text.strip().splitlines())


def _needs_kernel(output: Any) -> bool:
    """Whether an output is a live widget without a page's form of it, as bars of progress are."""
    kinds = output.get("data", {}).keys()
    return WIDGET_MIME in kinds and kinds <= {WIDGET_MIME, "text/plain"}


def run_chapter(
    chapter: str,
    parameters: Mapping[str, Any],
    out: Path | None = None,
    *,
    root: Path | None = None,
    env: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Path:
    """Rerun one chapter with other parameters.

    Args:
        chapter: number, letter or start of the name.
        parameters: values by name, in the chapter's types or as text.
        out: the executed notebook; None is ``runs/NAME.ipynb`` in the working directory.
        root: folder of the book; None finds it.
        env: further environment variables of the kernel.
        quiet: whether no progress is shown.

    Returns:
        The path of the executed notebook.

    Raises:
        MrinbError: unknown chapter or parameter, a value of the wrong type, or a cell that failed.
    """
    found = find_chapter(root or repository(), chapter)
    values = check_parameters(found, parameters)
    target = out or Path.cwd() / "runs" / f"{found.name}.ipynb"
    require_place(target, found.path.parent)  # before the work, not after it
    kernels = Kernels()
    with _progress(quiet) as progress, kernels.threads() as pool:
        tell = _teller(progress, found)
        run = pool.submit(execute, found, values, target, env=env, tell=tell, kernels=kernels)
        return run.result()


def _progress(quiet: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", style="dim"),
    )
    return Progress(*columns, console=Console(stderr=True), disable=quiet)


def _teller(progress: Progress, chapter: Chapter) -> Tell:
    """A bar of one chapter: its code cells, and the heading or last line printed."""
    cells = nbformat.read(chapter.path, as_version=4).cells
    total = sum(c.cell_type == "code" and bool(c.source.strip()) for c in cells) + 1  # injected
    task = progress.add_task(chapter.name, total=total, doing="starting the kernel")

    def tell(done: int, text: str) -> None:
        progress.update(task, completed=done, doing=text[:60])

    return tell


def build(
    root: Path,
    out: Path,
    profile: str = "classroom",
    store: Path | None = None,
    compute: str = "never",
    chapters: Sequence[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    quiet: bool = False,
) -> Path:
    """Build the book.

    Args:
        root: folder of the sources.
        out: folder that gets ``_build/html``.
        profile: profile of every chapter.
        store: results store beside the published one; None is the published one alone.
        compute: what chapters do about a missing result: ``never``, ``ask`` or ``auto``.
        chapters: the chapters to run; the others appear without outputs. None runs all.
        parameters: further parameters of every chapter.
        quiet: whether no progress is shown.

    Returns:
        The path of the book's first page.

    Raises:
        MrinbError: chapters that failed, one line each, or warnings from Jupyter Book.
    """
    every = globals()["chapters"](root)
    todo = every if chapters is None else [find_chapter(root, c) for c in chapters]
    values = {**(parameters or {}), "profile": profile}
    checked = {c.name: check_parameters(c, values) for c in todo}
    stage = out / "_build" / "stage"
    stage_sources(root, stage, every)
    env = kernel_environment(root, stage, store, compute)
    _run_all(todo, checked, stage, env, quiet)
    _write_generated(stage, _gathered(stage, todo, profile))
    links.resolve(stage)
    html = _jupyter_book(stage)
    finish_pages(html, yaml.safe_load((stage / "_toc.yml").read_text(encoding="utf-8"))["root"])
    numbering.number(html)
    glossary.explain(html)
    final = out / "_build" / "html"
    shutil.rmtree(final, ignore_errors=True)
    html.replace(final)
    shutil.rmtree(stage)
    return final / "index.html"


def stage_sources(root: Path, stage: Path, every: Iterable[Chapter]) -> None:
    """Copy the book's sources, and write the pages' generated parts.

    Args:
        root: folder of the sources.
        stage: folder that is made anew.
        every: the chapters.
    """
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(
        root / "book", stage / "book", ignore=shutil.ignore_patterns("results", "_generated")
    )
    (stage / "notebooks").mkdir()
    for name in SOURCES:
        shutil.copy(root / name, stage / name)
    for chapter in every:
        shutil.copy(chapter.path, stage / "notebooks" / chapter.path.name)
    if (root / "notebooks" / "pictures").is_dir():
        shutil.copytree(root / "notebooks" / "pictures", stage / "notebooks" / "pictures")
    declared = {c.name: inspect_notebook(str(c.path)) for c in every}
    _write_generated(stage, pages.generated(declared))


def _write_generated(stage: Path, parts: Mapping[str, str]) -> None:
    for name, text in parts.items():
        target = stage / "book" / "_generated" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _gathered(stage: Path, ran: Iterable[Chapter], profile: str) -> dict[str, str]:
    """What pages take from executed chapters: verdicts, answers, a comparer."""
    notebooks = {c.name: nbformat.read(stage / "notebooks" / c.path.name, 4) for c in ran}
    verdicts = {name: notebook.metadata.get("verdicts", []) for name, notebook in notebooks.items()}
    return {**pages.claims(verdicts, profile), **first_page.parts(notebooks)}


def kernel_environment(root: Path, stage: Path, store: Path | None, compute: str) -> dict[str, str]:
    """Environment that tells chapters they are in the book, and where its results lie.

    The store's folder is no parameter here: paths of the builder's machine do not belong in a page.

    Args:
        root: folder of the sources, with the published store.
        stage: folder of the staged sources, which takes the sidecars.
        store: results store beside the published one. None is an empty one if nothing is to be
            computed, so that the book does not depend on what its builder happens to have; else
            it is the user's.
        compute: the policy about missing results.
    """
    if store is None and compute == "never":
        store = stage / "store"
    return {
        "MRINB_BOOK": "1",
        "MRINB_SIDECAR_DIR": str((stage / "book" / "_static" / "exhibits").resolve()),
        "MRINB_SIDECAR_URL": "../_static/exhibits/",
        "MRINB_COMPUTE": compute,
        "MRINB_STORE": str(store.resolve()) if store else "",
        "MRINB_PUBLISHED": str((root / "book" / "results").resolve()),
    }


def _run_all(
    todo: Sequence[Chapter],
    values: Mapping[str, Mapping[str, Any]],
    stage: Path,
    env: Mapping[str, str],
    quiet: bool,
) -> None:
    """Run chapters two at a time; what failed is told once, at the end."""
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": "1"}
    kernels = Kernels()
    failures: dict[str, str] = {}
    with _progress(quiet) as progress, kernels.threads() as pool:
        futures = {
            chapter.name: pool.submit(
                execute,
                chapter,
                values[chapter.name],
                stage / "notebooks" / chapter.path.name,
                env={**env, **threads},
                cwd=stage / "notebooks",
                widget_state=False,
                clean=True,
                tell=_teller(progress, chapter),
                kernels=kernels,
            )
            for chapter in todo
        }
        for name, future in futures.items():
            try:
                future.result()
            except MrinbError as error:
                failures[name] = str(error)
    if failures:
        lines = "\n".join(f"  {name}: {text}" for name, text in failures.items())
        hint = "\nTo compute what is missing: make book COMPUTE=auto, or mrinb book --compute auto"
        raise MrinbError(
            f"the book was not built, these chapters failed:\n{lines}"
            + (hint if env["MRINB_COMPUTE"] == "never" else "")
        )


def _jupyter_book(stage: Path) -> Path:
    """Build the staged sources with warnings as errors; returns the folder of the pages."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"]
    command += [str(stage), "-W", "-n", "--keep-going", "--path-output", str(stage)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    html = stage / "_build" / "html"
    if done.returncode or not (html / "index.html").is_file():
        log = stage / "jupyter-book.log"
        log.write_text(done.stdout, encoding="utf-8")
        said = re.findall(r"^.*(?:WARNING|ERROR|Error).*$", done.stdout, re.M) or [
            done.stdout[-400:]
        ]
        lines = "\n".join(f"  {line.strip()}" for line in dict.fromkeys(said[:20]))
        raise MrinbError(f"Jupyter Book found faults (whole log: {log}):\n{lines}")
    return html
