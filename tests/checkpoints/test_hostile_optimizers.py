"""Checkpoints with another state of optimizers, under a checksum that is right again: a kernel would read past it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from agents import tiny_agent
from doors import OWN, refusal
from hostile import sealed, taken_apart
from safetensors.torch import load, save

Tensors = dict[str, torch.Tensor]
Config = dict[str, Any]


STATES: dict[str, Callable[[Tensors, str], Any]] = {
    "wide": lambda t, name: t.update({name: torch.zeros(5, 17)}),
    "flat": lambda t, name: t.update({name: torch.zeros(80)}),
    "a single number": lambda t, name: t.update({name: torch.zeros(())}),
    "empty": lambda t, name: t.update({name: torch.zeros(0)}),
    "double": lambda t, name: t.update({name: t[name].double()}),
    "integers": lambda t, name: t.update({name: t[name].long()}),
    "infinite": lambda t, name: t[name].view(-1)[0].fill_(torch.inf),
    "no number": lambda t, name: t[name].view(-1)[0].fill_(torch.nan),
    "of no optimizer": lambda t, name: t.update({"9.0.exp_avg": t[name].clone()}),
    "of no parameter": lambda t, name: t.update({"0.999.exp_avg": t[name].clone()}),
    "of sign-SGD": lambda t, name: t.update({f"{1 + max(int(n.split('.')[0]) for n in t)}.0.exp_avg": t[name].clone()}),
    "before the first": lambda t, name: t.update({"-1.0.exp_avg": t[name].clone()}),
    "of no name": lambda t, name: t.update({"exp_avg": t[name].clone()}),
    "one more": lambda t, name: t.update({"0.0.max_exp_avg_sq": t[name].clone()}),
}
STEPS: dict[str, Callable[[Tensors], Any]] = {
    "half": lambda t: t.pop("0.0.exp_avg"),
    "no count": lambda t: t.pop("0.0.step"),
    "counts": lambda t: t.update({"0.0.step": t["0.0.step"].expand(3).contiguous()}),
    "another kind of count": lambda t: t.update({"0.0.step": t["0.0.step"].half()}),
    "before its first step": lambda t: t.update({"0.0.step": t["0.0.step"] * 0 - 1}),
    "a negative square": lambda t: t["0.0.exp_avg_sq"].view(-1)[0].fill_(-1.0),
}


@pytest.fixture(scope="module", params=["adamw", "adam-atan2", "muon"])
def of_an_optimizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of an agent that learns with each optimizer, the puzzle embedding with sign-SGD as well."""
    path = tmp_path_factory.mktemp("saved") / "agent.zip"
    tiny_agent(optimizer=request.param, q_bootstrap="none", halting="q-threshold").learn(16 * 2).save(path)
    return path


@pytest.mark.parametrize("edit", STATES.values(), ids=STATES)
def test_other_optimizer_state(of_an_optimizer: Path, tmp_path: Path, edit: Callable[[Tensors, str], Any]) -> None:
    _, members = taken_apart(of_an_optimizer)
    whole, path = load(members["optimizer.safetensors"]), tmp_path / "agent.zip"
    of_each = {name.rpartition(".")[2]: name for name in whole if whole[name].dim()}
    assert of_each.keys() in ({"exp_avg", "exp_avg_sq"}, {"exp_avg", "exp_avg_sq", "momentum_buffer"})
    for name in of_each.values():
        tensors = {other: tensor.clone() for other, tensor in whole.items()}
        edit(tensors, name)
        path.write_bytes(sealed(members | {"optimizer.safetensors": save(tensors)}))
        said = refusal(OWN["load"][1], path)
        assert re.search("expected the optimizer state of its own options, found others|expected finite opt", said)


@pytest.mark.parametrize("door", ["load", "resume"])
@pytest.mark.parametrize("edit", STEPS.values(), ids=STEPS)
def test_incomplete_optimizer_state(
    checkpoint: Path, tmp_path: Path, door: str, edit: Callable[[Tensors], Any]
) -> None:
    _, members = taken_apart(checkpoint)
    tensors, path = load(members["optimizer.safetensors"]), tmp_path / "agent.zip"
    edit(tensors)
    path.write_bytes(sealed(members | {"optimizer.safetensors": save(tensors)}))
    assert re.search("expected (the optimizer state of its own options|no negative)", refusal(OWN[door][1], path))
    path.write_bytes(sealed({name: content for name, content in members.items() if name != "optimizer.safetensors"}))
    assert "expected the state of the optimizers, found none" in refusal(OWN[door][1], path)
