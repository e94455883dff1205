"""Copy: the answer is the input. It is the smallest task, for tests and first steps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hrm_env.puzzles import Puzzles
from hrm_env.task import PuzzleSpec, PuzzleTask


class Copy(PuzzleTask):
    """The agent repeats ``length`` random letters out of ``symbols``.

    Args:
        length: Number of letters L.
        symbols: Size of the alphabet, at most 26.
    """

    def __init__(self, length: int = 4, symbols: int = 4) -> None:
        if length < 1 or not 2 <= symbols <= 26:
            raise ValueError(f"Copy: expected length >= 1 and 2 to 26 symbols, found {length} and {symbols}")
        self.alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:symbols]
        self.spec = PuzzleSpec(f"copy:{length}x{symbols}", height=1, width=length, vocab_size=symbols + 1)

    def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
        """Draws random letters."""
        letters = rng.integers(1, self.spec.vocab_size, (count, self.spec.seq_len), dtype=np.uint8)
        return Puzzles(letters, letters.copy())

    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        """Returns True for every answer, because `keeps_givens` already compares it with the input."""
        return torch.ones(len(answer), dtype=torch.bool, device=answer.device)
