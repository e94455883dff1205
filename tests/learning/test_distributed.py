"""Several processes learn what one process learns."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from agents import HRM_SHAPED, OF_BLOCKS, SHAPE, tiny_agent, tiny_core
from ranks import on_ranks
from torch import Tensor

from hrm_agent import NonFiniteError, halting
from hrm_agent.config import LearnerConfig
from hrm_agent.cores import CORES, PuzzleShape
from hrm_agent.distributed import (
    AgreedMaximum,
    from_rank0,
    gather_objects,
    max_over_ranks,
    own_device,
    rank,
    rank_seed,
    sum_over_ranks,
    world_size,
)
from hrm_agent.learning.learner import Learner
from hrm_agent.learning.ponder import Episodes, PonderNet
from hrm_env.task import PuzzleBatch

BUDGET, ROWS, STEPS = 3, 4, 20
WAYS: list[dict[str, Any]] = [
    {"halt_loss": "q-learning", "q_bootstrap": "second-pass"},
    {"halt_loss": "q-learning", "q_bootstrap": "next-step"},
    {"halt_loss": "q-learning", "q_bootstrap": "none"},
    {"halt_loss": "pondernet"},
]
COMBINATIONS = [
    *itertools.product(WAYS, ["hrm"], (3, 0)),
    *itertools.product(WAYS[:1], [name for name in CORES if name != "hrm"], (3,)),
]
CASES = {
    "-".join(str(part) for part in (*way.values(), core, ids, "ids")): (way, core, ids)
    for way, core, ids in COMBINATIONS
}
LEARNING: dict[str, Any] = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "token_loss": "softmax",
    "ema": 0.9,
    "max_grad_norm": 1.0,
}
Found = dict[str, Any]


def learn(case: str, ranks: int = 1) -> Found:
    """Trains on this rank's share of the same puzzles; the weights, averages and metrics after all steps."""
    way, name, ids = CASES[case]
    shape = PuzzleShape(SHAPE.seq_len, SHAPE.vocab_size, max(ids, 1))
    # every rank begins with weights of its own, of which rank 0's count
    options = {"mixer": "mlp", "puzzle_positions": min(ids, 1)} if name in OF_BLOCKS else {}
    options |= {"h_cycles": 1} if name in HRM_SHAPED else {}
    core = tiny_core(name, seed=rank(), shape=shape, **options)
    learner = Learner(core, halting.make("q-compare"), BUDGET, LearnerConfig(**LEARNING | way))
    generator = torch.Generator().manual_seed(7)
    share = slice(rank() * ROWS, (rank() + 1) * ROWS) if world_size() > 1 else slice(0, ranks * ROWS)
    total = 2 * ROWS
    segment = torch.zeros(total, dtype=torch.long)[share]
    carry = core.initial_carry(len(segment))
    inputs = torch.zeros(len(segment), shape.seq_len, dtype=torch.long)
    puzzle_id = torch.zeros_like(segment)
    sums: dict[str, float] = {}
    for _ in range(STEPS):
        fresh = torch.randint(1, shape.vocab_size, (total, shape.seq_len), generator=generator)[share]
        fresh_id = torch.randint(0, shape.num_puzzle_ids, (total,), generator=generator)[share]
        begins = segment == 0
        inputs = torch.where(begins.unsqueeze(1), fresh, inputs)
        puzzle_id = torch.where(begins, fresh_id, puzzle_id)
        step = learner.step(carry, PuzzleBatch(inputs, inputs.flip(-1), puzzle_id), segment)
        carry, segment = step.carry, torch.where(step.done, 0, segment + 1)
        for key, value in step.metrics.items():
            sums[key] = sums.get(key, 0.0) + float(value.sum())
    return {"core": core.state_dict(), "average": learner.acting_core.state_dict(), "sums": sums}


def learn_all() -> dict[str, Found]:
    return {case: learn(case) for case in CASES}


