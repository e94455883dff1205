"""A policy as a checkpoint and back, in place of SB3's pickles: what acts, without what learns.

The file is that of an agent (`agent_file.py`) with fewer options and no optimizers; `load_policy` reads both.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hrm_agent.checkpoints.agent_file import check_to_write
from hrm_agent.checkpoints.checkpoint import write_checkpoint
from hrm_agent.checkpoints.contents import Checkpoint, check_core, path_of
from hrm_agent.checkpoints.names import checkpoint_path
from hrm_agent.checkpoints.saved_agent import core_of, entries_of, halting_of, identity_of, said_of
from hrm_agent.config import LearnerConfig
from hrm_agent.halting import HaltingPolicy, make
from hrm_agent.learning.average import WeightAverage
from hrm_agent.puzzle_identity import PuzzleIdentity, puzzle_task
from hrm_env.envs.spaces import action_space, observation_space, sizes_of

if TYPE_CHECKING:
    from hrm_agent.sb3.policy import HRMPolicy


def save_policy(policy: HRMPolicy, path: str | Path | BinaryIO) -> None:
    """Writes weights, averaged weights, the options of the core and the string form of the halting policy.

    Raises:
        NonFiniteError: A weight is not finite; the file, if it exists, stays as it was.
    """
    place = checkpoint_path(path) if isinstance(path, str | Path) else path
    weights = policy.state_dict()
    check_to_write(path_of(place), weights)
    task = None if policy.task is None else policy.task.spec.name
    config = {
        "puzzles": asdict(PuzzleIdentity(task, sizes_of(policy.observation_space))),
        "policy_kwargs": policy.core_options,
        "options": {
            "halting": policy.halting.name,
            "ema": None if policy.average is None else policy.average.decay,
        },
    }
    write_checkpoint(place, config, {"policy": weights})


def load_policy(
    cls: type[HRMPolicy], path: str | Path | BinaryIO, halting: str | HaltingPolicy | None = None
) -> HRMPolicy:
    """Builds the policy of a policy's or an agent's checkpoint, on the CPU; see `HRMPolicy.load`."""
    found = Checkpoint.read(path)
    file, config, weights = found.path, found.config, found.weights
    puzzles, core, options = identity_of(file, config), core_of(file, config), entries_of(file, config, "options")
    network = check_core(file, weights, puzzles.sizes, core)
    with said_of(file):
        decay = LearnerConfig(ema=options.get("ema")).ema
    rule = (
        halting_of(file, options.get("halting"), puzzles.sizes.max_segments, network)
        if halting is None
        else make(halting)
    )
    seq_len, vocab_size = puzzles.sizes.seq_len, puzzles.sizes.vocab_size
    policy = cls(observation_space(puzzles.sizes), action_space(seq_len, vocab_size), **core)
    if decay is not None:
        policy.average = WeightAverage(policy.core, decay)
    policy.load_state_dict(found.checked_weights(policy.state_dict(), "its own options"))
    policy.halting, policy.task = rule, puzzle_task(None, puzzles.task)
    return policy
