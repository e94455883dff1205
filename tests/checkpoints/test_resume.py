"""A run that is saved and goes on in another agent is, to the last bit, the run that never stopped."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import BUDGET, COPY, Remembering, every_puzzle_once, native_env, row_policies, same, tiny_agent, weights
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import KVWriter, Logger

from hrm_agent import HRM, CheckpointError
from hrm_agent.checkpoints.folder import CheckpointFolder
from hrm_agent.checkpoints.run_parts import capture_parts, restore_parts
from hrm_agent.checkpoints.shared_generators import SharedGenerators
from hrm_agent.checkpoints.training_state import TrainingCheckpoint, restore_training, save_training
from hrm_agent.config import Bootstrap, HaltLossName
from hrm_agent.sb3.callbacks import EvaluateCallback
from hrm_agent.sb3.save_callback import SaveCallback
from hrm_agent.state import join_state, split_state

UPDATES, SAVED_AT, INTERVAL = 9, 5, 3  # saved within an interval of the log
LOSSES: list[tuple[HaltLossName, Bootstrap]] = [
    ("q-learning", "second-pass"),
    ("q-learning", "next-step"),
    ("q-learning", "none"),
    ("pondernet", "none"),
]


class Lines(KVWriter):
    """Keeps every line that a run logs, without what a clock has measured."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
        clock = ("train/segments_per_second", "time/fps", "time/time_elapsed")
        self.lines.append({tag: value for tag, value in key_values.items() if tag not in clock} | {"step": step})


class SaveOnce(BaseCallback):
    """Saves the run after a number of updates."""

    def __init__(self, path: Path, updates: int = SAVED_AT) -> None:
        super().__init__()
        self.path, self.updates = path, updates

    def _on_step(self) -> bool:
        assert isinstance(self.model, HRM)
        if self.n_calls == self.updates:
            save_training(self.model, self.path)
        return True


class KeepOnce(BaseCallback):
    """Keeps the state of a run after a number of updates."""

    def _on_step(self) -> bool:
        assert isinstance(self.model, HRM)
        if self.n_calls == SAVED_AT:
            self.state = join_state(*split_state(capture_parts(self.model)))
        return True


def agent(**options: Any) -> HRM:
    env = native_env(4, augment=True)
    return tiny_agent(env, **{"exploration": 0.5, "ema": 0.9, **options})


def learned(model: HRM, timesteps: int, callback: Any = None, anew: bool = True) -> list[dict[str, Any]]:
    """Trains, and gives the lines that it logs."""
    lines = Lines()
    model.set_logger(Logger(folder=None, output_formats=[lines]))
    model.learn(timesteps, callback, log_interval=INTERVAL, reset_num_timesteps=anew)
    return lines.lines


def local_state(model: HRM) -> dict[str, torch.Tensor]:
    return split_state(capture_parts(model))[0]


def check_resumed(path: Path, **options: Any) -> None:
    """Trains with a save on the way, then goes on from there in another agent, and compares the two ends."""
    whole = agent(**options)
    lines = learned(whole, UPDATES * whole.n_envs, SaveOnce(path))
    for generator in (torch.manual_seed, random.seed, np.random.seed):
        generator(123)
    again = agent(**options, seed=99)  # of other weights and puzzles, all of which have to be put back
    left = restore_training(again, TrainingCheckpoint.read(path))
    assert left == (UPDATES - SAVED_AT) * whole.n_envs
    later = learned(again, left, anew=False)
    assert later == [line for line in lines if line["step"] > SAVED_AT * whole.n_envs]
    assert same(weights(again), weights(whole))
    assert same(local_state(again), local_state(whole))


@pytest.mark.parametrize(("halt_loss", "bootstrap"), LOSSES)
@pytest.mark.parametrize("text", row_policies())
@pytest.mark.filterwarnings("ignore:halting .* reads Q_continue")
def test_a_resumed_run_is_the_run_that_never_stopped(
    tmp_path: Path, text: str, halt_loss: HaltLossName, bootstrap: Bootstrap
) -> None:
    check_resumed(tmp_path / "run.zip", halting=text, halt_loss=halt_loss, q_bootstrap=bootstrap)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adam-atan2"},
        {"exploration_per": "segment"},
        {"ema": None},
        {"max_grad_norm": 0.1},
        {"lr_min_ratio": 0.1, "warmup_steps": 2},
        {"minibatches": 2, "halting": "patience:2"},
        {"minibatches": 4, "halt_loss": "pondernet", "q_bootstrap": "none"},
    ],
    ids=str,
)
def test_so_it_is_with_every_way_to_learn(tmp_path: Path, options: dict[str, Any]) -> None:
    check_resumed(tmp_path / "run.zip", **options)


