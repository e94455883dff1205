"""Saving and loading: nothing is lost, nothing is unpickled."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import (
    BUDGET,
    COPY,
    CORE,
    every_puzzle_once,
    native_env,
    same,
    tiny_agent,
    trained_agent,
    wavering_agent,
    weights,
)
from safetensors.torch import load as load_safetensors
from stable_baselines3.common.utils import LinearSchedule

import hrm_env
from hrm_agent import HRM, CheckpointError
from hrm_agent.checkpoints.checkpoint import FORMAT, read_checkpoint, write_checkpoint
from hrm_agent.halting.rules import Fixed
from hrm_agent.sb3.policy import HRMPolicy
from hrm_env.task import PuzzleBatch, PuzzleSpec


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
    assert loaded.config == model.config
    assert (loaded.num_timesteps, loaded._n_updates) == (model.num_timesteps, model._n_updates)
    for name in ("n_envs", "seed", "policy_kwargs"):
        assert getattr(loaded, name) == getattr(model, name), name
    first, second = (agent.evaluate(every_puzzle_once()) for agent in (model, loaded))
    for name in ("exact", "cells", "segments", "q_halt", "right_by_segment"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    assert same(more_steps(model), more_steps(loaded))  # the optimizers' state came along


def test_a_file_names_the_versions_that_wrote_it(tmp_path: Path) -> None:
    tiny_agent().save(tmp_path / "agent")
    with zipfile.ZipFile(tmp_path / "agent.zip") as archive:
        config = json.loads(archive.read("config.json"))
    expected = {"format": FORMAT, "hrm_gym": hrm_env.__version__, "torch": torch.__version__}
    assert config | expected == config
    del config["hrm_gym"], config["torch"]  # as in an older file
    tensors = read_checkpoint(tmp_path / "agent.zip")[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hrm_agent.checkpoints.checkpoint._written_by", lambda: {"format": FORMAT})
        write_checkpoint(tmp_path / "older.zip", config, tensors)
    older, agent = (HRM.load(tmp_path / name, device="cpu") for name in ("older", "agent"))
    assert same(weights(older), weights(agent))


EDGES: dict[str, dict[str, Any]] = {
    "least": {"warmup_steps": 0, "lr_min_ratio": 0, "exploration": 0, "seed": 0, "ema": 0.0, "segment_cost": 0},
    "most": {"warmup_steps": 2**53, "lr_min_ratio": 1, "exploration": 1, "seed": 2**32 - 1, "segment_cost": 1e300},
    "no seed": {"seed": None},
    "no rate": {"learning_rate": 0},
    "decays": {"betas": [0, 1 - 1e-16]},
    "a small clip": {"max_grad_norm": 1e-300},
    "numbers of numpy": {
        "policy_kwargs": {**CORE, "hidden_size": np.int64(16), "expansion": np.float32(1)},
        "seed": np.int64(3),
        "exploration": np.float64(0.5),
        "betas": (np.float32(0.9), np.float64(0.95)),
        "depth": ((np.float32(0), np.int64(2), np.int64(2)),),
    },
    "views": {"halting": "halt-first:1024"},
    "a policy's seed": {"halting": f"random:0.5:{2**31 - 1}"},
    "policies in policies": {"halting": "any(" * 8 + "kl,kl" + ")" * 8},
    "cycles": {"policy_kwargs": {**CORE, "h_cycles": 1, "l_cycles": 1024}},
}


@pytest.mark.parametrize("options", EDGES.values(), ids=EDGES)
def test_what_is_built_at_the_limits_is_read_back(tmp_path: Path, options: dict[str, Any]) -> None:
    model = tiny_agent(**options)
    model.save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", device="cpu")
    assert same(weights(loaded), weights(model))
    assert loaded.config.learner == model.config.learner
    assert (loaded.seed, loaded.halting.name, loaded.policy_kwargs) == (
        model.seed,
        model.halting.name,
        model.policy_kwargs,
    )


@pytest.mark.parametrize("budget", [1, 2**16, 2**16 + 1, 10**6])
def test_a_budget_is_refused_when_built_or_read_back(tmp_path: Path, budget: int) -> None:
    def built() -> HRM:
        return tiny_agent(gym.make_vec(COPY, num_envs=4, max_segments=budget), halting="q-threshold")

    if budget > 2**16:
        with pytest.raises(ValueError, match=f"max_segments: expected an integer from 1 to 65536, found {budget}"):
            built()
        return
    built().save(tmp_path / "agent")
    assert HRM.load(tmp_path / "agent", device="cpu").puzzles.sizes.max_segments == budget


@pytest.mark.parametrize("name", ["x" * 201, "a\nb", "\ud800", 3])
def test_a_task_whose_name_could_not_be_read_back_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="name: expected up to 200 printable characters, found "):
        PuzzleSpec(name, 2, 2, 4)


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


def test_a_folder_of_the_same_name_stands_beside_the_file(tmp_path: Path) -> None:
    # rl_zoo3 saves its options in a folder of the agent's name
    (tmp_path / "agent").mkdir()
    trained_agent().save(tmp_path / "agent")
    assert (tmp_path / "agent.zip").exists()
    assert not list((tmp_path / "agent").iterdir())
    assert same(weights(HRM.load(tmp_path / "agent", device="cpu")), weights(trained_agent()))


def test_an_existing_file_is_read_under_its_very_name_and_never_written_over(tmp_path: Path) -> None:
    trained_agent().save(tmp_path / "agent")
    (tmp_path / "agent.zip").rename(tmp_path / "agent")
    assert same(weights(HRM.load(tmp_path / "agent", device="cpu")), weights(trained_agent()))
    content = (tmp_path / "agent").read_bytes()
    tiny_agent().save(tmp_path / "agent")  # as agent.zip
    assert (tmp_path / "agent").read_bytes() == content
    with pytest.raises(CheckpointError, match=r"found a file that cannot be read .Not a reg"):
        HRM.load("/dev/null", device="cpu")


def test_a_policy_that_names_a_file_is_given_again(tmp_path: Path) -> None:
    model = tiny_agent()
    model.policy.halting.name = "any(kl,sb3:m.zip)"
    model.save(tmp_path / "agent")
    with pytest.raises(
        CheckpointError, match=r"agent.zip: halting '.*sb3:m.zip.*': .* names no file.* give the policy"
    ):
        HRM.load(tmp_path / "agent", device="cpu")
    assert HRM.load(tmp_path / "agent", device="cpu", halting="kl").halting.name == "kl"


def test_a_parameter_that_never_had_a_gradient_has_no_state(tmp_path: Path) -> None:
    model = tiny_agent()
    model.policy.core.token_embedding.requires_grad_(False)
    model.learn(16 * 2).save(tmp_path / "agent")
    state = [len(optimizer.state) for optimizer in HRM.load(tmp_path / "agent").learner.optimizers]
    assert state == [len(optimizer.state) for optimizer in model.learner.optimizers]


def test_options_can_be_changed_at_load_time(tmp_path: Path) -> None:
    trained_agent().save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", device="cpu", halting="fixed:4", exploration=0.5, learning_rate=1.0)
    assert loaded.halting.name == "fixed:4"
    assert (loaded.evaluate(every_puzzle_once()).segments == 4).all()
    assert loaded.config.exploration == 0.5
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


def test_a_buffer_in_place_of_a_file(tmp_path: Path) -> None:
    model, buffer = wavering_agent(), io.BytesIO()
    model.save(tmp_path / "agent.zip")
    model.save(buffer)
    assert buffer.getvalue() == (tmp_path / "agent.zip").read_bytes()
    with (tmp_path / "agent.zip").open("rb") as file:
        for place in (buffer, file):  # wherever they stand
            assert same(weights(HRM.load(place, device="cpu")), weights(model))
    other = tiny_agent(ema=None)
    other.set_parameters(buffer)
    assert same(weights(other), weights(model))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_buffer_of_something_else(content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"BytesIO[^\n]*: expected [^\n]*, found [^\n]*"):
        HRM.load(io.BytesIO(content))


def test_loading_takes_the_arguments_of_sb3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained_agent().save(tmp_path / "agent")
    # what rl_zoo3 replaces in every file: of an agent of ours the rate alone is an option
    objects = {"learning_rate": 0.25, "lr_schedule": lambda _: 0.0, "clip_range": lambda _: 0.0}
    loaded = HRM.load(
        tmp_path / "agent", device="cpu", custom_objects=objects, print_system_info=True, force_reset=False
    )
    assert loaded.config.learner.learning_rate == 0.25
    assert "Stable-Baselines3" in capsys.readouterr().out
    for options in ({"halting": "fixed:1"}, {"custom_objects": {"halting": "fixed:2"}, "halting": "fixed:1"}):
        assert HRM.load(tmp_path / "agent", device="cpu", **options).halting.name == "fixed:1"


def test_a_schedule_is_a_function_and_not_saved(tmp_path: Path) -> None:
    tiny_agent(learning_rate=LinearSchedule(2e-3, 1e-3, 1.0)).save(tmp_path / "agent")
    with pytest.warns(UserWarning, match="saved with a learning rate schedule, .* unless learning_rate="):
        loaded = HRM.load(tmp_path / "agent", env=native_env(16), device="cpu")
    assert loaded.config.learner.learning_rate == 2e-3
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # to predict, or with a rate given, nothing is missing
        HRM.load(tmp_path / "agent", device="cpu")
        HRM.load(tmp_path / "agent", env=native_env(16), device="cpu", learning_rate=1e-3)


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("source", ["policy", "agent", "buffer"])
def test_a_policy_alone(tmp_path: Path, source: str, ema: float | None) -> None:
    model = wavering_agent(ema=ema, halting="min:2(q-threshold:0.5)")
    place: Any = io.BytesIO() if source == "buffer" else tmp_path / "saved"
    (model if source == "agent" else model.policy).save(place)
    policy = HRMPolicy.load(place, device="cpu")
    assert same(dict(policy.state_dict()), weights(model))
    assert policy.halting.name == "min:2(q-threshold:0.5)"
    assert policy.task is not None
    obs, _ = native_env(16).reset(seed=0)
    state, other = None, None
    for segment in range(BUDGET):
        obs = {**obs, "segment": np.full(16, segment)}
        (action, state), (again, other) = model.predict(obs, state), policy.predict(obs, other)
        np.testing.assert_array_equal(action, again)


def test_a_policy_file_is_no_agent(tmp_path: Path) -> None:
    trained_agent().policy.save(tmp_path / "policy")
    with pytest.raises(CheckpointError, match=r"policy.zip: expected "):
        HRM.load(tmp_path / "policy", device="cpu")


def test_a_policy_whose_halting_is_ones_own(tmp_path: Path) -> None:
    model = tiny_agent(halting=Fixed(2))
    model.policy.save(tmp_path / "policy")
    with pytest.raises(CheckpointError, match=r"policy.zip: saved with a halting policy of your own"):
        HRMPolicy.load(tmp_path / "policy", device="cpu")
    assert isinstance(HRMPolicy.load(tmp_path / "policy", device="cpu", halting=Fixed(2)).halting, Fixed)
