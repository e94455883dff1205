"""Checkpoints of runs with another state of the run, under a checksum that is right again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from agents import native_env, tiny_agent
from doors import OWN, refusal
from hostile import sealed, taken_apart
from safetensors.torch import load, save

from hrm_agent.checkpoints.training_state import TrainingCheckpoint, restore_training, save_training

Tensors = dict[str, torch.Tensor]
Config = dict[str, Any]


RUNS: dict[str, Callable[[Config], Any]] = {
    "none": lambda c: c.pop("training"),
    "a list": lambda c: c.update(training=[]),
    "empty": lambda c: c.update(training={}),
    "without ranks": lambda c: c["training"].pop("ranks"),
    "other ranks": lambda c: c["training"].update(ranks=[[]]),
    "ranks of numbers": lambda c: c["training"].update(ranks=[3]),
    "no progress": lambda c: c.pop("updates"),
    "progress in text": lambda c: c.update(updates="many"),
    "negative progress": lambda c: c.update(updates=-1),
    "far progress": lambda c: c.update(num_timesteps=10**400),
    "a length in text": lambda c: c["training"].update(total_timesteps="many"),
    "a list of extras": lambda c: c["training"].update(extra=[]),
    "more ranks than tensors": lambda c: c["training"]["ranks"].append({}),
    "no environment": lambda c: c["training"]["ranks"][0].update(environment=3),
    "a part for a tensor": lambda c: c["training"]["ranks"][0]["carry"].update(z_h=3),
    "a word for a part": lambda c: c["training"]["ranks"][0].update(session="x"),
    "a number for a memory": lambda c: c["training"]["ranks"][0]["session"].update(_last_logits=3),
    "other puzzles": lambda c: c["training"]["ranks"][0]["environment"].update(puzzles="0"),
    "a shard": lambda c: c["training"]["ranks"][0]["environment"].update(shard=[3, 2]),
    "steps in text": lambda c: c["training"]["ranks"][0]["sums"].update(steps="x"),
    "steps without sums": lambda c: c["training"]["ranks"][0]["sums"].update(steps=5),
    "sums of numbers": lambda c: c["training"]["ranks"][0]["sums"].update(sums={"loss": 1}),
    "a generator of numpy": lambda c: c["training"]["ranks"][0]["environment"].update(np_random={}),
    "another generator": lambda c: c["training"]["ranks"][0]["environment"]["np_random"].update(
        bit_generator="MT19937"
    ),
    "a wide generator": lambda c: c["training"]["ranks"][0]["environment"]["np_random"]["state"].update(state=2**200),
    "a negative generator": lambda c: c["training"]["ranks"][0]["environment"]["np_random"].update(uinteger=-1),
    "a second number": lambda c: c["training"]["ranks"][0]["random"].update(python_gauss="x"),
    "a place in numpy's": lambda c: c["training"]["ranks"][0]["random"].update(numpy_rest=[10**30, 0, 0.0]),
    "depth": lambda c: c["training"].update(extra=json.loads('{"a":' * 200 + "0" + "}" * 200)),
    "time in text": lambda c: c.update(num_timesteps="many"),
}


@pytest.mark.parametrize("edit", RUNS.values(), ids=RUNS)
def test_other_runs(checkpoint: Path, tmp_path: Path, edit: Callable[[Config], Any]) -> None:
    config, members = taken_apart(checkpoint)
    edit(config)
    path = tmp_path / "agent.zip"
    path.write_bytes(sealed(members | {"config.json": json.dumps(config).encode()}))
    refusal(OWN["resume"][1], path)


NUMBERS_OF_A_RUN: dict[str, tuple[str, Callable[[torch.Tensor], Any], str]] = {
    "a negative puzzle": ("environment/index", lambda t: t.fill_(-1), "index: expected numbers from 0 to "),
    "a far puzzle": ("environment/index", lambda t: t.fill_(2**62), "index: expected numbers from 0 to "),
    "a late segment": ("environment/segment", lambda t: t.fill_(2**62), "segment: expected numbers from 0 to "),
    "the segment after the last": (
        "environment/segment",
        lambda t: t.fill_(4),
        "segment: expected numbers from 0 to 3",
    ),
    "no hidden state": ("carry/z_h", lambda t: t.fill_(torch.nan), "expected finite hidden states"),
    "torch's generator": (
        "random/torch",
        lambda t: t.fill_(255),
        "random: torch: expected the state of torch's generator",
    ),
    "the puzzles' generator": (
        "environment/generator",
        lambda t: t.fill_(255),
        "expected the state of torch's generator",
    ),
    "exploration's generator": (
        "session/policy/generator",
        lambda t: t.fill_(255),
        "'?generator'?: expected the state",
    ),
    "Python's generator": ("random/python", lambda t: t.fill_(-1), "random: python: expected integers of 32 bits"),
    "a place in Python's": (
        "random/python",
        lambda t: t[-1:].fill_(625),
        "random: python: expected .* to 624, found 625",
    ),
    "numpy's generator": ("random/numpy", lambda t: t.fill_(2**40), "random: numpy: expected integers of 32 bits"),
    "a return": ("episodes/returns", lambda t: t.fill_(torch.inf), "expected finite figures of episodes"),
}


@pytest.mark.parametrize(("name", "change", "message"), NUMBERS_OF_A_RUN.values(), ids=NUMBERS_OF_A_RUN)
def test_other_numbers_of_a_run(
    checkpoint: Path, tmp_path: Path, name: str, change: Callable[[torch.Tensor], Any], message: str
) -> None:
    _, members = taken_apart(checkpoint)
    tensors, path = load(members["rank0.safetensors"]), tmp_path / "agent.zip"
    change(tensors[name])
    path.write_bytes(sealed(members | {"rank0.safetensors": save(tensors)}))
    assert re.search(message, refusal(OWN["resume"][1], path))


@pytest.mark.parametrize("part", ["_now/0", "_now/2", "_ended/1", "_ended/2", "_ended/3"])
def test_other_episodes_of_pondernet(tmp_path: Path, part: str) -> None:
    options: dict[str, Any] = {"halt_loss": "pondernet", "q_bootstrap": "none", "halting": "ponder"}
    path = tmp_path / "agent.zip"
    model = tiny_agent(**options).learn(16 * 2)
    save_training(model, path)
    _, members = taken_apart(path)
    tensors = load(members["rank0.safetensors"])
    tensor = tensors[f"halting_loss/{part}"]
    for changed in (tensor.double(), torch.stack([tensor, tensor], -1), tensor[:0]):
        path.write_bytes(sealed(members | {"rank0.safetensors": save({**tensors, f"halting_loss/{part}": changed})}))
        refusal(lambda file: restore_training(tiny_agent(**options), TrainingCheckpoint.read(file)), path)


MEMORIES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "a row more": lambda tensor: torch.cat([tensor, tensor[:1]]),
    "wider": lambda tensor: torch.stack([tensor, tensor], -1),
    "a number": lambda tensor: tensor.view(-1)[0].clone(),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "bits": lambda tensor: tensor.to(torch.uint16),
}
WAYS_TO_REMEMBER: list[dict[str, Any]] = [
    {"halting": "patience:2"},
    {"halting": "any(kl,cdf:0.5)", "q_bootstrap": "second-pass", "exploration_per": "segment"},
    {"halting": "ponder", "halt_loss": "pondernet", "q_bootstrap": "none"},
]


@pytest.mark.parametrize("change", MEMORIES.values(), ids=MEMORIES)
@pytest.mark.parametrize("options", WAYS_TO_REMEMBER, ids=lambda options: str(options["halting"]))
def test_other_memories(tmp_path: Path, options: dict[str, Any], change: Callable[[torch.Tensor], Any]) -> None:
    path = tmp_path / "agent.zip"
    save_training(tiny_agent(native_env(2), **options).learn(2 * 3), path)
    _, members = taken_apart(path)
    tensors = load(members["rank0.safetensors"])
    found = [name for name in tensors if name.startswith(("session/", "halting_loss/")) and "generator" not in name]
    assert len(found) >= 3
    for name in found:
        changed = {**tensors, name: change(tensors[name])}
        path.write_bytes(sealed(members | {"rank0.safetensors": save(changed)}))
        said = refusal(lambda file: restore_training(tiny_agent(native_env(2), **options), read_run(file)), path)
        assert "expected the state of this run, found others" in said or "as many episodes in every part" in said


def read_run(path: Path) -> TrainingCheckpoint:
    return TrainingCheckpoint.read(path)


JSON_OF_A_RUN: dict[str, Callable[[Config], Any]] = {
    "a number more": lambda rank: rank["carry"].update(a=1),
    "no share": lambda rank: rank["environment"].pop("shard"),
    "no number": lambda rank: rank["random"].pop("python_gauss"),
    "a list of a memory": lambda rank: rank["session"].update(_last_logits=[]),
    "a policy in text": lambda rank: rank["session"].update(policy="kl"),
}


@pytest.mark.parametrize("edit", JSON_OF_A_RUN.values(), ids=JSON_OF_A_RUN)
def test_other_json_of_a_run(checkpoint: Path, tmp_path: Path, edit: Callable[[Config], Any]) -> None:
    config, members = taken_apart(checkpoint)
    edit(config["training"]["ranks"][0])
    path = tmp_path / "agent.zip"
    path.write_bytes(sealed(members | {"config.json": json.dumps(config).encode()}))
    refusal(OWN["resume"][1], path)


@pytest.mark.parametrize("place", ["carry/z_h/x", "sums/steps", "/".join("a" * 500)])
def test_tensors_in_places_that_are_taken(checkpoint: Path, tmp_path: Path, place: str) -> None:
    _, members = taken_apart(checkpoint)
    tensors, path = load(members["rank0.safetensors"]), tmp_path / "agent.zip"
    path.write_bytes(sealed(members | {"rank0.safetensors": save({**tensors, place: torch.zeros(1)})}))
    refusal(OWN["resume"][1], path)


STATES_OF_A_RUN: dict[str, Callable[[torch.Tensor], torch.Tensor | None]] = {
    "missing": lambda tensor: None,
    "longer": lambda tensor: torch.cat([tensor.reshape(-1), tensor.reshape(-1)[:1]]),
    "double": lambda tensor: tensor.to(torch.complex64 if tensor.dtype == torch.float64 else torch.float64),
}


@pytest.mark.parametrize("change", STATES_OF_A_RUN)
def test_other_states_of_a_run(checkpoint: Path, tmp_path: Path, change: str) -> None:
    _, members = taken_apart(checkpoint)
    tensors, path = load(members["rank0.safetensors"]), tmp_path / "agent.zip"
    places = ("carry/", "environment/", *(("session/", "halting_loss/") if change == "longer" else ()))
    found = [name for name in tensors if name.startswith(places) and tensors[name].dtype != torch.uint8]
    assert {name.split("/")[0] + "/" for name in found} == set(places)
    for name in found:
        changed = STATES_OF_A_RUN[change](tensors[name])
        others = {other: tensor for other, tensor in tensors.items() if other != name}
        kept = others if changed is None else others | {name: changed}
        path.write_bytes(sealed(members | {"rank0.safetensors": save(kept)}))
        refusal(OWN["resume"][1], path)
