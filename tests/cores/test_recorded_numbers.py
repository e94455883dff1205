"""Today's core and learner against numbers of their own that were recorded when they agreed with the reference code."""

from __future__ import annotations

import pytest
import torch
from agents import relative_error
from fixtures.record import LOSSES, RECORDED, SEGMENTS, numbers
from safetensors.torch import load_file
from torch import Tensor


@pytest.fixture(scope="module")
def recorded() -> dict[str, Tensor]:
    return load_file(RECORDED)


@pytest.fixture(scope="module")
def found(recorded: dict[str, Tensor]) -> dict[str, Tensor]:
    return numbers(recorded)


def test_the_file_is_small_and_whole(recorded: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    assert RECORDED.stat().st_size <= 100_000
    assert found.keys() == {name for name in recorded if not name.startswith(("weights/", "puzzles/"))}


@pytest.mark.parametrize("segment", range(SEGMENTS))
def test_segments(recorded: dict[str, Tensor], found: dict[str, Tensor], segment: int) -> None:
    for name in ("z_h", "z_l", "logits", "q_halt", "q_continue"):
        key = f"segments/{segment}/{name}"
        assert relative_error(found[key], recorded[key]) <= 1e-5, key


@pytest.mark.parametrize("name", LOSSES)
def test_training_steps(recorded: dict[str, Tensor], found: dict[str, Tensor], name: str) -> None:
    torch.testing.assert_close(found[f"training/{name}"], recorded[f"training/{name}"], rtol=1e-4, atol=1e-6)


def test_halting_while_training(recorded: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    assert torch.equal(found["training/halt"], recorded["training/halt"])
    assert 0 < int(recorded["training/halt"][:3].sum()) < 12  # some halt before the budget


@pytest.mark.parametrize("name", ["core", "average"])
def test_answers_after_training(recorded: dict[str, Tensor], found: dict[str, Tensor], name: str) -> None:
    key = f"trained/{name}"
    assert relative_error(found[key], recorded[key]) <= 1e-4
    assert relative_error(found[key], recorded["segments/0/logits"]) > 1e-2  # training changed them
