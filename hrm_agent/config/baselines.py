"""The options of the cores that HRM is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from hrm_agent.config.core import BlockConfig, CoreConfig, Gradient
from hrm_agent.limits import MOST_OF_A_KIND, check_passes
from hrm_env.checks import check_choice, check_integer

Injection = Literal["every-step", "first-step"]


@dataclass(frozen=True)
class RNNConfig(BlockConfig):
    """Options of one module at one time scale: HRM without its hierarchy. For others see `BlockConfig`.

    The defaults take as many steps as the paper's HRM updates its states, with the operations of its segment and half
    its parameters; ``layers=8, steps=3`` has both its operations and its parameters.

    Attributes:
        layers: Blocks of the module.
        steps: Steps k of a segment, each of which applies all blocks. A depth curriculum sees one cycle of k steps.
        injection: Whether the puzzle is added to the state before every step, or before a segment's first alone.
    """

    name: ClassVar[str] = "rnn"
    depth_options: ClassVar[dict[str, int]] = {"layers": 1, "steps": 1}

    layers: int = 4
    steps: int = 6
    injection: Injection = "every-step"

    def __post_init__(self) -> None:
        """Checks types and ranges.

        Raises:
            ValueError: Names the first option that is of another type or out of range; or the gradient would reach no
                step to which the puzzle is added.
        """
        super().__post_init__()
        check_choice("injection", self.injection, get_args(Injection))
        if self.injection == "first-step" and self.gradient == "one-step" and self.steps > 1:
            raise ValueError("gradient: expected 'full' with injection 'first-step', found 'one-step'")

    @property
    def passes(self) -> int:
        """How many blocks a row passes through in a segment at full depth."""
        return self.layers * self.steps

    @property
    def cycles(self) -> tuple[int, int]:
        """One cycle of all steps."""
        return 1, self.steps


@dataclass(frozen=True)
class RecurrentTransformerConfig(RNNConfig):
    """Options of a transformer that applies its blocks k times (Universal Transformer, arXiv 1807.03819).

    The puzzle is the state before the first step, and the gradient goes through all steps. For the attributes see
    `RNNConfig`.
    """

    name: ClassVar[str] = "recurrent-transformer"

    injection: Injection = "first-step"
    gradient: Gradient = "full"


@dataclass(frozen=True)
class TransformerConfig(RecurrentTransformerConfig):
    """Options of a plain transformer: its blocks are applied once. For the attributes see `RNNConfig`.

    With ``max_segments=1`` it predicts directly, as in the paper; with more, deep supervision is its outer loop. The
    defaults have as many parameters as the paper's HRM.
    """

    name: ClassVar[str] = "transformer"

    layers: int = 8
    steps: int = 1


@dataclass(frozen=True)
class GRUConfig(CoreConfig):
    """Options of a GRU in every cell that hears from all other cells.

    Attributes:
        width: Width D of the state.
        steps: Steps of a segment.
    """

    name: ClassVar[str] = "gru"

    width: int = 64
    steps: int = 2

    def __post_init__(self) -> None:
        """Refuses sizes that no file may ask for.

        Raises:
            ValueError: Names the first option that is of another type or out of range.
        """
        for name in ("width", "steps"):
            object.__setattr__(self, name, check_integer(name, getattr(self, name), 1, MOST_OF_A_KIND))
        check_passes("steps", self.passes)

    @property
    def passes(self) -> int:
        """Steps of a cell in a segment."""
        return self.steps
