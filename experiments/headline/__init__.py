"""Sudoku-Extreme from 1,000 puzzles in half an hour on one GPU: docs/headline.md."""
