"""Segments without learning: prediction, evaluation, views of a puzzle, and frames to draw."""
