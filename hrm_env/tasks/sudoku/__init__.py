"""Sudoku: its task, solver, generator and ratings."""
