"""Futoshiki: Latin squares with inequality signs."""
