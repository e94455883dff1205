"""Our TRM core and its learning against recorded numbers of TinyRecursiveModels, on the CPU in float32."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from agents import relative_error
from fixtures.record_trm import CORES, OPTIONS, RECORDED, SETTING
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.parity_with_reference import our_training, puzzles
from hrm_agent.cores import HRMCarry, make_core
from hrm_agent.cores.hrm import HRMCore

EVERY_MIXER = pytest.mark.parametrize("mixer", CORES)


@cache
def recorded() -> dict[str, Tensor]:
    return load_file(RECORDED)


def core_of(mixer: str) -> HRMCore:
    core = make_core(SETTING.shape, "trm", **CORES[mixer])
    prefix = f"{mixer}/weights/"
    core.load_state_dict({key.removeprefix(prefix): w for key, w in recorded().items() if key.startswith(prefix)})
    assert isinstance(core, HRMCore)
    return core


def test_the_file_is_small() -> None:
    assert RECORDED.stat().st_size <= 200_000


@EVERY_MIXER
@torch.no_grad()
def test_a_segment_from_the_recorded_state(mixer: str) -> None:
    core, batch = core_of(mixer), puzzles(SETTING.batch(0))
    carry = core.initial_carry(OPTIONS.batch_size)
    for segment in range(OPTIONS.segments):
        output = core(carry, batch.inputs, batch.puzzle_id)
        values = output.carry._asdict() | output._asdict()
        for name in ("z_h", "z_l", "logits", "q_halt", "q_continue"):
            expected = recorded()[f"{mixer}/segments/{segment}/{name}"]
            assert relative_error(values[name], expected) <= 1e-5, (segment, name)
        carry = HRMCarry(*(recorded()[f"{mixer}/segments/{segment}/{name}"] for name in ("z_h", "z_l")))


@EVERY_MIXER
def test_ten_training_steps(mixer: str) -> None:
    for number, step in enumerate(our_training(core_of(mixer), SETTING)):
        for name in SETTING.recipe.losses:
            expected = float(recorded()[f"{mixer}/training/{name}"][number])
            assert float(step[name]) == pytest.approx(expected, rel=1e-4), (number, name)
        assert torch.equal(step["halt"], recorded()[f"{mixer}/training/halt"][number]), number
    halts = recorded()[f"{mixer}/training/halt"].sum(0)
    assert halts.min() >= 2  # every slot was refilled
