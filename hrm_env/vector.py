"""Many puzzles at once: the native batched environment, on the CPU or a CUDA device."""

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

from hrm_env.actions import checked, unpack
from hrm_env.env import PuzzleEnv, check_render_mode
from hrm_env.numpy_form import numpy_info, to_numpy
from hrm_env.rules import EpisodeRules, Outcome
from hrm_env.task import PuzzleBatch, PuzzleTask

_SLOTS = (*PuzzleBatch._fields, "index", "active", "segment", "next")
TensorStep = tuple[dict[str, Tensor], Tensor, Tensor, Tensor, dict[str, Any]]


class PuzzleVectorEnv(VectorEnv[Any, Any, Any]):
    """`PuzzleEnv`, B slots in lockstep. Autoreset is SAME_STEP: no segment is wasted.

    A slot whose episode ends is refilled in the same step: the returned observation and ``info["solution"]`` are the
    new puzzle's, and ``info["final_obs"]``, ``info["final_info"]`` the finished one's.

    ``array="torch"`` takes and returns tensors on ``device`` and never waits for the device: ``final_obs`` and
    ``final_info`` are then always there, meaningful where terminated, and ``halt_reason`` is an index into
    `HALT_REASONS`. ``array="numpy"`` keeps Gymnasium's contract.

    With ``order="once"`` each puzzle is handed out once; ``info["active"]`` (B,) tells the slots that still hold one.
    An idle slot neither ends nor pays.

    Args:
        task: A `PuzzleTask` or the name of a built-in one.
        num_envs: Slots B.
        array: ``"numpy"`` or ``"torch"``.
        device: Where puzzles, augmentation and episodes live.
        render_mode: ``"ansi"`` or ``"rgb_array"``; `render` gives one per slot.
        **options: Those of `EpisodeRules.build` and `hrm_env.sources.load_puzzles`.
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
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if array not in ("numpy", "torch"):
            raise ValueError(f"array: expected 'numpy' or 'torch', found {array!r}")
        if num_envs < 1:
            raise ValueError(f"num_envs: expected at least 1, found {num_envs}")
        check_render_mode(render_mode, self.metadata)
        self.rules = EpisodeRules.build(task, **options)
        self.num_envs, self.array, self.device, self.render_mode = num_envs, array, torch.device(device), render_mode
        self.single_observation_space = self.rules.observation_space
        self.single_action_space = self.rules.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.metadata = {**self.metadata, "task": self.rules.task.spec.name}
        self._stored = self.rules.tensors(self.device)
        self._generator = torch.Generator(self.device)
        # a CPU looks which slots are done and draws only those; a CUDA device must not wait, and draws all
        self._looks = self.device.type == "cpu"
        self._batch: PuzzleBatch | None = None
        self._shard = (0, 1)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begins an episode in every slot.

        Args:
            seed: One seed for all slots; of a list, which Gymnasium allows, the first counts.
            options: ``{"index": (B,) integers}`` picks the puzzles; ``{"shard": (k, n)}`` deals every n-th puzzle, from
                the k-th on, where the order is not random: the share of one of n processes.
        """
        observation, info = self.reset_tensors(seed[0] if isinstance(seed, list) else seed, options)
        if self.array == "torch":
            return observation, info
        return to_numpy(observation), numpy_info(info, self.rules.order == "once")

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Hands in B answers and decisions ``(B, L+1)``."""
        if self.array == "torch":
            return self.step_tensors(actions)
        action = torch.from_numpy(checked(actions, self.single_action_space, (self.num_envs,))).to(self.device)
        observation, reward, terminated, truncated, info = self.step_tensors(action)
        rewards = reward.cpu().numpy().astype(np.float64)
        told = numpy_info(info, self.rules.order == "once")
        return to_numpy(observation), rewards, terminated.cpu().numpy(), truncated.cpu().numpy(), told

    def reset_tensors(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """`reset` with device tensors, whatever ``array`` is."""
        if seed is not None or self._batch is None:
            super().reset(seed=seed)
            self._generator.manual_seed(int(self.np_random.integers(2**62)))
        if seed is not None or self._batch is None or self.rules.order == "once":
            self._next = torch.zeros((), dtype=torch.long, device=self.device)
        self._shard = first, every = (options or {}).get("shard", (0, 1))
        if not 0 <= first < every:
            raise ValueError(f'options["shard"]: expected (k, n) with k from 0 to n - 1, found {self._shard!r}')
        if options and "index" in options:
            index = torch.from_numpy(self.rules.chosen(options["index"], (self.num_envs,))).to(self.device)
        else:
            index = self._next_indices(torch.ones(self.num_envs, dtype=torch.bool, device=self.device))
        self._index, self._active = index % len(self.rules.puzzles), self._has_puzzle(index)
        self._batch = self.rules.draw(self._stored, self._index, self._generator)
        self._segment = torch.zeros(self.num_envs, dtype=torch.long, device=self.device)
        self._answer: Tensor | None = None
        return self.shown()

    def step_tensors(self, action: Tensor) -> TensorStep:
        """`step` with device tensors, whatever ``array`` is: actions ``(B, L+1)`` int64 on the environment's device."""
        if self._batch is None:
            raise gym.error.ResetNeeded("step: expected reset() before the first step")
        if not isinstance(action, Tensor) or action.shape != self.action_space.shape or action.is_floating_point():
            found = f"{action.dtype} {tuple(action.shape)}" if isinstance(action, Tensor) else type(action).__name__
            raise ValueError(f"action: expected an integer tensor of shape {self.action_space.shape}, found {found}")
        self._answer, halt = unpack(action)
        active = self._active
        self._segment = self._segment + active
        outcome = self.rules.grade(self._batch, self._answer, halt, self._segment)
        done = outcome.terminated & active
        final = {"final_obs": self._observation(), "final_info": self._final_info(outcome), "_final_info": done}
        self._refill(done)
        return self._observation(), outcome.reward * active, done, torch.zeros_like(done), self._info() | final

    def shown(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What `reset` or the last step returned of the slots as they are now: observation and info, as tensors."""
        return self._observation(), self._info()

    def stored(self, rows: slice | npt.NDArray[np.int64]) -> PuzzleBatch:
        """The puzzles of some rows of the source as `reset` hands them out, but for `augment`: int64, on the device."""
        return PuzzleBatch(*(tensor[rows].long() for tensor in self._stored))

    def state_dict(self) -> dict[str, Any]:
        """Where the episodes and the generators stand, in tensors and what JSON can hold; `load_state_dict` takes it.

        Raises:
            gymnasium.error.ResetNeeded: No episode has begun.
        """
        if self._batch is None:
            raise gym.error.ResetNeeded("state_dict: expected reset() before")
        slots = (*self._batch, self._index, self._active, self._segment, self._next)
        return {
            **dict(zip(_SLOTS, slots, strict=True)),
            "shard": list(self._shard),
            "generator": self._generator.get_state(),
            "np_random": self.np_random.bit_generator.state,
            "puzzles": self.rules.puzzles.digest(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, to the last bit.

        Raises:
            ValueError: It was taken of other puzzles or of another number of slots.
        """
        slots = [state[name].to(self.device) for name in _SLOTS]
        if state["puzzles"] != self.rules.puzzles.digest() or slots[0].shape[0] != self.num_envs:
            raise ValueError("environment: expected the state of the same puzzles in as many slots, found another's")
        self._batch = PuzzleBatch(*slots[:3])
        self._index, self._active, self._segment, self._next = slots[3:]
        first, every = state["shard"]
        self._shard, self._answer = (first, every), None
        self._generator.set_state(state["generator"].cpu())
        self.np_random.bit_generator.state = state["np_random"]

    def _refill(self, done: Tensor) -> None:
        """Puts the next puzzles into the slots that are done."""
        assert self._batch is not None
        index = self._next_indices(done)
        self._active = self._active & (~done | self._has_puzzle(index))
        index = torch.where(done, index % len(self.rules.puzzles), self._index)
        looks = self._looks
        rows = done.nonzero().squeeze(1) if looks else torch.arange(self.num_envs, device=self.device)
        fresh = self.rules.draw(self._stored, index.index_select(0, rows), self._generator)
        replaced = []  # new tensors: what was returned earlier stays as it is
        for tensor, new in zip(self._batch, fresh, strict=True):
            mask = done.view(-1, *[1] * (new.dim() - 1))
            replaced.append(tensor.index_copy(0, rows, new) if looks else torch.where(mask, new, tensor))
        self._batch, self._index = PuzzleBatch(*replaced), index
        self._segment = torch.where(done, 0, self._segment)

    def _next_indices(self, done: Tensor) -> Tensor:
        """An index for each slot, of which those that are done will be used; counts on past N."""
        if self.rules.order == "random":
            count = len(self.rules.puzzles)
            return torch.randint(count, (self.num_envs,), generator=self._generator, device=self.device)
        dealt = self._next + done.cumsum(0) - 1
        self._next = self._next + done.sum()
        first, every = self._shard
        return first + every * dealt

    def _has_puzzle(self, index: Tensor) -> Tensor:
        """Whether an index counts on to a puzzle: not past the end where each is handed out once."""
        past_the_end = index >= len(self.rules.puzzles)
        return ~past_the_end if self.rules.order == "once" else torch.ones_like(past_the_end)

    def _observation(self) -> dict[str, Tensor]:
        assert self._batch is not None
        return {"inputs": self._batch.inputs, "puzzle_id": self._batch.puzzle_id, "segment": self._segment}

    def _info(self) -> dict[str, Any]:
        assert self._batch is not None
        return {"solution": self._batch.solution, "index": self._index, "active": self._active}

    def _final_info(self, outcome: Outcome) -> dict[str, Tensor]:
        return self._info() | {
            "exact": outcome.exact,
            "cell_accuracy": outcome.cells,
            "segments": self._segment,
            "halt_reason": outcome.halt_reason,
        }

    def render(self) -> tuple[Any, ...] | None:
        """One text or picture per slot, as in `PuzzleEnv.render`."""
        if self.render_mode is None or self._batch is None:
            return None
        task = self.rules.task
        draw = task.to_text if self.render_mode == "ansi" else task.render
        fresh = (self._segment == 0).tolist()
        inputs, solution = self._batch.inputs.cpu(), self._batch.solution.cpu()
        answer = None if self._answer is None else self._answer.cpu()
        return tuple(
            draw(inputs[slot], None if answer is None or fresh[slot] else answer[slot], solution[slot])
            for slot in range(self.num_envs)
        )
