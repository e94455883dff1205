"""The rules of an episode, shared by the scalar and the batched environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import Tensor

from hrm_env.checks import check_choice, check_flag, check_integer, check_known, check_number, keywords, shortened
from hrm_env.envs import grading
from hrm_env.envs.easing import check_blanks, fill_in
from hrm_env.envs.rewards import REWARDS, Reward, reward_of, try_reward
from hrm_env.envs.spaces import LARGEST, ObservationSizes, action_space, observation_space
from hrm_env.puzzles import Puzzles
from hrm_env.sources import described, load_puzzles, options_of
from hrm_env.task import PAD_ID, PuzzleBatch, PuzzleTask
from hrm_env.tasks import make_task

Order = Literal["random", "sequential", "once"]
HALT_REASONS = (None, "agent", "budget", "abstained")
"""Reasons for the end of an episode; None while it runs. "abstained": the last answer is all `PAD_ID`."""


class Outcome(NamedTuple):
    """The outcome of a step in B slots.

    Attributes:
        reward: Reward, ``(B,)`` float32.
        terminated: Whether the episode ends, ``(B,)`` bool.
        exact: Whether the answer is right, ``(B,)`` bool.
        cells: Share of right cells, ``(B,)`` float32.
        halt_reason: Index into `HALT_REASONS`, ``(B,)`` int64.
    """

    reward: Tensor
    terminated: Tensor
    exact: Tensor
    cells: Tensor
    halt_reason: Tensor


@dataclass(frozen=True)
class EpisodeRules:
    """The definition of an episode: its puzzles, its budget, its reward.

    Attributes:
        task: The puzzle family.
        puzzles: The puzzles to draw from.
        max_segments: Budget M_max; the step that uses the last segment is graded whatever the halt bit.
        reward: Reward function, applied to the last answer.
        segment_cost: Cost subtracted from the reward at every step.
        augment: Whether every puzzle is replaced by a random symmetric variant.
        order: ``"random"`` draws puzzles independently; ``"sequential"`` repeats the file's order; ``"once"`` deals
            each puzzle once (batched environment only).
        blank_fraction: Bounds of the share of a puzzle's blank cells that stay blank, drawn for every puzzle; the
            others are filled in from the solution.
        easier: Share of puzzles that `blank_fraction` applies to.
        wrong_cost: Cost subtracted from the reward of a wrong last answer; an answer of all `PAD_ID` costs nothing.
    """

    task: PuzzleTask
    puzzles: Puzzles
    max_segments: int
    reward: Reward
    segment_cost: float
    augment: bool
    order: Order
    blank_fraction: tuple[float, float] = (1.0, 1.0)
    easier: float = 1.0
    wrong_cost: float = 0.0

    @classmethod
    def build(
        cls,
        task: PuzzleTask,
        *,
        max_segments: int = 16,
        reward: str | Reward = "exact",
        segment_cost: float = 0.0,
        augment: bool = False,
        order: Order = "random",
        blank_fraction: float | tuple[float, float] = 1.0,
        easier: float = 1.0,
        wrong_cost: float = 0.0,
        **source_options: Any,
    ) -> EpisodeRules:
        """Builds the rules from the options of ``gym.make``; the rest go to `hrm_env.sources.load_puzzles`.

        Raises:
            ValueError: An option is out of range or has the wrong type.
            UnknownOptionError: The source has no such option.
        """
        budget = check_integer("max_segments", max_segments, 1, LARGEST.max_segments)
        paid = reward_of(reward)
        cost = check_number("segment_cost", segment_cost)
        check_flag("augment", augment)
        check_choice("order", order, get_args(Order))
        blanks = check_blanks(task, blank_fraction, easier)
        wrong = check_number("wrong_cost", wrong_cost, 0)
        puzzles = load_puzzles(task, **source_options)
        if not len(puzzles):
            raise ValueError("source: expected at least one puzzle, found none")
        return cls(task, puzzles, budget, paid, cost, augment, order, blanks, easier, wrong)

    @property
    def random_draws(self) -> bool:
        """Whether `draw` changes a puzzle at random, by easing or augmentation."""
        return self.augment or (self.order != "once" and self.blank_fraction != (1.0, 1.0))

    @cached_property
    def observation_space(self) -> spaces.Dict:
        """The space of one observation."""
        spec = self.task.spec
        sizes = ObservationSizes(spec.seq_len, spec.vocab_size, len(self.puzzles.names), self.max_segments)
        return observation_space(sizes)

    @cached_property
    def action_space(self) -> spaces.MultiDiscrete:
        """The space of one action: L answer tokens, then the halt bit."""
        return action_space(self.task.spec.seq_len, self.task.spec.vocab_size)

    def tensors(self, device: torch.device | str = "cpu") -> PuzzleBatch:
        """Returns all puzzles on a device, as stored: ``(N, L)`` uint8, ``(N, L)`` uint8, ``(N,)`` int32.

        With ``order="once"``, puzzles are eased here and not when drawn, so that the cells filled in do not depend on
        the number of slots.
        """
        arrays = (self.puzzles.inputs, self.puzzles.solution, self.puzzles.puzzle_id)
        stored = PuzzleBatch(*(torch.as_tensor(array).to(device) for array in arrays))
        try_reward(self.reward, self.task, stored)
        return self._eased(stored, torch.Generator(device).manual_seed(0)) if self.order == "once" else stored

    def chosen(self, index: Any, batch: tuple[int, ...] = ()) -> npt.NDArray[np.int64]:
        """Returns the indices of ``reset(options={"index": ...})`` as int64 array of shape ``batch``.

        Raises:
            ValueError: They are no indices of the puzzles.
        """
        return integers('options["index"]', index, len(self.puzzles), batch)

    def draw(self, stored: PuzzleBatch, index: Tensor, generator: torch.Generator) -> PuzzleBatch:
        """Returns the puzzles of ``index (B,)`` as int64 tokens, eased and, if `augment` is set, augmented."""
        batch = PuzzleBatch(*(tensor.index_select(0, index).long() for tensor in stored))
        if self.order != "once":
            batch = self._eased(batch, generator)
        return self.task.augment(batch, generator) if self.augment else batch

    def judged_by(self, batch: PuzzleBatch, answer: Tensor) -> Tensor:
        """Returns the solutions ``(B, L)`` with which a drawing compares answers ``(B, L)``: the stored ones.

        With ``reward="rules"``, the solution of an answer that solves its puzzle is the answer itself.
        """
        if self.reward is not REWARDS["rules"]:
            return batch.solution
        return torch.where(self.task.check(batch.inputs, answer).unsqueeze(-1), answer, batch.solution)

    def _eased(self, batch: PuzzleBatch, generator: torch.Generator) -> PuzzleBatch:
        if self.blank_fraction == (1.0, 1.0):
            return batch
        return fill_in(batch, self.task.blank_id, self.blank_fraction, self.easier, generator)

    def ends(self, halt: Any, segment: Any) -> Any:
        """Returns the episodes that halt or use up the budget, ``(B,)`` bool; arguments as for `grade`."""
        return halt | (segment >= self.max_segments)

    @property
    def compares(self) -> bool:
        """Whether the reward only compares answers with solutions, so that `grade` takes numpy arrays as well."""
        return self.reward is REWARDS["exact"] or self.reward is REWARDS["cells"]

    def grade(self, batch: PuzzleBatch, answer: Any, halt: Any, segment: Any) -> Outcome:
        """Grades answers, and ends the episodes that halt or use up the budget.

        An episode that ends with an answer of all `PAD_ID` abstains: its reward is 0 before `segment_cost`, and
        `wrong_cost` does not apply. Any other last answer is wrong where it is not exact or, with the reward "rules",
        where the task's own check refuses it.

        Args:
            batch: The puzzles.
            answer: Answer tokens, ``(B, L)``.
            halt: Halt decisions, ``(B,)`` bool.
            segment: Segments used, including this step, ``(B,)``.

        All are tensors or, if the rules `compares`, all numpy arrays, which are faster for a few rows.
        """
        library: Any = np if isinstance(answer, np.ndarray) else torch
        terminated = self.ends(halt, segment)
        grade = grading.grade(answer, batch.solution)
        if self.reward is REWARDS["cells"]:  # avoids grading twice
            value = grade.cells
        elif self.reward is REWARDS["exact"]:
            value = library.asarray(grade.exact, dtype=library.float32)
        else:
            value = self.reward(self.task, batch, answer)
        right = value > 0 if self.reward is REWARDS["rules"] else grade.exact
        graded = terminated & (answer != PAD_ID).any(-1)
        return Outcome(
            reward=library.where(graded, library.where(right, value, value - self.wrong_cost), 0) - self.segment_cost,
            terminated=terminated,
            exact=grade.exact,
            cells=grade.cells,
            halt_reason=library.where(graded, library.where(halt, 1, 2), 3) * terminated,
        )


def rules_of(environment: Callable[..., Any], task: str | PuzzleTask, options: Mapping[str, Any]) -> EpisodeRules:
    """Builds the rules of an environment from the options of ``gym.make`` that its constructor does not name.

    Args:
        environment: The class that received the options.
        task: A `PuzzleTask` or the name of a built-in one.
        options: Options of `EpisodeRules.build` and `hrm_env.sources.load_puzzles`.

    Raises:
        UnknownOptionError: Neither the environment nor the source of its puzzles has an option; the message names it
            and a similar one, if any.
        ValueError: The task, the source or an option is invalid.
    """
    made, source = make_task(task), options.get("source", "generated")
    known = [*keywords(EpisodeRules.build), *keywords(environment), "source", *options_of(made, source)]
    check_known(f"{environment.__name__} with {described(source)}", options, known)
    return EpisodeRules.build(made, **options)


def integers(name: str, found: Any, below: int, batch: tuple[int, ...] = ()) -> npt.NDArray[np.int64]:
    """Returns a caller's numbers as int64 array of shape ``batch``, each from 0 to ``below`` - 1.

    Raises:
        ValueError: They are anything else; the message begins with ``name``.
    """
    array = np.asarray(found)
    fits = array.shape == batch and np.issubdtype(array.dtype, np.integer)
    if not fits or ((array < 0) | (array >= below)).any():
        wanted = f"{batch[0]} integers" if batch else "an integer"
        raise ValueError(f"{name}: expected {wanted} from 0 to {below - 1}, found {shortened(found)}")
    return array.astype(np.int64)
