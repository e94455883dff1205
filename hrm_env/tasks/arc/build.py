"""Builds puzzles from ARC tasks: many variants of every task, and no test answer among the training pairs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from hrm_env.checks import check_integer
from hrm_env.puzzles import BLANK_NAME, Puzzles, Tokens
from hrm_env.sources.generated import LARGEST_SEED, Split, check_split
from hrm_env.task import PuzzleTask
from hrm_env.tasks.arc.files import ArcTask, Pair, read_tasks
from hrm_env.tasks.arc.grids import SYMMETRIES, UNCHANGED, Variant, place
from hrm_env.tasks.arc.leaks import without_leaks

_MOST_AUGMENTATIONS = 1_000_000
_TRIES = 5  # per variant, as in the reference code


@dataclass(frozen=True)
class ArcBuild:
    """Training and test puzzles of ARC that belong together.

    Attributes:
        train: All pairs of the training tasks and the demonstrations of the evaluation tasks.
        test: The test pairs of the evaluation tasks, with the same `names` as ``train``.
        left_out: One sentence for each training task and demonstration left out because it reveals a test answer.
    """

    train: Puzzles
    test: Puzzles
    left_out: tuple[str, ...]


def read_arc(
    task: PuzzleTask, path: str | Path, *, split: Split = "train", augmentations: int = 0, puzzle_seed: int = 0
) -> Puzzles:
    """Reads evaluation tasks. The two splits belong together if ``augmentations`` is the same.

    Args:
        task: The canvas, an `hrm_env.tasks.arc.task.Arc`.
        path: Path of a file or folder, as in `hrm_env.tasks.arc.files.read_tasks`.
        split: ``"train"`` for the demonstrations, ``"test"`` for the test pairs.
        augmentations: Number of variants of every task besides the task itself.
        puzzle_seed: Seed for the positions of the training grids.

    Returns:
        Puzzles in the form of `build_arc`; `skipped` counts the demonstrations left out of ``"train"``.

    Raises:
        ValueError: A file or an option is invalid; the message names it.
    """
    check_split(split)
    _check_options(augmentations, puzzle_seed)
    puzzles = _puzzles(task, _plan(task, [], [path], augmentations), split, puzzle_seed)
    if not len(puzzles):
        raise ValueError(f"{path}: expected at least one {split} pair, found none")
    return puzzles


def build_arc(
    task: PuzzleTask,
    training: Sequence[str | Path],
    evaluation: Sequence[str | Path],
    augmentations: int = 0,
    seed: int = 0,
) -> ArcBuild:
    """Builds the data set of the HRM reference code (``dataset/build_arc_dataset.py``) without its leaks.

    A task and each of its variants, which differ in colours, symmetry and content, have their own puzzle id. There are
    fewer variants than requested if five tries per variant do not find enough. The variants of a task are always the
    same, so splits and data sets agree on them. A `group` is a task. The rows of a puzzle id are contiguous and in the
    file's order. Training grids have random positions, except for one pair of every puzzle id; test grids lie in the
    corner. Unpublished outputs are PAD, and pairs without an output are not in the training split.

    Training leaves out every pair that equals a test pair of an evaluation task up to colours and symmetries.

    Args:
        task: The canvas.
        training: Files and folders of tasks whose pairs are all for training.
        evaluation: Files and folders of tasks whose demonstrations are for training and whose tests are the test split.
        augmentations: Number of variants of every task besides the task itself; 1000 in the paper.
        seed: Seed for the positions of the training grids.

    Raises:
        ValueError: A file or an option is invalid; the message names it.
    """
    _check_options(augmentations, seed, seed_called="seed")
    plan = _plan(task, training, evaluation, augmentations)
    return ArcBuild(_puzzles(task, plan, "train", seed), _puzzles(task, plan, "test", seed), plan.left_out)


def _check_options(augmentations: int, seed: int, seed_called: str = "puzzle_seed") -> None:
    check_integer("augmentations", augmentations, 0, _MOST_AUGMENTATIONS)
    check_integer(seed_called, seed, 0, LARGEST_SEED)


class _Plan(NamedTuple):
    """The content of a data set; ``variants[i]`` are the variants of ``tasks[i]``, beginning with the task itself."""

    tasks: list[ArcTask]  # their pairs are listed under the split that uses them
    variants: list[list[Variant]]
    names: tuple[str, ...]
    left_out: tuple[str, ...]


def _plan(
    canvas: PuzzleTask, training: Sequence[str | Path], evaluation: Sequence[str | Path], augmentations: int
) -> _Plan:
    if augmentations and canvas.spec.height != canvas.spec.width:
        raise ValueError(f"augmentations: expected 0 unless the canvas is square, found {canvas.spec.name}")
    for_training, evaluated, left_out = without_leaks(read_tasks(canvas, training), read_tasks(canvas, evaluation))
    tasks = [_all_for_training(task) for task in for_training] + evaluated
    ids = {task.id for task in evaluated}
    twice = next((task.id for task in for_training if task.id in ids), None)
    if twice is not None:
        raise ValueError(f"task {twice}: expected it in training or in evaluation, found it in both")
    if not tasks:
        raise ValueError("training, evaluation: expected at least one file or folder, found none")
    variants = [_draw_variants(task, augmentations) for task in tqdm(tasks, "variants", delay=1, leave=False)]
    names = [variant.name(task.id) for task, own in zip(tasks, variants, strict=True) for variant in own]
    return _Plan(tasks, variants, (BLANK_NAME, *names), left_out)


def _all_for_training(task: ArcTask) -> ArcTask:
    pairs = [pair for pair in task.pairs["train"] + task.pairs["test"] if pair.output is not None]
    return ArcTask(task.id, {"train": pairs, "test": []})


def _draw_variants(task: ArcTask, count: int) -> list[Variant]:
    """Returns the task itself and up to ``count`` variants of different content, from a fixed series."""
    rng = np.random.default_rng(zlib.crc32(task.id.encode()))
    pairs = task.pairs["train"] + task.pairs["test"]
    found = {_content(pairs, UNCHANGED): UNCHANGED}
    for _ in range(_TRIES * count):
        if len(found) > count:
            break
        colours = np.append(0, 1 + rng.permutation(9)).astype(np.uint8)
        variant = Variant(int(rng.integers(len(SYMMETRIES))), colours)
        found.setdefault(_content(pairs, variant), variant)
    return list(found.values())


def _content(pairs: Sequence[Pair], variant: Variant) -> tuple[bytes, ...]:
    """Returns a key that differs between variants and ignores the order of the pairs."""
    grids = ([variant.apply(grid) for grid in pair if grid is not None] for pair in pairs)
    return tuple(sorted(b"".join(bytes(grid.shape) + grid.tobytes() for grid in pair) for pair in grids))


def _puzzles(canvas: PuzzleTask, plan: _Plan, split: Split, seed: int) -> Puzzles:
    """Returns the rows of one split, in arrays that are allocated once."""
    pairs = [task.pairs[split] for task in plan.tasks]
    num_pairs, num_variants = list(map(len, pairs)), list(map(len, plan.variants))
    rows = np.multiply(num_pairs, num_variants, dtype=np.int64)
    shape = int(rows.sum()), canvas.spec.seq_len
    inputs, solution = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    ends = np.cumsum(rows)[:-1]
    by_task = (
        np.split(tokens.reshape(-1, canvas.spec.height, canvas.spec.width), ends) for tokens in (inputs, solution)
    )
    rng = np.random.default_rng(seed) if split == "train" else None
    parts = zip(*by_task, pairs, plan.variants, strict=True)
    for asked, answered, own, variants in tqdm(parts, split, len(plan.tasks), delay=1, leave=False):
        _fill(asked, answered, own, variants, rng)
    return Puzzles(
        inputs,
        solution,
        puzzle_id=np.repeat(np.arange(1, len(plan.names), dtype=np.int32), np.repeat(num_pairs, num_variants)),
        group=np.repeat(np.arange(len(rows), dtype=np.int32), rows),
        names=plan.names,
        skipped=len(plan.left_out) if split == "train" else 0,
    )


def _fill(
    inputs: Tokens,
    solution: Tokens,
    pairs: Sequence[Pair],
    variants: Sequence[Variant],
    rng: np.random.Generator | None,
) -> None:
    """Writes the variants of one task; with ``rng``, all pairs of a variant but one have random positions."""
    where = np.zeros((len(variants), len(pairs), 2))  # share of the free rows above and of the free columns to the left
    if rng is not None and pairs:
        where = rng.random(where.shape)
        where[np.arange(len(variants)), rng.integers(len(pairs), size=len(variants))] = 0
    _, height, width = inputs.shape
    rows = zip(inputs, solution, where.reshape(-1, 2).tolist(), product(variants, pairs), strict=True)
    for asked, answered, (above, left), (variant, pair) in rows:
        grids = [variant.apply(grid) for grid in pair if grid is not None]
        row = int(above * (height + 1 - max(len(grid) for grid in grids)))
        column = int(left * (width + 1 - max(grid.shape[1] for grid in grids)))
        for canvas, grid in zip((asked, answered), grids, strict=False):  # an unpublished output stays PAD
            place(canvas, grid, row, column)
