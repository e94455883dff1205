"""The native batched environment: many puzzles at once, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from hrm_env.checks import check_choice
from hrm_env.devices import check_device
from hrm_env.drawing import draw_puzzle, write_puzzle
from hrm_env.envs.dealing import Dealing
from hrm_env.envs.episode import rules_of
from hrm_env.envs.held import HeldPuzzles
from hrm_env.envs.numpy_form import ending_of, grade_rows, numpy_ending, numpy_info, to_numpy
from hrm_env.envs.scalar import PuzzleEnv, check_render_mode
from hrm_env.envs.slots import SLOT_STATE, Seeds, check_autoreset, check_slots, check_state, reset_mask, shared_seed
from hrm_env.envs.spaces import check_action, unpack_action
from hrm_env.task import PuzzleBatch, PuzzleTask

TensorStep = tuple[dict[str, Tensor], Tensor, Tensor, Tensor, dict[str, Any]]


class PuzzleVectorEnv(VectorEnv[Any, Any, Any]):
    """`PuzzleEnv` in B slots in lockstep.

    ``autoreset_mode`` says when a slot whose episode has ended gets its next puzzle, as in Gymnasium's own vector
    environments:

    - ``"SameStep"``, the default, wastes no segment: the returned observation and ``info["solution"]`` belong to the
      new puzzle, ``info["final_obs"]`` and ``info["final_info"]`` to the finished one.
    - ``"NextStep"`` returns the last observation; the next step ignores its action and resets the slot.
    - ``"Disabled"`` leaves the reset to ``reset(options={"reset_mask": mask})``.

    ``array="torch"`` takes and returns tensors on ``device`` and, except with ``"Disabled"``, never waits for the
    device: `info` then always holds the entries about the end of an episode, which are valid where terminated, and
    ``halt_reason`` is an index into `HALT_REASONS`. ``array="numpy"`` keeps Gymnasium's contract.

    With ``order="once"`` each puzzle is dealt once; ``info["active"]`` (B,) marks the slots that hold a puzzle. The
    episode of an idle slot never ends, and its reward is 0.

    Args:
        task: A `PuzzleTask` or the name of a built-in one.
        num_envs: Number of slots B.
        array: ``"numpy"`` or ``"torch"``.
        device: Device of puzzles, augmentation and episodes.
        autoreset_mode: An `AutoresetMode` or its value.
        render_mode: ``"ansi"`` or ``"rgb_array"``; `render` returns one drawing per slot.
        **options: Options of `EpisodeRules.build` and `hrm_env.load_puzzles`.

    Raises:
        ValueError: An option is unknown or out of range, or an action is outside the action space.
        ResetNeeded: `step` is called before `reset`, or, with ``"Disabled"``, while an ended slot waits for its reset.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        **PuzzleEnv.metadata,
        "render_modes": ["ansi", "rgb_array"],  # a window shows one puzzle
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        task: str | PuzzleTask,
        num_envs: int = 1,
        *,
        array: Literal["numpy", "torch"] = "numpy",
        device: torch.device | str = "cpu",
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self.num_envs = check_slots(num_envs)
        self.array = check_choice("array", array, ("numpy", "torch"))
        self.device = check_device(device)
        self.autoreset_mode = check_autoreset(autoreset_mode)
        self.render_mode = check_render_mode(render_mode, self.metadata)
        self.rules = rules_of(type(self), task, options)
        self.single_observation_space = self.rules.observation_space
        self.single_action_space = self.rules.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {**self.metadata, "task": self.rules.task.spec.name, "autoreset_mode": self.autoreset_mode}
        self._stored = self.rules.tensors(self.device)
        self._generator = torch.Generator(self.device)
        self._dealing = Dealing(len(self.rules.puzzles), self.rules.order, self.device)
        # the CPU draws puzzles for finished slots only; a CUDA device draws for all slots, because it must not wait
        self._looks = self.device.type == "cpu"
        self._held: HeldPuzzles | None = None
        self._ended = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode in every slot.

        Args:
            seed: One seed for all slots, or a list with one per slot, as in `hrm_env.envs.slots.shared_seed`.
            options: ``{"index": (B,) integers}`` chooses the puzzles; ``{"reset_mask": (B,) bool}`` resets only some
                slots; ``{"shard": (k, n)}`` deals every n-th puzzle from the k-th on if the order is not random, which
                is the share of one of n processes.
        """
        observation, info = self.reset_tensors(seed, options)
        if self.array == "torch":
            return observation, info
        return to_numpy(observation), numpy_info(info, self._told, reset_mask(options, self.num_envs))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes B answers and halt decisions ``(B, L+1)``; see the class."""
        if self.array == "torch":
            return self.step_tensors(actions)
        answer, halt = unpack_action(check_action(actions, self.single_action_space, (self.num_envs,)))
        playing = self._play(torch.from_numpy(answer).to(self.device)).cpu().numpy()
        assert self._held is not None
        ended = self.rules.ends(halt, self._segment.cpu().numpy()) & playing
        rows = np.flatnonzero(ended)
        action = {"answer": answer, "halt": halt, "segment": self._segment, "index": self._index}
        # one row at least, as the type of its reward is that of all
        ending = grade_rows(self.rules, self._held.compact, action, rows if len(rows) else np.zeros(1, np.intp))
        rewards = np.zeros(self.num_envs, ending["reward"].dtype) - self.rules.segment_cost
        rewards[rows] = ending["reward"][: len(rows)]
        self._end(torch.from_numpy(ended.copy()).to(self.device))
        tensors, described = self._shown(self._held.compact)
        observation, info = to_numpy(tensors), numpy_info(described, self._told)
        if len(rows):
            info |= numpy_ending(ending, rows, ended, final=self.autoreset_mode is AutoresetMode.SAME_STEP)
        return observation, (rewards * playing).astype(np.float64), ended, np.zeros_like(ended), info

    @property
    def _told(self) -> tuple[str, ...]:
        """Keys of `info` that every slot has; ``active`` only if a slot may hold no puzzle."""
        return ("solution", "index", "active") if self.rules.order == "once" else ("solution", "index")

    def reset_tensors(
        self, seed: Seeds = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Does what `reset` does, with device tensors for any ``array``."""
        seed, given, first = shared_seed(seed, self.num_envs), options or {}, self._held is None
        chosen, mask = reset_mask(given, self.num_envs), torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        if chosen is not None:
            if first:
                raise gym.error.ResetNeeded("reset: expected a reset of all slots before one of some")
            mask = torch.from_numpy(chosen).to(self.device)
        if seed is not None or first:
            super().reset(seed=seed)
            self._generator.manual_seed(int(self.np_random.integers(2**62)))
        if seed is not None or (self.rules.order == "once" and chosen is None):
            self._dealing.restart()
        if chosen is None:
            self._dealing.share(given.get("shard", (0, 1)))
        if "index" in given:
            index = torch.from_numpy(self.rules.chosen(given["index"], (self.num_envs,))).to(self.device)
        else:
            index = self._dealing.deal(mask, self._generator)
        if chosen is None:
            self._begin(index)
        else:
            self._refill(mask, index)
            self._ended = self._ended & ~mask
        return self.shown()

    def _begin(self, index: Tensor) -> None:
        """Puts the puzzles of ``index (B,)`` into all slots."""
        self._index, self._active = index % len(self.rules.puzzles), self._dealing.has_puzzle(index)
        self._held = HeldPuzzles(self.rules.draw(self._stored, self._index, self._generator))
        self._segment = torch.zeros(self.num_envs, dtype=torch.long, device=self.device)
        self._ended = torch.zeros_like(self._active)
        self._answer: Tensor | None = None

    def step_tensors(self, action: Tensor) -> TensorStep:
        """Does what `step` does, with device tensors for any ``array``; actions are ``(B, L+1)`` int64."""
        if not isinstance(action, Tensor) or action.shape != self.action_space.shape or action.is_floating_point():
            found = f"{action.dtype} {tuple(action.shape)}" if isinstance(action, Tensor) else type(action).__name__
            raise ValueError(f"action: expected an integer tensor of shape {self.action_space.shape}, found {found}")
        answer, halt = unpack_action(action)
        playing = self._play(answer)
        outcome = self.rules.grade(self.current()[0], answer, halt, self._segment)
        done = outcome.terminated & playing
        ending: dict[str, Any] = ending_of(outcome, self._segment)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            observation, info = self.shown()
            ending = {"final_obs": observation, "final_info": info | ending, "_final_info": done}
        self._end(done)
        observation, info = self.shown()
        return observation, outcome.reward * playing, done, torch.zeros_like(done), info | ending

    def _play(self, answer: Tensor) -> Tensor:
        """Takes answers ``(B, L)``; returns the slots that use a segment for them, ``(B,)`` bool."""
        if self._held is None:
            raise gym.error.ResetNeeded("step: expected reset() before the first step")
        resting = self._ended  # slots whose episode ended in an earlier step; none with SAME_STEP
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._refill(resting, self._dealing.deal(resting, self._generator))
        elif self.autoreset_mode is AutoresetMode.DISABLED and resting.any():
            raise gym.error.ResetNeeded(
                'step: expected reset(options={"reset_mask": ...}) of the slots that have ended'
            )
        self._answer = answer
        playing = self._active & ~resting
        self._segment = self._segment + playing
        return playing

    def _end(self, done: Tensor) -> None:
        """Refills the slots of ``done (B,)``, whose episode has ended, or lets them wait for their next puzzle."""
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._refill(done, self._dealing.deal(done, self._generator))
        else:
            self._ended = done

    def shown(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Returns observation and info of the current puzzles as tensors, as `reset` or the last step did."""
        return self._shown(self.current()[0])

    def current(self) -> tuple[PuzzleBatch, Tensor]:
        """Returns the puzzles in the slots and the segments that each has used, ``(B,)`` int64; 0 begins an episode."""
        assert self._held is not None
        return self._held.shown(), self._segment

    def stored(self, rows: slice | npt.NDArray[np.int64]) -> PuzzleBatch:
        """Returns the source's puzzles of some rows as `reset` deals them without `augment`: int64, on the device."""
        return PuzzleBatch(*(tensor[rows].long() for tensor in self._stored))

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of episodes and generators, as tensors and JSON values, for `load_state_dict`.

        Raises:
            gymnasium.error.ResetNeeded: No episode has begun.
        """
        if self._held is None:
            raise gym.error.ResetNeeded("state_dict: expected reset() before")
        slots = (*self._held.shown(), self._index, self._active, self._segment, self._dealing.next)
        refilled = self.autoreset_mode is AutoresetMode.SAME_STEP  # then no slot waits for a puzzle
        return {
            **dict(zip(SLOT_STATE, slots, strict=True)),
            **({} if refilled else {"ended": self._ended}),
            "shard": list(self._dealing.shard),
            "generator": self._generator.get_state(),
            "np_random": self.np_random.bit_generator.state,
            "puzzles": self.rules.puzzles.digest(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a state of `state_dict`, from which the environment continues bit for bit.

        Raises:
            ValueError: The state belongs to other puzzles, another number of slots or another autoreset mode, or holds
                numbers that no slot can have.
        """
        check_state(state, self.rules, self.num_envs, self.autoreset_mode)
        self._dealing.share(state["shard"])
        slots = [state[name].to(self.device) for name in SLOT_STATE]
        self._held = HeldPuzzles(PuzzleBatch(*slots[:3]))
        self._index, self._active, self._segment, self._dealing.next = slots[3:]
        self._ended = state["ended"].to(self.device) if "ended" in state else torch.zeros_like(self._active)
        self._answer = None
        self._generator.set_state(state["generator"].cpu())
        self.np_random.bit_generator.state = state["np_random"]

    def _refill(self, done: Tensor, index: Tensor) -> None:
        """Puts the puzzles of ``index (B,)`` into the slots marked by ``done (B,)``."""
        assert self._held is not None
        rows = done.nonzero().squeeze(1) if self._looks else torch.arange(self.num_envs, device=self.device)
        if not len(rows):
            return
        if self.rules.order == "once":  # otherwise no slot is ever idle
            self._active = self._active & (~done | self._dealing.has_puzzle(index))
        self._index = torch.where(done, index % len(self.rules.puzzles), self._index)
        self._segment = torch.where(done, 0, self._segment)
        fresh = self.rules.draw(self._stored, self._index.index_select(0, rows), self._generator)
        if self._looks:
            self._held.replace_rows(rows, fresh)
        else:
            self._held.replace_where(done, fresh)

    def _shown(self, batch: PuzzleBatch) -> tuple[dict[str, Tensor], dict[str, Any]]:
        observation = {"inputs": batch.inputs, "puzzle_id": batch.puzzle_id, "segment": self._segment}
        return observation, {"solution": batch.solution, "index": self._index, "active": self._active}

    def render(self) -> tuple[Any, ...] | None:
        """Draws one text or picture per slot, as `PuzzleEnv.render` does."""
        if self.render_mode is None or self._held is None:
            return None
        task = self.rules.task
        draw = write_puzzle if self.render_mode == "ansi" else draw_puzzle
        fresh = (self._segment == 0).tolist()
        answer = None if self._answer is None else self._answer.cpu()
        batch = self._held.shown()
        judged = batch.solution if self._answer is None else self.rules.judged_by(batch, self._answer)
        inputs, solution = batch.inputs.cpu(), judged.cpu()
        return tuple(
            draw(task, inputs[slot], None if answer is None or fresh[slot] else answer[slot], solution[slot])
            for slot in range(self.num_envs)
        )
