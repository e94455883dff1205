"""HRM-Halting-v0: the halting decision alone, on recorded traces of a frozen agent. No network runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, SupportsFloat, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces

from hrm_agent.halting.features import DEFAULT_FEATURES, check_features, observe, signals_of
from hrm_agent.halting.policy import HaltContext
from hrm_agent.traces.halting_picture import draw_decisions
from hrm_agent.traces.record import Traces
from hrm_env.checks import check_choice, check_flag, check_known, check_number, keywords, shortened
from hrm_env.envs.episode import HALT_REASONS, integers
from hrm_env.envs.scalar import check_render_mode
from hrm_env.envs.slots import check_seed

Order = Literal["random", "sequential"]
Features = npt.NDArray[np.float32]
CONTINUE, HALT, ABSTAIN = 0, 1, 2
_REASON_OF = np.array([2, 1, 3])  # index into HALT_REASONS of an episode that ends with each action


@dataclass(frozen=True)
class Decisions:
    """Content of the episodes: N puzzles of M segments each, from view 0 of a recording.

    Attributes:
        observations: Features, ``(N, M, F)`` float32.
        correct: Whether each answer is right, ``(N, M)`` bool.
        features: Names of the features.
        cost: Cost of a segment.
        order: ``"random"`` draws puzzles independently, ``"sequential"`` repeats their order.
        abstain: Whether there is a third action, which ends the episode and hands in nothing.
        wrong_cost: Cost of a wrong answer.
    """

    observations: Features
    correct: npt.NDArray[np.bool_]
    features: tuple[str, ...]
    cost: float
    order: Order
    abstain: bool
    wrong_cost: float

    @classmethod
    def build(
        cls,
        traces: str | Path | Traces | None,
        *,
        cost: float = 0.01,
        features: Sequence[str] = DEFAULT_FEATURES,
        order: Order = "random",
        abstain: bool = False,
        wrong_cost: float = 0.0,
    ) -> Decisions:
        """Builds the episodes from options of ``gym.make``.

        Args:
            traces: A recorded file, or `Traces`.
            cost: Cost of a segment.
            features: Names in `hrm_agent.halting.features.FEATURES`, whose signals must be recorded.
            order: ``"random"`` or ``"sequential"``.
            abstain: Whether there is a third action, which ends the episode and hands in nothing.
            wrong_cost: Cost of a wrong answer.

        Raises:
            ValueError: An option is out of range or of another type, there are no traces, or they lack a signal.
        """
        paid = check_number("cost", cost, 0)
        check_choice("order", order, get_args(Order))
        check_flag("abstain", abstain)
        lost = check_number("wrong_cost", wrong_cost, 0)
        names = check_features(features)
        if not isinstance(traces, str | Path | Traces):
            found = "none" if traces is None else shortened(traces)
            wanted = "the recorded traces of an agent, a file of hrm_agent.traces.record.record or Traces"
            raise ValueError(f"traces: expected {wanted}, found {found}")
        recorded = traces if isinstance(traces, Traces) else Traces.read(traces)
        if not len(recorded):
            raise ValueError("traces: expected at least one puzzle, found none")
        return cls(_observations(recorded, names), recorded.correct[:, 0], names, paid, order, abstain, lost)

    @cached_property
    def observation_space(self) -> spaces.Space[Any]:
        """The space ``Box(−1, 1, (F,))``; its attribute ``features`` names the entries."""
        space = spaces.Box(-1.0, 1.0, self.observations.shape[2:], np.float32)
        # SB3 writes plain attributes of a space as text into the file of a model, which then names its features
        vars(space)["features"] = list(self.features)
        return space

    @property
    def actions(self) -> int:
        """Number of actions: continue, halt and, if `abstain` is set, abstain."""
        return 2 + self.abstain

    def ending(self, index: Any, segment: Any, action: Any) -> tuple[Any, Any, Any]:
        """Returns how episodes end with an action, each a number or ``(B,)`` as the arguments are.

        Args:
            index: Row of the puzzle.
            segment: Segments used, from 1.
            action: The action; `CONTINUE` ends an episode at the budget.

        Returns:
            Whether the right answer is handed in, the reward of the step, and the index into `HALT_REASONS`.
        """
        answered = np.not_equal(action, ABSTAIN)
        right = self.correct[index, segment - 1] & answered
        return right, right - self.wrong_cost * (answered & ~right) - self.cost, _REASON_OF[action]

    @property
    def puzzles(self) -> int:
        """Number of puzzles N."""
        return len(self.correct)

    @property
    def max_segments(self) -> int:
        """The budget M."""
        return int(self.correct.shape[1])


def _observations(traces: Traces, names: Sequence[str]) -> Features:
    """Returns the features of all puzzles and segments, ``(N, M, F)``, computed as in a live policy."""
    signals = {}
    for name in signals_of(names):
        if name not in traces.signals:
            raise ValueError(
                f"traces: expected the signal {name!r} for the features, found {', '.join(traces.signals)}"
            )
        signals[name] = torch.from_numpy(np.array(traces.signals[name][:, 0]))
    budget, segments = traces.header.max_segments, []
    for segment in range(1, budget + 1):
        now = {name: signal[:, segment - 1] for name, signal in signals.items()}
        segments.append(observe(HaltContext(torch.full((len(traces),), segment), budget, now), names))
    table = torch.stack(segments, dim=1).numpy()
    if not np.isfinite(table).all():
        raise ValueError("traces: expected finite signals, found others")
    return table


def check_halting_options(environment: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuses options of ``gym.make`` that an environment of halting decisions does not have.

    Args:
        environment: The environment's class.
        options: Options that its constructor does not name.

    Raises:
        UnknownOptionError: An option is unknown; the message names a similar one.
    """
    known = ["traces", *keywords(Decisions.build), *keywords(environment)]
    check_known(getattr(environment, "__name__", ""), options, known)


