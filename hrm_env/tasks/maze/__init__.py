"""Mazes: their task, generator and search."""
