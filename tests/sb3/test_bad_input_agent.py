"""What a user can get wrong with the agent: each is one clear sentence, and no file is harmed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import COPY, CORE, native_env, tiny_agent, trained_agent
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import DummyVecEnv

from hrm_agent import HRM, CheckpointError, EvaluateCallback, NonFiniteError
from hrm_agent.checkpoints.checkpoint import read_checkpoint
from hrm_agent.config import AgentConfig, LearnerConfig


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "agent.zip"
    trained_agent().save(path)
    return path


def sudoku(**options: Any) -> Any:
    return gym.make_vec("HRM-Sudoku4x4-v0", num_envs=16, num_puzzles=5, **options)


def refusal(action: Callable[[], Any], error: type[Exception] = ValueError) -> str:
    """The one sentence that an action is refused with."""
    with pytest.raises(error) as caught:
        action()
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer: expected one of adam-atan2, adamw, muon, found 'sgd'"),
        ({"token_loss": "mse"}, "token_loss: expected one of stablemax, softmax, found 'mse'"),
        ({"q_bootstrap": "td"}, "q_bootstrap: expected one of second-pass, next-step, none, found 'td'"),
        ({"learning_rate": -1.0}, "learning_rate: expected a finite number of at least 0, found -1.0"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a finite number of at least 0, found nan"),
        ({"learning_rate": "fast"}, "learning_rate: expected a finite number of at least 0, found 'fast'"),
        ({"learning_rate": None}, "learning_rate: expected a finite number of at least 0, found None"),
        ({"weight_decay": -0.1}, "weight_decay: expected a finite number of at least 0, found -0.1"),
        ({"puzzle_embedding_lr": -1.0}, "puzzle_embedding_lr: expected a finite number of at least 0, found -1.0"),
        ({"halt_loss_weight": -1.0}, "halt_loss_weight: expected a finite number of at least 0, found -1.0"),
        ({"continue_loss_weight": -1.0}, "continue_loss_weight: expected a finite number of at least 0, found -1.0"),
        ({"betas": (0.9, 1.0)}, "betas: expected a number from 0 to below 1, found 1.0"),
        ({"betas": []}, r"betas: expected the decays of two moments, found \[\]"),
        ({"betas": 0.9}, "betas: expected the decays of two moments, found 0.9"),
        ({"weight_decay": "0.1"}, "weight_decay: expected a finite number of at least 0, found '0.1'"),
        ({"weight_decay": 10**400}, "weight_decay: expected a finite number .* found an integer of 1,329 bits"),
        ({"ema": True}, "ema: expected a finite number from 0 to 1, found True"),
        ({"ponder_prior": 0}, "ponder_prior: expected more than 0, found 0"),
        ({"ponder_prior": None}, "ponder_prior: expected a finite number from 0 to 1, found None"),
        ({"optimizer": None}, "optimizer: expected one of adam-atan2, adamw, muon, found None"),
        ({"label_smoothing": 1.0}, "label_smoothing: expected a number from 0 to below 1, found 1.0"),
        ({"ema": 1.0}, "ema: expected a number from 0 to below 1, found 1.0"),
        ({"max_grad_norm": -1.0}, "max_grad_norm: expected a finite number of at least 0, found -1.0"),
        ({"warmup_steps": -3}, "warmup_steps: expected an integer from 0 to .* found -3"),
        ({"warmup_steps": 2.5}, "warmup_steps: expected an integer from 0 to .* found 2.5"),
        ({"lr_min_ratio": 1.5}, "lr_min_ratio: expected a finite number from 0 to 1, found 1.5"),
        ({"seed": -1}, "seed: expected an integer from 0 to 4294967295, found -1"),
        ({"exploration": 2.0}, "exploration: expected a finite number from 0 to 1, found 2.0"),
        ({"exploration_per": "day"}, "exploration_per: expected one of episode, segment, found 'day'"),
        ({"halting": "never"}, "halting: expected one of q-compare, .* found 'never'"),
        ({"halting": None}, "halting: expected a policy or its string form, found None"),
        ({"policy_kwargs": {"hidden_size": "64"}}, "hidden_size: expected an integer from 1 to .*, found '64'"),
        ({"policy_kwargs": {"core": "hmr"}}, r"core: expected one of hrm, trm, .*, found 'hmr'"),
        ({"policy_kwargs": 64}, "policy_kwargs: expected a dict of options by name, found 64"),
        ({"env_kwargs": [8]}, r"env_kwargs: expected a dict of options by name, found \[8\]"),
        ({"seed": "0"}, "seed: expected an integer from 0 to 4294967295, found '0'"),
        ({"warmup_steps": None}, "warmup_steps: expected an integer from 0 to .* found None"),
        ({"compile": "no"}, "compile: expected True or False, found 'no'"),
        ({"stats_window_size": 0}, "stats_window_size: expected an integer of at least 1, found 0"),
        ({"tensorboard_log": 3}, "tensorboard_log: expected the path of a folder, found 3"),
        ({"verbose": "yes"}, "verbose: expected an integer of at least 0, found 'yes'"),
        ({"n_envs": 0}, "n_envs: expected an integer from 1 to 16777216, found 0"),
        ({"n_envs": "4"}, "n_envs: expected an integer from 1 to 16777216, found '4'"),
        ({"env_kwargs": {"max_segments": 0}}, "max_segments: expected an integer from 1 to 65536, found 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        tiny_agent(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup_step": 1}, "HRM() got an unexpected keyword argument 'warmup_step'; did you mean 'warmup_steps'?"),
        ({"weight_deacy": 1}, "HRM() got an unexpected keyword argument 'weight_deacy'; did you mean 'weight_decay'?"),
        (
            {"policy_kwargs": {"hidden_sise": 64}},
            "core 'hrm' got an unexpected keyword argument 'hidden_sise'; did you mean 'hidden_size'?",
        ),
    ],
    ids=str,
)
def test_options_that_nobody_has(
    checkpoint: Path, options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gym, "make_vec", None)  # it is said before any puzzle is made
    assert refusal(lambda: tiny_agent(**options), TypeError) == message
    assert refusal(lambda: HRM.load(checkpoint, device="cpu", **options), TypeError) == message


@pytest.mark.parametrize(
    ("policy", "found"), [("MlpPolicy", "'MlpPolicy'"), (None, "None"), (BasePolicy, r"<class .*BasePolicy'>")]
)
def test_a_policy_of_others(policy: Any, found: str) -> None:
    with pytest.raises(ValueError, match=f"^policy: expected one of HRMPolicy, found {found}"):
        HRM(policy, COPY)


@pytest.mark.parametrize("options", [{"total_timesteps": "100"}, {"log_interval": 0}, {"log_interval": 2.5}], ids=str)
def test_how_long_to_learn(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(options))}: expected an integer"):
        tiny_agent().learn(**{"total_timesteps": 16, **options})


def test_numbers_of_numpy_can_be_saved(tmp_path: Path) -> None:
    numbers = {"n_envs": np.int64(4), "seed": np.int32(3), "warmup_steps": np.int64(2), "ema": np.float32(0.5)}
    numbers |= {"exploration": np.float64(0.5), "lr_min_ratio": np.float32(0.5)}
    model = tiny_agent(**numbers, policy_kwargs={**CORE, "hidden_size": np.int64(16)})
    model.save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", device="cpu")
    assert (loaded.n_envs, loaded.seed, loaded.config.learner.ema, loaded.policy_kwargs) == (4, 3, 0.5, CORE)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("CartPole-v1", "env: expected a puzzle .* found 'CartPole-v1'"),
        ("HRM-Nope-v0", "env: expected a puzzle .* found 'HRM-Nope-v0'"),
        (lambda: gym.make("CartPole-v1"), "expected the observation space of a puzzle .* found Box"),
        (lambda: gym.make_vec("CartPole-v1"), "env: expected the native PuzzleVectorEnv .* found CartPoleVectorEnv"),
        (lambda: gym.make_vec(COPY, vectorization_mode="sync"), "env: expected the native .* found SyncVectorEnv"),
        (
            lambda: gym.make_vec(COPY, autoreset_mode="NextStep"),
            "env: expected autoreset_mode SameStep, found NextStep",
        ),
    ],
)
def test_environments(env: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        HRM("HRMPolicy", env() if callable(env) else env)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_envs": 3}, "n_envs: expected 4, which the environment has, or None, found 3"),
        (
            {"env_kwargs": {"max_segments": 2}},
            "env_kwargs: expected an id beside it, .* an environment that is made",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["native", "SB3"])
def test_options_of_an_environment_that_is_made(kind: str, options: dict[str, Any], message: str) -> None:
    env = native_env(4) if kind == "native" else DummyVecEnv([lambda: gym.make(COPY)] * 4)
    with pytest.raises(ValueError, match=f"^{message}"):
        tiny_agent(env, **options)


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    assert refusal(lambda: HRM.load(tmp_path / "none"), CheckpointError) == (
        f"{tmp_path / 'none.zip'}: expected a checkpoint, found no such file"
    )
    assert "model.zip: expected a checkpoint, found no such file" in refusal(lambda: HRM.load(tmp_path))


def test_puzzles_of_another_task(checkpoint: Path) -> None:
    mine, found = r"copy:4x4 \(4 cells, 5 tokens\)", r"sudoku:2x2 \(16 cells, 6 tokens\)"
    model = tiny_agent()
    for whose, action in (
        (f"{checkpoint}: made", lambda: HRM.load(checkpoint, env=sudoku())),
        ("set_env: the agent is made", lambda: model.set_env(sudoku())),
        ("evaluate: the agent is made", lambda: model.evaluate(sudoku(order="once"))),
    ):
        with pytest.raises(CheckpointError, match=f"{whose} for {mine}, found an environment of {found}"):
            action()


@pytest.mark.parametrize(
    ("halting", "budget", "message"),
    [
        ("best-q:1000", 5000, "at most 4,194,304 passes through a block for one puzzle, found 6 a segment, 5,000 segm"),
        ("best-q:1024", 2, "at most 16,777,216 numbers of hidden state for one puzzle, found 16,464 in each of 1,024"),
        ("best-q:1025", 2, "at most 1,024 views, found 1,025"),
    ],
)
def test_too_much_work_for_one_puzzle(halting: str, budget: int, message: str) -> None:
    wide = CORE | {"puzzle_positions": 1025, "embedded_positions": 1, "mixer": "attention"}
    with pytest.raises(ValueError, match=f"^halting '{halting}': expected {message}"):
        tiny_agent(halting=halting, env_kwargs={"max_segments": budget}, policy_kwargs=wide)
    model = tiny_agent(env_kwargs={"max_segments": budget}, policy_kwargs=wide)
    with pytest.raises(ValueError, match=message):
        model.halting = halting
    assert model.halting.name == "q-compare"


def test_another_number_of_environments() -> None:
    assert refusal(lambda: tiny_agent().set_env(native_env(3))) == "set_env: expected 16 environments, found 3"


def test_learning_without_an_environment(checkpoint: Path) -> None:
    model = HRM.load(checkpoint, device="cpu")
    assert refusal(lambda: model.learn(1)).startswith("learn: expected an environment, found none")


def test_a_state_of_another_batch() -> None:
    (five, _), (three, _) = native_env(5).reset(), native_env(3).reset()
    _, state = trained_agent().predict(five)
    message = refusal(lambda: trained_agent().predict(three, state))
    assert message == "state: expected that of 3 rows, found 5"


def test_an_unwritable_log_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    folder = str(tmp_path / "file" / "logs")
    text = refusal(lambda: tiny_agent(tensorboard_log=folder).learn(16))
    assert text.startswith(f"tensorboard_log: expected a writable folder, found {folder!r}")


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    saved = tmp_path / "agent.zip"
    model = tiny_agent(ema=None).learn(16 * 5)
    model.save(saved)
    good = saved.read_bytes()
    with torch.no_grad():
        model.policy.core.get_parameter("answer_head.weight")[0, 0] = torch.nan
    text = refusal(lambda: model.learn(16 * 1000, log_interval=10), NonFiniteError)
    assert text.startswith("the loss is not finite within the 10 optimizer steps before step 15: lower the learning")
    assert model.num_timesteps == 16 * 10  # it stopped at the first look
    text = refusal(lambda: model.save(saved), NonFiniteError)
    assert "is not finite; an older file stays as it was" in text
    assert saved.read_bytes() == good
    assert [file.name for file in tmp_path.iterdir()] == ["agent.zip"]


def test_a_sweep_does_not_overwrite_the_last_good_checkpoint(tmp_path: Path) -> None:
    env = native_env(8, split="test", num_puzzles=20, order="once")
    model = tiny_agent(learning_rate=1e30, warmup_steps=0)
    model.save(tmp_path / "agent.zip")
    sweeps = EvaluateCallback(env, every_updates=1, save_path=tmp_path / "agent.zip")
    with pytest.raises(NonFiniteError):
        model.learn(16 * 200, callback=sweeps, log_interval=5)
    weights = read_checkpoint(tmp_path / "agent.zip")[1]["policy"]
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = tmp_path / "agent.zip"
    trained_agent().save(saved)
    good = saved.read_bytes()

    def full(*_: Any) -> bytes:
        raise OSError("no space left on device")

    monkeypatch.setattr("hrm_agent.checkpoints.checkpoint.save_safetensors", full)
    with pytest.raises(OSError, match="no space left"):
        trained_agent().save(saved)
    assert saved.read_bytes() == good
    assert [file.name for file in tmp_path.iterdir()] == ["agent.zip"]


def test_learner_config_alone_is_checked_too() -> None:
    assert "learning_rate: expected a finite number" in refusal(lambda: LearnerConfig(learning_rate=None))  # type: ignore[arg-type]
    unknown = refusal(lambda: AgentConfig.of(weight_deacy=1), TypeError)
    assert unknown == "AgentConfig() got an unexpected keyword argument 'weight_deacy'; did you mean 'weight_decay'?"
