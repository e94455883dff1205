"""`torch.compile` for training, which goes on without it where it fails.

Of a core one block's code is compiled, which all blocks share, so that compiling takes a block's time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import torch
from torch import nn

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.cores.layers import Block, BlockFunction, ReasoningModule

P = ParamSpec("P")


@contextmanager
def blocks_run_by(core: nn.Module, run: BlockFunction) -> Iterator[None]:
    """Within it the core's blocks are computed by ``run``; before and after by their own code.

    Nothing of the core is replaced: state dicts, copies and evaluation, whose batches change their size, stay as they
    are.
    """
    modules = [module for module in core.modules() if isinstance(module, ReasoningModule)]
    for module in modules:
        module.run_block = run
    try:
        yield
    finally:
        for module in modules:
            del module.run_block


def compiled_block(core: ReasoningCore, batch_size: int) -> BlockFunction:
    """A compiled `Block.forward`, tried on a segment and its gradient; where that fails, one warning and the plain one.

    Args:
        core: The network. Its weights, gradients and random numbers are left as they are.
        batch_size: Rows B of a training step, which the compiled code is made for.
    """
    run: BlockFunction = torch.compile(Block.forward, dynamic=False)
    weights = [
        block_weight for module in core.modules() if isinstance(module, Block) for block_weight in module.parameters()
    ]
    carry = core.initial_carry(batch_size)
    device = carry.z_h.device
    inputs = torch.zeros(batch_size, core.shape.seq_len, dtype=torch.long, device=device)
    puzzle_id = torch.zeros(batch_size, dtype=torch.long, device=device)
    try:
        with blocks_run_by(core, run), torch.enable_grad():
            output = core(carry, inputs, puzzle_id)
            torch.autograd.grad(output.logits.sum(), weights, allow_unused=True)
    except Exception as error:  # whatever a compiler, a driver or a linker may raise
        _warn(error)
        return Block.forward
    return run


def compiled_or_plain(function: Callable[P, None]) -> Callable[P, None]:
    """``function``, compiled at its first call; where that fails, with one warning, ``function`` itself."""
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
