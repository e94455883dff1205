"""ONNX Runtime Web for the live page: where it is missing a message says what to do; another package is refused."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import live_files
import pytest

NPM = """#!/bin/sh
cp {package} "$5"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of programs, which comes before all others, and an empty build/live."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(live_files, "CACHE", tmp_path / "live")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_without_npm_the_message_names_it(programs: Path) -> None:
    with pytest.raises(live_files.MissingError, match=r"onnxruntime-web@[\d.]+ in .*, found neither it nor npm"):
        live_files.live_files()


def test_without_a_network_the_message_gives_the_reason_of_npm(programs: Path) -> None:
    npm = programs / "npm"
    npm.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    npm.chmod(0o755)
    with pytest.raises(live_files.MissingError, match="npm pack failed: no network"):
        live_files.live_files()


def test_another_package_is_refused(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "onnxruntime-web-1.30.0.tgz"
    with tarfile.open(package, "w:gz"):
        pass
    npm = programs / "npm"
    npm.write_text(NPM.format(package=package))
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/bin:/usr/bin")
    with pytest.raises(live_files.MissingError, match="SHA-512"):
        live_files.live_files()
    assert not list((tmp_path / "live").rglob("*.wasm"))
