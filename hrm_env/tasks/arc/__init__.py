"""ARC: its task, grids, files and voting."""