@pytest.fixture(scope="module")
def two_ranks() -> list[dict[str, Found]]:
    return on_ranks(2, learn_all)


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_learn_what_one_process_of_both_batches_learns(two_ranks: list[dict[str, Found]], case: str) -> None:
    alone = learn(case, ranks=2)
    first, second = (found[case] for found in two_ranks)
    for part in ("core", "average"):
        for name, wanted in alone[part].items():
            found: Tensor = first[part][name]
            # a step moves a weight by up to 0.001; Adam makes much of the last digits of a gradient near zero
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=5e-5)
            assert torch.equal(found, second[part][name]), f"{name} differs between ranks"
    for name in ("loss", "answer_loss", "halt_loss", "grad_norm"):
        assert (first["sums"][name] + second["sums"][name]) / 2 == pytest.approx(alone["sums"][name], rel=1e-3)
    assert first["sums"]["episodes"] + second["sums"]["episodes"] == alone["sums"]["episodes"] > 0


def broken() -> str:
    """What a rank says after the hidden state of rank 1 alone has become no number."""
    model = tiny_agent(halting="fixed:4").learn(16)
    if rank():
        model._carry.z_h.fill_(math.nan)
    with pytest.raises(NonFiniteError) as caught:
        model.learn(16 * 3, reset_num_timesteps=False)
    return str(caught.value)


def test_a_loss_that_is_no_number_on_one_rank_stops_all() -> None:
    first, second = on_ranks(2, broken)
    assert first == second
    assert "the loss is not finite within" in first


def test_ponders_loss_is_the_mean_of_its_halves_also_before_every_row_has_an_episode() -> None:
    core, generator = tiny_core(mixer="mlp"), torch.Generator().manual_seed(0)
    q_inputs, losses = torch.randn(4, BUDGET, 16, generator=generator), torch.rand(4, BUDGET, generator=generator)
    ended = Episodes(q_inputs, torch.zeros(4, BUDGET), losses, torch.tensor([0, 2, 1, 3]))

    def loss(rows: slice) -> float:
        ponder = PonderNet(LearnerConfig(halt_loss="pondernet"))
        ponder._ended = Episodes(*(part[rows] for part in ended))
        return ponder._halt_loss(core).item()

    halves = [loss(slice(0, 2)), loss(slice(2, 4))]
    assert halves[0] != halves[1]
    assert sum(halves) / 2 == pytest.approx(loss(slice(0, 4)))


def test_a_rank_has_a_seed_of_its_own() -> None:
    assert rank_seed(7) == 7
    assert rank_seed(None) is None
    seeds = on_ranks(2, rank_seed, 7)
    assert len({7, *seeds}) == 3


def agreed_on() -> list[list[int]]:
    """Proposes numbers that each rank has at one step alone; returns what both act on at each step, and the maximum."""
    agreed, me = AgreedMaximum(), rank()
    proposals = [0, 3 * me, 0, 0, 5 - me, 5 - me, 0, 0]
    return [[agreed.propose(number) for number in proposals], [max_over_ranks(me)]]


def test_ranks_act_on_a_number_at_the_same_step() -> None:
    assert on_ranks(2, agreed_on) == 2 * [[[0, 0, 3, 0, 0, 5, 0, 0], [1]]]
    alone = AgreedMaximum()
    assert [alone.propose(number) for number in (0, 3, 0)] == [0, 3, 0]


def exchanged() -> list[Any]:
    sums = sum_over_ranks([torch.tensor([1, 2]) + rank(), torch.tensor(0.5), torch.tensor([[3]])])
    return [*sums, from_rank0(rank()), gather_objects(rank() + 1)]


def test_what_ranks_tell_each_other() -> None:
    first, second = on_ranks(2, exchanged)
    for found in (first, second):
        assert [value.tolist() for value in found[:3]] == [[3, 5], 1.0, [[6]]]
        assert found[3] == 0
    assert (first[4], second[4]) == ([1, 2], [])
    assert [tensor.tolist() for tensor in sum_over_ranks([torch.tensor([4])])] == [[4]]
    assert (from_rank0("x"), gather_objects("x")) == ("x", ["x"])


def test_there_are_no_more_ranks_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in {"WORLD_SIZE": "3", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert own_device(torch.device("cuda")) == torch.device("cuda", 1)
    assert own_device(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="--nproc-per-node: expected at most 2"):
        own_device(torch.device("cuda"))
