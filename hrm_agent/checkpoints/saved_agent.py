"""What the config of a checkpoint says of an agent; every value is checked before anything is built from it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from hrm_agent import halting
from hrm_agent.agent_options import MOST_STEPS, check_agent_options
from hrm_agent.cores import ReasoningCore, core_config
from hrm_agent.errors import CheckpointError
from hrm_agent.learning.config import LearnerConfig
from hrm_agent.learning.schedules import check_depth
from hrm_agent.limits import check_thinking
from hrm_agent.puzzle_identity import PuzzleIdentity
from hrm_env.checks import UnknownOptionError, check_integer, shortened
from hrm_env.envs.observations import LARGEST, ObservationSizes
from hrm_env.task import is_task_name
from hrm_env.tasks import make_task

_OWN = ("n_envs", "warmup_steps", "lr_min_ratio", "exploration", "exploration_per", "seed")
_LEARNING = tuple(field.name for field in fields(LearnerConfig))


@dataclass(frozen=True)
class SavedAgent:
    """The config of an agent's checkpoint, checked.

    Attributes:
        puzzles: Those it is made for.
        core: Name and options of its core.
        options: The other options of its constructor.
        num_timesteps: Segments it has learned from.
        updates: Optimizer steps it has made.
    """

    puzzles: PuzzleIdentity
    core: dict[str, Any]
    options: dict[str, Any]
    num_timesteps: int
    updates: int

    @classmethod
    def of(cls, path: str | Path, config: Mapping[str, Any], given: Container[str] = ()) -> SavedAgent:
        """Reads the config of a checkpoint.

        Args:
            path: The checkpoint, for errors.
            config: Its config.
            given: Options that the caller gives himself, so that those of the file do not count.

        Raises:
            CheckpointError: A value is missing, of another type or out of range; or an option stands in the file that
                is not the agent's, such as where it writes.
        """
        puzzles, options = identity_of(path, config), entries_of(path, config, "options")
        stranger = next((name for name in options if name not in (*_OWN, *_LEARNING, "halting")), None)
        if stranger is not None:
            raise CheckpointError(f"{path}: expected the options of an HRM agent, found another, {shortened(stranger)}")
        missing = next((name for name in (*_OWN, "halting", "learning_rate", "betas") if name not in options), None)
        if missing is not None:
            raise CheckpointError(f"{path}: expected the options of an HRM agent, found no {missing!r}")
        with said_of(path):
            check_agent_options(**{name: options[name] for name in _OWN})
            learning = LearnerConfig(**{name: options[name] for name in _LEARNING if name in options})
            progress = [check_integer(n, config.get(n), 0, MOST_STEPS) for n in ("num_timesteps", "updates")]
            check_integer("n_envs", options["n_envs"], 1)  # the constructor takes None as well
        if "policy_kwargs" in given:
            return cls(puzzles, {}, options, *progress)
        core = core_of(path, config)
        with said_of(path):
            cycles = core_config(**core).cycles
            if "depth" not in given:
                check_depth(learning.depth, cycles)
        return cls(puzzles, core, options, *progress)


@contextmanager
def said_of(path: str | Path) -> Iterator[None]:
    """Within, what a check of values refuses is said of the file that they stand in."""
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


def halting_of(
    path: str | Path, options: Mapping[str, Any], max_segments: int, core: ReasoningCore
) -> halting.HaltingPolicy:
    """Makes the halting policy, which may neither name another file nor import a module.

    Args:
        path: The checkpoint, for errors.
        options: Those of the agent.
        max_segments: The budget M_max.
        core: The network, on any device.

    Raises:
        CheckpointError: It does; it is malformed; it takes too long or too much memory; or it was one of the user's own
            and has no string form.
    """
    policy = options.get("halting")
    if policy == "":
        raise CheckpointError(f"{path}: saved with a halting policy of your own; expected halting=... to load it")
    if not isinstance(policy, str):
        raise CheckpointError(f"{path}: halting: expected the string form of a policy, found {shortened(policy)}")
    with said_of(path):
        made = halting.make(policy, trusted=False)
        check_thinking(made, max_segments, core)
    return made


def entries_of(path: str | Path, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What stands under a name of a config: names with values.

    Raises:
        CheckpointError: It is something else, or nothing.
    """
    found = config.get(name)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: {name}: expected names with values, found {shortened(found)}")
    return found
