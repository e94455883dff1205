"""The options of cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from hrm_agent.limits import MOST_OF_A_KIND, check_passes
from hrm_env.checks import check_choice, check_flag, check_integer, check_number, shortened
from hrm_env.puzzles import MOST_TOKENS

Mixer = Literal["attention", "mlp", "units", "neighbours"]
MixerNorm = Literal["features", "positions"]
Gradient = Literal["one-step", "last-cycle", "full"]
Positions = Literal["rope", "rope-2d", "learned", "learned-2d", "none"]
Precision = Literal["float32", "bfloat16"]
PrecisionOrAuto = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class CoreConfig:
    """Base class of the options of a core: a frozen dataclass of values that JSON can hold, checked when it is made.

    Attributes:
        name: The core's name, in files and on the command line.
    """

    name: ClassVar[str]

    @property
    def passes(self) -> int:
        """Passes of a row through a block in a segment at full depth; at most `MOST_PASSES`."""
        return 1

    @property
    def cycles(self) -> tuple[int, int] | None:
        """High-level cycles N and low-level steps T that a depth curriculum changes; None where there are none."""
        return None


@dataclass(frozen=True)
class BlockConfig(CoreConfig):
    """Options of all cores that are built of the same blocks: width, blocks, positions, gradient, precision.

    Attributes:
        hidden_size: Width D.
        num_heads: Attention heads.
        expansion: Width factor of the feed-forward layers, before their 2/3 (SwiGLU).
        mixer: How a block mixes positions: ``"attention"``, ``"mlp"``, for Sudoku ``"units"``, which makes every
            digit of every cell a position and treats all of them alike (`hrm_agent.cores.units`), or, for mazes,
            ``"neighbours"``, which tells a cell those beside it (`hrm_agent.cores.neighbours`).
        box: Rows and columns of a box, with mixer ``"units"``; else None.
        feed_forward_multiple: The inner width of a feed-forward layer is rounded up to a multiple of this.
        mixer_multiple: The inner width of an MLP mixer is rounded up to a multiple of this.
        mixer_norm: What a state is normalised over after an MLP mixer.
        swiglu_norm: Normalise the gated product inside every SwiGLU, as Muon at a high rate wants it.
        positions: How attention knows positions: rotary embeddings, or learned ones added to the input; ``"-2d"`` gives
            a cell its row and its column apart, in a grid of ``grid_columns`` columns. An MLP mixer needs none.
        grid_columns: Columns of the grid, where positions are two-dimensional or neighbours are mixed; else None.
        puzzle_positions: Extra positions P in front of the puzzle, filled by the puzzle embedding; the Q head reads the
            first position.
        embedded_positions: Number of them that the puzzle embedding fills, the others being zeros; None for all.
        gradient: ``"one-step"`` backpropagates through the last step of each module only (the paper), ``"last-cycle"``
            through the last high-level cycle, ``"full"`` through the whole segment.
        dtype: Precision of the activations; weights are float32. ``"auto"`` is bfloat16 where matrix multiplication has
            it in hardware (CUDA, AMX, AVX-512 BF16), else float32.
    """

    depth_options: ClassVar[dict[str, int]]
    """The options that `passes` follows from, two or more, each with the least that it may be."""

    hidden_size: int = 512
    num_heads: int = 8
    expansion: float = 4.0
    mixer: Mixer = "attention"
    box: tuple[int, int] | None = None
    feed_forward_multiple: int = 256
    mixer_multiple: int = 32
    mixer_norm: MixerNorm = "features"
    swiglu_norm: bool = False
    positions: Positions = "rope"
    grid_columns: int | None = None
    puzzle_positions: int = 1
    embedded_positions: int | None = None
    gradient: Gradient = "one-step"
    dtype: PrecisionOrAuto = "float32"

    def __post_init__(self) -> None:
        """Checks types and ranges: what no core can be built from, or would be too much work, is refused."""
        choices = {"mixer": Mixer, "mixer_norm": MixerNorm, "positions": Positions}
        choices |= {"gradient": Gradient, "dtype": PrecisionOrAuto}
        for name, choice in choices.items():
            check_choice(name, getattr(self, name), get_args(choice))
        counts = dict.fromkeys(("hidden_size", "num_heads", "mixer_multiple", "feed_forward_multiple"), 1)
        counts |= {"puzzle_positions": 0, **self.depth_options}
        for name, low in counts.items():
            object.__setattr__(self, name, check_integer(name, getattr(self, name), low, MOST_OF_A_KIND))
        check_flag("swiglu_norm", self.swiglu_norm)
        if self.embedded_positions is not None:
            check_integer("embedded_positions", self.embedded_positions)
        if self.puzzle_positions and not 1 <= self.embedding_positions <= self.puzzle_positions:
            raise ValueError(
                f"embedded_positions: expected 1 to puzzle_positions = {self.puzzle_positions}, "
                f"found {shortened(self.embedded_positions)}"
            )
        self._check_positions()
        self._check_mixer()
        if check_number("expansion", self.expansion, 0, MOST_OF_A_KIND) == 0:
            raise ValueError(f"expansion: expected more than 0, found {self.expansion}")
        if self.hidden_size % self.width_multiple:
            raise ValueError(
                f"hidden_size: expected a multiple of {self.width_multiple // self.num_heads} * num_heads = "
                f"{self.width_multiple} with positions {self.positions!r}, found {self.hidden_size}"
            )
        *others, last = self.depth_options
        check_passes(f"{', '.join(others)} and {last}", self.passes)

    def _check_positions(self) -> None:
        if self.positions.endswith("-2d") or self.mixer == "neighbours":
            check_integer("grid_columns", self.grid_columns, 1, MOST_OF_A_KIND)
        elif self.grid_columns is not None:
            raise ValueError(
                f"grid_columns: expected None with positions {self.positions!r}, found {self.grid_columns}"
            )

    def _check_mixer(self) -> None:
        if self.mixer == "units":
            if not isinstance(self.box, tuple | list) or len(self.box) != 2:
                raise ValueError(f"box: expected its rows and columns with mixer 'units', found {shortened(self.box)}")
            object.__setattr__(self, "box", tuple(check_integer("box", side, 1, MOST_TOKENS) for side in self.box))
        elif self.box is not None:
            raise ValueError(f"box: expected None with mixer {self.mixer!r}, found {shortened(self.box)}")
        if self.mixer in ("units", "neighbours") and self.puzzle_positions:
            raise ValueError(f"puzzle_positions: expected 0 with mixer {self.mixer!r}, found {self.puzzle_positions}")

    @property
    def width_multiple(self) -> int:
        """What the width is a multiple of, so that every head has pairs to rotate by each coordinate."""
        return self.num_heads * (4 if self.positions == "rope-2d" else 2)

    @property
    def embedding_positions(self) -> int:
        """Positions that the puzzle embedding fills."""
        return self.puzzle_positions if self.embedded_positions is None else self.embedded_positions


@dataclass(frozen=True)
class HRMConfig(BlockConfig):
    """Options of HRM; the defaults are the paper's (27,275,266 parameters on 9x9 Sudoku). For others see `BlockConfig`.

    Attributes:
        h_layers: Blocks of the slow module H; 0 makes one network of the two, that of L (TRM).
        l_layers: Blocks of the fast module L.
        h_cycles: High-level cycles N of a segment.
        l_cycles: Low-level steps T of a cycle.
    """

    name: ClassVar[str] = "hrm"
    depth_options: ClassVar[dict[str, int]] = {"h_cycles": 1, "l_cycles": 1, "h_layers": 0, "l_layers": 1}

    h_layers: int = 4
    l_layers: int = 4
    h_cycles: int = 2
    l_cycles: int = 2

    @property
    def passes(self) -> int:
        """Blocks that a row passes through in a segment at full depth."""
        return self.h_cycles * (self.l_cycles * self.l_layers + (self.h_layers or self.l_layers))

    @property
    def cycles(self) -> tuple[int, int]:
        """High-level cycles N and low-level steps T at full depth."""
        return self.h_cycles, self.l_cycles


@dataclass(frozen=True)
class TRMConfig(HRMConfig):
    """Options of TRM: those of HRM, with the defaults of TinyRecursiveModels.

    One network of two blocks is both f_L and f_H (``h_layers`` 0), a segment is N = 3 cycles of T = 6 steps, the
    gradient goes through the last cycle, and 16 positions stand in front of the puzzle, the first of which holds the
    puzzle embedding: on 9x9 Sudoku 6,828,034 parameters with attention and 5,028,866 with ``mixer="mlp"``, beside that
    embedding. Its MLP mixer normalises over the positions. What TRM calls the answer y and the latent z are z_H and z_L
    here. For the attributes see `HRMConfig` and `BlockConfig`.
    """

    name: ClassVar[str] = "trm"

    h_layers: int = 0
    l_layers: int = 2
    h_cycles: int = 3
    l_cycles: int = 6
    mixer_multiple: int = 256
    mixer_norm: MixerNorm = "positions"
    puzzle_positions: int = 16
    embedded_positions: int | None = 1
    gradient: Gradient = "last-cycle"
