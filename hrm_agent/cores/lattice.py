"""The lattice core: a transformer that deduces on sets of candidates, after the paper arXiv 2605.08605."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hrm_agent.config import LatticeConfig
from hrm_agent.cores.blocks import BlockCore
from hrm_agent.cores.core import PuzzleShape, SegmentOutput, TokenLoss, mean_over_graded
from hrm_agent.cores.deduction import LatticeCarry, deduce, start
from hrm_agent.cores.layers import Linear, at_least_float32
from hrm_agent.cores.layout import NEVER
from hrm_env.task import PAD_ID

SURE = 10.0
"""Largest margin between logits that the Q head tells from a larger one."""
BEGINNINGS = 16
"""Hidden states that a search begins with, in turn."""


class LatticeCore(BlockCore):
    """One segment: the network reads the candidates of every cell, applies itself n times, and a deduction follows.

    z ← f(z, x) with z = 0 at first and x the embedding of puzzle and candidates. After each of the n loops the answer
    head reads the tokens, the keep head which of them may be right, each by itself, and the conflict head whether the
    candidates no longer contain the solution. The last loop's reading leads to the next set of candidates
    (`hrm_agent.cores.deduction`). The answer is the most probable candidate of each cell. The Q head reads the first
    position, the smallest margin between the first and the second choice of a cell, and the conflict logit.

    The answer head learns from states that contain the solution, the others from all. To the keep head it costs more to
    strike out the solution than to keep another token.
    """

    config_class = LatticeConfig
    config: LatticeConfig
    beginnings: Tensor

    def __init__(self, shape: PuzzleShape, config: LatticeConfig) -> None:
        super().__init__(shape, config)
        dim = config.hidden_size
        self.candidate_embedding = Linear(self.layout.scores, dim)
        self.network = self.stack(config.layers)
        self.keep_head = nn.Linear(dim, self.layout.scores)
        self.conflict_head = nn.Linear(dim, 1)
        nn.init.zeros_(self.conflict_head.weight)
        nn.init.constant_(self.conflict_head.bias, -2.0)  # no conflict until it has learned what one is
        self.q_weight = nn.Parameter(torch.zeros(2, dim + 2))
        self.register_buffer("beginnings", self._beginnings(), persistent=False)

    def _beginnings(self) -> Tensor:
        """Returns zeros, then random states where states are carried, ``(R, P+L, D)``."""
        size = (BEGINNINGS if self.config.carry_state else 1, *self.state_shape)
        states = torch.randn(size, generator=torch.Generator().manual_seed(0))
        states[0] = 0
        return states

    def initial_carry(self, batch_size: int) -> LatticeCarry:
        """Returns the state in which every token is a candidate of every cell; a segment adds what is given."""
        length, vocab = self.shape.seq_len, self.shape.vocab_size
        return start(batch_size, length, vocab, self.state_shape, self.activation_dtype, self.device)

    def forward(self, carry: LatticeCarry, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
        """Computes one segment; the returned carry is detached."""
        with self.constant_weights():
            candidates = (carry.struck == 0) & self._allowed(inputs)
            x = self.embed(inputs, puzzle_id)
            x = x + self.candidate_embedding(self.layout.features(candidates.to(x.dtype)))
            state, readings, keeps, conflicts = carry.state, [], [], []
            for loop in range(self.cycles[0]):
                with self.gradient_at(loop):
                    state = self.network(state, x)
                readings.append(self.answer(state))
                keeps.append(self.layout.read(self.keep_head, at_least_float32(state)))
                conflicts.append(self.conflict_head(at_least_float32(self.layout.summary(state))).squeeze(-1))
            if self.config.carry_state:
                carry = carry._replace(state=state.detach())
            logits, keep, conflict = (heads[-1].detach() for heads in (readings, keeps, conflicts))
            first, second = logits.topk(2, dim=-1).values.unbind(-1)
            certainty = (first - second).amin(-1).clamp(max=SURE)
            summary = at_least_float32(self.layout.summary(state))
            q_input = torch.cat([summary, certainty.unsqueeze(1), conflict.unsqueeze(1)], dim=1)
            return SegmentOutput(
                self._next(carry, candidates, logits, keep, conflict),
                readings[-1].masked_fill(~candidates, NEVER),
                *self.q_values(q_input),
                q_input,
                extra=(torch.stack(readings, 1), torch.stack(keeps, 1), torch.stack(conflicts, 1), candidates, *carry),
            )

    def _next(
        self, carry: LatticeCarry, candidates: Tensor, logits: Tensor, keep: Tensor, conflict: Tensor, *unsound: Tensor
    ) -> LatticeCarry:
        read = (logits.softmax(-1), keep.sigmoid(), conflict > 0, self.beginnings)
        return deduce(
            carry, candidates, *read, self.config.threshold, self.config.search, self.config.patience, *unsound
        )

    def training_carry(self, output: SegmentOutput, solution: Tensor) -> LatticeCarry:
        """Returns the next state, with no guess upon a state that does not contain the solution: it goes back.

        So the conflict head learns from the states that follow from a mistake, and the answer head from what remains.
        """
        *heads, candidates, carry = _parts(output)
        read = (head[:, -1].detach() for head in heads)
        return self._next(carry, candidates, *read, ~_sound(candidates, solution))

    def answer_loss(self, output: SegmentOutput, solution: Tensor, token_loss: TokenLoss) -> Tensor:
        """Returns the mean over loops of the token loss, if the solution is among the candidates, and the other heads'.

        Every loop has the same weight.
        """
        readings, keeps, conflicts, candidates, _ = _parts(output)
        sound = _sound(candidates, solution)
        every = solution.unsqueeze(1).expand(-1, readings.shape[1], -1)
        cells = mean_over_graded(token_loss(readings, every), every).mean(1)
        keep = mean_over_graded(self._keep_loss(keeps, candidates, solution), every).mean(1)
        target = (~sound).float().unsqueeze(1).expand_as(conflicts)
        conflict = F.binary_cross_entropy_with_logits(conflicts, target, reduction="none").mean(1)
        return cells * sound + keep + self.config.conflict_weight * conflict

    def _keep_loss(self, keeps: Tensor, candidates: Tensor, solution: Tensor) -> Tensor:
        """Returns half the mean over tokens of the binary cross-entropy of each cell, ``(B, n, L)``."""
        right = (F.one_hot(solution, self.shape.vocab_size).bool() & candidates).unsqueeze(1).expand_as(keeps)
        weight = torch.where(right, self.config.keep_weight, 1.0)
        target = right.to(keeps.dtype)
        return 0.5 * F.binary_cross_entropy_with_logits(keeps, target, weight, reduction="none").mean(-1)

    def _allowed(self, inputs: Tensor) -> Tensor:
        """Returns the tokens that the givens leave to each cell, ``(B, L, V)`` bool."""
        every = torch.arange(self.shape.vocab_size, device=inputs.device)
        given = every == inputs.unsqueeze(-1)
        blank = self.config.blank
        return torch.ones_like(given) if blank is None else given | (inputs == blank).unsqueeze(-1)


def _parts(output: SegmentOutput) -> tuple[Tensor, Tensor, Tensor, Tensor, LatticeCarry]:
    """Returns what the three heads read after every loop, the candidates, and the state before."""
    readings, keeps, conflicts, candidates, *before = output.extra
    return readings, keeps, conflicts, candidates, LatticeCarry(*before)


def _sound(candidates: Tensor, solution: Tensor) -> Tensor:
    """Returns whether the candidates contain the solution ``(B, L)`` in its graded cells, ``(B,)`` bool."""
    holds = candidates.gather(-1, solution.unsqueeze(-1)).squeeze(-1)
    return (holds | (solution == PAD_ID)).all(-1)
