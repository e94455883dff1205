"""The live page in headless Chromium, from a server on this machine."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from paths import ROOT

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SHELL = '<!doctype html><html lang="en" data-md-color-scheme="default"><meta charset="utf-8"><title>Live</title>\n'


class _Quiet(SimpleHTTPRequestHandler):
    """Says nothing of each request."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".js": "text/javascript"}

    def log_message(self, format: str, *args: Any) -> None:
        """Writes nothing."""


@pytest.fixture(scope="session")
def live_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the page with all that it needs, but without the site around it."""
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason="the extra onnx is not installed")
    from live_files import MissingError, live_files

    folder = tmp_path_factory.mktemp("live")
    shutil.copytree(ROOT / "docs" / "live", folder / "live")
    try:
        made = live_files()
    except MissingError as error:
        pytest.skip(str(error))
    for name, path in made.items():
        target = folder / "live" / name
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(path)
    page = (ROOT / "docs" / "live.md").read_text().split("---\n", 2)[2]
    (folder / "live.html").write_text(SHELL + page)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/live.html"
    server.shutdown()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A context of headless Chromium, that of the system."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"), executable_path=chromium, headless=True, args=FLAGS
        )
        context.set_default_timeout(120_000)  # on a machine that is busy with other tests
        yield context
        context.close()


@pytest.fixture
def page(browser: Any, live_site: str) -> Iterator[Any]:
    """A page of its own; a test opens what it wants with `opened`. An error on the page fails the test."""
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors


@pytest.fixture
def opened(page: Any, live_site: str) -> Any:
    """The live page with its first agent, ready."""
    page.goto(live_site)
    page.wait_for_selector("#live[data-state=ready]")
    return page
