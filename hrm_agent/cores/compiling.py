"""`torch.compile` for segments, which are computed without it where it fails, and the rule when it pays.

A core names the functions that are compiled (`ReasoningCore.compilable`): of HRM the code of one block, which all
blocks share, so that compiling takes a block's time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

import torch

from hrm_agent.cores.core import CompiledPiece, ReasoningCore
from hrm_agent.cores.library_paths import avoid_spaces
from hrm_agent.distributed import from_rank0, print_rank0

P = ParamSpec("P")

BREAK_EVEN = 120.0
"""Seconds of training without compiling from which on compiling pays.

A step becomes about 1.8 times as fast, so that this saves 53 s or more; compiling costs 15 to 30 s of a free core.
"""

MOST_VERSIONS = 64
"""Compiled versions of one function, at least: all agents of a process compile the code of one block.

torch would keep 8, two or three agents' worth, and compute every later agent without compiling.
"""


@contextmanager
def running(pieces: Sequence[CompiledPiece]) -> Iterator[None]:
    """Runs, within, the functions of these pieces in place of the modules' own.

    Nothing of the core is replaced: state dicts and copies stay as they are.
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


def compiled_pieces(core: ReasoningCore, batch_size: int, learning: bool = True) -> list[CompiledPiece]:
    """Compiles the pieces of a core, tried on a segment; none, and one warning, where that fails.

    Args:
        core: The network. Its weights, gradients and random numbers are left as they are.
        batch_size: Rows B that the compiled code is made for; a batch of another size is computed without it.
        learning: Whether the gradient of a segment is compiled, too.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_VERSIONS)
    try:
        avoid_spaces()
        pieces = [piece._replace(function=_for_rows(piece.function, batch_size)) for piece in core.compilable()]
        with running(pieces):
            _try_segment(core, batch_size, learning)
    except Exception as error:  # whatever a compiler, a driver or a linker may raise
        _warn(error)
        return []
    return pieces


def pays(core: ReasoningCore, batch_size: int, steps: int) -> bool:
    """Returns whether compiling saves time in a training run on a CPU, and prints a line if it does.

    It pays from `BREAK_EVEN` on, by the time of the fastest of a few trial segments with gradient; a step takes longer.
    Of several processes, rank 0 decides.

    Args:
        core: The network. Its weights, gradients and random numbers are left as they are.
        batch_size: Rows B of a training step.
        steps: Optimizer steps of the run.
    """
    times: list[float] = []
    while steps > 1 and len(times) < 5 and sum(times) < 1:  # the first warms up
        began = time.perf_counter()
        _try_segment(core, batch_size, learning=True)
        times.append(time.perf_counter() - began)
    seconds: float = from_rank0(min(times, default=0.0))
    if steps * seconds < BREAK_EVEN:
        return False
    if not _has_compiler():
        print_rank0("compile: no C++ compiler is found, which would make this run faster")
        return False
    print_rank0(f"compile: {steps:,} steps of more than {seconds:.3f} s; they are compiled, which takes up to a minute")
    return True


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


def _for_rows(function: Callable[..., Any], rows: int) -> Callable[..., Any]:
    """Returns ``function``, compiled where the first dimension of its last argument has so many rows.

    The sizes that a batch has while it shrinks would each be compiled anew.
    """
    compiled = torch.compile(function, dynamic=False)

    def chosen(*args: Any) -> Any:
        return (compiled if len(args[-1]) == rows else function)(*args)

    return chosen


def _try_segment(core: ReasoningCore, batch_size: int, learning: bool) -> None:
    inputs = torch.zeros(batch_size, core.shape.seq_len, dtype=torch.long, device=core.device)
    puzzle_id = torch.zeros(batch_size, dtype=torch.long, device=core.device)
    with torch.set_grad_enabled(learning):
        output = core(core.initial_carry(batch_size), inputs, puzzle_id)
        if learning:
            weights = [weight for weight in core.parameters() if weight.requires_grad]
            torch.autograd.grad(output.logits.sum(), weights, allow_unused=True)


def _has_compiler() -> bool:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True


def _warn(error: Exception) -> None:
    lines = (line.strip() for line in str(error).splitlines())
    reason = next((line for line in lines if line and not line.endswith(":")), type(error).__name__)
    warnings.warn(f"compile: torch.compile failed, going on without it ({reason})", stacklevel=3)
