"""What to know about a machine before a long training on it: a correct step, its ceilings, where the time goes.

    python -m experiments.headline.first --source FILE              # on a GPU; most of the time is compiling
    python -m experiments.headline.first --quick                    # small networks, to see that all works

The program measures the rates of the matrix products and of a copy. For every preset it then takes some steps, whose
losses and weights must be finite and which on CUDA raise where they would wait for the device, and times a step in each
stage of the depth curriculum, which gives the number of steps that fit into some minutes. The profiler's table of a
step of the last preset comes last. Each result is written to ``first.json`` or ``profile.txt`` at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch

from benchmarks.options import Count, DeviceOptions
from benchmarks.presets import quiet_agent
from benchmarks.profile_step import profiled
from benchmarks.report import Part, Value, report
from benchmarks.timing import product_rates, seconds, side_by_side, training_turn
from benchmarks.training_step import core_of, layer_shapes
from hrm_agent import HRM
from hrm_agent.config import HRMConfig
from hrm_agent.cores.flops import training_flops
from hrm_agent.sb3.training import train_segment
from hrm_env.files import atomic_write
from train.options import read_options
from train.presets import PRESETS, Fit
from train.running import exit_status

COPIED = {"cpu": 2**26, "cuda": 2**31}  # bytes


@dataclass(frozen=True, kw_only=True)
class Options(DeviceOptions):
    """What to measure.

    Attributes:
        source: Training puzzles of the presets that have none of their own; "generated" is enough for the speed.
        presets: Names of presets; the last one is profiled.
        minutes: Length of the training, for the number of its steps.
        quick: Width 64, batch 8, one turn of one step, nothing compiled.
        compile: Compile the steps.
        rounds: Turns of each call; figures are medians over them.
        steps: Training steps in a turn.
        rows: Lines of the profile.
        out: Folder of the figures.
    """

    source: str = "generated"
    presets: tuple[str, ...] = ("sudoku-extreme-1k", "sudoku9-trm", "sudoku-extreme-1k-fast")
    minutes: float = 25.0
    quick: bool = False
    compile: bool = True
    rounds: Count = 3
    steps: Count = 10
    rows: Count = 40
    out: Path = Path("runs/first")


def look(options: Options) -> list[Part]:
    """Measures, prints and writes."""
    if options.quick:
        options = replace(options, compile=False, rounds=1, steps=1, rows=10)
    device = options.prepare()
    return report(parts(options, device), device, options, options.out / "first.json")


def parts(options: Options, device: torch.device) -> Iterator[Part]:
    """Yields each part once it is measured, and writes the profile to a file of its own."""
    model = quiet_agent(fit_of(options.presets[-1], options))
    rates = ceilings(model, device)
    yield rates
    fastest = max(float(row["TFLOP/s"] or 0) for row in rates.rows)
    for name in options.presets:
        torch.compiler.reset()  # or so many graphs of one function that the compiler gives up
        model = quiet_agent(fit_of(name, options))
        yield Part(f"verify-{name}", f"{name}: steps are finite, and wait for nothing", [verified(name, model)])
        yield speed(name, model, options, fastest)
    text = profiled(training_turn(model, 1), options.rows, device)
    print(text)
    with atomic_write(options.out / "profile.txt") as file:
        file.write(text.encode())


def fit_of(name: str, options: Options) -> Fit:
    """Returns a preset's run with its puzzles, at full depth throughout."""
    fit = PRESETS[name]
    fit = replace(
        fit,
        data=replace(fit.data, source=fit.data.source or options.source, num_puzzles=None),
        learner=replace(fit.learner, depth=()),
        compile=options.compile,
        threads=options.threads,
        device=options.device,
    )
    assert isinstance(fit.core, HRMConfig)
    return replace(fit, core=replace(fit.core, hidden_size=64, num_heads=2), batch_size=8) if options.quick else fit


def verified(name: str, model: HRM) -> dict[str, Value]:
    """Takes some steps of an agent, the first of which compile it.

    Raises:
        NonFiniteError: A loss is not finite.
        RuntimeError: A step waits for the CUDA device.
    """
    model.learn(2 * model.n_envs)
    callback = model._init_callback(None)
    model._total_timesteps = 10**9
    with waiting_forbidden(model.device):
        steps = sum(train_segment(model, callback, 10**9) for _ in range(4))
    model.learn(2 * model.n_envs, reset_num_timesteps=False)  # logs, and so looks at the losses
    finite = all(bool(weight.isfinite().all()) for weight in model.policy.parameters())
    size = sum(weight.numel() for weight in model.policy.core.parameters())
    waits = "never" if model.device.type == "cuda" else "only CUDA can tell"
    return {"preset": name, "parameters": size, "steps": 4 + steps, "finite": str(finite), "waits": waits}


@contextmanager
def waiting_forbidden(device: torch.device) -> Iterator[None]:
    """Within the block, an operation that waits for a CUDA device raises."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def ceilings(model: HRM, device: torch.device) -> Part:
    """Measures the rates of the products of an agent's layers and of a big square one, and of a copy."""
    core = core_of(model)
    rows: list[dict[str, Value]] = []
    for products, rate in product_rates(core.activation_dtype, device, layer_shapes(core, model.n_envs)).items():
        m, k, n = products.sizes
        rows.append({"what": f"({m}, {k}) x ({k}, {n})", "TFLOP/s": rate / 1e12, "GB/s": None})
    source = torch.ones(COPIED[device.type] // 4, device=device)
    target = torch.empty_like(source)
    time = min(seconds(lambda: target.copy_(source), device) for _ in range(5))
    rows.append({"what": "copy, bytes read and written", "TFLOP/s": None, "GB/s": 2 * COPIED[device.type] / time / 1e9})
    return Part("ceilings", f"The machine's ceilings, {core.config.dtype}", rows)


def speed(name: str, model: HRM, options: Options, fastest: float) -> Part:
    """Measures a step in each stage of a preset's depth curriculum, and the steps that fit.

    Args:
        name: Name of the preset.
        model: Its agent.
        options: What to measure.
        fastest: TFLOP/s of the fastest product.
    """
    core, fit = core_of(model), PRESETS[name]
    depth = fit.learner.depth or ((0.0, *core.cycles),)
    rows: list[dict[str, Value]] = []
    mean = 0.0
    for (begin, cycles, inner), (end, _, _) in pairwise([*depth, (1.0, 0, 0)]):
        core.cycles = cycles, inner
        times = side_by_side({"": training_turn(model, options.steps)}, options.rounds, model.device)
        step = times.median("") / options.steps
        mean += (end - begin) * step
        rate = training_flops(core, model.n_envs, model.config.learner.q_bootstrap) / step / 1e12
        row: dict[str, Value] = {"N, T": f"{cycles}, {inner}", "share of the run": end - begin, "ms": 1e3 * step}
        rows.append(row | {"segments/s": model.n_envs / step, "TFLOP/s": rate, "MFU": rate / fastest})
    fitting = int(60 * options.minutes / mean)
    whole = f"{fit.updates:,} steps take {fit.updates * mean / 60:.1f} minutes"
    notes = [f"{whole}; {options.minutes:g} minutes are {fitting:,} steps, without start and sweeps."]
    if model.device.type == "cuda":
        notes.append(f"Most memory so far: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB.")
    title = f"{name}: steps of {model.n_envs} puzzles, environment and metrics included"
    return Part(f"speed-{name}", title, rows, notes)


def main() -> None:
    """Measures what the command line asks for."""
    look(read_options(Options, sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
