"""The agent learns, and the same seed gives the same agent."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import Any

import pytest
from agents import BUDGET, COPY, CORE, SLOTS, every_puzzle_once, same, tiny_agent, trained_agent, weights

from hrm_agent import HRM


def test_same_seed_same_weights_to_the_last_bit() -> None:
    first = weights(trained_agent())
    assert trained_agent().num_timesteps == 200 * SLOTS
    assert same(weights(tiny_agent().learn(200 * SLOTS)), first)
    assert not same(weights(tiny_agent(seed=1).learn(2)), weights(tiny_agent(seed=0).learn(2)))


def digest(updates: int) -> str:
    """A fingerprint of the weights after so many updates."""
    model = tiny_agent().learn(updates * SLOTS)
    content = b"".join(tensor.numpy().tobytes() for tensor in weights(model).values())
    return hashlib.sha256(content).hexdigest()


def test_another_process_gives_the_same_weights() -> None:
    # with other hash seeds for Python's sets, and none of what this process has drawn and imported before
    script = "import torch; torch.set_num_threads(1); from test_learning import digest; print(digest(20))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(20)


def test_the_seed_rules_puzzles_and_exploration_too() -> None:
    # equal weights at the start, other seed: what differs after a step is what the environment and exploration drew
    models = [tiny_agent(seed=0), tiny_agent(seed=1)]
    models[1].set_parameters(models[0].get_parameters())
    assert not same(*(weights(model.learn(SLOTS)) for model in models))


def test_learns_the_copy_task_and_when_to_stop() -> None:
    untrained = tiny_agent().evaluate(every_puzzle_once()).summary()
    summary = trained_agent().evaluate(every_puzzle_once()).summary()
    assert untrained["exact"] <= 0.1
    assert summary["exact"] >= 0.95
    assert untrained["segments_mean"] == BUDGET  # its Q values begin equal: it never chooses to halt
    assert summary["segments_mean"] <= 2
    assert summary["q_halt_accuracy"] >= 0.95


PAPER: dict[str, Any] = {"hidden_size": 32, "num_heads": 2, "h_layers": 1, "l_layers": 1}
RECIPES: dict[str, dict[str, Any]] = {
    # everything but the sizes, the rate, the warm-up and the weight decay is the paper's
    "paper": {"policy_kwargs": PAPER},
    "learned positions": {"policy_kwargs": {**PAPER, "positions": "learned"}},
    "bfloat16": {"policy_kwargs": {**PAPER, "dtype": "bfloat16"}},
    "halt loss alone": {"policy_kwargs": PAPER, "q_bootstrap": "none", "halting": "q-threshold:0.5"},
    "whole gradient": {"policy_kwargs": {**CORE, "gradient": "full"}, "max_grad_norm": 1.0},
}


@pytest.mark.parametrize("options", RECIPES.values(), ids=RECIPES)
def test_recipes_learn_the_copy_task(options: dict[str, Any]) -> None:
    common: dict[str, Any] = {"learning_rate": 5e-3, "warmup_steps": 20, "weight_decay": 0.1, "seed": 0}
    env = {"max_segments": BUDGET}
    model = HRM("HRMPolicy", COPY, n_envs=16, env_kwargs=env, device="cpu", **common, **options)
    summary = model.learn(16 * 150).evaluate(every_puzzle_once()).summary()
    assert summary["exact"] >= 0.95
    assert summary["segments_mean"] < BUDGET
