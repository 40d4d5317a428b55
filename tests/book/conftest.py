"""The quick book, and a browser: nothing outside is asked for, nothing complained of."""

import fcntl
import functools
import http.server
import os
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from places import ROOT
from playwright.sync_api import sync_playwright

from mrinb.publish import book

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


def find_chromium() -> str:
    named = os.environ.get("CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.fail(
        "the page tests need Chromium: install it (Debian: apt-get install chromium) or set "
        "CHROMIUM to its path",
        pytrace=False,
    )


@pytest.fixture(scope="session")
def browser():
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@dataclass
class Visit:
    """One page being looked at, with everything it asked for and complained of."""

    page: object
    context: object
    asked: list = field(default_factory=list)
    outside: list = field(default_factory=list)
    problems: list = field(default_factory=list)

    def axe(self, *rules: str) -> list[str]:
        """Return one line for every accessibility violation, of all rules or those named."""
        if not self.page.evaluate("typeof axe === 'object'"):
            self.page.evaluate(AXE.read_text(encoding="utf-8") + "\n;0")
        result = self.page.evaluate(
            "runOnly => axe.run(document, { preload: false, ...(runOnly && { runOnly }) })",
            {"type": "rule", "values": list(rules)} if rules else None,
        )
        assert result["passes"], "axe looked at nothing"
        return [
            f"{v['id']}: {v['help']}: {node['html'][:120]} {node.get('failureSummary', '')}"
            for v in result["violations"]
            for node in v["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@pytest.fixture
def serve():
    """Serve folders over http on this machine; returns the address of each."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(QuietHandler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def visit(browser, serve):
    """Open ``folder/name`` from disk or over http; afterwards nothing bad may have happened."""
    visits = []

    def open_page(folder, name="index.html", over="file", fragment="", **options) -> Visit:
        base = f"file://{quote(str(folder))}" if over == "file" else serve(folder)
        options = {"viewport": {"width": 900, "height": 1000}, **options}
        context = browser.new_context(**options)
        seen = Visit(None, context)

        def guard(route):
            url = route.request.url
            seen.asked.append(url)
            if url.startswith((f"{base}/", "data:", "blob:")):
                route.continue_()
            else:
                seen.outside.append(url)
                route.abort()

        def heard(message):
            if message.type in ("error", "warning") and "favicon" not in str(message.location):
                seen.problems.append(message.text)

        context.route("**/*", guard)
        seen.page = page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", heard)
        page.on("pageerror", lambda error: seen.problems.append(str(error)))
        page.goto(f"{base}/{name}{fragment}")
        visits.append(seen)
        return seen

    yield open_page
    for seen in visits:
        seen.context.close()
    assert [url for seen in visits for url in seen.outside] == []
    assert [problem for seen in visits for problem in seen.problems] == []


@pytest.fixture(scope="session")
def built_book(tmp_path_factory):
    """The quick book, computed from an empty store, once for all test processes.

    ``MRINB_TEST_BOOK`` names a folder of pages that is looked at instead.
    """
    if "MRINB_TEST_BOOK" in os.environ:
        return Path(os.environ["MRINB_TEST_BOOK"]).resolve()
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    out = shared / "built-book"
    html = out / "_build" / "html"
    with (shared / "built-book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not html.exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MRINB_WORKERS", "0")  # two chapters at once fill the cores
                book.build(ROOT, out, "quick", out / "store", "auto", quiet=True)
    return html


@pytest.fixture
def open_page(built_book, visit):
    """Open a page of the book by its name, and wait until its scripts have settled."""

    def opened(page, **options):
        seen = visit(built_book, f"{page}.html", **options)
        seen.page.wait_for_load_state("load")
        seen.page.evaluate("() => window.MathJax?.startup?.promise")
        return seen

    return opened
