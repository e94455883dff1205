"""The scalar environment: one puzzle at a time."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hrm_env.checks import check_choice
from hrm_env.drawing import draw_puzzle, write_puzzle
from hrm_env.drawing.window import Window
from hrm_env.envs.episode import HALT_REASONS, rules_of
from hrm_env.envs.slots import check_seed
from hrm_env.envs.spaces import check_action, unpack_action
from hrm_env.task import PuzzleBatch, PuzzleTask

Observation = dict[str, Any]


class PuzzleEnv(gym.Env[Observation, npt.NDArray[np.int64]]):
    """An environment in which a puzzle is an episode and a deep-supervision segment is a step.

    **Observation**: Dict of ``inputs`` (L,) tokens, ``puzzle_id``, and ``segment``, the number of segments used (0 at
    reset). The solution is only in ``info["solution"]``.

    **Action**: ``MultiDiscrete([V] * L + [2])``: the current answer, then 1 to halt or 0 to continue. A last answer of
    all PAD abstains: it hands in nothing.

    **Reward**: ``reward(answer)`` when the episode ends, 0 before. A wrong last answer costs ``wrong_cost``, and every
    step costs ``segment_cost``. With the defaults, the mean return is the exact accuracy.

    **Episode end**: at halt, and at the step that uses the last of ``max_segments`` (terminated, not truncated, because
    the segment is observed). ``info`` then also holds ``exact``, ``cell_accuracy``, ``segments`` and ``halt_reason``
    ("agent", "budget" or "abstained").

    **Reset options**: ``{"index": k}`` chooses a puzzle.

    **Drawings** compare an answer with the stored solution. With ``reward="rules"``, every cell of an answer that
    solves the puzzle is right.

    Args:
        task: A `PuzzleTask` or the name of a built-in one.
        render_mode: ``"ansi"``, ``"rgb_array"``, or ``"human"``, a window that reset and step update.
        **options: Options of `EpisodeRules.build` and `hrm_env.load_puzzles`.

    Raises:
        ValueError: An option is unknown or out of range, or an action is outside the action space.
        ResetNeeded: `step` or `render` is called before `reset`, or `step` after the end of an episode.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "human", "rgb_array"], "render_fps": 2}  # noqa: RUF012

    def __init__(self, task: str | PuzzleTask, *, render_mode: str | None = None, **options: Any) -> None:
        check_render_mode(render_mode, self.metadata)
        if options.get("order") == "once":
            raise ValueError("order: expected random or sequential in a scalar environment, found 'once'")
        self.rules = rules_of(type(self), task, options)
        self.observation_space = self.rules.observation_space
        self.action_space = self.rules.action_space
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "task": self.rules.task.spec.name}
        self._stored = self.rules.tensors()
        self._generator = torch.Generator()
        self._cursor = -1
        self._batch: PuzzleBatch | None = None
        self._ended = False
        self._answer: Tensor | None = None
        self._previous: Tensor | None = None
        self._window = Window(self.rules.task.spec.name) if render_mode == "human" else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode with the next puzzle, or with puzzle ``options["index"]``."""
        super().reset(seed=check_seed(seed))
        if seed is not None:
            self._cursor = -1
        self._index = self._next_index(options or {})
        if self.rules.random_draws:
            self._generator.manual_seed(int(self.np_random.integers(2**62)))
        self._batch = self.rules.draw(self._stored, torch.tensor([self._index]), self._generator)
        self._segment, self._ended = 0, False
        self._answer = self._previous = None
        self._show()
        return self._shown()

    def _next_index(self, options: dict[str, Any]) -> int:
        if "index" in options:
            return int(self.rules.chosen(options["index"]))
        count = len(self.rules.puzzles)
        if self.rules.order == "random":
            return int(self.np_random.integers(count))
        self._cursor = (self._cursor + 1) % count
        return self._cursor

    def step(self, action: npt.NDArray[np.int64]) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes an answer and a halt decision; see the class."""
        if self._batch is None or self._ended:
            when = "after the end of an episode" if self._ended else "before the first step"
            raise gym.error.ResetNeeded(f"step: expected reset() {when}")
        answer, halt = unpack_action(torch.from_numpy(check_action(action, self.rules.action_space)).unsqueeze(0))
        self._previous, self._answer = self._answer, answer[0]
        self._segment += 1
        outcome = self.rules.grade(self._batch, answer, halt, torch.tensor([self._segment]))
        self._show()
        observation, info = self._shown()
        self._ended = bool(outcome.terminated)
        if self._ended:
            info |= {
                "exact": bool(outcome.exact),
                "cell_accuracy": float(outcome.cells),
                "segments": self._segment,
                "halt_reason": HALT_REASONS[int(outcome.halt_reason)],
            }
        return observation, float(outcome.reward), self._ended, False, info

    def _shown(self) -> tuple[Observation, dict[str, Any]]:
        """Returns observation and info of the current puzzle."""
        assert self._batch is not None
        observation = {
            "inputs": self._batch.inputs[0].numpy().copy(),
            "puzzle_id": np.int64(self._batch.puzzle_id[0]),
            "segment": np.int64(self._segment),
        }
        return observation, {"solution": self._batch.solution[0].numpy().copy(), "index": self._index}

    def render(self) -> Any:
        """Draws the puzzle with the latest answer.

        Returns:
            Text for "ansi", a picture ``(H, W, 3)`` uint8 for "rgb_array", and None for "human", which updates the
            window.
        """
        if self._batch is None:
            raise gym.error.ResetNeeded("render: expected reset() before the first render")
        inputs, solution = self._batch.inputs[0], self._batch.solution[0]
        if self._answer is not None:
            solution = self.rules.judged_by(self._batch, self._answer.unsqueeze(0))[0]
        if self.render_mode == "ansi":
            return write_puzzle(self.rules.task, inputs, self._answer, solution, self._previous)
        if self.render_mode is None:
            return None
        picture = draw_puzzle(self.rules.task, inputs, self._answer, solution)
        if self._window is None:
            return picture
        self._window.show(picture, 1 / self.metadata["render_fps"])
        return None

    def _show(self) -> None:
        if self._window is not None:
            self.render()

    def close(self) -> None:
        """Closes the window if there is one."""
        if self._window is not None:
            self._window.close()


def check_render_mode(render_mode: str | None, metadata: dict[str, Any]) -> str | None:
    """Returns the mode if it is None or the environment offers it.

    Raises:
        ValueError: ``metadata`` does not list ``render_mode``.
    """
    return None if render_mode is None else check_choice("render_mode", render_mode, metadata["render_modes"])
