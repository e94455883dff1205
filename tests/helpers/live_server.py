"""A server of the live page on this machine."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from paths import ROOT

SHELL = '<!doctype html><html lang="en" data-md-color-scheme="default"><meta charset="utf-8"><title>Live</title>\n'


class _Quiet(SimpleHTTPRequestHandler):
    """Says nothing of each request."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript", ".js": "text/javascript"}

    def log_message(self, format: str, *args: Any) -> None:
        """Writes nothing."""


@contextmanager
def served(folder: Path, made: Mapping[str, Path]) -> Iterator[str]:
    """Serves the page with what it needs, by path below live/, and gives its address; the site around it is missing."""
    shutil.copytree(ROOT / "docs" / "live", folder / "live")
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
