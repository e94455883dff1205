"""How accurate trainings of different kinds are: figures 2 and 5, gradients, data efficiency."""

from __future__ import annotations

from functools import partial
from typing import get_args

import numpy as np
import torch

from hrm_agent.config import Gradient, HRMConfig
from hrm_agent.cores.core import SegmentOutput
from hrm_agent.dynamics.gradients import gradient_agreement, graph_bytes
from hrm_agent.sb3.agent import HRM
from hrm_agent.traces.replay import replay

from ..pause import paused_at
from ..presets import Fit, run_folder
from ..results import read_result
from ..resume import RunFolder
from .lab import Lab, kept_at
from .numbers import Number, mean_of

DIRECT = "--max-segments 1 --q-bootstrap none --halting fixed:1"
GRADIENTS: tuple[Gradient, ...] = get_args(Gradient)


def hrm(lab: Lab, segments: int) -> str:
    """Returns the options of the HRM that is trained with a number of segments."""
    return "" if segments == lab.budget else f"--max-segments {segments}"


def hrm_config(lab: Lab) -> HRMConfig:
    """Returns the options of the HRM's network."""
    assert isinstance(lab.base.core, HRMConfig)
    return lab.base.core


def transformer(lab: Lab, scale: int, width: float = 1) -> str:
    """Returns the options of a transformer of so many times the blocks that HRM passes in a segment."""
    size = f" --hidden-size {round(width * hrm_config(lab).hidden_size)}" if width != 1 else ""
    return f"--core transformer --layers {scale * hrm_config(lab).passes}{size} {DIRECT}"


def recurrent(lab: Lab, scale: int) -> str:
    """Returns the options of a recurrent transformer of HRM's parameters and the depth of `transformer`."""
    core = hrm_config(lab)
    layers = core.h_layers + core.l_layers
    return f"--core recurrent-transformer --layers {layers} --steps {scale * core.passes // layers} {DIRECT}"


def rnn(lab: Lab) -> str:
    """Returns the options of the recurrent network of HRM's parameters and operations."""
    core = hrm_config(lab)
    layers = core.h_layers + core.l_layers
    return f"--core rnn --layers {layers} --steps {core.passes // layers}"


def measure_agent(lab: Lab) -> list[Number]:
    """Measures the accuracy of the HRM after every segment."""
    right = lab.correct()
    steps = [mean_of("HRM", "accuracy by segment", right[..., m], m + 1) for m in range(right.shape[-1])]
    return [*steps, mean_of("HRM", "accuracy", right[..., -1])]


def depth_runs(lab: Lab) -> list[str]:
    """Returns the runs of figure 2."""
    scales = lab.sizes.scales
    wide = [transformer(lab, 1, width) for width in lab.sizes.widths]
    deep = [one for scale in scales for one in (transformer(lab, scale), recurrent(lab, scale), hrm(lab, scale))]
    return [*wide, *deep]


def measure_depth(lab: Lab) -> list[Number]:
    """Measures figure 2: accuracy against width and depth; HRM's depth is that of all its segments."""
    blocks, width = hrm_config(lab).passes, hrm_config(lab).hidden_size
    kinds = {"transformer": partial(transformer, lab), "recurrent transformer": partial(recurrent, lab)}
    solved = {
        name: [lab.solved(options(scale)) for scale in lab.sizes.scales]
        for name, options in {**kinds, "HRM": partial(hrm, lab)}.items()
    }
    numbers = [
        mean_of(name, "accuracy by depth", each, scale * blocks)
        for name, found in solved.items()
        for scale, each in zip(lab.sizes.scales, found, strict=True)
    ]
    numbers += [
        mean_of("transformer", "accuracy by width", lab.solved(transformer(lab, 1, each)), round(each * width))
        for each in lab.sizes.widths
    ]
    gains = {name: found[-1].astype(float) - found[0] for name, found in solved.items()}
    numbers += [mean_of(name, "gain by depth", gain) for name, gain in gains.items()]
    return [*numbers, mean_of("HRM − transformer", "gain by depth", gains["HRM"] - gains["transformer"])]