def test_a_policy_of_ones_own_keeps_its_memory(tmp_path: Path) -> None:
    check_resumed(tmp_path / "run.zip", halting=Remembering())


@pytest.mark.parametrize("part", ["carry", "environment", "session", "halting_loss", "sums", "episodes"])
def test_every_part_of_the_state_is_needed(part: str) -> None:
    # what the tests above would miss if that part were left out
    options: dict[str, Any] = {"halting": "patience:2", "halt_loss": "pondernet", "q_bootstrap": "none"}
    ends = []
    for leave_out in (False, True):
        kept = {0: KeepOnce(), 99: KeepOnce()}
        for seed, callback in kept.items():
            # the episodes of untrained agents are alike, without a reward and at the budget, unless a policy ends them
            rule = {"halting": "fixed:2", "exploration": 0.0} if seed and part == "episodes" else {}
            learned(agent(**{**options, **rule, "seed": seed}), UPDATES * 4, callback)
        model = agent(**options)
        learned(model, 4)
        restore_parts(model, kept[0].state | ({part: kept[99].state[part]} if leave_out else {}))
        ends.append((learned(model, 4 * 4, anew=False), weights(model)))
    assert ends[0][0] != ends[1][0] or not same(ends[0][1], ends[1][1])


def test_a_file_from_before_episodes_were_kept(tmp_path: Path) -> None:
    model = agent()
    learned(model, SAVED_AT * 4, SaveOnce(tmp_path / "run.zip"))
    found = TrainingCheckpoint.read(tmp_path / "run.zip")
    older = {name: tensor for name, tensor in found.tensors["rank0"].items() if not name.startswith("episodes/")}
    assert len(older) < len(found.tensors["rank0"])
    again = agent()
    restore_training(again, replace(found, tensors={**found.tensors, "rank0": older}))
    assert same(weights(again), weights(model))
    learned(again, 4, anew=False)


def test_saving_changes_nothing(tmp_path: Path) -> None:
    silent, saved = agent(), agent()
    folder = CheckpointFolder(tmp_path / "checkpoints")
    lines = learned(silent, UPDATES * 4), learned(saved, UPDATES * 4, [SaveCallback(folder, seconds=0)])
    assert lines[0] == lines[1]
    assert same(weights(silent), weights(saved))
    assert len(folder.files()) == 3


def test_the_sweeps_go_on(tmp_path: Path) -> None:
    def sweeps() -> EvaluateCallback:
        return EvaluateCallback(every_puzzle_once(), every_updates=2)

    model, whole = agent(), sweeps()
    folder = CheckpointFolder(tmp_path, keep=1)
    saving = SaveCallback(folder, 0, lambda: {"sweeps": whole.state_dict()})
    model.learn(UPDATES * 4, [whole, saving])
    file = folder.newest()
    assert file is not None
    assert file.config["updates"] == UPDATES - 1  # the last step is for whoever has called learn
    again, later = agent(), sweeps()
    left = restore_training(again, file)
    later.load_state_dict(file.extra["sweeps"])
    assert [updates for updates, _ in later.history] == [2, 4, 6, 8]
    again.learn(left + 4 * 3, [later], reset_num_timesteps=False)
    assert [updates for updates, _ in later.history] == [2, 4, 6, 8, 10, 12]
    assert later.history[:4] == whole.history


def test_an_agent_is_loaded_from_a_training_checkpoint(tmp_path: Path) -> None:
    model = agent()
    model.learn(4 * 4, SaveOnce(tmp_path / "run.zip", 4))
    loaded = HRM.load(tmp_path / "run.zip", device="cpu")
    assert same(weights(loaded), weights(model))


def test_an_agents_file_is_no_run(tmp_path: Path) -> None:
    agent().save(tmp_path / "agent.zip")
    with pytest.raises(CheckpointError, match="expected the checkpoint of a run, found that of an agent alone"):
        TrainingCheckpoint.read(tmp_path / "agent.zip")


