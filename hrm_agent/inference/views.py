"""Several views of one puzzle: symmetric variants, noise on the hidden state, and random start states."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hrm_agent.cores.carry import Carry, carry_parts, where_rows, with_parts
from hrm_agent.halting.signals import hashed, hashed_puzzle
from hrm_env.symmetry import Symmetry
from hrm_env.task import PuzzleTask

_DRAWS = 2**20  # places in the table of normal numbers where the noise of a row may begin
_TRIES = 200  # after so many draws without a new symmetry a task almost certainly has no other; a maze has 8


class Views:
    """K views of each puzzle. View 0 is the puzzle itself; the others are the same K − 1 variants for every puzzle.

    Noise in the hidden state at every segment, and the choice among K rollouts, are PTRM's (arXiv 2605.19943); random
    start states are EqR's (arXiv 2605.21488). The noise is Gaussian and depends on seed, puzzle, view and segment only.
    Results therefore do not depend on the batch, and the views for a smaller K are the first ones for a larger K.

    Args:
        count: Number of views K.
        task: The puzzle family, whose symmetries make the variants; None if it is unknown.
        noise: Standard deviation of the noise on the start state of views 1 to K − 1.
        segment_noise: Standard deviation of the noise on the state that each of their later segments begins with.
        random_start: Standard deviation of a random start state in place of theirs; 0 for none.
        seed: Seed for symmetries and noise.
        device: Device of the batches.

    Attributes:
        symmetry: The variants, ``(K, L)`` and ``(K, V)``; None if every view is the puzzle itself.

    Raises:
        ValueError: The task has too few symmetries for K different views, and there is no noise.
    """

    def __init__(
        self,
        count: int,
        task: PuzzleTask | None,
        noise: float = 0.0,
        segment_noise: float = 0.0,
        random_start: float = 0.0,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.count, self.seed, self._fixed_start = count, seed, not random_start
        self._start_noise, self._segment_noise = math.hypot(noise, random_start), segment_noise
        drawn = _different(count, task, torch.Generator().manual_seed(seed))
        others = max(len(drawn) - 1, 0)
        if others < count - 1 and not (self._start_noise or segment_noise):
            name = "this puzzle" if task is None else task.spec.name
            raise ValueError(
                f"views: {name} has {others} symmetries beside itself; "
                f"expected noise for {count} views, such as halt-first:{count}:0.5"
            )
        self.symmetry: Symmetry | None = None
        self._inverse: Symmetry | None = None
        if others:  # otherwise every view is the puzzle itself
            chosen = [drawn[view % len(drawn)] for view in range(count)]
            cells, tokens = (torch.cat(part).to(device) for part in zip(*chosen, strict=True))
            self.symmetry = Symmetry(cells, tokens)
            self._inverse = self.symmetry.inverse()
        self._draws: Tensor | None = None  # normal numbers, drawn for the first carry

    def show(self, tokens: Tensor) -> Tensor:
        """Returns all views of puzzles ``(B, L)``: row ``b·K + k`` of ``(B·K, L)`` is view k of puzzle b."""
        return self._applied(self.symmetry, tokens.unsqueeze(1).expand(-1, self.count, -1)).flatten(0, 1)

    def restore(self, answers: Tensor) -> Tensor:
        """Returns the answers to all views, ``(B·K, L)``, in the puzzle's own cells and tokens: ``(B, K, L)``."""
        return self._applied(self._inverse, answers.view(-1, self.count, answers.shape[1]))

    def begin(self, carry: Carry, shown: Tensor, start: Tensor) -> Carry:
        """Adds noise to the start state of all views but the first, or replaces it by a random one.

        Args:
            carry: Hidden state of ``B·K`` rows.
            shown: The views, ``(B·K, L)``.
            start: Rows in the start state, ``(B·K,)`` bool.
        """
        return self._noisy(carry, shown, torch.ones_like(shown[:, 0]), start, self._start_noise, self._fixed_start)

    def disturb(self, carry: Carry, shown: Tensor, segment: Tensor) -> Carry:
        """Adds noise to the state that all views but the first begin a later segment with.

        Args:
            carry: Hidden state of ``B·K`` rows.
            shown: The views, ``(B·K, L)``.
            segment: Number m of the segment that begins, from 1, ``(B·K,)`` int64.
        """
        return self._noisy(carry, shown, segment, segment > 1, self._segment_noise)

    def _noisy(
        self, carry: Carry, shown: Tensor, segment: Tensor, rows: Tensor, deviation: float, added: bool = True
    ) -> Carry:
        """Adds noise to the floating-point parts of some rows, or else replaces them by it; never those of view 0."""
        if not deviation or self.count == 1:
            return carry
        parts = {name: part for name, part in carry_parts(carry).items() if part.is_floating_point()}
        sizes = [part[0].numel() for part in parts.values()]
        view = torch.arange(len(shown), device=shown.device) % self.count
        key = hashed_puzzle(shown) * 0x9E3779B1 + segment * 0xC2B2AE35 + view * 0x165667B1 + self.seed * 0x27D4EB2F
        draws = deviation * self._drawn(sum(sizes), shown.device)[hashed(key) % _DRAWS]
        noisy = {
            name: added * part + draw.view_as(part).to(part.dtype)
            for (name, part), draw in zip(parts.items(), draws.split(sizes, dim=1), strict=True)
        }
        return where_rows(rows & (view > 0), with_parts(carry, carry_parts(carry) | noisy), carry)

    @staticmethod
    def _applied(symmetry: Symmetry | None, tokens: Tensor) -> Tensor:
        """Applies each view's symmetry to ``tokens (B, K, L)``."""
        if symmetry is None:
            return tokens
        return Symmetry(*(part.expand(len(tokens), -1, -1) for part in symmetry)).apply(tokens)

    def _drawn(self, size: int, device: torch.device) -> Tensor:
        """Returns normal numbers, ``(_DRAWS, size)``: overlapping windows of one table, drawn on the CPU."""
        if self._draws is None:
            generator = torch.Generator().manual_seed(self.seed)
            self._draws = torch.randn(_DRAWS + size - 1, generator=generator).to(device)
        return self._draws.unfold(0, size, 1)


def rows_of(puzzles: Tensor, views: int) -> Tensor:
    """Returns the rows of all views of some puzzles ``(n,)``: ``(n·K,)``."""
    return (puzzles.unsqueeze(1) * views + torch.arange(views, device=puzzles.device)).flatten()


def _different(count: int, task: PuzzleTask | None, generator: torch.Generator) -> list[Symmetry]:
    """Returns the identity and other symmetries, all different, ``count`` of them if the task has as many."""
    if task is None:
        return []
    drawn = [Symmetry(torch.arange(task.spec.seq_len)[None], torch.arange(task.spec.vocab_size)[None])]
    failures = 0
    while len(drawn) < count and failures < _TRIES:
        symmetry = task.symmetries(1, generator)
        if symmetry is None:
            break
        if any(map(_same, drawn, [symmetry] * len(drawn))):
            failures += 1
        else:
            drawn.append(symmetry)
            failures = 0
    return drawn


def _same(one: Symmetry, other: Symmetry) -> bool:
    return all(map(torch.equal, one, other))
