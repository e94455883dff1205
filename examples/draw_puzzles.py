"""Pictures for a paper or a page: each kind of puzzle with an answer that is partly wrong.

python -m examples.draw_puzzles docs/images/puzzles.png
"""

import sys

import numpy as np
from PIL import Image

from hrm_env import draw_puzzle, load_puzzles, make_task


def puzzle(name: str, index: int, wrong: dict[int, int]) -> np.ndarray:
    """A generated puzzle of a family with its solution as answer, but for the k-th open cells in ``wrong``."""
    task = make_task(name)
    puzzles = load_puzzles(task, num_puzzles=8)
    inputs, answer = puzzles.inputs[index], puzzles.solution[index].copy()
    open_cells = np.flatnonzero((inputs == task.blank_id) if task.blank else (answer > 1))
    for number, token in wrong.items():
        answer[open_cells[number]] = token
    return draw_puzzle(task, inputs, answer, puzzles.solution[index])


def maze(index: int) -> np.ndarray:
    """A generated maze in which the answer leaves the stored path and finds it again."""
    task = make_task("maze:30x30")
    free, path = (1 + task.alphabet.index(character) for character in " o")
    puzzles = load_puzzles(task, num_puzzles=8)
    inputs, solution = puzzles.inputs[index], puzzles.solution[index]
    answer = solution.copy()
    answer[np.flatnonzero(solution == path)[20:30]] = free
    answer[np.flatnonzero((inputs == free) & (solution != path))[150:160]] = path
    return draw_puzzle(task, inputs, answer, solution)


if __name__ == "__main__":
    sudoku, labyrinth = puzzle("sudoku:3x3", 0, {2: 5, 17: 1}), maze(0)
    arc = puzzle("arc:30x30", 2, {3: 4, 11: 6})
    side = np.full((arc.shape[0], (sudoku.shape[1] + labyrinth.shape[1] - arc.shape[1]) // 2, 3), 255, dtype=np.uint8)
    above, below = np.hstack([sudoku, labyrinth]), np.hstack([side, arc, side])
    Image.fromarray(np.vstack([above, below])).save(sys.argv[1])