STRANGERS = {
    "weights": (lambda: agent(policy_kwargs={"hidden_size": 8, "num_heads": 1}), "expected the weights of its own"),
    "policy": (
        lambda: agent(halting="fixed:3"),
        "'session/policy/policy/memory': float64 .* instead of none",
    ),
    "slots": (lambda: tiny_agent(native_env(5), ema=0.9), "expected the state of the same puzzles in as many slots"),
    "puzzles": (lambda: tiny_agent(native_env(4, num_puzzles=70), ema=0.9), "state of the same puzzles"),
}


@pytest.mark.parametrize(("other", "message"), STRANGERS.values(), ids=STRANGERS)
def test_another_agent_refuses_a_run(tmp_path: Path, other: Any, message: str) -> None:
    model = agent(halting="patience:2")
    model.learn(SAVED_AT * 4 + 4, SaveOnce(tmp_path / "run.zip"))
    with pytest.raises(CheckpointError, match=f"run.zip: .*{message}"):
        restore_training(other(), TrainingCheckpoint.read(tmp_path / "run.zip"))


def test_only_a_run_under_way_in_the_native_environment_is_saved(tmp_path: Path) -> None:
    scalar = tiny_agent(gym.make(COPY, max_segments=BUDGET))
    scalar.learn(2)
    for model in (agent(), scalar):
        with pytest.raises(ValueError, match="expected an agent that learns in the native environment"):
            save_training(model, tmp_path / "run.zip")


def test_every_shared_generator_is_put_back() -> None:
    def drawn() -> list[float]:
        legacy = float(np.random.rand()), float(np.random.standard_normal())  # noqa: NPY002
        return [random.random(), random.gauss(0, 1), *legacy, float(torch.rand(()))]

    random.gauss(0, 1)  # keeps a second number back, as numpy's does
    np.random.standard_normal()  # noqa: NPY002
    state = SharedGenerators().state_dict()
    expected = [drawn() for _ in range(2)]
    tensors, rest = split_state(state)
    SharedGenerators().load_state_dict(join_state(tensors, rest))
    assert [drawn() for _ in range(2)] == expected


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
@pytest.mark.parametrize(("order", "slots"), [*itertools.product(["random", "sequential", "once"], [1, 4])])
def test_an_environment_goes_on_where_it_was(order: str, slots: int, mode: str) -> None:
    def play(env: Any, steps: int, seed: int) -> list[Any]:
        action = torch.from_numpy(np.random.default_rng(seed).integers(0, 2, (steps, *env.action_space.shape)))
        seen = []
        for step in action:
            observation, reward, done, _, info = env.step_tensors(step)
            seen.append([*observation.values(), reward, done, *(info[key] for key in ("solution", "index", "active"))])
        return seen

    def environment() -> Any:
        common = {"num_puzzles": 9, "augment": order != "once", "array": "torch"}
        return native_env(slots, order=order, autoreset_mode=mode, **common)

    env, other = environment(), environment()
    env.reset_tensors(seed=5)
    play(env, 7, seed=0)
    state = env.state_dict()
    other.load_state_dict(state)
    assert all(torch.equal(*pair) for pair in zip(env.shown()[0].values(), other.shown()[0].values(), strict=True))
    for first, second in zip(play(env, 9, seed=1), play(other, 9, seed=1), strict=True):
        assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
    for seed in (None, 3):  # what a reset draws, too
        assert torch.equal(env.reset_tensors(seed)[0]["inputs"], other.reset_tensors(seed)[0]["inputs"])


@pytest.mark.parametrize(
    ("name", "number", "message"),
    [
        ("inputs", 5, "environment: inputs: expected numbers from 0 to 4, found 5"),
        ("puzzle_id", 1, "environment: puzzle_id: expected numbers from 0 to 0, found 1"),
        ("index", -1, "environment: index: expected numbers from 0 to 8, found -1"),
        ("segment", 99, "environment: segment: expected numbers from 0 to [0-9], found 99"),
        ("next", -(2**63), "environment: next: expected numbers from 0 to 4611686018427387903, found -"),
    ],
)
def test_numbers_that_no_slot_can_have_are_refused(name: str, number: int, message: str) -> None:
    env = native_env(2, num_puzzles=9)
    env.reset(seed=0)
    state = env.state_dict()
    with pytest.raises(ValueError, match=f"^{message}"):
        env.load_state_dict({**state, name: torch.full_like(state[name], number)})
    with pytest.raises(ValueError, match="expected a state of autoreset_mode NextStep"):
        native_env(2, num_puzzles=9, autoreset_mode="NextStep").load_state_dict(state)
