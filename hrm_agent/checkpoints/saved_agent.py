"""The agent that the config of a checkpoint describes; every value is checked before anything is built from it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hrm_agent import halting
from hrm_agent.config import AgentConfig
from hrm_agent.config.agent import MOST_STEPS
from hrm_agent.config.depth import check_depth
from hrm_agent.cores import ReasoningCore, core_config
from hrm_agent.errors import CheckpointError
from hrm_agent.limits import check_thinking
from hrm_agent.puzzle_identity import PuzzleIdentity
from hrm_env.checks import UnknownOptionError, check_integer, shortened
from hrm_env.envs.slots import check_slots
from hrm_env.envs.spaces import LARGEST, ObservationSizes
from hrm_env.task import is_task_name
from hrm_env.tasks import make_task

_ALWAYS = ("n_envs", "halting", "learning_rate", "betas")
"""Options that every file holds; one of the others may be newer than the file, and has its default."""


@dataclass(frozen=True)
class SavedAgent:
    """The config of an agent's checkpoint, checked.

    Attributes:
        puzzles: The puzzles that it is made for.
        core: Name and options of its core.
        config: Its other options.
        n_envs: Slots of all processes that train together.
        num_timesteps: Segments it has learned from.
        updates: Optimizer steps it has made.
    """

    puzzles: PuzzleIdentity
    core: dict[str, Any]
    config: AgentConfig
    n_envs: int
    num_timesteps: int
    updates: int

    @classmethod
    def of(cls, path: str | Path, config: Mapping[str, Any], given: Container[str] = ()) -> SavedAgent:
        """Reads the config of a checkpoint.

        Args:
            path: The checkpoint, for errors.
            config: Its config.
            given: Options that the caller gives, so that those of the file do not count.

        Raises:
            CheckpointError: A value is missing, of another type or out of range; or an option stands in the file that
                is not the agent's, such as where it writes.
        """
        puzzles, options = identity_of(path, config), entries_of(path, config, "options")
        known = ("n_envs", *AgentConfig.names())
        stranger = next((name for name in options if name not in known), None)
        if stranger is not None:
            raise CheckpointError(f"{path}: expected the options of an HRM agent, found another, {shortened(stranger)}")
        missing = next((name for name in _ALWAYS if name not in options), None)
        if missing is not None:
            raise CheckpointError(f"{path}: expected the options of an HRM agent, found no {missing!r}")
        core = core_of(path, config)
        with said_of(path):
            n_envs = check_slots(options["n_envs"], "n_envs")
            own = {name: value for name, value in options.items() if name != "n_envs" and name not in given}
            agent = AgentConfig.of(**own)
            progress = [check_integer(n, config.get(n), 0, MOST_STEPS) for n in ("num_timesteps", "updates")]
            check_depth(agent.learner.depth, core_config(**core).cycles)
        return cls(puzzles, core, agent, n_envs, *progress)


@contextmanager
def said_of(path: str | Path) -> Iterator[None]:
    """Turns what a check of values raises within into an error of the file that they stand in."""
    try:
        yield
    except (ValueError, UnknownOptionError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def identity_of(path: str | Path, config: Mapping[str, Any]) -> PuzzleIdentity:
    """Reads which puzzles the agent of a checkpoint is made for.

    Raises:
        CheckpointError: The sizes are no counts, larger than `LARGEST`, or not those of the task; or they are missing.
    """
    puzzles = entries_of(path, config, "puzzles")
    task, sizes = puzzles.get("task"), entries_of(path, puzzles, "sizes")
    limits = asdict(LARGEST)
    if sizes.keys() != limits.keys():
        raise CheckpointError(f"{path}: sizes: expected {', '.join(limits)}, found {shortened(', '.join(sizes))}")
    if task is not None and not is_task_name(task):
        raise CheckpointError(f"{path}: task: expected the name of a puzzle family, found {shortened(task)}")
    with said_of(path):
        found = ObservationSizes(**{name: check_integer(name, sizes[name], 1, limits[name]) for name in limits})
    try:
        spec = make_task(task or "").spec
    except ValueError:
        return PuzzleIdentity(task, found)  # a family of somebody's own
    if (spec.seq_len, spec.vocab_size) != (found.seq_len, found.vocab_size):
        expected = PuzzleIdentity(task, ObservationSizes(spec.seq_len, spec.vocab_size, 1, 1))
        raise CheckpointError(f"{path}: expected the sizes of {expected}, found {PuzzleIdentity(None, found)}")
    return PuzzleIdentity(task, found)


def core_of(path: str | Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the name and the options of the core.

    Raises:
        CheckpointError: One is unknown, of another type or out of range.
    """
    core = entries_of(path, config, "policy_kwargs")
    with said_of(path):
        core_config(**core)
    return core


def halting_of(path: str | Path, policy: object, max_segments: int, core: ReasoningCore) -> halting.HaltingPolicy:
    """Makes the halting policy, which may neither name another file nor import a module.

    Args:
        path: The checkpoint, for errors.
        policy: String form of the policy.
        max_segments: The budget M_max.
        core: The network, on any device.

    Raises:
        CheckpointError: The policy does, is malformed, takes too long or too much memory; or it was one of the user's
            own and has no string form.
    """
    if policy == "":
        raise CheckpointError(f"{path}: saved with a halting policy of your own; expected halting=... to load it")
    if not isinstance(policy, str):
        raise CheckpointError(f"{path}: halting: expected the string form of a policy, found {shortened(policy)}")
    with said_of(path):
        made = halting.make(policy, trusted=False)
        check_thinking(made, max_segments, core)
    return made


def entries_of(path: str | Path, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns the names and values under a name of a config.

    Raises:
        CheckpointError: There is something else, or nothing.
    """
    found = config.get(name)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: {name}: expected names with values, found {shortened(found)}")
    return found
