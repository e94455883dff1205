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

EVERYTHING = """
import importlib.util, pkgutil, sys, warnings
warnings.simplefilter("error")
import gymnasium as gym

env = gym.make("hrm_env:HRM-Sudoku4x4-v0", num_puzzles=8)
assert not {"hrm_agent", "stable_baselines3"} & set(sys.modules)
env.reset(seed=0)
assert "HRM-Halting-v0" not in gym.registry
try:
    gym.make("hrm_agent:HRM-Halting-v0")
except ValueError as error:
    assert "traces" in str(error)

import hrm_agent, hrm_env, hrm_train
for package in ("benchmarks", "experiments", "tests", "train"):
    assert importlib.util.find_spec(package) is None, package
warnings.simplefilter("default")  # what follows imports packages that may warn of each other
for package in (hrm_agent, hrm_env, hrm_train):
    assert package.__file__.startswith(sys.prefix), package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

model = hrm_agent.HRM(
    env="HRM-Sudoku4x4-v0", n_envs=8, env_kwargs={"num_puzzles": 8}, halting="fixed:2", device="cpu", seed=0,
    policy_kwargs={"hidden_size": 16, "num_heads": 2, "h_layers": 1, "l_layers": 1},
)
model.learn(16)
model.save("agent.zip")
loaded = hrm_agent.HRM.load("agent.zip", device="cpu")
assert loaded.num_timesteps == 16
observation, _ = env.reset(seed=0)
assert (loaded.predict(observation)[0] == model.predict(observation)[0]).all()
assert hrm_agent.load_pretrained("sudoku4x4", device="cpu").evaluate(env).exact.all()  # of the package itself
"""


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
    ended = run(installed / "python", "-c", EVERYTHING, folder=tmp_path)
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


def test_the_citation_is_of_this_version() -> None:
    assert f"\nversion: {hrm_env.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_least_versions_that_ci_tries_are_the_declared_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.sub(r",<.*", "", text).replace(">=", "==") for text in project["dependencies"]}
    tried = (ROOT / "constraints-minimum.txt").read_text().splitlines()[1:]
    assert {re.sub(r"(\.0)+$", "", line) for line in tried} == {re.sub(r"(\.0)+$", "", line) for line in declared}
