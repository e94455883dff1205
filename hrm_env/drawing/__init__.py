"""Drawings of puzzles: pictures, coloured text for the terminal, captions, several pictures side by side."""

from hrm_env.drawing.caption import Line, with_caption
from hrm_env.drawing.looks import GREEN, RED
from hrm_env.drawing.picture import Picture, draw_puzzle, side_by_side
from hrm_env.drawing.terminal import write_puzzle

__all__ = ["GREEN", "RED", "Line", "Picture", "draw_puzzle", "side_by_side", "with_caption", "write_puzzle"]
