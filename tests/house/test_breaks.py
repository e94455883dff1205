"""What a release breaks: changes of what a package exports, and no others."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path

import pytest
from paths import ROOT

PACKAGE = """
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from hrm_own.inner import Task as Task
    from hrm_own.inner import solve as solve
"""
INNER = """
class Task:
    def check(self, answer, strict=False): ...
    def _private(self): ...
def solve(puzzle): ...
def internal(puzzle): ...
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of a package, with the tag v0.1.0."""
    (tmp_path / "hrm_own").mkdir()
    write(tmp_path, PACKAGE, INNER)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"], ["tag", "v0.1.0"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], cwd=tmp_path, check=True)
    return tmp_path


def write(root: Path, package: str, inner: str, name: str = "inner") -> None:
    """Replaces the modules of the package."""
    for old in (root / "hrm_own").glob("*.py"):
        old.unlink()
    (root / "hrm_own" / "__init__.py").write_text(package)
    (root / "hrm_own" / f"{name}.py").write_text(inner)


def breaks(root: Path) -> list[str]:
    """The kinds of what breaks."""
    pytest.importorskip("griffe", reason="griffe is not installed")
    found = runpy.run_path(str(ROOT / ".ci" / "breaks.py"))["breaks"]("hrm_own", "v0.1.0", root)
    return [f"{each.obj.name}: {each.kind.value}" for each in found]


def test_what_is_not_exported_may_change(repository: Path) -> None:
    inner = INNER.replace("def internal(puzzle): ...\n", "").replace("    def _private(self): ...\n", "")
    assert "internal" not in inner
    write(repository, PACKAGE.replace("inner", "moved"), inner + "def more(): ...", "moved")
    assert breaks(repository) == []


def test_what_is_exported_may_not(repository: Path) -> None:
    package = PACKAGE.replace("    from hrm_own.inner import solve as solve\n", "")
    write(repository, package, INNER.replace(", strict=False", ""))
    assert breaks(repository) == ["check: Parameter was removed", "solve: Public object was removed"]
