"""The options of an agent beside those of its core, in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, get_args

from hrm_agent.config.learner import LearnerConfig
from hrm_env.checks import check_choice, check_integer, check_known, check_number, shortened

Per = Literal["episode", "segment"]
"""How often exploration draws a minimum number of segments."""
MOST_STEPS = 2**53
"""The largest count of steps: what JSON and a float hold exactly."""
MOST_MINIBATCHES = 2**16
"""The most optimizer steps that share the slots."""
HIGHEST_SEED = 2**32 - 1
"""The highest seed that numpy takes."""


@dataclass(frozen=True)
class AgentConfig:
    """Options of an agent, checked when it is made; the defaults are the paper's (arXiv 2506.21734).

    A field is written here alone: `HRM` takes it as a keyword, a checkpoint stores it, the run card shows it, and the
    command ``fit`` takes it as an option. Its metadata may name the ``group`` of the run card in which it stands,
    which is ``"learning"`` if there is none. The core has options of its own (`CoreConfig`).

    Attributes:
        learner: Options of the learning rule; by name they stand beside the others.
        warmup_steps: Optimizer steps of linear warm-up.
        lr_min_ratio: Learning rate at the end of a cosine decay over the run, as a share of the full rate; 1 keeps it
            constant.
        halting: Halting policy, such as "q-compare", "q-threshold:0.5", "fixed:8" or "random:0.25"; empty for a policy
            without a string form.
        minibatches: Optimizer steps that share the slots: each learns from another part of them. With many more slots
            than one step uses, other puzzles come between two segments of a puzzle, so that a small network that learns
            fast cannot know it by heart before it has solved it. 1 is the paper's.
        exploration: Probability ε of a minimum number of segments.
        exploration_per: Draw that minimum once an "episode" (paper) or every "segment" (reference code).
        seed: Seed of weights, puzzles and exploration.
    """

    learner: LearnerConfig = field(default_factory=LearnerConfig)
    warmup_steps: int = 2000
    lr_min_ratio: float = 1.0
    minibatches: int = 1
    halting: str = field(default="q-compare", metadata={"group": "halting"})
    exploration: float = field(default=0.1, metadata={"group": "halting"})
    exploration_per: Per = field(default="episode", metadata={"group": "halting"})
    seed: int | None = field(default=None, metadata={"group": "run"})

    def __post_init__(self) -> None:
        """Checks types and ranges; numbers of numpy become Python's own.

        Raises:
            ValueError: Names the first option that is of another type or out of range.
        """
        self._set("warmup_steps", check_integer("warmup_steps", self.warmup_steps, 0, MOST_STEPS))
        self._set("lr_min_ratio", check_number("lr_min_ratio", self.lr_min_ratio, 0, 1))
        self._set("minibatches", check_integer("minibatches", self.minibatches, 1, MOST_MINIBATCHES))
        if not isinstance(self.halting, str):
            raise ValueError(f"halting: expected the string form of a policy, found {shortened(self.halting)}")
        check_exploration(self.exploration, self.exploration_per)
        self._set("exploration", float(self.exploration))
        if self.seed is not None:
            self._set("seed", check_integer("seed", self.seed, 0, HIGHEST_SEED))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def names(cls) -> list[str]:
        """Returns the names of all options, those of the learner included."""
        return [option.name for group in (_OWN, fields(LearnerConfig)) for option in group]

    @classmethod
    def of(cls, **options: Any) -> Self:
        """Returns a config from options by name, such as `by_name` returns or JSON gives back.

        Raises:
            UnknownOptionError: An option is unknown; names one that is similar.
            ValueError: An option is of another type or out of range.
        """
        check_known(f"{cls.__name__}()", options, cls.names())
        learning = {option.name: options.pop(option.name) for option in fields(LearnerConfig) if option.name in options}
        return cls(learner=LearnerConfig(**learning), **options)

    @classmethod
    def group(cls, name: str) -> str:
        """Returns the group of the run card in which an option stands."""
        groups = {option.name: str(option.metadata["group"]) for option in _OWN if option.metadata}
        return groups.get(name, "learning")

    def by_name(self) -> dict[str, Any]:
        """Returns all options by name, those of the learner included, as `HRM` takes them and checkpoints hold them."""
        return {option.name: getattr(self, option.name) for option in _OWN} | asdict(self.learner)


_OWN = [option for option in fields(AgentConfig) if option.name != "learner"]


def check_exploration(exploration: object, exploration_per: object) -> None:
    """Checks the options that say how an agent explores.

    Raises:
        ValueError: One is of another type or out of range.
    """
    check_number("exploration", exploration, 0, 1)
    check_choice("exploration_per", exploration_per, get_args(Per))
