"""Puzzles that reasoning-gym generates, as tasks of fixed grids."""
