"""Saving and loading: nothing is lost, nothing is unpickled."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import BUDGET, COPY, every_puzzle_once, native_env, same, tiny_agent, trained_agent, wavering_agent, weights
from safetensors.torch import load as load_safetensors

from hrm_agent import HRM, CheckpointError
from hrm_agent.halting.rules import Fixed
from hrm_env.task import PuzzleBatch


def some_puzzles(seed: int) -> PuzzleBatch:
    letters = torch.randint(1, 5, (16, 4), generator=torch.Generator().manual_seed(seed))
    return PuzzleBatch(letters, letters, torch.zeros(16, dtype=torch.long))


def more_steps(model: HRM) -> dict[str, torch.Tensor]:
    """The weights after five more optimizer steps on given puzzles."""
    carry = model.policy.core.initial_carry(16)
    for step in range(5):
        carry = model.learner.step(carry, some_puzzles(0), torch.full((16,), step % BUDGET)).carry
    return weights(model)


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("optimizer", ["adamw", "adam-atan2"])
def test_a_loaded_agent_is_the_saved_one(tmp_path: Path, optimizer: str, ema: float | None) -> None:
    model = wavering_agent(optimizer=optimizer, ema=ema, exploration_per="segment", betas=(0.8, 0.9))
    model.save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", device="cpu")
    assert same(weights(loaded), weights(model))
    assert loaded.learner_config == model.learner_config
    assert (loaded.num_timesteps, loaded._n_updates) == (model.num_timesteps, model._n_updates)
    for name in ("n_envs", "warmup_steps", "lr_min_ratio", "exploration", "exploration_per", "seed", "policy_kwargs"):
        assert getattr(loaded, name) == getattr(model, name), name
    first, second = (agent.evaluate(every_puzzle_once()) for agent in (model, loaded))
    for name in ("exact", "cells", "segments", "q_halt", "right_by_segment"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    assert same(more_steps(model), more_steps(loaded))  # the optimizers' state came along


def test_optimizer_state_matters(tmp_path: Path) -> None:
    # what the test above would miss if a fresh optimizer took the same steps
    model = wavering_agent()
    model.save(tmp_path / "agent")
    forgetful = wavering_agent()
    forgetful.policy.load_state_dict(HRM.load(tmp_path / "agent", device="cpu").policy.state_dict())
    for optimizer in forgetful.learner.optimizers:
        optimizer.state.clear()
    assert not same(more_steps(model), more_steps(forgetful))


def test_a_loaded_agent_goes_on_learning(tmp_path: Path) -> None:
    model = tiny_agent().learn(16 * 10)
    model.save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", env=native_env(16), device="cpu")
    before = weights(loaded)
    loaded.learn(16 * 10, reset_num_timesteps=False)
    assert loaded.num_timesteps == 16 * 20
    assert not same(before, weights(loaded))


def test_the_file_holds_json_and_safetensors_alone(tmp_path: Path) -> None:
    trained_agent().save(tmp_path / "agent.zip")
    with zipfile.ZipFile(tmp_path / "agent.zip") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    assert set(entries) == {"config.json", "policy.safetensors", "optimizer.safetensors"}
    assert json.loads(entries["config.json"])["puzzles"]["task"] == "copy:4x4"
    assert load_safetensors(entries["policy.safetensors"]).keys() == weights(trained_agent()).keys()
    assert load_safetensors(entries["optimizer.safetensors"])


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_agent().save(tmp_path / "agent")

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("a checkpoint was unpickled")

    for name in ("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load"):
        monkeypatch.setattr(name, refuse)
    HRM.load(tmp_path / "agent", device="cpu").set_parameters(tmp_path / "agent")


WAYS = [("a", "a.zip"), ("a.zip", "a"), ("model.zip", ""), ("v1.5", "v1.5")]


@pytest.mark.parametrize(("saved_as", "loaded_as"), WAYS)
def test_ways_to_name_a_checkpoint(tmp_path: Path, saved_as: str, loaded_as: str) -> None:
    trained_agent().save(str(tmp_path / saved_as))
    assert same(weights(HRM.load(tmp_path / loaded_as, device="cpu")), weights(trained_agent()))


def test_options_can_be_changed_at_load_time(tmp_path: Path) -> None:
    trained_agent().save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", device="cpu", halting="fixed:4", exploration=0.5, learning_rate=1.0)
    assert loaded.halting.name == "fixed:4"
    assert (loaded.evaluate(every_puzzle_once()).segments == 4).all()
    assert loaded.exploration == 0.5
    assert loaded.learner.config.learning_rate == 1.0


def test_the_policy_in_use_is_saved(tmp_path: Path) -> None:
    model = tiny_agent()
    model.halting = "q-threshold:0.75"
    model.save(tmp_path / "agent")
    assert HRM.load(tmp_path / "agent", device="cpu").halting.name == "q-threshold:0.75"


def test_the_environments_budget_counts(tmp_path: Path) -> None:
    trained_agent().save(tmp_path / "agent")
    assert HRM.load(tmp_path / "agent", device="cpu").max_segments == BUDGET
    loaded = HRM.load(tmp_path / "agent", env=gym.make(COPY, max_segments=9), device="cpu")
    assert loaded.max_segments == loaded.policy.max_segments == loaded.learner.max_segments == 9
    loaded.save(tmp_path / "longer")
    assert HRM.load(tmp_path / "longer", device="cpu").max_segments == 9
    loaded.set_env(gym.make(COPY, max_segments=2))
    loaded.save(tmp_path / "shorter")
    assert HRM.load(tmp_path / "shorter", device="cpu").max_segments == 2


def test_a_policy_of_ones_own_is_given_again(tmp_path: Path) -> None:
    class Patient(Fixed):
        """Waits for segment 3."""

    tiny_agent(halting=Patient(3)).save(tmp_path / "agent")
    with pytest.raises(CheckpointError, match="saved with a halting policy of your own; expected halting="):
        HRM.load(tmp_path / "agent", device="cpu")
    loaded = HRM.load(tmp_path / "agent", device="cpu", halting=Patient(3))
    assert (loaded.evaluate(every_puzzle_once()).segments == 3).all()


def test_parameters_of_a_checkpoint(tmp_path: Path) -> None:
    trained_agent().save(tmp_path / "agent")
    model = tiny_agent(seed=1)
    assert not same(weights(model), weights(trained_agent()))
    model.set_parameters(tmp_path / "agent.zip")
    assert same(weights(model), weights(trained_agent()))
    assert model.num_timesteps == 0  # weights alone
