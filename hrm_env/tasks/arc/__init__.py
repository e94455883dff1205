"""ARC: task, grids, files and voting."""
