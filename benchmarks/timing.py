"""Timing side by side: the calls that are compared take turns in one process, and figures are medians.

Another process that is busy for a while then slows all calls alike and keeps their ratios. On a machine that is always
busy, use the CPU time of the process as the clock, with one thread: it does not count other processes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from hrm_agent import HRM
from hrm_agent.learning.learner import Learner
from hrm_env.task import PuzzleBatch

Call = Callable[[], object]
Clock = Literal["wall", "cpu"]
CLOCKS: dict[Clock, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Times:
    """Seconds of each call in every round, the rounds in the same order."""

    rounds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Returns the median of a call's seconds."""
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, against: str) -> float:
        """Returns how many times as fast ``name`` is: the median of the ratios in each round."""
        pairs = zip(self.rounds[against], self.rounds[name], strict=True)
        return statistics.median(slow / fast for slow, fast in pairs)

    def rows(self, label: str, steps: int = 1) -> list[dict[str, str | float | int | None]]:
        """Returns rows of a table: the milliseconds of a step of each call, and its time over the first call's.

        Args:
            label: Title of the calls' names.
            steps: Steps that a call takes.
        """
        first = next(iter(self.rounds))
        return [
            {label: name, "ms": 1e3 * self.median(name) / steps, "time × first": self.ratio(first, name)}
            for name in self.rounds
        ]


def seconds(call: Call, device: torch.device | str, clock: Clock = "wall") -> float:
    """Returns the seconds of one call, including the work that it leaves to a CUDA device."""
    now = CLOCKS[clock]
    _wait(device)
    started = now()
    call()
    _wait(device)
    return now() - started


def side_by_side(
    calls: Mapping[str, Call], rounds: int, device: torch.device | str, clock: Clock = "wall", warm_up: int = 1
) -> Times:
    """Times calls by turns.

    Args:
        calls: The calls by name.
        rounds: Counted turns of each call.
        device: Device that computes.
        clock: ``"wall"``, or ``"cpu"`` for the time that this process computes.
        warm_up: Turns before them, which are not counted.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warm_up + rounds):
        for name, call in calls.items():
            value = seconds(call, device, clock)
            if turn >= warm_up:
                taken[name].append(value)
    return Times(taken)


def training_turn(agent: HRM, updates: int) -> Call:
    """Returns a number of optimizer steps of an agent as a call."""
    return lambda: agent.learn(updates * agent.n_envs, reset_num_timesteps=False)


def learner_turn(learner: Learner, batch_size: int, steps: int = 1, seed: int = 0) -> Call:
    """Returns a number of training steps on random puzzles, the same in every call, none of which begins an episode."""
    shape, device = learner.core.shape, learner.core.device
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, shape.vocab_size, (batch_size, shape.seq_len), generator=generator).to(device)
    puzzle_id = torch.randint(shape.num_puzzle_ids, (batch_size,), generator=generator).to(device)
    batch, segment = PuzzleBatch(tokens, tokens, puzzle_id), torch.ones_like(puzzle_id)

    def turn() -> None:
        carry = learner.core.initial_carry(batch_size)
        for _ in range(steps):
            carry = learner.step(carry, batch, segment).carry

    return turn


class Products:
    """Repeated matrix products ``(m, k) · (k, n)``; the second factor is stored as a layer's weights are.

    Args:
        dtype: Precision of the factors.
        device: Device that computes.
        sizes: The sizes m, k, n.

    Attributes:
        count: Products in a call.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device | str, sizes: tuple[int, int, int]) -> None:
        self.sizes, self.device, self.count = sizes, device, 1
        m, k, n = sizes
        self._x = torch.randn(m, k, device=device, dtype=dtype)
        self._weight = torch.randn(n, k, device=device, dtype=dtype)

    @torch.inference_mode()
    def __call__(self) -> None:
        """Multiplies."""
        for _ in range(self.count):
            torch.nn.functional.linear(self._x, self._weight)

    @property
    def flops(self) -> int:
        """Number of floating-point operations of a call."""
        m, k, n = self.sizes
        return 2 * m * k * n * self.count

    def last(self, duration: float, clock: Clock = "wall") -> None:
        """Sets the number of products of a call so that it takes about so many seconds."""
        self()
        single = seconds(self, self.device, clock) / self.count
        self.count = max(1, round(duration / single))


def product_rates(
    dtype: torch.dtype,
    device: torch.device | str,
    shapes: Sequence[tuple[int, int, int]],
    clock: Clock = "wall",
    trials: int = 5,
) -> dict[Products, float]:
    """Measures the rates of matrix products of some sizes, in FLOP/s.

    Args:
        dtype: Precision of the factors.
        device: Device that computes.
        shapes: Sizes m, k, n of each product.
        clock: As in `side_by_side`.
        trials: Turns of each product; a rate is the median.
    """
    found = {str(shape): Products(dtype, device, shape) for shape in shapes}
    for products in found.values():
        products.last(0.05, clock)
    times = side_by_side(found, trials, device, clock)
    return {products: products.flops / times.median(name) for name, products in found.items()}


def fastest_products(
    dtype: torch.dtype, device: torch.device | str, shapes: Sequence[tuple[int, int, int]], clock: Clock = "wall"
) -> Products:
    """Returns the products with the highest of the `product_rates`, to be timed beside the calls that they judge."""
    rates = product_rates(dtype, device, shapes, clock)
    best = max(rates, key=lambda products: rates[products])
    best.last(0.5, clock)
    return best


def _wait(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
