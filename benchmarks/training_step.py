"""One training step of the full-size cores: ours against the code of their papers, in turns.

    git clone https://github.com/sapientinc/HRM /tmp/hrm-reference
    python -m benchmarks.training_step --reference /tmp/hrm-reference
    git clone https://github.com/SamsungSAILMontreal/TinyRecursiveModels /tmp/trm-reference
    python -m benchmarks.training_step --network trm --reference /tmp/trm-reference

A step is all that one segment of training costs: the puzzles in, the forward pass, Q_continue's target, losses,
backward pass, optimizers, metrics. Both sides compute in the same precision with the same threads, on the same puzzles,
and use our AdamATan2 (theirs is a CUDA extension), without a moving average of the weights. Attention is torch's on
both sides.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch

from benchmarks.options import Count, TimedOptions, run
from benchmarks.reference_code import BETAS, DECAY, EMBEDDING_RATE, RATE, PaperCode
from benchmarks.report import Part, Value
from benchmarks.timing import Call, fastest_products, side_by_side, training_turn
from hrm_agent import HRM
from hrm_agent.config import Bootstrap, Precision
from hrm_agent.cores.flops import training_flops
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.cores.layers import Linear
from hrm_agent.learning.adam_atan2 import AdamATan2
from hrm_agent.sb3.vec_env import NativeVecEnv

NetworkName = Literal["hrm", "trm", "trm-mlp"]
PUZZLE, MAX_SEGMENTS, EXPLORATION = "HRM-Sudoku-v0", 16, 0.1
BATCH = {"cpu": 32, "cuda": 768}


@dataclass(frozen=True)
class Network:
    """A core and the sources of Q_continue's target that it is trained with.

    Attributes:
        name: Its usual name.
        options: Name and options of our core.
        bootstraps: Values of `LearnerConfig.q_bootstrap`; the first is that of the paper's code.
    """

    name: str
    options: Mapping[str, Any]
    bootstraps: Sequence[Bootstrap]


NETWORKS: dict[NetworkName, Network] = {
    "hrm": Network("HRM", {"core": "hrm"}, ("second-pass", "next-step", "none")),
    "trm": Network("TRM", {"core": "trm"}, ("none",)),
    "trm-mlp": Network("TRM with MLP mixer", {"core": "trm", "mixer": "mlp"}, ("none",)),
}


@dataclass(frozen=True)
class Options(TimedOptions):
    """What to measure.

    Attributes:
        network: The core that is trained.
        reference: A clone of the paper's code, sapientinc/HRM or TinyRecursiveModels; None leaves it out.
        batch_size: Puzzles B; 0 for 32 on a CPU and 768 on CUDA.
        dtype: Precision of the activations.
        compile: Measure compiled steps, too.
        steps: Training steps in a turn.
    """

    network: NetworkName = "hrm"
    reference: Path | None = None
    batch_size: int = 0
    dtype: Precision = "bfloat16"
    compile: bool = True
    steps: Count = 2


def our_agent(options: Options, q_bootstrap: Bootstrap, compile: bool = False) -> HRM:
    """Returns an untrained agent."""
    return HRM(
        "HRMPolicy",
        PUZZLE,
        n_envs=options.batch_size,
        env_kwargs={"num_puzzles": 256, "max_segments": MAX_SEGMENTS, "augment": True},
        policy_kwargs={**NETWORKS[options.network].options, "dtype": options.dtype},
        learning_rate=RATE,
        betas=BETAS,
        weight_decay=DECAY,
        puzzle_embedding_lr=EMBEDDING_RATE,
        halting="q-threshold:0.5" if q_bootstrap == "none" else "q-compare",
        exploration=EXPLORATION,
        q_bootstrap=q_bootstrap,
        compile=compile,
        device=options.device,
        seed=0,
    )


def core_of(agent: HRM) -> HRMCore:
    """Returns the network that is trained."""
    return cast(HRMCore, agent.policy.core)


def layer_shapes(core: HRMCore, batch_size: int) -> list[tuple[int, int, int]]:
    """Returns the sizes m, k, n of the products of a core's layers on a batch, and of a big square one."""
    vectors = batch_size * (core.config.puzzle_positions + core.shape.seq_len)
    layers = {tuple(m.weight.shape) for m in core.l_module.modules() if isinstance(m, Linear)}
    side = 4096 if core.start_h.is_cuda else 2048
    return [*[(vectors, inputs, outputs) for outputs, inputs in sorted(layers)], (side, side, side)]


