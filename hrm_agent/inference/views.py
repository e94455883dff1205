"""Several views of one puzzle: symmetric variants, and noise on the start state."""

from __future__ import annotations

import torch
from torch import Tensor

from hrm_agent.cores.carry import Carry, carry_parts, with_parts
from hrm_env.symmetry import Symmetry
from hrm_env.task import PuzzleTask

_TRIES = 200  # after so many draws without a new symmetry a task almost certainly has no other; a maze has 8


class Views:
    """K views of each puzzle. View 0 is the puzzle itself; the others are the same K − 1 variants for every puzzle.

    Results therefore do not depend on the batch, and the views for a smaller K are the first ones for a larger K.

    Noise in the hidden state, and the choice among K rollouts, are PTRM's (arXiv 2605.19943). PTRM adds fresh noise at
    every segment; here it is added once, at the start, and fixed for each view, so that a run can be repeated.

    Args:
        count: Number of views K.
        task: The puzzle family, whose symmetries make the variants; None if it is unknown.
        noise: Standard deviation σ of the Gaussian noise on the start state of views 1 to K − 1.
        seed: Seed for symmetries and noise.
        device: Device of the batches.

    Raises:
        ValueError: The task has too few symmetries for K different views, and there is no noise.
    """

    def __init__(
        self,
        count: int,
        task: PuzzleTask | None,
        noise: float = 0.0,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.count, self.noise, self.seed = count, noise, seed
        drawn = _different(count, task, torch.Generator().manual_seed(seed))
        others = max(len(drawn) - 1, 0)
        if others < count - 1 and not noise:
            name = "this puzzle" if task is None else task.spec.name
            raise ValueError(
                f"views: {name} has {others} symmetries beside itself; "
                f"expected noise for {count} views, such as halt-first:{count}:0.5"
            )
        self._symmetry = self._inverse = None
        if others:  # otherwise every view is the puzzle itself
            chosen = [drawn[view % len(drawn)] for view in range(count)]
            cells, tokens = (torch.cat(part).to(device) for part in zip(*chosen, strict=True))
            self._symmetry = Symmetry(cells, tokens)
            self._inverse = self._symmetry.inverse()
        self._noise: dict[str, Tensor] | None = None  # for each part of the carry, drawn for the first one

    def show(self, tokens: Tensor) -> Tensor:
        """Returns all views of puzzles ``(B, L)``: row ``b·K + k`` of ``(B·K, L)`` is view k of puzzle b."""
        return self._applied(self._symmetry, tokens.unsqueeze(1).expand(-1, self.count, -1)).flatten(0, 1)

    def restore(self, answers: Tensor) -> Tensor:
        """Returns the answers to all views, ``(B·K, L)``, in the puzzle's own cells and tokens: ``(B, K, L)``."""
        return self._applied(self._inverse, answers.view(-1, self.count, answers.shape[1]))

    def perturb(self, carry: Carry, start: Tensor) -> Carry:
        """Adds each view's noise to the rows whose episode begins.

        Args:
            carry: Hidden state of ``B·K`` rows.
            start: Rows in the start state, ``(B·K,)`` bool.
        """
        if not self.noise or self.count == 1:
            return carry
        if self._noise is None:
            self._noise = self._drawn_noise(carry)
        rows = start.nonzero().squeeze(1)
        parts = carry_parts(carry)
        noisy = {name: parts[name].index_add(0, rows, noise[rows % self.count]) for name, noise in self._noise.items()}
        return with_parts(carry, parts | noisy)

    @staticmethod
    def _applied(symmetry: Symmetry | None, tokens: Tensor) -> Tensor:
        """Applies each view's symmetry to ``tokens (B, K, L)``."""
        if symmetry is None:
            return tokens
        return Symmetry(*(part.expand(len(tokens), -1, -1) for part in symmetry)).apply(tokens)

    def _drawn_noise(self, carry: Carry) -> dict[str, Tensor]:
        """Draws σ · N(0, 1) for every view and floating-point part, ``(K, ...)`` each; zeros for view 0.

        It is drawn on the CPU for every device.
        """
        parts = {name: part for name, part in carry_parts(carry).items() if part.is_floating_point()}
        sizes = [part[0].numel() for part in parts.values()]
        generator = torch.Generator().manual_seed(self.seed)
        drawn = [torch.randn(sum(sizes), generator=generator) for _ in range(self.count - 1)]
        noise = (self.noise * torch.stack([torch.zeros(sum(sizes)), *drawn])).split(sizes, dim=1)
        shaped = [flat.view(-1, *part.shape[1:]).to(part) for part, flat in zip(parts.values(), noise, strict=True)]
        return dict(zip(parts, shaped, strict=True))


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
