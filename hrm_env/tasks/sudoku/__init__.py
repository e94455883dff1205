"""Sudoku: task, solver, generator and ratings."""
