"""A carry may be a dict, hold integers, and have states of any number of axes."""

from __future__ import annotations

import pytest
import torch
from agents import SHAPE, tiny_core
from torch import Tensor

from hrm_agent.cores.carry import chosen_rows, fast_state, slow_state, where_rows, with_parts, with_rows
from hrm_agent.halting.signals import SignalInput, measure
from hrm_agent.inference.views import Views


@pytest.fixture
def carry() -> dict[str, Tensor]:
    """A dict with a flat state, a counter, and a state of many axes."""
    return {"slow": torch.randn(3, 5), "steps": torch.arange(3), "fast": torch.randn(3, 2, 2, 4)}


def test_a_carry_may_be_a_dict_with_integers(carry: dict[str, Tensor]) -> None:
    fresh, rows = {name: part[:1] + 1 for name, part in carry.items()}, torch.tensor([2, 0])
    assert slow_state(carry) is carry["slow"]
    assert fast_state(carry) is carry["fast"]
    assert chosen_rows(carry, rows)["steps"].tolist() == [2, 0]
    assert with_rows(carry, torch.tensor([1]), fresh)["steps"].tolist() == [0, 1, 2]
    reset = where_rows(torch.tensor([False, True, False]), fresh, carry)
    assert torch.equal(reset["fast"][1], fresh["fast"][0])
    assert torch.equal(reset["fast"][::2], carry["fast"][::2])
    assert list(with_parts(carry, dict(reversed(carry.items())))) == list(carry)
    views, tokens = Views(3, None, noise=0.5, segment_noise=0.5), torch.ones(3, 4, dtype=torch.long)
    later = views.disturb(carry, tokens, torch.tensor([2, 2, 2]))
    for noisy in (views.begin(carry, tokens, torch.tensor([True, True, True])), later):
        assert torch.equal(noisy["steps"], carry["steps"])
        assert torch.equal(noisy["slow"][0], carry["slow"][0])
        assert not torch.equal(noisy["fast"][1], carry["fast"][1])


def test_signals_of_any_carry(carry: dict[str, Tensor]) -> None:
    core = tiny_core("gru")
    inputs = torch.ones(3, SHAPE.seq_len, dtype=torch.long)
    output = core(core.initial_carry(3), inputs, inputs[:, 0])
    before = {name: part * 2 for name, part in carry.items()}
    seen = SignalInput(output._replace(carry=carry), before, None, torch.ones(3).bool(), inputs)
    found = measure(seen, ["residual_h", "residual_l", "cosine", "state"])
    torch.testing.assert_close(found["residual_h"], torch.ones(3))
    torch.testing.assert_close(found["residual_l"], torch.ones(3))
    torch.testing.assert_close(found["cosine"], torch.ones(3))
    assert torch.equal(found["state"], carry["slow"])
