"""The wheel, installed outside the clone: an editable installation would hide what it lacks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from paths import ROOT

import hrm_env


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel, and with this one's packages but ours."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = folder / "source"  # building writes beside what it builds
    for package in ("hrm_env", "hrm_agent", "train", "checkpoints"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, source], check=True)
    venv.create(folder / "env", symlinks=True)
    (wheel,) = folder.glob("*.whl")
    programs = folder / "env" / "bin"
    subprocess.run([*pip, "--python", programs / "python", "install", "--no-deps", "--no-index", wheel], check=True)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    # a bare path: the files .pth in there, such as that of an editable installation, have no effect
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    return programs


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_everything_imports_trains_and_loads(installed: Path, tmp_path: Path) -> None:
    ended = run(installed / "python", "-I", ROOT / ".ci" / "try_wheel.py", folder=tmp_path)
    assert not ended.returncode, ended.stderr


def test_the_command_is_there_and_tells_its_version(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "hrm", "--version", folder=tmp_path).stdout == f"hrm-gym {hrm_env.__version__}\n"
    assert "usage: hrm fit" in run(installed / "hrm", "fit", "--help", folder=tmp_path).stdout


def test_the_zoo_adds_little_to_the_wheel() -> None:
    sizes = [file.stat().st_size for file in (ROOT / "checkpoints").rglob("*") if file.is_file()]
    assert 0 < sum(sizes) <= 6e6


def test_no_dependency_is_open_to_what_may_break() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for wanted in (project["dependencies"], *project["optional-dependencies"].values()):
        assert not [text for text in wanted if not re.search("==|~=|,<", text)]


def test_the_least_versions_that_ci_tries_are_the_declared_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.sub(r",<.*", "", text).replace(">=", "==") for text in project["dependencies"]}
    tried = (ROOT / "constraints-minimum.txt").read_text().splitlines()[1:]
    assert {re.sub(r"(\.0)+$", "", line) for line in tried} == {re.sub(r"(\.0)+$", "", line) for line in declared}
