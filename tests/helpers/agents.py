"""Tiny agents and environments that the tests of hrm_agent and train share."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, cast

import gymnasium as gym
import torch
from torch import Tensor, nn

import examples.own_core  # noqa: F401  (registers a core: the tests over all cores take it in)
import hrm_env  # noqa: F401  (registers the ids)
from hrm_agent import HRM
from hrm_agent.cores import CORES, HRMCore, PuzzleShape, ReasoningCore, make_core
from hrm_agent.cores.blocks import BlockCore
from hrm_agent.halting import POLICIES, HaltContext, HaltingPolicy, make
from hrm_agent.halting.combinators import Abstain, Combination
from hrm_env.envs.vector import PuzzleVectorEnv

COPY = "HRM-Copy-v0"
BUDGET = 4
HRM_SHAPED = [name for name, core in CORES.items() if issubclass(core, HRMCore)]
OF_BLOCKS = [name for name, core in CORES.items() if issubclass(core, BlockCore)]
SHAPE = PuzzleShape(seq_len=6, vocab_size=5, num_puzzle_ids=3)
SQUARE = PuzzleShape(seq_len=16, vocab_size=6)
"""A puzzle of four rows and digits, which the mixer of units asks for."""

CORE = {"hidden_size": 16, "num_heads": 1, "h_layers": 1, "l_layers": 1, "mixer": "mlp", "gradient": "last-cycle"}
# learns HRM-Copy-v0 in about a hundred updates
SLOTS = 16
LEARNING: dict[str, Any] = {
    "learning_rate": 5e-3,
    "warmup_steps": 20,
    "optimizer": "adamw",
    "weight_decay": 0.1,
    "token_loss": "softmax",
    "q_bootstrap": "next-step",
    "ema": 0.95,
}


def tiny_core(name: str = "hrm", seed: int = 0, shape: PuzzleShape = SHAPE, **options: Any) -> ReasoningCore:
    """Returns a small core of any kind, with those of the small options that it has."""
    torch.manual_seed(seed)
    config = CORES[name].config_class
    known = {field.name for field in fields(config)}
    layers = {"h_layers": min(1, getattr(config, "h_layers", 1)), "l_layers": 1, "layers": 1}
    small = {"width": 16, "hidden_size": 16, "num_heads": 2, **layers}
    return make_core(shape, name, **{key: value for key, value in small.items() if key in known} | options)


def small_puzzle(mixer: str) -> tuple[PuzzleShape, dict[str, Any]]:
    """Returns a shape that a mixer takes, and the options that it needs."""
    if mixer == "units":
        return SQUARE, {"mixer": mixer, "box": (2, 2), "puzzle_positions": 0}
    if mixer == "neighbours":
        return SHAPE, {"mixer": mixer, "grid_columns": 3, "puzzle_positions": 0}
    return SHAPE, {"mixer": mixer}


def hrm_core(core: nn.Module) -> HRMCore:
    """Returns a core that must be HRM's, for a test that knows its parts."""
    assert isinstance(core, HRMCore)
    return core


def tiny_agent(env: Any = COPY, **options: Any) -> HRM:
    """Returns an agent on the copy task or another environment; a training step takes milliseconds."""
    common: dict[str, Any] = {**LEARNING, "policy_kwargs": CORE, "seed": 0, "device": "cpu"}
    if isinstance(env, str):
        common |= {"n_envs": SLOTS, "env_kwargs": {"max_segments": BUDGET}}
    return HRM("HRMPolicy", env, **{**common, **options})


def vector_env(env: str, num_envs: int, **options: Any) -> PuzzleVectorEnv:
    """Returns the batched environment of an id."""
    return cast(PuzzleVectorEnv, gym.make_vec(env, num_envs=num_envs, **options).unwrapped)


def solved_after(updates: int, train: PuzzleVectorEnv, test: PuzzleVectorEnv, **core: Any) -> float:
    """Trains a small HRM with these options of its core, and returns the share of the test puzzles that it solves."""
    small = {"core": "hrm", "num_heads": 2, "expansion": 3.0, "h_layers": 1, "l_layers": 1}
    small |= {"feed_forward_multiple": 32, "gradient": "last-cycle"}
    model = tiny_agent(train, policy_kwargs=small | core)
    model.learn(train.num_envs * updates)
    return float(model.evaluate(test).summary()["exact"])


@cache
def trained_agent() -> HRM:
    """Returns an agent that has learned the copy task. It is shared: a test must not change it."""
    return tiny_agent().learn(16 * 200)


def wavering_agent(**options: Any) -> HRM:
    """Returns a hardly trained agent with a random Q head, which halts at different segments."""
    model = tiny_agent(**{"ema": None, **options}).learn(16 * 30)
    with torch.no_grad():
        model.policy.core.get_parameter("q_weight").normal_(generator=torch.Generator().manual_seed(1))
        model.policy.core.get_parameter("q_bias").zero_()
    return model


class Remembering(HaltingPolicy):
    """A policy with a memory for each row: halts where Q_halt fell since the previous segment."""

    name = "remembering"
    needs = ("q_halt",)

    def __init__(self) -> None:
        self.before = torch.zeros(0)

    def reset(self, mask: Tensor) -> None:
        if self.before.shape != mask.shape:
            self.before = torch.full(mask.shape, -torch.inf)
        self.before = torch.where(mask, -torch.inf, self.before)

    def decide(self, context: HaltContext) -> Tensor:
        fell = context["q_halt"] < self.before
        self.before = context["q_halt"]
        return fell

    def keep(self, rows: Tensor) -> None:
        self.before = self.before[rows]


def policy_samples() -> list[str]:
    """Returns a policy string of every registered kind that needs no file, with all its parameters."""
    return [_sample(name, kind) for name, kind in POLICIES.items() if str not in kind.parameters]


def row_policies() -> list[str]:
    """Returns the samples that decide on each row independently, not on several views of a puzzle."""
    return [text for text in policy_samples() if make(text).views == 1]


def _sample(name: str, kind: type[HaltingPolicy]) -> str:
    inner = "(any(patience:1,cdf:0.9))" if issubclass(kind, Combination) else ""
    if kind is Abstain:
        inner = "(any(patience:1,cdf:0.9),q-threshold:0.5)"
    return ":".join([name, *({int: "2", float: "0.5"}[parameter] for parameter in kind.parameters)]) + inner


def every_puzzle_once(num_envs: int = 8, **options: Any) -> PuzzleVectorEnv:
    """Makes the environment that evaluation sweeps: 60 unseen puzzles of the copy task."""
    common = {"split": "test", "num_puzzles": 60, "max_segments": BUDGET, "order": "once"}
    return vector_env(COPY, num_envs, **{**common, **options})


def native_env(num_envs: int = 4, **options: Any) -> PuzzleVectorEnv:
    """Makes the batched environment of the copy task."""
    return vector_env(COPY, num_envs, max_segments=BUDGET, **options)


def weights(model: HRM) -> dict[str, Tensor]:
    """Returns a copy of all weights of an agent, including the averaged ones."""
    return {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Returns whether two sets of weights are equal to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Returns the largest difference divided by the largest value; of zeros alone any difference is huge."""
    return float((found.detach() - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
