"""The widgets where notebooks are read: JupyterLab, nbconvert, Voila, with and without a kernel."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from places import ROOT
from widget_data import grey
from widget_pages import drawn, settle

CODE = """from widget_data import exhibit
from mrinb.widgets import Comparer, Toy, ToyData
Comparer(exhibit(), title="Two networks", smooth=False)"""
LESSON = "Toy(ToyData.simulate(n=20, d=4))"
NOTEBOOK = "widgets.ipynb"
EXECUTE = "([name, args]) => { window.jupyterapp.commands.execute(name, args ?? {}); }"

IMPORTED = 180_000  # ms in which a kernel of a busy machine has imported the package

READY = """() => window.jupyterapp.restored.then(() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    return panel?.context?.isReady && kernel?.status === 'idle';
})"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(folder: Path, *command: str):
    """Run a Jupyter server with settings of its own, until the block ends; gives its address."""
    port = free_port()
    places = {name: str(folder / name) for name in ("config", "data", "runtime")}
    environment = {
        **os.environ,
        **{f"JUPYTER_{name.upper()}_DIR": place for name, place in places.items()},
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")]),
        "NO_PROXY": "127.0.0.1",
    }
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, f"--port={port}", "--no-browser"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/nothing", server, folder / "server.log")
            yield address
        finally:
            server.terminate()  # it ends its kernels
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    """Wait until the server answers, be it that there is nothing, or say what it said."""
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=20)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    pytest.fail(log.read_text())


def jupyter_page(browser, address: str):
    """A window that can reach this machine only."""
    context = browser.new_context(viewport={"width": 1100, "height": 1000})
    context.route(
        "**/*",
        lambda route: (
            route.continue_()
            if route.request.url.startswith((address, "data:", "blob:"))
            else route.abort()
        ),
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page


class Lab:
    """JupyterLab with one notebook, as someone sees it who runs it and saves it."""

    def __init__(self, browser, folder: Path, address: str):
        self.browser, self.folder, self.address = browser, folder, address

    def open(self, name: str):
        """Open a notebook in a new window and wait for its cells."""
        self.page = jupyter_page(self.browser, self.address)
        self.page.goto(f"{self.address}/lab/tree/{name}?reset")
        self.page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for()
        self.page.wait_for_function("window.jupyterapp")
        return self

    def do(self, command: str, **args) -> None:
        self.page.evaluate(EXECUTE, [command, args])

    def cells(self) -> int:
        return self.page.locator(".jp-NotebookPanel .jp-Cell").count()

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory):
    """A notebook that was run in JupyterLab and saved, still open there."""
    folder = tmp_path_factory.mktemp("lab")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [new_code_cell(source) for source in (CODE, LESSON, "'untouched'")]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / NOTEBOOK)
    options = [
        *("--ServerApp.token=", "--ServerApp.password=", "--allow-root"),
        *("--expose-app-in-browser", "--LabApp.news_url=", "--ServerApp.ip=127.0.0.1"),
    ]
    with served(folder, "jupyterlab", *options) as address:
        lab = Lab(browser, folder, address).open(NOTEBOOK)
        lab.page.wait_for_function(READY)
        lab.page.wait_for_timeout(1500)  # a moment later Lab takes the notebook as the current one
        lab.do("notebook:run-all-cells")
        lab.page.locator(".mrinb-toy[data-drawn]").wait_for(timeout=IMPORTED)
        drawn(lab)
        lab.do("docmanager:save")
        yield lab
        lab.close()


def levels(page):
    """Grey values in the middle of both halves of the comparer."""
    return page.evaluate("""() => {
        const canvas = document.querySelector('.mrinb-compare canvas');
        const { width, height } = canvas;
        const copy = new OffscreenCanvas(width, height).getContext('2d');
        copy.drawImage(canvas, 0, 0);
        return [0.25, 0.75].map((x) => copy.getImageData(width * x, height / 2, 1, 1).data[0]);
    }""")


FIRST = [grey("U-net", pool, 0) for pool in ("P", "P+Q")]


def reacts(seen):
    """The comparer shows what is chosen in it."""
    drawn(seen)
    assert levels(seen.page) == FIRST
    seen.page.get_by_label("Left", exact=True).select_option("half of P+Q")
    settle(seen)
    assert levels(seen.page) == [grey("U-net", "half of P+Q", 0), FIRST[1]]
    seen.page.get_by_label("Left", exact=True).select_option("P")
    settle(seen)
    assert levels(seen.page) == FIRST


def shows_the_still(page):
    """The picture and its words are there, the widget is not."""
    picture = page.locator("img[alt*='knees, SSIM 0.157']")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 32
    assert page.get_by_text("Simulated data; profile quick").first.is_visible()
    assert page.get_by_text("Two networks").first.is_visible()
    assert page.locator(".mrinb-widget").count() == 0


# --- JupyterLab -----------------------------------------------------------------------------------


def test_live_in_lab(lab):
    reacts(lab)
    lab.page.get_by_label("Noise σ of P").fill("3")
    assert lab.page.locator(".mrinb-title").inner_text() == "Two networks"
    assert lab.page.get_by_text("Copy link").count() == 0  # the address is Lab's
    lab.page.wait_for_timeout(300)
    assert "view." not in lab.page.url


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_a_change_of_theme_leaves_the_picture(lab, theme):
    lab.do("apputils:change-theme", theme=theme)
    for _ in range(8):
        lab.page.wait_for_timeout(100)
        assert levels(lab.page) == FIRST


