"""The examples work: the puzzle of one's own, the training loop without SB3, and what its pages show."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from paths import ROOT
from snippets import blocks

from hrm_agent import HRM
from train.__main__ import main


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(page: str) -> list[str]:
    """The Python code of a page."""
    return [block.text for block in blocks() if block.page == page and block.language == "python"]


LATIN = "examples.latin_square:HRM-Latin-v0"  # importing the module registers the id


def test_a_puzzle_of_ones_own_is_an_environment() -> None:
    env = gym.make(LATIN, num_puzzles=20, render_mode="rgb_array")
    check_env(env.unwrapped)
    for _ in range(20):
        _, info = env.reset()
        assert env.step(np.append(info["solution"], 1))[1] == 1.0
        env.reset(options={"index": info["index"]})
        assert env.step(np.append(np.roll(info["solution"], 1), 1))[1] == 0.0


def test_a_puzzle_of_ones_own_trains() -> None:
    core = {"hidden_size": 16, "num_heads": 1, "h_layers": 1, "l_layers": 1, "mixer": "mlp"}
    model = HRM("HRMPolicy", LATIN, n_envs=8, policy_kwargs=core, env_kwargs={"num_puzzles": 20}, seed=0)
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(8 * 5)
    assert any(not torch.equal(p, q) for p, q in zip(before, model.policy.parameters(), strict=True))
    test = gym.make_vec(LATIN, num_envs=8, order="once", split="test", num_puzzles=20)
    assert model.evaluate(test).summary()["puzzles"] == 20


def test_the_puzzle_of_ones_own_stays_within_41_lines() -> None:
    assert len((ROOT / "examples" / "latin_square.py").read_text().splitlines()) <= 41


def test_the_tutorial_shows_the_example() -> None:
    assert texts("docs/own-puzzle.md")[0] == (ROOT / "examples" / "latin_square.py").read_text()


def test_the_tutorials_commands_run(tmp_path: Path) -> None:
    puzzle = ["--env", LATIN]
    size = ["--num-puzzles=40", "--test-puzzles=20", "--hidden-size=16", "--num-heads=1", "--updates=3", "--threads=1"]
    assert main(["fit", "--preset", "sudoku4x4", *puzzle, "--no-augment", "--out", str(tmp_path), *size]) == 0
    assert main(["watch", "--checkpoint", str(tmp_path), *puzzle, "--pause=0", "--puzzles=1"]) == 0


def test_the_snippets_on_easier_puzzles_run() -> None:
    names: dict[str, Any] = {}
    for snippet in texts("docs/environments.md"):
        exec(snippet, names)
    blanks = (names["env"].reset(seed=0)[0]["inputs"] == 1).sum(axis=1)
    assert names["env"].unwrapped.rules.blank_fraction == (0.5, 1.0)
    assert blanks.min() < 9 < blanks.max()  # of the 11 or 12 that a minimal 4x4 puzzle has
    assert (names["test"].reset(seed=0)[0]["inputs"] == 1).sum(axis=1).mean() < 2


def test_the_training_loop_without_sb3(capsys: pytest.CaptureFixture[str]) -> None:
    summary = load("training_loop").main(steps=101, batch_size=16, max_segments=2)
    losses = [float(loss) for loss in re.findall(r"loss (\d+\.\d+)", capsys.readouterr().out)]
    assert losses[-1] < losses[0]
    assert summary["puzzles"] == 1000
