"""A stand-in of the Hugging Face hub on this machine, which takes commits and hands out files as the hub does."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import huggingface_hub
import pytest

COMMIT = "a" * 40
REVISION = "main"


class Hub(BaseHTTPRequestHandler):
    """Holds repositories, ``"owner/name"`` of models and ``"datasets/owner/name"``, each with its files by name.

    ``broken`` cuts downloads; ``posts`` are the paths and contents that were posted.
    """

    repositories: dict[str, dict[str, bytes]]
    posts: list[tuple[str, bytes]]
    broken = False
    read_only = False
    downloads = 0

    def do_HEAD(self) -> None:
        content, error = self.found()
        self.send_response(404 if error else 200)
        self.send_header("X-Error-Code", error)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()

    def do_GET(self) -> None:
        type(self).downloads += 1
        self.do_HEAD()
        content, _ = self.found()
        self.wfile.write(content[: len(content) // 2] if self.broken else content)

    def found(self) -> tuple[bytes, str]:
        """The file that is asked for, or why there is none."""
        asked = re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", self.path)
        if asked is None or asked[1] not in self.repositories:
            return b"", "RepoNotFound"
        if asked[2] != REVISION:
            return b"", "RevisionNotFound"
        files = self.repositories[asked[1]]
        return (files[asked[3]], "") if asked[3] in files else (b"", "EntryNotFound")

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).posts.append((self.path, content))
        if self.read_only:
            self.answer(403, {"error": "Forbidden: you may not write here."})
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            asked = json.loads(content)
            name = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
            self.repositories.setdefault(name, {})
            self.answer(200, {"url": f"http://{self.headers['Host']}/{name}"})
        elif "/preupload/" in self.path:
            files = json.loads(content)["files"]
            modes = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]
            self.answer(200, {"files": modes})
        else:
            self.commit(content)

    def commit(self, content: bytes) -> None:
        """Takes the files of a commit: a line of JSON each."""
        name = re.fullmatch(r"/api/models/(.+)/commit/main", self.path)
        assert name is not None, self.path
        for line in map(json.loads, content.splitlines()):
            if line["key"] == "file":
                self.repositories[name[1]][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        url = f"http://{self.headers['Host']}/{name[1]}/commit/{COMMIT}"
        self.answer(200, {"commitUrl": url, "commitOid": COMMIT})

    def answer(self, status: int, value: Any) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


def hub_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the hub's library, empty, in a folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    return folder / "hub"


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, repositories: dict[str, dict[str, bytes]]) -> Iterator[type[Hub]]:
    """A hub on this machine, which the library is pointed at."""
    handler = type("LocalHub", (Hub,), {"repositories": repositories, "posts": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    with monkeypatch.context() as patch:
        patch.setattr(huggingface_hub, "hf_hub_download", partial(huggingface_hub.hf_hub_download, endpoint=endpoint))
        patch.setattr(huggingface_hub, "HfApi", partial(huggingface_hub.HfApi, endpoint=endpoint, token="hf_nobody"))
        patch.setattr("time.sleep", lambda seconds: None)  # between the library's tries
        yield handler
    server.shutdown()
    server.server_close()
