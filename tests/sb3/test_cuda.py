"""A training step never waits for a CUDA device; where there is none, a stand-in watches the same step on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import gymnasium as gym
import pytest
import torch
from agents import BUDGET, CORE, HRM_SHAPED, native_env, row_policies, tiny_agent
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor
from waiting import Functions, Operators, WaitsForDeviceError

from hrm_agent import HRM
from hrm_agent.config import HaltLossName, OptimizerName, TokenLossName
from hrm_agent.sb3.training import train_segment
from hrm_env.envs.rewards import REWARDS

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
TASKS = {
    "HRM-Sudoku4x4-v0": {"clues": 12},
    "HRM-Maze10x10-v0": {},
    "HRM-ARC-v0": {},
    "HRM-Copy-v0": {},
}
PUZZLES = {"num_puzzles": 20, "max_segments": BUDGET}


class Case:
    """An agent's options, and those of its environment."""

    def __init__(self, env: str = "HRM-Copy-v0", env_options: dict[str, Any] | None = None, **options: Any) -> None:
        self.env, self.env_options, self.options = env, PUZZLES | (env_options or {}), options

    def agent(self, device: str) -> HRM:
        options = {"compile": False, **self.options}
        return tiny_agent(self.env, env_kwargs=self.env_options, n_envs=6, device=device, **options)


def cases() -> dict[str, Case]:
    """Everything that a training step can be made of, one at a time."""
    attention = CORE | {"mixer": "attention"}
    found = {
        "one-step": Case(policy_kwargs=CORE | {"gradient": "one-step"}),
        "full": Case(policy_kwargs=CORE | {"gradient": "full"}),
        "attention": Case(policy_kwargs=attention),
        "learned positions": Case(policy_kwargs=attention | {"positions": "learned"}),
        "bfloat16": Case(policy_kwargs=attention | {"dtype": "bfloat16"}),
        "no average": Case(ema=None),
        "clipped": Case(max_grad_norm=1.0),
        "exploration per segment": Case(exploration=0.5, exploration_per="segment"),
        "eased": Case(env="HRM-Sudoku4x4-v0", env_options={"blank_fraction": (0.2, 1.0), "easier": 0.5}),
        "in order": Case(env_options={"order": "sequential"}),
    }
    found |= {env: Case(env, {"augment": True, **options}) for env, options in TASKS.items()}
    found |= {f"core {name}": Case(policy_kwargs=CORE | {"core": name}) for name in HRM_SHAPED}
    found |= {f"reward {name}": Case(env_options={"reward": name}) for name in REWARDS}
    found |= {f"rules of {env}": Case(env, {"reward": "rules", **options}) for env, options in TASKS.items()}
    found |= {f"halting {text}": Case("HRM-Sudoku4x4-v0", halting=text) for text in row_policies()}
    choices = {"optimizer": OptimizerName, "token_loss": TokenLossName, "halt_loss": HaltLossName}
    for option, names in choices.items():
        found |= {f"{option} {name}": Case(**{option: name}) for name in names.__args__}  # type: ignore[attr-defined]
    bootstraps = ("second-pass", "next-step", "none")
    return found | {f"bootstrap {name}": Case(halting="fixed:2", q_bootstrap=name) for name in bootstraps}


CASES = cases()


def begun(model: HRM) -> Callable[[], bool]:
    """A training step of an agent that has made two."""
    model.learn(2 * model.n_envs)
    callback: BaseCallback = model._init_callback(None)
    model._total_timesteps = 1000
    return lambda: train_segment(model, callback, 1000)


def on_host(model: HRM) -> Iterator[Tensor]:
    """The numbers that stay on the host on a CUDA machine, too: counts of steps."""
    for optimizer in model.learner.optimizers:
        yield from (state["step"] for state in optimizer.state.values() if isinstance(state.get("step"), Tensor))
    if model.learner.ema is not None:
        yield model.learner.ema.n_averaged


@contextmanager
def watched(model: HRM) -> Iterator[None]:
    """Raises where the code within would wait for a CUDA device, though it runs on the CPU.

    Where the environment looks at tensors because a CPU may, it goes a CUDA device's way.
    """
    model.stream.native.native._looks = False  # type: ignore[union-attr]
    with (
        mock.patch("hrm_env.tasks.maze.search.torch.equal", return_value=False),
        Operators(on_host(model)),
        Functions(),
    ):
        yield


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:halting .* reads Q_continue")
def test_a_step_on_the_cpu_does_nothing_that_waits(name: str) -> None:
    model = CASES[name].agent("cpu")
    step = begun(model)
    with watched(model):
        assert all(step() for _ in range(BUDGET + 1))


@needs_cuda
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:halting .* reads Q_continue")
def test_a_step_on_cuda_never_waits(name: str) -> None:
    step = begun(CASES[name].agent("cuda"))
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert all(step() for _ in range(BUDGET + 1))
    finally:
        torch.cuda.set_sync_debug_mode("default")


WAITING: dict[str, Callable[[Tensor], Any]] = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "truth": lambda x: bool((x > 0).all()),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 0],
    "assignment by mask": lambda x: x.clone().index_put_((x > 0,), x[:3]),
    "masked_select": lambda x: x.masked_select(x > 0),
    "unique": lambda x: x.unique(),
    "cpu": lambda x: x.cpu(),
    "numpy": lambda x: x.numpy(),
    "tolist": lambda x: x.tolist(),
    "repeat_interleave": lambda x: x.repeat_interleave(x.long()),
    "tensor": lambda x: x + torch.tensor([1.0]),
    "coalesce": lambda x: torch.sparse_coo_tensor(x.long().view(1, -1), x, (9,)).coalesce(),
}


@pytest.mark.parametrize("name", WAITING)
def test_the_stand_in_sees_what_waits(name: str) -> None:
    x = torch.tensor([0.0, 1.0, 2.0, 2.0])
    with Operators([]), Functions(), pytest.raises(WaitsForDeviceError):
        WAITING[name](x)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_a_refill_that_does_not_look_replaces_the_same_slots(mode: str) -> None:
    seen = []
    for looks in (True, False):
        env = native_env(5, order="sequential", array="torch", autoreset_mode=mode)
        env._looks = looks
        env.reset(seed=0)
        for halt in (torch.tensor([1, 0, 0, 1, 0]), torch.tensor([0, 0, 0, 0, 0]), torch.tensor([1, 1, 1, 1, 1])):
            action = torch.cat([torch.ones(5, env.rules.task.spec.seq_len).long(), halt[:, None]], 1)
            observation, *_ = env.step(action)
            seen.append(observation["inputs"])
    for looked, not_looked in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(looked, not_looked)


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_an_environment_waits_for_no_device_in_either_mode(mode: str) -> None:
    env = native_env(5, array="torch", autoreset_mode=mode, augment=True)
    env._looks = False
    env.reset(seed=0)
    action = torch.ones(env.action_space.shape, dtype=torch.long)  # type: ignore[arg-type]
    with Operators([]), Functions():
        for _ in range(3):
            env.step(action)


@needs_cuda
def test_all_of_it_lives_on_the_device() -> None:
    model = tiny_agent(device="cuda").learn(32)
    observation, info = model.stream.native.native.reset()  # type: ignore[union-attr]
    tensors = [*observation.values(), info["solution"], *model._carry, *model.policy.parameters()]
    assert {tensor.device.type for tensor in tensors} == {"cuda"}
    gym.make_vec("HRM-Copy-v0", num_envs=2, array="torch", device="cuda").close()
