"""Presets of published agents: the HRM paper's, TRM's, and those for the 1,000 puzzles of Sudoku-Extreme."""

from __future__ import annotations

from dataclasses import replace

from hrm_agent.config import HRMConfig, LearnerConfig, TRMConfig

from .options import Data, Fit

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
PUBLISHED: dict[str, Fit] = {
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
"""By name."""
