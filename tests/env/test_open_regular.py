"""Only regular files are opened: what blocks or never ends is refused at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from hrm_env.files import open_regular


def bound(path: Path) -> None:
    os.chdir(path.parent)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path.name)


IRREGULAR: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "Not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "Not a regular file"),
    "terminal": (lambda path: path.symlink_to("/dev/tty"), "Not a regular file|No such device.*"),
    "socket": (bound, "Not a regular file|No such device.*"),
    "folder": (Path.mkdir, "Not a regular file"),
    "nothing": (lambda path: None, "No such file or directory"),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_regular_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)  # and back again
    make, message = IRREGULAR[kind]
    make(tmp_path / "path")
    with pytest.raises(OSError, match=message) as caught:
        open_regular(tmp_path / "path")
    assert caught.value.filename in (str(tmp_path / "path"), tmp_path / "path")


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(OSError, match="No possible file name"):
        open_regular(name)


def test_a_file_and_a_link_to_one_are_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"
