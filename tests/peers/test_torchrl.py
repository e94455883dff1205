"""TorchRL wraps our environments as they are."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

from hrm_agent.traces.record import Traces

pytest.importorskip("torchrl")

from torchrl.envs import GymEnv, GymWrapper, SerialEnv, check_env_specs


@pytest.mark.parametrize("id", ["HRM-Copy-v0", "HRM-Sudoku4x4-v0"])
def test_puzzles(id: str) -> None:
    env = GymEnv(id, max_segments=3)
    check_env_specs(env)
    rollout = env.rollout(3, break_when_any_done=False)
    assert rollout["inputs"].shape[0] == 3
    assert rollout["next", "done"].shape == (3, 1)
    env.close()


def test_puzzles_side_by_side() -> None:
    env = SerialEnv(2, lambda: GymEnv("HRM-Copy-v0", max_segments=3))
    assert env.rollout(4, break_when_any_done=False)["inputs"].shape[:2] == (2, 4)
    env.close()


def test_halting(traces: Traces) -> None:
    env = GymEnv("HRM-Halting-v0", traces=traces)
    check_env_specs(env)
    rollout: Any = env.rollout(20, break_when_any_done=False)
    assert rollout["next", "reward"].shape == (20, 1)
    env.close()


@pytest.mark.parametrize("id", ["HRM-Copy-v0", "HRM-Halting-v0"])
def test_native_slots_that_torchrl_resets(id: str, traces: Traces) -> None:
    options: dict[str, Any] = {"traces": traces} if id == "HRM-Halting-v0" else {"max_segments": 3}
    env = GymWrapper(gym.make_vec(id, num_envs=4, autoreset_mode="Disabled", **options))
    check_env_specs(env)
    rollout = env.rollout(20, break_when_any_done=False)
    assert rollout["next", "reward"].shape == (4, 20, 1)
    assert rollout["next", "done"].any(dim=1).all()
    env.close()
