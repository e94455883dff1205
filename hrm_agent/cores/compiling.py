"""`torch.compile` for training, which goes on without it where it fails.

A core names the functions that are compiled (`ReasoningCore.compilable`): of HRM the code of one block, which all
blocks share, so that compiling takes a block's time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import torch

from hrm_agent.cores.core import CompiledPiece, ReasoningCore

P = ParamSpec("P")


@contextmanager
def running(pieces: Sequence[CompiledPiece]) -> Iterator[None]:
    """Runs, within, the functions of these pieces in place of the modules' own.

    Nothing of the core is replaced: state dicts, copies and evaluation, whose batches change their size, stay as they
    are.
    """
    for piece in pieces:
        for module in piece.modules:
            setattr(module, piece.attribute, piece.function)
    try:
        yield
    finally:
        for piece in pieces:
            for module in piece.modules:
                delattr(module, piece.attribute)


def compiled_pieces(core: ReasoningCore, batch_size: int) -> list[CompiledPiece]:
    """Compiles the pieces of a core, tried on a segment and its gradient; none, and one warning, where that fails.

    Args:
        core: The network. Its weights, gradients and random numbers are left as they are.
        batch_size: Rows B of a training step, which the compiled code is made for.
    """
    pieces = [piece._replace(function=torch.compile(piece.function, dynamic=False)) for piece in core.compilable()]
    inputs = torch.zeros(batch_size, core.shape.seq_len, dtype=torch.long, device=core.device)
    puzzle_id = torch.zeros(batch_size, dtype=torch.long, device=core.device)
    try:
        with running(pieces), torch.enable_grad():
            output = core(core.initial_carry(batch_size), inputs, puzzle_id)
            torch.autograd.grad(output.logits.sum(), list(core.parameters()), allow_unused=True)
    except Exception as error:  # whatever a compiler, a driver or a linker may raise
        _warn(error)
        return []
    return pieces


def compiled_or_plain(function: Callable[P, None]) -> Callable[P, None]:
    """Returns ``function``, compiled at its first call; where that fails, it warns once and runs as it is."""
    run: Callable[P, None] = torch.compile(function, dynamic=False)

    @wraps(function)
    def tried(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal run
        try:
            run(*args, **kwargs)
        except Exception as error:
            if run is function:
                raise
            _warn(error)
            run = function
            run(*args, **kwargs)

    return tried


def _warn(error: Exception) -> None:
    lines = (line.strip() for line in str(error).splitlines())
    reason = next((line for line in lines if line and not line.endswith(":")), type(error).__name__)
    warnings.warn(f"compile: torch.compile failed, training goes on without it ({reason})", stacklevel=3)
