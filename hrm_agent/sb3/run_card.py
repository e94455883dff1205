"""What a run is, for its TensorBoard log: the halting policy, the puzzles, and every option by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from hrm_agent.sb3.agent import HRM
from hrm_env.envs.episode import EpisodeRules
from hrm_env.envs.vector import PuzzleVectorEnv

Option = bool | int | float | str


def halting_card(model: HRM) -> dict[str, Option]:
    """The policy, what it looks at, and how its values are learned."""
    learning = model.learner_config
    return {
        "policy": f"`{name_of(model)}`",
        "halts where": model.halting.describe(),
        "reads": ", ".join(model.halting.needs) or "nothing but the segment",
        "exploration ε": f"{model.exploration:g}, drawn once per {model.exploration_per}",
        "budget M_max": model.max_segments,
        "learned by": learning.halt_loss,
        "target of Q_continue": learning.q_bootstrap if learning.learns_q_continue else "not learned",
    }


def puzzles_card(model: HRM, test: PuzzleVectorEnv | None) -> dict[str, Option]:
    """The puzzles it learns from and, where there are any, those that it is tested on."""
    sizes = model.puzzles.sizes
    card: dict[str, Option] = {
        "task": model.puzzles.task or "without a name",
        "cells L": sizes.seq_len,
        "tokens V": sizes.vocab_size,
        "puzzle ids": sizes.num_puzzle_ids,
    }
    training = _rules(model)
    if training is not None:
        card["training puzzles"] = f"{len(training.puzzles):,}" + (", augmented" if training.augment else "")
    if test is not None:
        card["test puzzles"] = f"{len(test.rules.puzzles):,}"
    return card


def run_options(model: HRM) -> dict[str, Option]:
    """Every option that says how an agent learns, as ``group/name``; those that are None are left out."""
    learning = {
        "n_envs": model.n_envs,
        "warmup_steps": model.warmup_steps,
        "lr_min_ratio": model.lr_min_ratio,
        **asdict(model.learner_config),
    }
    groups = {
        "halting": {
            "policy": name_of(model),
            "exploration": model.exploration,
            "exploration_per": model.exploration_per,
            "max_segments": model.max_segments,
        },
        "learning": learning,
        "network": model.policy_kwargs,
        "puzzles": {"task": model.puzzles.task},
        "run": {"seed": model.seed},
    }
    # TensorBoard sorts by name and at first shows five, so halting stands before the rest
    return {
        f"{group}/{name}": value if isinstance(value, bool | int | float | str) else str(value)
        for group, options in groups.items()
        for name, value in options.items()
        if value is not None
    }


def name_of(model: HRM) -> str:
    """The halting policy's string form or, where it has none, its class."""
    return model.halting.name or type(model.halting).__name__


def table(rows: Mapping[str, Option]) -> str:
    """A table in Markdown, a row for each name; the first is its head."""
    head, *lines = (f"| {name} | {value} |" for name, value in rows.items())
    return "\n".join([head, "|---|---|", *lines])


def _rules(model: HRM) -> EpisodeRules | None:
    """Those of the native environment; None of any other."""
    env = getattr(model.env, "native", None)
    return env.rules if isinstance(env, PuzzleVectorEnv) else None
