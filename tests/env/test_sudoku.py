"""Sudoku: the solver, the generator, the rules and the symmetries."""

import hashlib

import numpy as np
import pytest
import torch

from hrm_env.task import PuzzleBatch
from hrm_env.tasks import make_task
from hrm_env.tasks.sudoku.task import Sudoku

SIZES = [(2, 2), (2, 3), (3, 2), (3, 3)]
# a published 17-clue puzzle and its only solution
SEVENTEEN = "000000010400000000020000000000050407008000300001090000300400200050100000000806000"
SOLVED = "693784512487512936125963874932651487568247391741398625319475268856129743274836159"


def digits(text: str) -> np.ndarray:
    return np.array([[int(char) for char in text]], dtype=np.uint8)


def made(size: tuple[int, int], count: int, seed: int = 0, **options: int) -> tuple[Sudoku, np.ndarray, np.ndarray]:
    task = Sudoku(*size)
    puzzles = task.generate(count, np.random.default_rng(seed), **options)
    inputs, solution = puzzles.inputs, puzzles.solution
    return task, inputs, solution


def batch(inputs: np.ndarray, solution: np.ndarray) -> PuzzleBatch:
    tokens = [torch.as_tensor(array).long() for array in (inputs, solution)]
    return PuzzleBatch(tokens[0], tokens[1], torch.zeros(len(inputs), dtype=torch.long))


def test_solver_finds_the_only_solution_of_a_17_clue_puzzle() -> None:
    solver = Sudoku(3, 3).solver
    result = solver.search(solver.candidates(digits(SEVENTEEN)), limit=2)
    assert result.found.tolist() == [1]
    assert "".join(map(str, result.solution[0])) == SOLVED


def test_solver_counts_none_and_several_solutions() -> None:
    solver = Sudoku(3, 3).solver
    empty = "0" * 81
    clash = "11" + "0" * 79
    # row 1 lacks one digit, which already stands in the column of its last cell
    hidden_clash = SOLVED[:8] + "0" + "0" * 17 + SOLVED[8] + "0" * 54
    found = [int(solver.search(solver.candidates(digits(t)), limit=2).found[0]) for t in (empty, clash, hidden_clash)]
    assert found == [2, 0, 0]


@pytest.mark.parametrize(("size", "count"), [((2, 2), 40), ((2, 3), 20), ((3, 3), 2)])
def test_generated_puzzles_are_unique_and_minimal(size: tuple[int, int], count: int) -> None:
    task, inputs, solution = made(size, count)
    clues = (inputs - 1).astype(np.uint8)
    result = task.solver.search(task.solver.candidates(clues), limit=2)
    assert (result.found == 1).all()
    assert np.array_equal(result.solution + 1, solution)
    for puzzle in clues:
        given = np.flatnonzero(puzzle)
        without = np.repeat(puzzle[None], len(given), axis=0)
        without[np.arange(len(given)), given] = 0
        assert (task.solver.search(task.solver.candidates(without), limit=2).found == 2).all()


def test_solutions_are_counted_up_to_two() -> None:
    task, inputs, solution = made((3, 3), 3)
    several = np.where(np.arange(81) < 40, 1, solution[:1]).astype(np.uint8)
    impossible = inputs[:1].copy()
    blank = int((inputs[0] == 1).argmax())
    impossible[0, blank] = 2 + (solution[0, blank] - 1) % 9
    empty = np.ones((1, 81), dtype=np.uint8)
    clash = np.where(np.arange(81) < 2, 2, empty).astype(np.uint8)
    puzzles = np.concatenate([inputs, several, impossible, empty, clash, solution])
    counted = task.count_solutions(puzzles)
    assert counted.tolist() == [1, 1, 1, 2, 0, 2, 0, 1, 1, 1]
    assert counted.dtype == np.int32
    assert task.count_solutions(np.repeat(solution, 2000, axis=0)).tolist() == [1] * 6000  # more than one chunk
    assert task.count_solutions(puzzles[:0]).shape == (0,)


def test_a_box_too_large_for_the_bands_is_solved_cell_by_cell() -> None:
    task, inputs, solution = made((1, 5), 8)
    assert len(task.solver.by_bands.row_bands) == 0
    assert np.array_equal(task.solver.rate(inputs - 1).solution + 1, solution)


def test_a_task_without_a_solver_says_so() -> None:
    task = make_task("copy:4x4")
    with pytest.raises(ValueError, match="copy:4x4: expected a task with a solver, found none"):
        task.count_solutions(np.ones((1, 16), dtype=np.uint8))


def test_clues_are_exact() -> None:
    _, inputs, _ = made((2, 3), 30, clues=14)
    assert ((inputs > 1).sum(axis=1) == 14).all()


def test_impossible_clues_are_refused() -> None:
    with pytest.raises(ValueError, match=r"clues: only 0 of .* grids could be reduced to 2 clues"):
        made((2, 2), 10, clues=2)
    with pytest.raises(ValueError, match="clues: expected an integer from 0 to 16, found 17"):
        made((2, 2), 10, clues=17)


