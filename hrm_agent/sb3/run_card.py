"""The description of a run in its TensorBoard log: the halting policy, the puzzles, and every option by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hrm_agent.config import AgentConfig
from hrm_agent.sb3.agent import HRM
from hrm_agent.sb3.vec_env import NativeVecEnv
from hrm_env.envs.vector import PuzzleVectorEnv

Option = bool | int | float | str


def halting_card(model: HRM) -> dict[str, Option]:
    """Returns the policy, what it reads, and how its values are learned."""
    config, learning = model.config, model.config.learner
    return {
        "policy": f"`{name_of(model)}`",
        "halts where": model.halting.describe(),
        "reads": ", ".join(model.halting.needs) or "nothing but the segment",
        "exploration ε": f"{config.exploration:g}, drawn once per {config.exploration_per}",
        "budget M_max": model.max_segments,
        "learned by": learning.halt_loss,
        "target of Q_continue": learning.q_bootstrap if learning.learns_q_continue else "not learned",
    }


def puzzles_card(model: HRM, test: PuzzleVectorEnv | None) -> dict[str, Option]:
    """Returns the puzzles that an agent learns from and, if there are any, those that it is tested on."""
    sizes = model.puzzles.sizes
    card: dict[str, Option] = {
        "task": model.puzzles.task or "without a name",
        "cells L": sizes.seq_len,
        "tokens V": sizes.vocab_size,
        "puzzle ids": sizes.num_puzzle_ids,
    }
    if isinstance(model.env, NativeVecEnv):
        training = model.env.native.rules
        card["training puzzles"] = f"{len(training.puzzles):,}" + (", augmented" if training.augment else "")
    if test is not None:
        card["test puzzles"] = f"{len(test.rules.puzzles):,}"
    return card


def run_options(model: HRM) -> dict[str, Option]:
    """Returns every option of an agent as ``group/name``; those that are None are left out."""
    # TensorBoard sorts by name and at first shows five, so halting stands before the rest
    groups: dict[str, dict[str, Any]] = {
        "halting": {"policy": name_of(model)},
        "learning": {"n_envs": model.n_envs},
        "network": model.policy_kwargs,
        "puzzles": {"task": model.puzzles.task},
        "run": {},
    }
    options = model.config.by_name()
    del options["halting"]  # the policy above, which may have been swapped and may have no string form
    for name, value in options.items():
        groups[AgentConfig.group(name)][name] = value
    groups["halting"]["max_segments"] = model.max_segments
    return {
        f"{group}/{name}": value if isinstance(value, bool | int | float | str) else str(value)
        for group, named in groups.items()
        for name, value in named.items()
        if value is not None
    }


def name_of(model: HRM) -> str:
    """Returns the halting policy's string form or, if it has none, its class."""
    return model.halting.name or type(model.halting).__name__


def table(rows: Mapping[str, Option]) -> str:
    """Returns a table in Markdown, a row for each name; the first is its head."""
    head, *lines = (f"| {name} | {value} |" for name, value in rows.items())
    return "\n".join([head, "|---|---|", *lines])
