"""Deduction on sets of candidates: elimination, guesses, and the way back from a conflict, for all rows at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class LatticeCarry(NamedTuple):
    """What is known of each puzzle, and the guesses that this rests on.

    A row at depth d rests on d guesses. Going back from it restores exactly what was struck out since the last guess.

    Attributes:
        struck: 1 + the depth at which a token was struck out, ``(B, L, V)`` int32; 0 for the candidates, and for what a
            given cell excludes.
        guesses: The guesses in their order, each as cell · V + token, ``(B, L)`` int64; meaningless from ``depth`` on.
        depth: Number of guesses d, ``(B,)`` int64.
        restarts: How often it has begun anew, each time with a smaller threshold, ``(B,)`` int64.
        age: Segments since it began, ``(B,)`` int64.
        state: Hidden state of the network, ``(B, P+L, D)``; zeros at first.
    """

    struck: Tensor
    guesses: Tensor
    depth: Tensor
    restarts: Tensor
    age: Tensor
    state: Tensor


CAUTION = 0.1
"""Factor of the threshold after each restart."""


def start(
    batch_size: int,
    length: int,
    vocab_size: int,
    state_shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> LatticeCarry:
    """Returns the state in which every token is a candidate of every cell."""
    size = (batch_size, length, vocab_size)
    return LatticeCarry(
        struck=torch.zeros(size, dtype=torch.int32, device=device),
        guesses=torch.zeros(size[:2], dtype=torch.long, device=device),
        depth=torch.zeros(batch_size, dtype=torch.long, device=device),
        restarts=torch.zeros(batch_size, dtype=torch.long, device=device),
        age=torch.zeros(batch_size, dtype=torch.long, device=device),
        state=torch.zeros(batch_size, *state_shape, dtype=dtype, device=device),
    )


def deduce(
    carry: LatticeCarry,
    candidates: Tensor,
    p: Tensor,
    keep: Tensor,
    conflict: Tensor,
    beginnings: Tensor,
    threshold: float,
    search: bool,
    patience: int = 0,
    unsound: Tensor | bool = False,
) -> LatticeCarry:
    """Returns what follows from a segment.

    First the candidates that hardly may be right are struck out. A conflict is a cell without candidates, or what the
    caller sees, or a state in which every cell was decided before: whoever asks on does not believe it. It goes back to
    the last guess and excludes it. Without guesses the eliminations were wrong: it begins anew with a tenth of the
    threshold, unless nothing was struck out yet. Where there is neither a conflict nor a new elimination, a guess is
    made: the most probable candidate of all undecided cells. A search that finds nothing within ``patience`` segments
    begins anew, too. The hidden state goes back to that of the beginning, which is another one after every restart.

    Args:
        carry: The state before.
        candidates: The tokens that each cell may still hold, at least one, ``(B, L, V)`` bool.
        p: Probabilities of the tokens of each cell, ``(B, L, V)`` float32.
        keep: Probability that a token may be right, ``(B, L, V)`` float32.
        conflict: Rows in which something contradicts itself, ``(B,)`` bool.
        beginnings: Hidden states to begin with, in turn, ``(R, P+L, D)``.
        threshold: Least ``keep`` of a candidate, before any restart.
        search: Whether to guess, and to lose patience.
        patience: Segments after which a search begins anew; 0 for never.
        unsound: Rows known not to contain the solution, ``(B,)`` bool: instead of guessing they go back.
    """
    _, length, vocab = p.shape
    struck, guesses, depth = carry.struck, carry.guesses, carry.depth
    new = candidates & (keep < (threshold * CAUTION ** carry.restarts.float()).view(-1, 1, 1))
    left = candidates & ~new
    follows = new.flatten(1).any(-1)
    conflict = _contradicted(carry, candidates, conflict) | ~left.any(-1).all(-1) | (~follows & unsound)
    tired = (carry.age + 1 >= patience) & search & (patience > 0)
    undecided = (left.sum(-1, keepdim=True) > 1) & left
    guess = p.masked_fill(~undecided, -1.0).flatten(1).argmax(-1)
    restart = tired | (conflict & (depth == 0))
    back = conflict & ~restart
    branch = ~(back | restart) & ~follows & undecided.flatten(1).any(-1) & search

    place = torch.where(branch, depth, depth - 1).clamp(0, length - 1).unsqueeze(1)  # of the new guess, or the last one
    guesses = torch.where(branch.unsqueeze(1), guesses.scatter(1, place, guess.unsqueeze(1)), guesses)
    token = (torch.arange(length * vocab, device=p.device) == guesses.gather(1, place)).view(-1, length, vocab)
    others = ~token & token.any(-1, keepdim=True) & left

    depth = torch.where(restart, 0, depth + branch.long() - back.long())
    restarts, age = carry.restarts + restart, torch.where(restart, 0, carry.age + 1)
    beginning = beginnings[restarts % len(beginnings)].to(carry.state.dtype)
    state = torch.where((back | restart).view(-1, 1, 1), beginning, carry.state)
    branch, back, restart, conflict = (rows.view(-1, 1, 1) for rows in (branch, back, restart, conflict))
    undone = (struck > depth.view(-1, 1, 1) + 1) & back
    out = (back & token) | (branch & others) | (new & ~conflict)
    struck = torch.where(undone | restart, 0, torch.where(out, depth.view(-1, 1, 1) + 1, struck)).int()
    return LatticeCarry(struck, guesses, depth, restarts, age, state)


def _contradicted(carry: LatticeCarry, candidates: Tensor, conflict: Tensor) -> Tensor:
    """Returns the rows that somebody contradicts, the caller or whoever asks on, and in which something was struck."""
    decided = (candidates.sum(-1) == 1).all(-1)
    return (conflict | decided) & (carry.struck > 0).flatten(1).any(-1)