@pytest.mark.parametrize(
    ("away", "back"),
    [
        ("launcher:create", "application:close"),
        ("notebook:hide-all-cell-outputs", "notebook:show-all-cell-outputs"),
    ],
)
def test_a_tab_left_and_outputs_folded_show_the_picture_again(lab, away, back):
    lab.do(away)
    lab.page.locator(".mrinb-compare").wait_for(state="hidden")
    lab.do(back)
    lab.page.locator(".mrinb-compare").wait_for()
    reacts(lab)


def test_what_is_typed_in_a_widget_leaves_the_cell(lab):
    before = lab.cells()
    lab.page.get_by_label("Left", exact=True).focus()
    lab.page.keyboard.press("x")
    lab.page.locator(".mrinb-stage").click(position={"x": 30, "y": 30})
    lab.page.keyboard.press("d")
    lab.page.keyboard.press("d")
    lab.page.locator(".mrinb-divider").focus()
    for key in ("d", "d", "a", "b", "x", "m", "Enter", "Shift+Enter", "Control+Enter"):
        lab.page.keyboard.press(key)
    lab.page.get_by_label("Noise σ of P").focus()
    for key in ("x", "d", "d", "j", "k"):
        lab.page.keyboard.press(key)
    lab.page.wait_for_timeout(300)
    assert lab.cells() == before == 3
    assert lab.page.locator(".mrinb-compare").count() == 1
    lab.page.locator(".jp-Cell").nth(2).locator(".jp-InputPrompt").click()
    lab.page.keyboard.press("b")  # Lab itself still listens
    lab.page.wait_for_function("document.querySelectorAll('.jp-Cell').length === 4")
    lab.page.keyboard.press("z")
    lab.page.get_by_label("Left", exact=True).select_option("P")
    lab.do("docmanager:save")


def test_saved_and_reopened_without_a_kernel(lab):
    stored = json.loads((lab.folder / NOTEBOOK).read_text())
    outputs = [output for cell in stored["cells"] for output in cell["outputs"]]
    assert set(outputs[0]["data"]) == {"text/html", "text/plain"}
    assert "widgets" not in stored["metadata"]
    stored["metadata"]["kernelspec"]["name"] = "gone"
    copy = nbformat.from_dict(stored)
    nbformat.write(copy, lab.folder / "gone.ipynb")
    environment = {**os.environ, "JUPYTER_DATA_DIR": str(lab.folder / "data")}
    trust = [sys.executable, "-m", "nbformat.sign", str(lab.folder / "gone.ipynb")]
    subprocess.run(trust, env=environment, check=True, capture_output=True)
    again = Lab(lab.browser, lab.folder, lab.address).open("gone.ipynb")
    try:
        again.page.get_by_role("button", name="No Kernel").last.click()
        reacts(again)
    finally:
        again.close()


def test_an_untrusted_notebook_shows_the_picture(lab):
    stored = nbformat.read(lab.folder / NOTEBOOK, as_version=4)
    stored.cells[2].source = "'not what was signed'"
    nbformat.write(stored, lab.folder / "untrusted.ipynb")
    again = Lab(lab.browser, lab.folder, lab.address).open("untrusted.ipynb")
    try:
        shows_the_still(again.page)
    finally:
        again.close()


# --- converted, and read offline ------------------------------------------------------------------


@pytest.fixture(scope="session")
def converted(lab, tmp_path_factory):
    """The saved notebook as HTML, Markdown (made a page) and slides."""
    import markdown_it
    from nbconvert import HTMLExporter, MarkdownExporter, SlidesExporter

    folder = tmp_path_factory.mktemp("converted")
    for name, exporter in {"html": HTMLExporter, "slides": SlidesExporter}.items():
        text, _ = exporter().from_filename(str(lab.folder / NOTEBOOK))
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    text, _ = MarkdownExporter().from_filename(str(lab.folder / NOTEBOOK))
    body = markdown_it.MarkdownIt().render(text)
    page = f"<!doctype html><meta charset=utf-8><title>Markdown</title>{body}"
    (folder / "markdown.html").write_text(page, encoding="utf-8")
    return folder


@pytest.mark.parametrize("kind", ["html", "markdown", "slides"])
def test_converted_and_read_offline(visit, converted, kind):
    seen = visit(converted, f"{kind}.html")
    reacts(seen)
    assert seen.page.get_by_text("Copy link").count() == 2  # the address is the page's own
    seen.outside.clear()  # what nbconvert's templates ask for: MathJax, require.js, reveal.js
    seen.problems.clear()


@pytest.mark.parametrize("kind", ["html", "markdown", "slides"])
def test_where_scripts_are_blocked_the_picture_stays(visit, converted, kind):
    seen = visit(converted, f"{kind}.html", java_script_enabled=False)
    shows_the_still(seen.page)
    seen.outside.clear()
    seen.problems.clear()


# --- Voila ----------------------------------------------------------------------------------------


def test_voila(browser, lab, tmp_path):
    shutil.copy(lab.folder / NOTEBOOK, tmp_path)
    with served(tmp_path, "voila", NOTEBOOK, "--Voila.ip=127.0.0.1") as address:
        seen = Lab(browser, tmp_path, address)
        seen.page = jupyter_page(browser, address)
        seen.page.goto(f"{address}/", timeout=IMPORTED)  # it answers when the notebook has run
        try:
            reacts(seen)
        finally:
            seen.close()