def halting_runs(lab: Lab) -> list[str]:
    """Returns the runs of figure 5."""
    return [one for budget in lab.sizes.budgets for one in (hrm(lab, budget), _fixed(budget))]


def _fixed(budget: int) -> str:
    return f"--max-segments {budget} --halting fixed:{budget}"


def measure_halting(lab: Lab) -> list[Number]:
    """Measures figure 5: segments and accuracy, fixed against ACT, and trained against inference segments."""
    numbers: list[Number] = []
    for budget in lab.sizes.budgets if lab.compares else ():
        act = [replay(lab.traces(hrm(lab, budget), seed), "q-compare") for seed in range(lab.sizes.seeds)]
        fixed = lab.solved(_fixed(budget)).astype(float)
        exact, segments = (np.stack(part) for part in zip(*((one.exact, one.segments) for one in act), strict=True))
        numbers += [
            mean_of("ACT", "segments", segments, budget),
            mean_of("fixed M", "segments", np.full(fixed.shape, budget), budget),
            mean_of("ACT", "accuracy", exact, budget),
            mean_of("fixed M", "accuracy", fixed, budget),
            mean_of("ACT − fixed M", "accuracy", exact - fixed, budget),
            mean_of("ACT / fixed M", "segments", segments / budget, budget),
        ]
    inference = [2**power for power in range(1, lab.sizes.inference.bit_length()) if 2**power <= lab.sizes.inference]
    for trained in lab.sizes.budgets if lab.compares else (lab.budget,):
        right = lab.correct(hrm(lab, trained) if lab.compares else "", lab.sizes.inference).astype(float)
        numbers += [mean_of(f"trained M = {trained}", "inference accuracy", right[..., m - 1], m) for m in inference]
        gain = right[..., -1] - right[..., min(trained, lab.sizes.inference) - 1]
        numbers.append(mean_of("HRM", "gain beyond training", gain, trained))
    return numbers


