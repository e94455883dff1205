"""Mazes: task, generator and search."""
