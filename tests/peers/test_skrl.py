"""skrl wraps our environments, the native ones as they are, and PPO of skrl learns when to halt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch

from hrm_agent.traces.record import Traces

pytest.importorskip("skrl")

from skrl.agents.torch.ppo import PPO
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.trainers.torch import SequentialTrainer
from skrl.utils.model_instantiators.torch import categorical_model, deterministic_model

LAYERS = [{"name": "net", "input": "OBSERVATIONS", "layers": [32], "activations": "tanh"}]


@pytest.mark.parametrize("slots", [1, 3])
def test_puzzles(slots: int) -> None:
    options: dict[str, Any] = {"max_segments": 2}
    made = gym.make("HRM-Copy-v0", **options) if slots == 1 else gym.make_vec("HRM-Copy-v0", num_envs=slots, **options)
    env = wrap_env(made, wrapper="gymnasium", verbose=False)
    assert env.num_envs == slots
    observations, _ = env.reset()
    for _ in range(4):
        actions = torch.zeros(slots, 5, dtype=torch.long)  # goes on to the budget
        observations, rewards, terminated, truncated, _ = env.step(actions)
        assert observations.shape[0] == slots
        assert rewards.shape == terminated.shape == truncated.shape == (slots, 1)
        if slots == 1 and terminated:
            env.reset()


def test_ppo_learns_when_to_halt(traces: Traces, tmp_path: Path) -> None:
    env = wrap_env(gym.make_vec("HRM-Halting-v0", num_envs=16, traces=traces), wrapper="gymnasium", verbose=False)
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}
    models = {
        "policy": categorical_model(**spaces, network=LAYERS, output="ACTIONS"),
        "value": deterministic_model(**spaces, network=LAYERS, output="ONE"),
    }
    agent = PPO(
        models=models, memory=RandomMemory(memory_size=16, num_envs=16, device=env.device), **spaces,
        cfg={"experiment": {"directory": str(tmp_path), "write_interval": 0, "checkpoint_interval": 0}},
    )  # fmt: skip
    observations, _ = env.reset()
    models["policy"].act({"observations": observations}, role="policy")  # of lazy layers, which learn their sizes here
    before = [weight.clone() for weight in models["policy"].parameters()]
    # not headless it would render by `call`, which Gymnasium's VectorEnv does not have
    cfg = {"timesteps": 64, "disable_progressbar": True, "headless": True, "close_environment_at_exit": False}
    SequentialTrainer(env=env, agents=agent, cfg=cfg).train()
    assert any(not torch.equal(weight, old) for weight, old in zip(models["policy"].parameters(), before, strict=True))
