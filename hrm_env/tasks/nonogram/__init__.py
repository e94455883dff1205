"""Nonograms: pictures told by the lengths of their runs."""