class HaltingEnv(gym.Env[Features, np.int64]):
    """A puzzle is an episode, a segment is a step, and the only decision is whether to stop.

    **Observation**: ``Box(−1, 1, (F,))`` float32, the features after the newest segment; after segment 1 at reset.

    **Action**: ``Discrete(2)``: 0 continues, 1 halts; with ``abstain=True`` ``Discrete(3)``: 2 hands in nothing.

    **Reward**: every step costs ``cost``; the last one also pays 1 if the answer is right, −``wrong_cost`` if it is
    wrong, and nothing if there is none. With the defaults, the return is ``correct − cost · segments``.

    **Episode end**: at halt, and at segment M whatever the action (terminated, not truncated: m / M is a feature).
    The observation is then the same as before. ``info`` also holds ``correct``, ``segments`` and ``halt_reason``,
    "agent", "budget" or "abstained".

    **Reset options**: ``{"index": k}`` chooses a puzzle by its row in the traces.

    Args:
        traces: A recorded file or `Traces`.
        render_mode: ``"rgb_array"``: features, decisions and the ending as `draw_decisions` draws them.
        **options: Options of `Decisions.build`: ``cost``, ``features``, ``order``, ``abstain``, ``wrong_cost``.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012

    def __init__(
        self, traces: str | Path | Traces | None = None, *, render_mode: str | None = None, **options: Any
    ) -> None:
        self.render_mode = check_render_mode(render_mode, self.metadata)
        check_halting_options(type(self), options)
        self.decisions = Decisions.build(traces, **options)
        self.observation_space = self.decisions.observation_space
        self.action_space = spaces.Discrete(self.decisions.actions)
        self._cursor = -1
        self._segment = 0  # none before the first reset
        self._reason = 0  # index into HALT_REASONS

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Features, dict[str, Any]]:
        """Starts an episode with the next puzzle, or the one of ``options["index"]``."""
        super().reset(seed=check_seed(seed))
        if seed is not None:
            self._cursor = -1
        self._index = self._next_index(options or {})
        self._segment, self._reason = 1, 0
        return self._observation(), {"index": self._index}

    def _next_index(self, options: dict[str, Any]) -> int:
        count = self.decisions.puzzles
        if "index" in options:
            return int(integers('options["index"]', options["index"], count))
        if self.decisions.order == "random":
            return int(self.np_random.integers(count))
        self._cursor = (self._cursor + 1) % count
        return self._cursor

    def step(self, action: np.int64) -> tuple[Features, SupportsFloat, bool, bool, dict[str, Any]]:
        """Continues or halts; see the class."""
        if not self._segment or self._reason:
            when = "after the end of an episode" if self._reason else "before the first step"
            raise gym.error.ResetNeeded(f"step: expected reset() {when}")
        decided = int(integers("action", action, self.decisions.actions))
        info: dict[str, Any] = {"index": self._index}
        if decided == CONTINUE and self._segment < self.decisions.max_segments:
            self._segment += 1
            return self._observation(), -self.decisions.cost, False, False, info
        correct, reward, reason = self.decisions.ending(self._index, self._segment, decided)
        self._reason = int(reason)
        info |= {"correct": bool(correct), "segments": self._segment, "halt_reason": HALT_REASONS[self._reason]}
        return self._observation(), float(reward), True, False, info

    def _observation(self) -> Features:
        row: Features = self.decisions.observations[self._index, self._segment - 1]
        return row.copy()

    def render(self) -> Any:
        """Returns a picture ``(H, W, 3)`` uint8 of the episode so far; None without a render mode."""
        if not self._segment:
            raise gym.error.ResetNeeded("render: expected reset() before the first render")
        if self.render_mode is None:
            return None
        return draw_decisions(self.decisions, self._index, self._segment, self._reason)
