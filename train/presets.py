"""Options of a training run, and the presets that are known to work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hrm_agent.cores.hrm import Gradient, Positions
from hrm_agent.cores.layers import Mixer
from hrm_agent.halting.exploration import Per
from hrm_agent.learning.learner import Bootstrap


@dataclass(frozen=True)
class Data:
    """Where the puzzles come from.

    Attributes:
        env: Registered id of the puzzle.
        source: "generated", or the path of a CSV file (plain or gzip).
        test_source: CSV file of the test puzzles; empty to hold out the last tenth of source, at most 5,000.
        num_puzzles: Generated puzzles to train on.
        test_puzzles: Puzzles to test on, at most.
        max_segments: Budget M_max of an episode.
        augment: Train on random symmetric variants.
        skip_bad_rows: Skip and count bad CSV rows instead of stopping.
    """

    env: str = "HRM-Sudoku6x6-v0"
    source: str = "generated"
    test_source: str = ""
    num_puzzles: int = 1000
    test_puzzles: int = 1000
    max_segments: int = 8
    augment: bool = True
    skip_bad_rows: bool = False


@dataclass(frozen=True)
class Core:
    """The network. See hrm_agent.cores.hrm.HRMConfig for each option.

    Attributes:
        dtype: "auto" is bfloat16 where the processor multiplies it in hardware, else float32.
    """

    hidden_size: int = 128
    num_heads: int = 4
    expansion: float = 2.0
    h_layers: int = 1
    l_layers: int = 1
    h_cycles: int = 2
    l_cycles: int = 2
    mixer: Mixer = "mlp"
    positions: Positions = "rope"
    puzzle_positions: int = 1
    gradient: Gradient = "last-cycle"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True)
class Learning:
    """The learning rule. See hrm_agent.learning.learner.LearnerConfig for each option.

    Attributes:
        halting: Halting policy, such as "q-compare", "q-threshold:0.5", "fixed:8", "random:0.25".
        exploration: Probability of a minimum number of segments.
    """

    optimizer: Literal["adam-atan2", "adamw"] = "adamw"
    learning_rate: float = 3e-3
    warmup_steps: int = 200
    lr_min_ratio: float = 0.1
    weight_decay: float = 0.1
    token_loss: Literal["stablemax", "softmax"] = "softmax"
    q_bootstrap: Bootstrap = "next-step"
    halt_loss_weight: float = 0.5
    continue_loss_weight: float = 0.5
    max_grad_norm: float | None = None
    ema: float | None = 0.995
    halting: str = "q-compare"
    exploration: float = 0.1
    exploration_per: Per = "episode"


@dataclass(frozen=True)
class Fit:
    """Train an agent, evaluate it on every test puzzle, and write its checkpoint and TensorBoard logs.

    Attributes:
        preset: Where the defaults come from: sudoku4x4, sudoku6x6, sudoku9, sudoku9-paper.
        batch_size: Environments, and so puzzles in an optimizer step.
        updates: Optimizer steps.
        evaluate_every: Optimizer steps between evaluations of all test puzzles; 0 for the end only.
        seed: Seed of everything.
        compile: Train with torch.compile (needs a C++ compiler).
        threads: CPU threads; 0 for all cores.
        device: "auto", "cpu" or "cuda".
        out: Folder of the run.
    """

    preset: str = "sudoku6x6"
    data: Data = field(default_factory=Data)
    core: Core = field(default_factory=Core)
    learning: Learning = field(default_factory=Learning)
    batch_size: int = 64
    updates: int = 2000
    evaluate_every: int = 500
    seed: int = 0
    compile: bool = False
    threads: int = 0
    device: str = "auto"
    out: str = "runs/{preset}-seed{seed}"


PRESETS: dict[str, Fit] = {
    "sudoku6x6": Fit(),
    "sudoku4x4": Fit(preset="sudoku4x4", data=Data(env="HRM-Sudoku4x4-v0"), core=Core(hidden_size=64), updates=1000),
    "sudoku9": Fit(
        preset="sudoku9",
        data=Data(env="HRM-Sudoku-v0"),
        learning=Learning(learning_rate=2e-3),
        updates=4000,
        evaluate_every=1000,
    ),
    "sudoku9-paper": Fit(
        preset="sudoku9-paper",
        data=Data(env="HRM-Sudoku-v0", max_segments=16),
        core=Core(512, 8, 4.0, 4, 4, 2, 2, "attention", "rope", 1, "one-step", "bfloat16"),
        learning=Learning(
            optimizer="adam-atan2",
            learning_rate=1e-4,
            warmup_steps=2000,
            lr_min_ratio=1.0,
            weight_decay=1.0,
            token_loss="stablemax",
            q_bootstrap="second-pass",
            ema=None,
        ),
        batch_size=768,
        updates=26_000,
        evaluate_every=2000,
    ),
}
"""By name; every option can be changed on the command line."""