def measure(options: Options) -> Part:
    """Times all steps that the options allow, by turns."""
    device, network = options.prepare(), NETWORKS[options.network]
    code = PaperCode(network.options["core"], options.reference) if options.reference else None
    options = replace(options, device=str(device), batch_size=options.batch_size or BATCH[device.type])
    kinds = {"": False, ", compiled": True} if options.compile else {"": False}
    agents = {
        f"ours, {way}{kind}" if len(network.bootstraps) > 1 else f"ours{kind}": our_agent(options, way, fast)
        for kind, fast in kinds.items()
        for way in network.bootstraps
    }
    first = next(iter(agents.values()))
    flops = {name: training_flops(core_of(a), a.n_envs, a.config.learner.q_bootstrap) for name, a in agents.items()}
    calls = {name: training_turn(agent, options.steps) for name, agent in agents.items()}
    for kind, fast in kinds.items():
        if code is None:
            break
        calls[f"reference{kind}"] = their_turn(code, options, first, fast)
        flops[f"reference{kind}"] = next(iter(flops.values()))
    shapes = layer_shapes(core_of(first), options.batch_size)
    peak = fastest_products(getattr(torch, options.dtype), device, shapes, options.clock)
    turns = [turn for name, call in calls.items() for turn in ((f"peak, {name}", peak), (name, call))]
    times = side_by_side(dict(turns), options.rounds, device, options.clock)
    baselines = [name for name in calls if name not in agents] or [next(iter(agents))]
    rows = []
    for name in calls:
        step = times.median(name) / options.steps
        row: dict[str, Value] = {"step": name, "ms": 1e3 * step, "segments/s": options.batch_size / step}
        row |= {f"× {baseline}": times.ratio(name, baseline) for baseline in baselines}
        utilisation = times.ratio(name, f"peak, {name}") * flops[name] * options.steps / peak.flops
        rows.append(row | {"GFLOP": flops[name] / 1e9, "MFU": utilisation})
    size = sum(weight.numel() for weight in core_of(first).parameters()) / 1e6
    title = (
        f"Training step of {network.name}, {size:.0f} M parameters, 9x9, batch {options.batch_size}, {options.dtype}"
    )
    rate, (m, k, n) = peak.flops / statistics.median(times.median(f"peak, {name}") for name in calls) / 1e12, peak.sizes
    note = f"MFU is a share of {rate:.3g} TFLOP/s in {options.dtype}, our fastest product: ({m}, {k}) x ({k}, {n})."
    return Part(f"step-{options.network}", title, rows, [note])


def their_turn(code: PaperCode, options: Options, agent: HRM, compile: bool) -> Call:
    """Returns a turn of the paper's training on the puzzles of our agent, which are repeated, from its weights."""
    model = code.model(core_of(agent), options.batch_size, MAX_SEGMENTS, EXPLORATION)
    training = code.training(model, AdamATan2, compile)
    puzzles, device = cast(NativeVecEnv, agent.env).native.stored(slice(None)), agent.device
    names = {"inputs": "inputs", "solution": "labels", "puzzle_id": "puzzle_identifiers"}
    columns = {names[name]: column.cpu() for name, column in puzzles._asdict().items()}
    rows = itertools.count(step=options.batch_size)

    def step() -> list[float]:
        place = (next(rows) + torch.arange(options.batch_size)) % len(puzzles.inputs)
        batch = {name: column[place].to(torch.int32).to(device) for name, column in columns.items()}
        metrics: list[float] = torch.stack([*training.step(batch).values()]).tolist()
        return metrics

    return lambda: [step() for _ in range(options.steps)]


if __name__ == "__main__":
    run(Options, measure)
