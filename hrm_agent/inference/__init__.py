"""Segments without learning: prediction, evaluation, views and frames to look at."""
