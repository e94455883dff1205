"""Peak activation memory of a training segment against its depth N·T, for the three gradient schemes.

    python -m benchmarks.memory [--figure docs/images/memory]

The one-step gradient keeps the activations of two module calls however deep a segment is; full backpropagation keeps
those of all. The figure is the most that the forward and backward pass hold at a time beyond weights, gradients and
optimizer. On a CPU every tensor's storage is counted from its allocation to its release, which is exact and the same on
every machine; on CUDA the allocator reports its maximum.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from benchmarks.options import Count, DeviceOptions, run
from benchmarks.report import Part, Value
from hrm_agent.config import Gradient, Precision
from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.learning.losses import stablemax
from hrm_agent.study.figures.style import BLUE, GREEN, RED, house_style, new_figure, save_figure, write_at_end

COLOURS: dict[str, str] = {"one-step": BLUE, "last-cycle": GREEN, "full": RED}


@dataclass(frozen=True)
class Options(DeviceOptions):
    """What to measure.

    Attributes:
        depths: N and T, cycles and steps of a cycle, of each measurement.
        core: "hrm" or "trm".
        hidden_size: Width D.
        layers: Blocks of each module.
        batch_size: Puzzles B, of 9x9.
        dtype: Precision of the activations.
        figure: File of the picture, without an ending; empty for none.
    """

    depths: tuple[tuple[int, int], ...] = ((2, 2), (2, 4), (4, 4), (4, 8), (8, 8))
    core: Literal["hrm", "trm"] = "hrm"
    hidden_size: Count = 128
    layers: Count = 1
    batch_size: Count = 16
    dtype: Precision = "float32"
    figure: str = ""


class PeakStorage(TorchDispatchMode):
    """Counts the bytes of all tensors that are made while it is active, and their largest sum at a time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._living: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs an operation and counts the storages it made."""
        before = {storage._cdata for storage in _storages((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            self._count(storage, before)
        return result

    def _count(self, storage: torch.UntypedStorage, before: set[int]) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._living or key in before:  # a view, or changed in place
            return
        self._living.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._living.discard(key)
        self.now -= size


def _storages(tree: Any) -> Iterator[torch.UntypedStorage]:
    """Yields the storages of all tensors in a structure; a sparse tensor has none, its parts do."""
    for leaf in tree_iter(tree):
        if isinstance(leaf, Tensor) and leaf.layout == torch.strided:
            yield leaf.untyped_storage()


def peak_bytes(call: Callable[[], object], device: torch.device | str) -> int:
    """Returns the most bytes that a call holds at a time, beyond those held before it."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return int(torch.cuda.max_memory_allocated(device) - before)
    counted = PeakStorage()
    with counted:
        call()
    return counted.peak


def segment_peak(shape: PuzzleShape, batch_size: int, device: torch.device | str = "cpu", **core_options: Any) -> int:
    """Returns the peak bytes of a segment's forward and backward pass.

    Args:
        shape: The puzzle's sizes.
        batch_size: Puzzles B.
        device: Device of the core.
        **core_options: Options of `make_core`.
    """
    torch.manual_seed(0)
    core = make_core(shape, **core_options).to(device)
    inputs = torch.ones(batch_size, shape.seq_len, dtype=torch.long, device=device)
    puzzle_id, carry = torch.zeros(batch_size, dtype=torch.long, device=device), core.initial_carry(batch_size)

    def segment() -> None:
        output = core(carry, inputs, puzzle_id)
        loss = core.answer_loss(output, inputs, stablemax).mean() + output.q_halt.mean()
        loss.backward()

    segment()  # makes the gradients, which stay
    return peak_bytes(segment, device)


def measure(options: Options) -> Part:
    """Measures the peak memory of every scheme at every depth."""
    device = options.prepare()
    blocks = {"l_layers": options.layers} | ({"h_layers": options.layers} if options.core == "hrm" else {})
    common = {"core": options.core, "hidden_size": options.hidden_size, "dtype": options.dtype, **blocks}
    common |= {"num_heads": max(1, options.hidden_size // 64)}
    shape = PuzzleShape(seq_len=81, vocab_size=11)
    rows: list[dict[str, Value]] = []
    for cycles, steps in options.depths:
        row: dict[str, Value] = {"N·T": cycles * steps, "N": cycles, "T": steps}
        for gradient in get_args(Gradient):
            sizes = common | {"h_cycles": cycles, "l_cycles": steps, "gradient": gradient}
            row[f"{gradient} MB"] = segment_peak(shape, options.batch_size, device, **sizes) / 1e6
        rows.append(row)
    if options.figure:
        save_figure(memory_figure(rows), Path(options.figure))
    network = f"{options.core}, width {options.hidden_size}, {options.layers} block(s) a module"
    title = f"Peak activation memory of a segment: {network}, batch {options.batch_size}, {options.dtype}"
    return Part("memory", title, rows, _growth(rows))


def _growth(rows: Sequence[Mapping[str, Value]]) -> list[str]:
    depth = float(rows[-1]["N·T"] or 0) / float(rows[0]["N·T"] or 1)
    grown = {name: float(rows[-1][f"{name} MB"] or 0) / float(rows[0][f"{name} MB"] or 1) for name in COLOURS}
    return [f"{depth:g} times as deep: " + ", ".join(f"{name} {factor:.3f} ×" for name, factor in grown.items())]


@house_style()
def memory_figure(rows: Sequence[Mapping[str, Value]]) -> Figure:
    """Draws a line for each gradient scheme.

    Args:
        rows: Rows of the measured part.
    """
    figure = new_figure(7.2, 3.8)
    axes = figure.add_subplot()
    depths = [float(row["N·T"] or 0) for row in rows]
    lines = {name: [float(row[f"{name} MB"] or 0) for row in rows] for name in COLOURS}
    for name, values in lines.items():
        axes.plot(depths, values, "o-", color=COLOURS[name])
    axes.set_xlim(0, depths[-1] * 1.02)
    axes.set_ylim(0, max(map(max, lines.values())) * 1.05)
    axes.set_xticks(depths)
    axes.set_xlabel("low-level steps of a segment, N·T")
    axes.set_title("peak activation memory of a training segment, MB")
    write_at_end(axes, [(values[-1], name, COLOURS[name]) for name, values in lines.items()], depths[-1])
    return figure


if __name__ == "__main__":
    run(Options, measure)
