"""Cores of equal size: as many parameters, or operations, as another core has."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import Literal, NamedTuple, get_args

import torch

from hrm_agent.config import CoreConfig
from hrm_agent.cores import CORES
from hrm_agent.cores.core import PuzzleShape
from hrm_agent.cores.flops import segment_flops
from hrm_env.checks import check_choice

By = Literal["parameters", "flops"]
TOLERANCE = 0.01
"""How far a matched number may be from its target, as a share of the target."""


class Size(NamedTuple):
    """The size of a core: its parameters without a puzzle embedding, and the operations of a puzzle's segment."""

    parameters: int
    flops: int


class Matched(NamedTuple):
    """The result of `matched`.

    Attributes:
        config: Options of the matched core.
        size: Its size, in both measures.
        target: Size of the core that it is matched to.
    """

    config: CoreConfig
    size: Size
    target: Size

    def __str__(self) -> str:
        """Returns both measures, each with its ratio to the target's."""
        parameters, flops = (own / other for own, other in zip(self.size, self.target, strict=True))
        return (
            f"{self.config.name}: {self.size.parameters:,} parameters ({parameters:.3f} of the target's), "
            f"{self.size.flops:,} operations a segment ({flops:.3f})"
        )


def size_of(config: CoreConfig, shape: PuzzleShape) -> Size:
    """Returns the size of a core."""
    return Size(_measured(config, shape, "parameters"), _measured(config, shape, "flops"))


def matched(
    config: CoreConfig, target: CoreConfig, shape: PuzzleShape, by: By = "parameters", option: str = "layers"
) -> Matched:
    """Changes one option of a core so that it is as large as another, within 1 %.

    Args:
        config: Options of the core to change.
        target: Options of the core that gives the size.
        shape: The puzzle's sizes.
        by: What is matched: "parameters", or "flops", the operations of a segment.
        option: The integer to change, with which the core grows: "layers", "steps", "hidden_size", "width".

    Raises:
        ValueError: There is no such option, or no value of it leads there.
    """
    check_choice("by", by, get_args(By))
    check_choice("option", option, [field.name for field in fields(config) if type(getattr(config, field.name)) is int])
    aim = size_of(target, shape)
    wanted: int = getattr(aim, by)
    grain: int = getattr(config, "width_multiple", 1) if option == "hidden_size" else 1

    def changed(multiple: int) -> CoreConfig:
        return replace(config, **{option: multiple * grain})

    @cache
    def measure(multiple: int) -> int:
        return _measured(changed(multiple), shape, by)

    high = 1
    while measure(high) < wanted and (high == 1 or measure(high) > measure(high // 2)):
        high *= 2
    low = max(1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if measure(middle) < wanted else (low, middle)
    best = min(low, high, key=lambda multiple: abs(measure(multiple) - wanted))
    if abs(measure(best) - wanted) > TOLERANCE * wanted:
        raise ValueError(
            f"option {option!r}: expected one that brings the core within 1 % of {wanted:,} {by}, "
            f"found {measure(best):,} with {option}={best * grain} at best"
        )
    return Matched(changed(best), size_of(changed(best), shape), aim)


def _measured(config: CoreConfig, shape: PuzzleShape, by: By) -> int:
    """Returns one measure of a core, which is built without memory."""
    with torch.device("meta"):
        core = CORES[config.name](shape, config)
    if by == "flops":
        return segment_flops(core, 1)
    dense = (module for module in core.modules() if not getattr(module, "sparse", False))
    return sum(p.numel() for module in dense for p in module.parameters(recurse=False))