def equal_memory(lab: Lab, gradient: Gradient) -> int:
    """Returns the batch size with which a gradient keeps as many activations as the one-step gradient."""
    core = hrm_config(lab)
    last = core.l_layers + (core.h_layers or core.l_layers)
    cycle = last + (core.l_cycles - 1) * core.l_layers
    kept = {"one-step": last, "last-cycle": cycle, "full": core.h_cycles * cycle}
    return max(1, lab.base.batch_size * last // kept[gradient])


def gradient_options(lab: Lab, gradient: Gradient, equal: bool = False) -> str:
    """Returns the options of the HRM trained with a gradient, with the base's batch or with that of equal memory."""
    batch = equal_memory(lab, gradient) if equal else lab.base.batch_size
    own = "" if gradient == hrm_config(lab).gradient else f"--gradient {gradient}"
    return own if batch == lab.base.batch_size else f"{own} --batch-size {batch}".strip()


def gradient_runs(lab: Lab) -> list[str]:
    """Returns the runs of the comparison of gradients."""
    return [gradient_options(lab, gradient, equal) for gradient in GRADIENTS for equal in (False, True)]


def measure_gradients(lab: Lab) -> list[Number]:
    """Measures cosine and norm ratio to the full gradient along a training, and what each gradient reaches."""
    numbers: list[Number] = []
    options = gradient_options(lab, "one-step")
    for share in lab.sizes.stages:
        numbers += _agreement(lab, options, share)
    runs = {
        gradient: [lab.run(gradient_options(lab, gradient), seed) for seed in range(lab.sizes.seeds)]
        for gradient in GRADIENTS
    }
    shortest = min(_seconds(run) for seeds in runs.values() for run in seeds)
    for gradient in GRADIENTS:
        steps, memory = (lab.solved(gradient_options(lab, gradient, equal)) for equal in (False, True))
        numbers += [
            mean_of(gradient, "accuracy, equal steps", steps),
            mean_of(gradient, "accuracy, equal memory", memory),
            Number(gradient, "accuracy, equal time", 0, float(np.mean([_by(run, shortest) for run in runs[gradient]]))),
            Number(gradient, "CPU seconds", 0, float(np.mean([_seconds(run) for run in runs[gradient]]))),
            Number(gradient, "graph, MB", 0, _graph_megabytes(lab, gradient)),
        ]
    full = lab.solved(gradient_options(lab, "full")).astype(float)
    return [
        *numbers,
        mean_of("one-step − full", "accuracy, equal steps", lab.solved(options) - full),
    ]


def _loss_of(agent: HRM, solution: torch.Tensor, output: SegmentOutput) -> torch.Tensor:
    return agent.policy.core.answer_loss(output, solution, agent.learner.token_loss).mean()


def _agreement(lab: Lab, options: str, share: float) -> list[Number]:
    """Compares the gradients of the first two segments, after a share of the training; mean over batches."""
    agent = HRM.load(kept_at(lab.run(options), share), device="cpu", halting="fixed:1")
    core, batch = agent.policy.core, lab.batch
    found: dict[Gradient, list[tuple[float, float]]] = {gradient: [] for gradient in GRADIENTS}
    for rows in torch.arange(len(batch.inputs)).chunk(10):
        inputs, solution, puzzle = batch.inputs[rows], batch.solution[rows], batch.puzzle_id[rows]
        with torch.no_grad():
            carry = core(core.initial_carry(len(rows)), inputs, puzzle).carry
        for gradient, agreement in gradient_agreement(
            core, carry, inputs, puzzle, partial(_loss_of, agent, solution)
        ).items():
            found[gradient].append(agreement)
    return [
        mean_of(gradient, metric, [one[place] for one in each], share)
        for gradient, each in found.items()
        for place, metric in enumerate(("cosine to full", "norm, share of full"))
        if gradient != "full"
    ]


def _graph_megabytes(lab: Lab, gradient: Gradient) -> float:
    core, batch = lab.agent(gradient_options(lab, gradient)).policy.core, lab.batch
    carry = core.initial_carry(len(batch.inputs))
    return graph_bytes(core, lambda: core(carry, batch.inputs, batch.puzzle_id).logits) / 1e6


def _seconds(run: Fit) -> float:
    """Returns the CPU seconds of a run's training, sweeps not included."""
    last = RunFolder(run_folder(run), run).checkpoints.newest()
    assert last is not None
    return paused_at(last.extra["pause"])[0]


def _by(run: Fit, seconds: float) -> float:
    """Returns the accuracy of a run's last sweep within some seconds of training, as if all steps took equal time."""
    result, whole = read_result(run_folder(run) / "result.json"), _seconds(run)
    within = [each for each in result["history"] if each["updates"] / result["updates"] * whole <= seconds]
    return float(within[-1]["exact"]) if within else 0.0


def data_options(lab: Lab, kind: str, puzzles: int) -> str:
    """Returns the options of HRM or of the transformer of its depth, trained on a number of puzzles."""
    own = "" if kind == "HRM" else transformer(lab, 1)
    return f"{own} --num-puzzles {puzzles}".strip() if puzzles != (lab.base.data.num_puzzles or 1000) else own


def data_runs(lab: Lab) -> list[str]:
    """Returns the runs of data efficiency."""
    return [data_options(lab, kind, number) for number in lab.sizes.puzzles for kind in ("HRM", "transformer")]


def measure_data(lab: Lab) -> list[Number]:
    """Measures accuracy against the number of training puzzles."""
    numbers: list[Number] = []
    for number in lab.sizes.puzzles:
        ours, other = (lab.solved(data_options(lab, kind, number)).astype(float) for kind in ("HRM", "transformer"))
        numbers += [
            mean_of("HRM", "accuracy", ours, number),
            mean_of("transformer", "accuracy", other, number),
            mean_of("HRM − transformer", "accuracy", ours - other, number),
        ]
    return numbers
