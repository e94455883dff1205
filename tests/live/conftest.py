"""The live page in headless Chromium, from a server on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import served

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="session")
def made() -> dict[str, Path]:
    """What the page needs and git does not hold."""
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason="the extra onnx is not installed")
    from live_files import MissingError, live_files

    try:
        return live_files()
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def live_site(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the page with the released agents."""
    with served(tmp_path_factory.mktemp("live"), made) as address:
        yield address


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
def page(browser: Any) -> Iterator[Any]:
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
