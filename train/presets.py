"""Options of a training run, and presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction, arg

from hrm_agent.config import (
    AgentConfig,
    CoreConfig,
    GRUConfig,
    HRMConfig,
    LatticeConfig,
    LearnerConfig,
    RecurrentTransformerConfig,
    RNNConfig,
    TransformerConfig,
    TRMConfig,
)
from hrm_agent.config.agent import MOST_MINIBATCHES
from hrm_env.envs.spaces import LARGEST

from .options import Device, HeldOut, Seed, Share, Threads, integer, number


@dataclass(frozen=True)
class Data:
    """Where the puzzles come from.

    Attributes:
        env: Registered id of the puzzle.
        source: "generated", a CSV file (plain or gzip), a built folder, ARC tasks (.json), or hub:owner/name.
        test_source: Source of the test puzzles; empty for the test split of source or, if it has none, for --held-out
            auto.
        held_out: Number of the last training puzzles to test on instead, none of whose variants is trained on: what is
            chosen by these figures has not seen a test set. "auto" for a tenth, at most 5,000.
        num_puzzles: Generated puzzles to train on (1,000 unless given).
        test_puzzles: Puzzles to test on, at most; of more every task takes part, as evenly as can be.
        max_segments: Budget M_max of an episode.
        augment: Train on random symmetric variants.
        option: An option of source as name=value, such as min_rating=20, clues=24 or augmentations=100.
        blank_fraction: Bounds of the share of blank cells that stay blank in a training puzzle; the others are filled
            in.
        easier: Share of the training puzzles that blank_fraction is applied to.
        skip_bad_rows: Skip and count bad CSV rows instead of stopping.
    """

    env: str = "HRM-Sudoku6x6-v0"
    source: str = "generated"
    test_source: str = ""
    held_out: HeldOut = None
    num_puzzles: Annotated[int | None, integer(1)] = None
    test_puzzles: Annotated[int, integer(1)] = 1000
    max_segments: Annotated[int, integer(1, LARGEST.max_segments)] = 8
    augment: bool = True
    option: Annotated[tuple[str, ...], UseAppendAction] = ()
    blank_fraction: tuple[Share, Share] = (1.0, 1.0)
    easier: Share = 1.0
    skip_bad_rows: bool = False


SMALL_CORE = HRMConfig(
    hidden_size=128,
    num_heads=4,
    expansion=2.0,
    h_layers=1,
    l_layers=1,
    mixer="mlp",
    gradient="last-cycle",
    dtype="auto",
)
SMALL_LEARNER = LearnerConfig(
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=0.1,
    token_loss="softmax",
    q_bootstrap="next-step",
    ema=0.995,
)
SMALL_TRM = TRMConfig(
    hidden_size=128,
    num_heads=4,
    expansion=2.0,
    h_cycles=2,
    l_cycles=2,
    mixer="mlp",
    mixer_multiple=32,
    mixer_norm="features",
    puzzle_positions=1,
    dtype="auto",
)
SMALL_RNN = RNNConfig(hidden_size=128, num_heads=4, expansion=2.0, layers=2, steps=3, mixer="mlp", dtype="auto")
SMALL_TRANSFORMER = TransformerConfig(hidden_size=128, num_heads=4, expansion=2.0, layers=2, mixer="mlp", dtype="auto")
SMALL_RECURRENT = RecurrentTransformerConfig(**{**vars(SMALL_TRANSFORMER), "steps": 3})


@dataclass(frozen=True)
class Fit(AgentConfig):
    """Train an agent, evaluate it on every test puzzle, and write its checkpoint and TensorBoard logs.

    Attributes:
        preset: Where the defaults come from: sudoku4x4, sudoku6x6, sudoku9, maze10x10, maze, arc; sudoku6x6-trm,
            sudoku9-lattice; the baselines sudoku6x6-transformer, sudoku6x6-recurrent-transformer, sudoku6x6-rnn,
            sudoku6x6-gru; the paper's sudoku9-paper, maze-paper, arc-paper; TRM's sudoku9-trm, sudoku9-trm-attention,
            maze-trm, arc-trm; and, for the 1,000 training puzzles of Sudoku-Extreme, which --source names,
            sudoku-extreme-1k (the paper's HRM) and sudoku-extreme-1k-fast (half an hour on an H100).
        core_name: Core in place of the preset's: hrm, trm, transformer, recurrent-transformer, rnn, gru or lattice. It
            keeps the preset's blocks, positions and precision, and otherwise has its own defaults.
        checkpoint: Agent whose weights the run begins with: folder of a run, a .zip file, zoo:NAME (a released agent,
            docs/zoo.md) or hub:owner/name; empty for random ones.
        batch_size: Puzzles in an optimizer step.
        updates: Optimizer steps.
        evaluate_every: Optimizer steps between evaluations of all test puzzles; 0 for the end only.
        compile: Train and evaluate with torch.compile (needs a C++ compiler); None for CUDA, and for a run on a CPU
            that is long enough to save more time than compiling takes.
        dynamics: Log residuals and participation ratios of the hidden states at every evaluation.
        threads: CPU threads; 0 for all cores.
        device: "auto", "cpu" or "cuda".
        out: Folder of the run.
        resume: Go on with the run in that folder from its newest complete checkpoint; begin it if there is none.
        restart: Begin anew although the folder holds an unfinished run.
        checkpoint_seconds: Seconds between checkpoints to resume from, which take at most 1 % of the time; 0 for one
            after every optimizer step.
        keep_checkpoints: Number of these checkpoints to keep.
    """

    learner: LearnerConfig = SMALL_LEARNER
    warmup_steps: Annotated[int, integer(0)] = 200
    lr_min_ratio: Share = 0.1
    minibatches: Annotated[int, integer(1, MOST_MINIBATCHES)] = 1
    halting: str = "q-threshold:0.95"
    seed: Seed = 0
    preset: str = "sudoku6x6"
    data: Data = Data()
    core: CoreConfig = SMALL_CORE
    core_name: Annotated[str, arg(name="core")] = ""
    checkpoint: str = ""
    batch_size: Annotated[int, integer(1)] = 64
    updates: Annotated[int, integer(1)] = 1600
    evaluate_every: Annotated[int, integer(0)] = 400
    compile: bool | None = None
    dynamics: bool = True
    threads: Threads = 0
    device: Device = "auto"
    out: str = "runs/{preset}-seed{seed}"
    resume: bool = False
    restart: bool = False
    checkpoint_seconds: Annotated[float, number(0)] = 60.0
    keep_checkpoints: Annotated[int, integer(1)] = 3


PAPER = Fit(
    preset="sudoku9-paper",
    data=Data(env="HRM-Sudoku-v0", max_segments=16),
    core=HRMConfig(dtype="bfloat16"),
    learner=LearnerConfig(),
    halting="q-compare",
    batch_size=768,
    updates=26_000,
    warmup_steps=2000,
    lr_min_ratio=1.0,
    evaluate_every=2000,
)
TRM = replace(
    PAPER,
    preset="sudoku9-trm",
    core=TRMConfig(mixer="mlp", positions="none", dtype="bfloat16"),
    learner=LearnerConfig(q_bootstrap="none", ema=0.999),
    halting="q-threshold:0.5",
    exploration_per="segment",
    updates=65_000,
    evaluate_every=6500,
)
TRM_ATTENTION = replace(TRM, preset="sudoku9-trm-attention", core=TRMConfig(dtype="bfloat16"))
EXTREME = replace(
    PAPER, preset="sudoku-extreme-1k", data=Data(env="HRM-Sudoku-v0", source="", held_out=50, max_segments=16)
)
# Muon, label smoothing, N, T, batch and halt loss are those of arXiv 2601.19085; see docs/headline.md. 7 positions in
# front make 88 of 81, a multiple of 8, as matrix products in bfloat16 want it.
EXTREME_FAST = replace(
    EXTREME,
    preset="sudoku-extreme-1k-fast",
    core=TRMConfig(
        h_cycles=6, l_cycles=9, mixer="mlp", swiglu_norm=True, positions="none", puzzle_positions=7, dtype="bfloat16"
    ),
    learner=LearnerConfig(
        optimizer="muon",
        muon_learning_rate=0.02,
        muon_weight_decay=0.005,
        muon_momentum=0.6,
        token_loss="softmax",
        label_smoothing=0.2,
        halt_loss_weight=0.05,
        q_bootstrap="none",
        max_grad_norm=1.0,
        ema=0.999,
        depth=((0.0, 2, 3), (0.3, 4, 6), (0.6, 6, 9)),
    ),
    halting="q-threshold:0.5",
    exploration_per="segment",
    batch_size=384,
    updates=16_000,
    warmup_steps=100,
    lr_min_ratio=0.0,
)
SMALL_GRID = Fit(
    preset="maze10x10",
    data=Data(env="HRM-Maze10x10-v0", num_puzzles=4000, augment=False),
    core=replace(SMALL_CORE, mixer="attention", num_heads=2),
    learner=replace(SMALL_LEARNER, learning_rate=1e-3),
    updates=3000,
    evaluate_every=750,
)
DIRECT = Fit(
    preset="sudoku6x6-transformer",
    data=Data(max_segments=1),
    core=SMALL_TRANSFORMER,
    learner=replace(SMALL_LEARNER, q_bootstrap="none"),
)
PRESETS: dict[str, Fit] = {
    "sudoku6x6": Fit(),
    "sudoku6x6-trm": Fit(preset="sudoku6x6-trm", core=SMALL_TRM, learner=replace(SMALL_LEARNER, q_bootstrap="none")),
    "sudoku6x6-transformer": DIRECT,
    "sudoku6x6-recurrent-transformer": replace(DIRECT, preset="sudoku6x6-recurrent-transformer", core=SMALL_RECURRENT),
    "sudoku6x6-rnn": Fit(preset="sudoku6x6-rnn", core=SMALL_RNN),
    "sudoku6x6-gru": Fit(preset="sudoku6x6-gru", core=GRUConfig(width=152, steps=6)),
    "sudoku4x4": Fit(
        preset="sudoku4x4",
        data=Data(env="HRM-Sudoku4x4-v0"),
        core=replace(SMALL_CORE, hidden_size=64),
        updates=1000,
    ),
    "sudoku9": Fit(
        preset="sudoku9",
        data=Data(env="HRM-Sudoku-v0"),
        learner=replace(SMALL_LEARNER, learning_rate=2e-3),
        updates=4000,
        evaluate_every=1000,
    ),
    # short episodes, because a fresh puzzle teaches more; what is evaluated with search may be given a larger budget
    "sudoku9-lattice": Fit(
        preset="sudoku9-lattice",
        data=Data(env="HRM-Sudoku-v0", max_segments=16, blank_fraction=(0.35, 1.0), easier=0.75),
        core=LatticeConfig(mixer="mlp", expansion=2.0, layers=1, threshold=0.02, dtype="auto"),
        learner=replace(SMALL_LEARNER, learning_rate=2e-3, q_bootstrap="none", ema=0.998),
        halting="q-threshold:0.95",
        lr_min_ratio=0.02,
        updates=9000,
        evaluate_every=3000,
    ),
    "maze10x10": SMALL_GRID,
    "maze": replace(SMALL_GRID, preset="maze", data=Data(env="HRM-Maze-v0", augment=False), batch_size=16),
    "arc": replace(
        SMALL_GRID,
        preset="arc",
        data=Data(env="HRM-ARC-v0"),
        learner=replace(SMALL_LEARNER, learning_rate=1e-3, puzzle_embedding_lr=1e-2),
        batch_size=16,
    ),
    "sudoku9-paper": PAPER,
    "maze-paper": replace(PAPER, preset="maze-paper", data=Data(env="HRM-Maze-v0", max_segments=16, augment=False)),
    "arc-paper": replace(
        PAPER,
        preset="arc-paper",
        data=Data(env="HRM-ARC-v0", max_segments=16),
        learner=LearnerConfig(puzzle_embedding_lr=1e-2, weight_decay=0.1),
        updates=414_000,
        evaluate_every=10_000,
    ),
    "sudoku-extreme-1k": EXTREME,
    "sudoku-extreme-1k-fast": EXTREME_FAST,
    "sudoku9-trm": TRM,
    "sudoku9-trm-attention": TRM_ATTENTION,
    "maze-trm": replace(
        TRM_ATTENTION,
        preset="maze-trm",
        data=Data(env="HRM-Maze-v0", max_segments=16, augment=False),
        core=TRMConfig(l_cycles=4, dtype="bfloat16"),
    ),
    "arc-trm": replace(
        TRM_ATTENTION,
        preset="arc-trm",
        data=Data(env="HRM-ARC-v0", max_segments=16),
        core=TRMConfig(l_cycles=4, dtype="bfloat16"),
        learner=replace(TRM.learner, puzzle_embedding_lr=1e-2, weight_decay=0.1),
        updates=414_000,
        evaluate_every=10_000,
    ),
}
"""By name; every option can be changed on the command line."""


def run_folder(options: Fit) -> Path:
    """Returns the folder that a run writes to."""
    return Path(options.out.replace("{preset}", options.preset).replace("{seed}", str(options.seed)))
