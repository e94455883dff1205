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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from benchmarks.options import Count, TimedOptions, run
from benchmarks.reference_code import ReferenceCode
from benchmarks.report import Part, Value
from benchmarks.timing import Call, fastest_products, side_by_side, training_turn, use_threads
from benchmarks.trm_code import TRMCode
from hrm_agent import HRM
from hrm_agent.config import Bootstrap, Precision
from hrm_agent.cores.flops import training_flops
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.cores.layers import Linear
from hrm_agent.learning.adam_atan2 import AdamATan2
from hrm_agent.sb3.vec_env import NativeVecEnv
from hrm_env.devices import check_device
from hrm_env.task import PuzzleBatch

NetworkName = Literal["hrm", "trm", "trm-mlp"]
PaperCode = ReferenceCode | TRMCode
PUZZLE, MAX_SEGMENTS, EXPLORATION = "HRM-Sudoku-v0", 16, 0.1
RATE, EMBEDDING_RATE, BETAS, DECAY = 1e-4, 1e-2, (0.9, 0.95), 0.1
BATCH = {"cpu": 32, "cuda": 768}


@dataclass(frozen=True)
class Network:
    """A core, its paper's code, and the sources of Q_continue's target that it is trained with.

    Attributes:
        name: Its usual name.
        options: Name and options of our core.
        bootstraps: Values of `LearnerConfig.q_bootstrap`; the first is that of the paper's code.
        code: Reads a clone of the paper's code.
    """

    name: str
    options: Mapping[str, Any]
    bootstraps: Sequence[Bootstrap]
    code: type[PaperCode]


NETWORKS: dict[NetworkName, Network] = {
    "hrm": Network("HRM", {"core": "hrm"}, ("second-pass", "next-step", "none"), ReferenceCode),
    "trm": Network("TRM", {"core": "trm"}, ("none",), TRMCode),
    "trm-mlp": Network("TRM with MLP mixer", {"core": "trm", "mixer": "mlp"}, ("none",), TRMCode),
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


class ReferenceTraining:
    """The reference code's ``pretrain.train_batch`` on one device.

    Args:
        model: Its model under its loss head.
        batches: Puzzles on the host, as its loader gives them.
        sign_sgd: Its optimizer of the puzzle embedding.
        compile: Whether `torch.compile` compiles the model, as its ``create_model`` does.
    """

    def __init__(
        self,
        model: Any,
        batches: Callable[[], dict[str, Tensor]],
        sign_sgd: Callable[..., torch.optim.Optimizer],
        compile: bool = False,
    ) -> None:
        self.device = next(model.parameters()).device
        self.optimizers = [
            sign_sgd(model.model.puzzle_emb.buffers(), lr=EMBEDDING_RATE, weight_decay=DECAY, world_size=1),
            AdamATan2(model.parameters(), lr=RATE, betas=BETAS, weight_decay=DECAY),
        ]
        self.batches, self.carry = batches, None
        self.plain = model.train()
        self.model = torch.compile(self.plain, dynamic=False) if compile else self.plain

    def step(self) -> Mapping[str, float]:
        """Takes one training step and returns its metrics on the host."""
        batch = {name: tensor.to(self.device) for name, tensor in self.batches().items()}
        if self.carry is None:
            with torch.device(self.device):
                self.carry = self.plain.initial_carry(batch)
        self.carry, loss, metrics, _, _ = self.model(carry=self.carry, batch=batch, return_keys=[])
        (loss / len(batch["inputs"])).backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return dict(zip(metrics, torch.stack([*metrics.values()]).tolist(), strict=True))

    def steps(self, count: int) -> Call:
        """Returns a turn of training steps."""
        return lambda: [self.step() for _ in range(count)]


def their_batches(puzzles: PuzzleBatch, size: int) -> Callable[[], dict[str, Tensor]]:
    """Returns a call that gives the next batch of puzzles in the reference code's form, over and over."""
    columns = {"inputs": puzzles.inputs, "labels": puzzles.solution, "puzzle_identifiers": puzzles.puzzle_id}
    start = itertools.count(step=size)

    def batch() -> dict[str, Tensor]:
        rows = (next(start) + torch.arange(size)) % len(puzzles.inputs)
        return {name: column[rows].to(torch.int32) for name, column in columns.items()}

    return batch


def layer_shapes(core: HRMCore, batch_size: int) -> list[tuple[int, int, int]]:
    """Returns the sizes m, k, n of the products of a core's layers on a batch, and of a big square one."""
    vectors = batch_size * (core.config.puzzle_positions + core.shape.seq_len)
    layers = {tuple(m.weight.shape) for m in core.l_module.modules() if isinstance(m, Linear)}
    side = 4096 if core.start_h.is_cuda else 2048
    return [*[(vectors, inputs, outputs) for outputs, inputs in sorted(layers)], (side, side, side)]


def measure(options: Options) -> Part:
    """Times all steps that the options allow, by turns."""
    use_threads(options.threads)
    device, network = check_device(options.device, "--device"), NETWORKS[options.network]
    code = network.code.of(options.reference) if options.reference else None
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
        calls[f"reference{kind}"] = their_training(code, options, first, fast).steps(options.steps)
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


def their_training(code: PaperCode, options: Options, agent: HRM, compile: bool) -> ReferenceTraining:
    """Returns the paper's code with the puzzles and the initial weights of our agent."""
    model = code.model(core_of(agent), options.batch_size, MAX_SEGMENTS, EXPLORATION)
    puzzles = cast(NativeVecEnv, agent.env).native.stored(slice(None))
    batches = their_batches(PuzzleBatch(*(column.cpu() for column in puzzles)), options.batch_size)
    return ReferenceTraining(
        model, batches, code.sparse_embedding.CastedSparseEmbeddingSignSGD_Distributed, compile=compile
    )


if __name__ == "__main__":
    run(Options, measure)