def test_generation_is_seeded() -> None:
    first, again, other = (made((2, 3), 5, seed)[1] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("size", "count", "options", "digest"),
    [
        ((2, 2), 40, {}, "a91cd5c04f27e715"),
        ((2, 3), 20, {}, "340e74a7c9b9fbb8"),
        ((3, 3), 8, {}, "0526c9b7aec0482a"),
        ((2, 3), 10, {"clues": 14}, "b6dedcd9e484cacd"),
        ((3, 3), 10, {"clues": 30}, "4fe9bae6a537ccbd"),
    ],
)
def test_a_seed_names_the_same_puzzles_in_every_release(
    size: tuple[int, int], count: int, options: dict[str, int], digest: str
) -> None:
    _, inputs, solution = made(size, count, seed=7, **options)
    assert hashlib.sha256(inputs.tobytes() + solution.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("size", SIZES)
def test_symmetric_variants_are_valid_different_and_of_the_same_class(size: tuple[int, int]) -> None:
    task, inputs, solution = made(size, 12)
    variant = task.augment(batch(inputs, solution), torch.Generator().manual_seed(1))
    assert task.check(variant.inputs, variant.solution).all()
    assert not (variant.inputs == torch.as_tensor(inputs)).all(-1).any()
    tokens = variant.inputs.numpy().astype(np.uint8)
    assert np.array_equal(task.symmetry_key(tokens), task.symmetry_key(inputs))
    assert (task.solver.search(task.solver.candidates(tokens - 1), limit=2).found == 1).all()
    assert np.array_equal((tokens > 1).sum(axis=1), (inputs > 1).sum(axis=1))


def test_augmentation_reaches_every_symmetry_of_4x4() -> None:
    """One puzzle has 4!·(2·2·2)²·2 = 3,072 variants if it has no symmetry of its own; all must be drawn."""
    task, inputs, solution = made((2, 2), 60)
    asymmetric = max(range(60), key=lambda row: len(_variants(task, inputs[row], solution[row], 2000)))
    assert len(_variants(task, inputs[asymmetric], solution[asymmetric], 60_000)) == 3072


def test_augmentation_prefers_no_digit_and_no_cell() -> None:
    task, inputs, solution = made((2, 2), 1)
    many = task.augment(
        batch(np.repeat(inputs, 8000, 0), np.repeat(solution, 8000, 0)), torch.Generator().manual_seed(0)
    )
    clues = (inputs > 1).mean()
    for digit in range(2, 6):
        assert ((many.solution == digit).float().mean(0) - 1 / 4).abs().max() < 0.03
    assert ((many.inputs > 1).float().mean(0) - clues).abs().max() < 0.03


def _variants(task: Sudoku, inputs: np.ndarray, solution: np.ndarray, draws: int) -> set[bytes]:
    many = batch(np.repeat(inputs[None], draws, 0), np.repeat(solution[None], draws, 0))
    drawn = task.augment(many, torch.Generator().manual_seed(0)).inputs.numpy().astype(np.uint8)
    return {row.tobytes() for row in drawn}


def test_minimal_4x4_puzzles_fall_into_the_36_known_classes() -> None:
    task, inputs, _ = made((2, 2), 3000)
    assert len(np.unique(task.symmetry_key(inputs))) == 36


def test_check_sees_changed_givens_and_broken_rules() -> None:
    task, inputs, solution = made((2, 3), 1)
    right = batch(inputs, solution)
    wrong = right.solution.clone()
    blank = int((right.inputs[0] == 1).nonzero()[0])
    wrong[0, blank] = 2 + (wrong[0, blank] - 1) % 6
    relabelled = torch.where(right.solution == 2, 3, torch.where(right.solution == 3, 2, right.solution))
    assert task.check(right.inputs, right.solution).tolist() == [True]
    assert task.check(right.inputs, wrong).tolist() == [False]
    assert task.satisfies_rules(right.inputs, relabelled).tolist() == [True]
    assert task.keeps_givens(right.inputs, relabelled).tolist() == [False]
    assert task.check(right.inputs, torch.zeros_like(wrong)).tolist() == [False]


@pytest.mark.parametrize("name", ["sudoku:3x3", "sudoku:2x2", "copy:4x4"])
def test_text_round_trip(name: str) -> None:
    task = make_task(name)
    solution = task.generate(3, np.random.default_rng(0)).solution
    for row in solution:
        assert np.array_equal(task.encode(task.decode(row)), row)


def test_bad_names_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"task: expected a PuzzleTask or one of sudoku:.*found 'chess:8x8'"):
        make_task("chess:8x8")
    with pytest.raises(ValueError, match="expected a box of 4 to 16 cells, found 1x2 with 2"):
        Sudoku(1, 2)
