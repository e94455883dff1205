"""An evaluation that several processes share gives the figures of one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents import Remembering, every_puzzle_once, native_env, wavering_agent
from ranks import on_ranks

from hrm_agent import HRM

SWEEPS: list[tuple[Any, dict[str, Any]]] = [
    ("q-compare", {}),
    ("random:0.4", {}),
    ("fixed:2", {"num_puzzles": 1}),  # the second process has none
    ("q-threshold:0.5", {"num_puzzles": 7}),
    (Remembering(), {}),
]
FIGURES = ("right", "abstained", "valid", "cells", "answer", "segments", "work", "right_by_segment")


def swept(path: Path) -> list[dict[str, Any]]:
    model = HRM.load(path)
    found = [asdict(model.evaluate(every_puzzle_once(8, **options), policy)) for policy, options in SWEEPS]
    return [{name: torch.as_tensor(value) for name, value in figures.items()} for figures in found]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agent") / "wavering.zip"
    wavering_agent().save(path)
    return path


@pytest.fixture(scope="module")
def ranks(model: Path) -> list[list[dict[str, Any]]]:
    return on_ranks(2, swept, model)


@pytest.fixture(scope="module")
def alone(model: Path) -> list[dict[str, Any]]:
    return swept(model)


@pytest.mark.parametrize("sweep", range(len(SWEEPS)))
def test_two_processes_find_what_one_finds(
    ranks: list[list[dict[str, Any]]], alone: list[dict[str, Any]], sweep: int
) -> None:
    for found in ranks:
        for name in FIGURES:
            np.testing.assert_array_equal(found[sweep][name], alone[sweep][name], err_msg=name)
        np.testing.assert_allclose(found[sweep]["q_halt"], alone[sweep]["q_halt"], rtol=1e-5, atol=1e-5)
        assert float(found[sweep]["seconds"]) == float(ranks[0][sweep]["seconds"])


@pytest.mark.parametrize(("count", "num_envs"), [(1, 4), (3, 4), (7, 2), (60, 8)])
def test_shards_deal_every_puzzle_once(count: int, num_envs: int) -> None:
    seen: list[int] = []
    for first in range(count):
        env = every_puzzle_once(num_envs)
        _, info = env.reset_tensors(options={"shard": (first, count)})
        halt = torch.ones(env.action_space.shape, dtype=torch.long)  # type: ignore[arg-type]
        while bool(info["active"].any()):
            mine = info["index"][info["active"]].tolist()
            assert all(index % count == first for index in mine)
            seen += mine
            info = env.step_tensors(halt)[4]
    assert sorted(seen) == list(range(60))


def test_a_reset_without_a_shard_deals_all_again() -> None:
    env = every_puzzle_once(4)
    env.reset_tensors(options={"shard": (1, 2)})
    assert env.reset_tensors()[1]["index"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_a_shard_is_one_of_so_many(shard: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"shard.*expected \(k, n\) with k from 0 to n - 1, found"):
        native_env().reset_tensors(options={"shard": shard})
