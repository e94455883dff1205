"""Presets of small agents, for a CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hrm_agent.config import (
    GRUConfig,
    LatticeConfig,
    RecurrentTransformerConfig,
    RNNConfig,
    TransformerConfig,
    TRMConfig,
)

from .options import SMALL_CORE, SMALL_LEARNER, Data, Fit

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

# Muon is that of arXiv 2601.19085. Minibatches keep a puzzle's segments apart; easier puzzles start the learning and
# leave soon. See docs/results.md.
HARD_LEARNER = replace(
    SMALL_LEARNER,
    optimizer="muon",
    learning_rate=2e-3,
    muon_learning_rate=0.02,
    muon_weight_decay=0.005,
    muon_momentum=0.6,
    max_grad_norm=1.0,
    halt_loss_weight=0.05,
    q_bootstrap="none",
    ema=0.999,
)
NARROW_LEARNER = replace(HARD_LEARNER, learning_rate=1.5e-3, muon_learning_rate=0.012)
HARD = Fit(
    preset="sudoku9-hard",
    data=Data(env="HRM-Sudoku-v0", max_segments=16, blank_fraction=(0.4, 1.0), easier=0.85),
    core=replace(SMALL_CORE, swiglu_norm=True),
    learner=HARD_LEARNER,
    minibatches=128,
    lr_min_ratio=0.02,
    updates=32_000,
    evaluate_every=4000,
)

# Every candidate alike: a narrow state, and small steps, because they are cheaper for what they teach. A long gradient
# is what hard puzzles need; short segments begin the training at half the cost. See docs/results.md.
UNITS: dict[str, Any] = {"mixer": "units", "box": (3, 3), "puzzle_positions": 0, "expansion": 3.0}
UNITS |= {"num_heads": 4, "feed_forward_multiple": 32}
HARD_UNITS = replace(
    HARD,
    preset="sudoku9-units",
    data=replace(HARD.data, blank_fraction=(0.6, 1.0), easier=0.5),
    core=replace(SMALL_CORE, hidden_size=48, h_cycles=4, gradient="full", swiglu_norm=True, **UNITS),
    learner=replace(NARROW_LEARNER, muon_weight_decay=0.05, depth=((0.0, 2, 2), (0.6, 4, 2))),
    batch_size=32,
    updates=8000,
    evaluate_every=1024,
)

TAKUZU = replace(
    HARD,
    preset="takuzu6x6",
    data=Data(env="HRM-Takuzu6x6-v0", num_puzzles=20_000, blank_fraction=(0.4, 1.0), easier=0.5),
    learner=replace(HARD_LEARNER, ema=0.995),
    minibatches=64,
    updates=1600,
    evaluate_every=400,
)

# A cell hears of the cells beside it. The stored path is the first of all shortest ones in a fixed order of directions,
# which a mirrored maze would not keep.
MAZE_CORE = replace(
    SMALL_CORE,
    hidden_size=64,
    expansion=3.0,
    mixer="neighbours",
    grid_columns=10,
    puzzle_positions=0,
    feed_forward_multiple=32,
    swiglu_norm=True,
)
MAZE = replace(
    HARD,
    preset="maze10x10",
    data=Data(
        env="HRM-Maze10x10-v0",
        num_puzzles=20_000,
        max_segments=16,
        augment=False,
        blank_fraction=(0.3, 1.0),
        easier=0.7,
    ),
    core=MAZE_CORE,
    learner=NARROW_LEARNER,
    minibatches=32,
    updates=3200,
    evaluate_every=640,
)

DIRECT = Fit(
    preset="sudoku6x6-transformer",
    data=Data(max_segments=1),
    core=SMALL_TRANSFORMER,
    learner=replace(SMALL_LEARNER, q_bootstrap="none"),
)
SMALL: dict[str, Fit] = {
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
    "takuzu6x6": TAKUZU,
    "futoshiki4x4": Fit(
        preset="futoshiki4x4",
        data=Data(env="HRM-Futoshiki4x4-v0", num_puzzles=20_000),
        core=replace(SMALL_CORE, hidden_size=64),
        updates=2000,
        evaluate_every=500,
    ),
    # variants would have numbers away from the picture, where no puzzle has them; fresh puzzles cost no more
    "nonogram5x5": replace(
        TAKUZU,
        preset="nonogram5x5",
        data=Data(env="HRM-Nonogram5x5-v0", num_puzzles=100_000, augment=False),
        updates=1920,
        evaluate_every=640,
    ),
    "sudoku9-hard": HARD,
    # what is evaluated with search may be given a larger budget than that of training
    "sudoku9-lattice": replace(
        HARD,
        preset="sudoku9-lattice",
        data=replace(HARD.data, max_segments=24),
        core=LatticeConfig(mixer="mlp", expansion=2.0, layers=1, swiglu_norm=True, dtype="auto"),
    ),
    "sudoku9-units": HARD_UNITS,
    "sudoku9-units-lattice": replace(
        HARD_UNITS,
        preset="sudoku9-units-lattice",
        data=replace(HARD_UNITS.data, max_segments=24),
        core=replace(
            LatticeConfig(hidden_size=48, layers=1, loops=16, threshold=0.01, swiglu_norm=True, dtype="auto"), **UNITS
        ),
        learner=replace(HARD_UNITS.learner, depth=((0.0, 8, 1), (0.4, 16, 1))),
    ),
    "maze10x10": MAZE,
    "maze20x20": replace(
        MAZE,
        preset="maze20x20",
        data=replace(MAZE.data, env="HRM-Maze20x20-v0", max_segments=32),
        core=replace(MAZE_CORE, grid_columns=20),
        batch_size=32,
    ),
    "maze": replace(
        MAZE,
        preset="maze",
        data=replace(MAZE.data, env="HRM-Maze-v0", num_puzzles=None),
        core=replace(MAZE_CORE, grid_columns=30),
        batch_size=16,
    ),
    "arc": Fit(
        preset="arc",
        data=Data(env="HRM-ARC-v0"),
        core=replace(SMALL_CORE, mixer="attention", num_heads=2),
        learner=replace(SMALL_LEARNER, learning_rate=1e-3, puzzle_embedding_lr=1e-2),
        batch_size=16,
        updates=3000,
        evaluate_every=750,
    ),
}
"""By name."""
