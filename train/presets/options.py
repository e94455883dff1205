"""Options of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction, arg

from hrm_agent.config import AgentConfig, CoreConfig, HRMConfig, LearnerConfig
from hrm_agent.config.agent import MOST_MINIBATCHES
from hrm_env.envs.spaces import LARGEST

from ..options import Device, HeldOut, Seed, Share, Threads, integer, number


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


@dataclass(frozen=True)
class Fit(AgentConfig):
    """Train an agent, evaluate it on every test puzzle, and write its checkpoint and TensorBoard logs.

    Attributes:
        preset: Where the defaults come from: sudoku4x4, sudoku6x6, sudoku9, takuzu6x6, futoshiki4x4, nonogram5x5,
            maze10x10, maze20x20, maze, arc; for hard Sudoku, which --source names, sudoku9-units,
            sudoku9-units-lattice, sudoku9-hard and sudoku9-lattice; sudoku6x6-trm; the baselines sudoku6x6-transformer,
            sudoku6x6-recurrent-transformer, sudoku6x6-rnn, sudoku6x6-gru; the paper's sudoku9-paper, maze-paper,
            arc-paper; TRM's sudoku9-trm, sudoku9-trm-attention, maze-trm, arc-trm; and, for the 1,000 training puzzles
            of Sudoku-Extreme, which --source names, sudoku-extreme-1k (the paper's HRM) and sudoku-extreme-1k-fast
            (half an hour on an H100).
        core_name: Core in place of the preset's: hrm, trm, transformer, recurrent-transformer, rnn, gru or lattice. It
            keeps the preset's blocks, positions and precision, and otherwise has its own defaults.
        checkpoint: Agent whose weights the run begins with: folder of a run, a .zip file, zoo:NAME (a released agent,
            docs/zoo.md) or hub:owner/name; empty for random ones.
        batch_size: Puzzles in an optimizer step.
        updates: Optimizer steps, rounded up to a multiple of minibatches.
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


def run_folder(options: Fit) -> Path:
    """Returns the folder that a run writes to."""
    return Path(options.out.replace("{preset}", options.preset).replace("{seed}", str(options.seed)))
