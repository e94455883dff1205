"""What a reasoning core is: one segment is one forward pass, nothing else."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from hrm_agent.config import CoreConfig
from hrm_agent.cores.carry import Carry, carry_parts, chosen_rows, where_rows, with_rows
from hrm_env.task import PAD_ID

TokenLoss = Callable[..., Tensor]


def mean_over_graded(losses: Tensor, solution: Tensor) -> Tensor:
    """Returns the mean of token losses ``(..., L)`` over the graded cells of ``solution (..., L)``, ``(...)``."""
    graded = solution != PAD_ID
    return (losses * graded).sum(-1) / graded.sum(-1).clamp(min=1)


class SegmentOutput(NamedTuple):
    """What one segment gives.

    Attributes:
        carry: The new hidden state.
        logits: Answer logits, ``(B, L, V)`` float32.
        q_halt: Q value of halting, as a logit, ``(B,)`` float32.
        q_continue: Q value of continuing, as a logit, ``(B,)`` float32.
        q_input: What the Q head read, ``(B, D)``.
        extra: A tuple of what else the core's own `ReasoningCore.answer_loss` and `ReasoningCore.training_carry` read,
            ``(B, ...)`` each; empty after `detach`, `rows` and `with_rows`.
    """

    carry: Carry
    logits: Tensor
    q_halt: Tensor
    q_continue: Tensor
    q_input: Tensor
    extra: Any = ()

    def detach(self) -> SegmentOutput:
        """Returns the output outside the graph."""
        return SegmentOutput(self.carry, *(part.detach() for part in self[1:-1]))

    def rows(self, index: Tensor) -> SegmentOutput:
        """Returns the chosen rows of the batch."""
        return SegmentOutput(chosen_rows(self.carry, index), *(part[index] for part in self[1:-1]))

    def with_rows(self, index: Tensor, fresh: SegmentOutput) -> SegmentOutput:
        """Returns an output whose rows of the given indices ``(n,)`` are those of ``fresh``."""
        parts = (old.index_copy(0, index, new) for old, new in zip(self[1:-1], fresh[1:-1], strict=True))
        return SegmentOutput(with_rows(self.carry, index, fresh.carry), *parts)


@dataclass(frozen=True)
class PuzzleShape:
    """The sizes that a core needs.

    Attributes:
        seq_len: Number of cells L of a puzzle.
        vocab_size: Number of tokens V.
        num_puzzle_ids: Rows of the puzzle embedding.
    """

    seq_len: int
    vocab_size: int
    num_puzzle_ids: int = 1


class CompiledPiece(NamedTuple):
    """A function of a core that may be compiled.

    Attributes:
        function: The function; the first dimension of its last argument, a tensor, is the batch.
        modules: The modules that call it.
        attribute: The attribute under which each of them finds it.
    """

    function: Callable[..., Any]
    modules: Sequence[nn.Module]
    attribute: str


class InnerStep(NamedTuple):
    """A step within a segment that gives a state a new value.

    Attributes:
        state: Name of the state, that of its part of the carry if it is one.
        module: Module whose call returns the new value, ``(B, ..., D)``.
    """

    state: str
    module: nn.Module


class ReasoningCore(nn.Module):
    """Base class of all cores. A subclass becomes known by name with `register_core`.

    Args:
        shape: The puzzle's sizes.
        config: The core's options, of its `config_class`.

    Attributes:
        config_class: The class of its options; ``config_class.name`` is the name of the core.
        shape: The puzzle's sizes.
        config: The core's options.
        cycles: High-level cycles N of a segment and low-level steps T of a cycle, at first those of the config; a depth
            curriculum changes them while training, and nothing else does. None for a core without cycles.
        probabilities: How its answer logits are meant, a name of `hrm_agent.halting.probabilities.LOG_PROBABILITIES`;
            a learner sets that of its token loss.
    """

    config_class: ClassVar[type[CoreConfig]]
    shape: PuzzleShape
    config: Any
    cycles: tuple[int, int] | None
    probabilities: str = "softmax"

    def __init__(self, shape: PuzzleShape, config: CoreConfig) -> None:
        super().__init__()
        self.shape, self.config, self.cycles = shape, self.resolved(config), config.cycles

    @classmethod
    def resolved(cls, config: CoreConfig) -> CoreConfig:
        """Returns the config with what depends on the machine replaced by what holds on this one; here nothing does."""
        return config

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    @property
    def passes(self) -> int:
        """Passes of a row through a block in a segment at full depth; `hrm_agent.limits` bounds them."""
        return self.config.passes  # type: ignore[no-any-return]

    @property
    def state_size(self) -> int:
        """Numbers in the largest part of a row's carry."""
        return max(part.numel() for part in carry_parts(self.initial_carry(1)).values())

    @abstractmethod
    def initial_carry(self, batch_size: int) -> Carry:
        """Returns the fixed start state of a batch, on the core's device; see `hrm_agent.cores.carry`."""

    def reset_carry(self, carry: Carry, mask: Tensor) -> Carry:
        """Puts the rows where ``mask (B,)`` is True back to the start state."""
        return where_rows(mask, self.initial_carry(1), carry)

    @abstractmethod
    def forward(self, carry: Carry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        """Computes one segment on ``inputs (B, L)`` and ``puzzle_id (B,)``.

        The returned carry is detached: deep supervision does not backpropagate between segments.
        """

    @abstractmethod
    def q_values(self, q_input: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the logits of (halt, continue), ``(B,)`` float32 each, from what the Q head reads ``(B, D)``."""

    def answer_loss(self, output: SegmentOutput, solution: Tensor, token_loss: TokenLoss) -> Tensor:
        """Returns the loss of each row's answer, ``(B,)``: the mean token loss over the graded cells.

        A core that learns from more than its answer adds that here.

        Args:
            output: Output of a segment, in the graph.
            solution: The solutions, ``(B, L)`` int64.
            token_loss: Maps logits ``(..., V)`` float32 and labels ``(...)`` to losses ``(...)``.
        """
        return mean_over_graded(token_loss(output.logits.float(), solution), solution)

    def training_carry(self, output: SegmentOutput, solution: Tensor) -> Carry:
        """Returns the detached state from which training goes on: that of the output, unless a core knows a better one.

        Args:
            output: Output of a segment.
            solution: The solutions, ``(B, L)`` int64.
        """
        return output.carry

    def constant_weights(self) -> AbstractContextManager[None]:
        """Returns a context within which no weight changes; a core may keep there what it computes from them alone."""
        return nullcontext()

    def compilable(self) -> list[CompiledPiece]:
        """Returns what may be compiled: the whole segment, unless a core names smaller pieces."""
        return [CompiledPiece(self.forward, [self], "forward")]

    def inner_steps(self) -> list[InnerStep]:
        """Returns the steps of a segment in their order, for `hrm_agent.dynamics`; none unless a core names them."""
        return []

    def decode(self, states: Mapping[str, Tensor], last: str) -> Tensor:
        """Returns the answer logits ``(B, L, V)`` that the states of an inner step stand for.

        Args:
            states: The newest value of each state by name.
            last: Name of the state that this step has changed.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how an inner step is decoded")

    def hidden_matrices(self) -> list[nn.Parameter]:
        """Returns the matrices that Muon moves: all within its modules but embeddings and those named ``..._head``."""
        hidden = {
            id(p)
            for name, module in self.named_children()
            if not isinstance(module, nn.Embedding) and not name.endswith("_head")
            for p in module.parameters()
            if p.ndim == 2
        }
        return [p for p in self.parameters() if id(p) in hidden]
