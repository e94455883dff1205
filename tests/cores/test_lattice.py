"""The lattice core: what it is given, what it learns from, what it answers, and that it learns Sudoku."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from agents import SHAPE, tiny_core
from torch import Tensor

from hrm_agent import HRM
from hrm_agent.config import LatticeConfig
from hrm_agent.cores import LatticeCore, SegmentOutput, make_core
from hrm_agent.cores.compiling import compiled_pieces
from hrm_agent.cores.deduction import LatticeCarry
from hrm_agent.cores.flops import segment_flops
from hrm_agent.cores.layers import ReasoningModule
from hrm_agent.inference.views import Views
from hrm_agent.learning.losses import softmax
from hrm_agent.traces.record import record
from hrm_agent.traces.replay import replay

PUZZLE = torch.tensor([[2, 1, 3, 1, 1, 4]])  # 1 is a blank cell
SOLUTION = torch.tensor([[2, 3, 3, 4, 2, 4]])


def lattice(**options: Any) -> LatticeCore:
    return cast(LatticeCore, tiny_core("lattice", **{"loops": 2, **options}))


def segment(core: LatticeCore, carry: LatticeCarry | None = None, inputs: Tensor = PUZZLE) -> SegmentOutput:
    output: SegmentOutput = core(carry or core.initial_carry(len(inputs)), inputs, inputs[:, 0] * 0)
    return output


def test_given_cells_have_one_candidate_and_blank_cells_all() -> None:
    candidates = segment(lattice()).extra[3]
    assert candidates[0].sum(-1).tolist() == [1, 5, 1, 5, 5, 1]
    assert [int(candidates[0, cell].long().argmax()) for cell in (0, 2, 5)] == [2, 3, 4]
    candidates = segment(lattice(blank=None)).extra[3]
    assert candidates.all()


def test_the_answer_is_the_most_probable_candidate() -> None:
    core = lattice()
    carry = core.initial_carry(1)
    carry.struck[0, 1] = torch.tensor([1, 1, 1, 0, 0])
    output = segment(core, carry)
    answer = output.logits.argmax(-1)[0]
    assert answer[[0, 2, 5]].tolist() == [2, 3, 4]
    last = output.extra[0][0, -1]
    assert answer[1] == 3 + last[1, 3:].argmax()
    assert answer[3] == last[3].argmax()


def test_the_loss_of_a_sound_state_is_that_of_every_loop_and_of_no_conflict() -> None:
    core = lattice(loops=3, conflict_weight=0.5)
    output = segment(core)
    readings, keeps, conflicts, *_ = output.extra
    assert readings.shape == keeps.shape == (1, 3, 6, 5)
    cells = torch.stack([F.cross_entropy(readings[0, loop], SOLUTION[0]) for loop in range(3)]).mean()
    expected = cells + keep_loss(keeps[0], SOLUTION[0]) + 0.5 * F.softplus(conflicts).mean()
    torch.testing.assert_close(core.answer_loss(output, SOLUTION, softmax)[0], expected)


def keep_loss(keeps: Tensor, solution: Tensor, lost: int | None = None) -> Tensor:
    """Half the mean over loops, cells and tokens of -8 log σ for the solution's token and of -log(1 - σ) for others."""
    losses = F.softplus(keeps)
    for cell in range(len(solution)):
        if cell != lost:
            losses[:, cell, solution[cell]] = 8 * F.softplus(-keeps[:, cell, solution[cell]])
    return 0.5 * losses.mean()


def test_the_answer_head_learns_nothing_from_an_unsound_state() -> None:
    core = lattice()
    carry = core.initial_carry(1)
    carry.struck[0, 1, 3] = 1  # the solution of cell 1
    output = segment(core, carry)
    loss = core.answer_loss(output, SOLUTION, softmax)
    expected = keep_loss(output.extra[1][0], SOLUTION[0], lost=1) + F.softplus(-output.extra[2]).mean()
    torch.testing.assert_close(loss[0], expected)
    loss.sum().backward()
    assert core.answer_head.weight.grad is None or not core.answer_head.weight.grad.any()
    assert core.conflict_head.weight.grad is not None
    assert core.conflict_head.weight.grad.any()
    ungraded = SOLUTION.clone()
    ungraded[0, 1] = 0
    assert core.answer_loss(segment(core, carry), ungraded, softmax)[0] > 1  # what is not graded is not missed


def test_training_goes_back_from_unsound_states() -> None:
    core = lattice(threshold=0.0)  # nothing ever follows
    carry = core.initial_carry(1)._replace(depth=torch.tensor([1]))
    carry.guesses[0, 0] = 1 * 5 + 2
    carry.struck[0, 1] = torch.tensor([2, 2, 0, 2, 2])  # 2 is left, where the solution has 3
    output = segment(core, carry)
    assert output.carry.depth.tolist() == [2]  # by itself it guesses on
    back = core.training_carry(output, SOLUTION)
    assert back.depth.tolist() == [0]
    assert (back.struck[0, 1] == 0).tolist() == [1, 1, 0, 1, 1]
    sound = segment(core)
    for ours, theirs in zip(core.training_carry(sound, SOLUTION), sound.carry, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("carry_state", [True, False])
def test_a_segment_begins_with_the_state_of_the_one_before(carry_state: bool) -> None:
    core = lattice(threshold=0.0, search=False, carry_state=carry_state)  # nothing follows but by the hidden state
    first = segment(core)
    second = segment(core, first.carry)
    assert first.carry.state.any() == carry_state
    assert torch.equal(first.logits, second.logits) != carry_state
    if carry_state:  # two segments of two loops are the four loops of one
        longer = lattice(threshold=0.0, search=False, loops=4)
        torch.testing.assert_close(second.logits, segment(longer).logits)


def test_without_search_nothing_is_guessed() -> None:
    core = lattice(threshold=0.0, search=False)
    carry = segment(core).carry
    assert carry.depth.tolist() == [0]
    assert torch.equal(carry.struck, segment(core, carry).carry.struck)
    core.config = replace(core.config, search=True)
    assert segment(core, carry).carry.depth.tolist() == [1]


@pytest.mark.parametrize("carry_state", [True, False])
def test_a_search_begins_anew_from_another_hidden_state(carry_state: bool) -> None:
    core = lattice(threshold=0.0, patience=3, carry_state=carry_state)
    carry, begun = core.initial_carry(1), []
    for number in range(1, 10):
        carry = segment(core, carry).carry
        assert int(carry.restarts) == number // 3
        if number % 3 == 0:
            assert not carry.struck.any()
            begun.append(carry.state)
    assert carry_state == any(not torch.equal(one, begun[0]) for one in begun)
    assert torch.equal(begun[0], core.beginnings[1 % len(core.beginnings)][None].to(begun[0].dtype))


def test_views_begin_with_other_hidden_states_and_the_same_candidates() -> None:
    core, shown = lattice(), PUZZLE.expand(4, -1)
    begun = Views(4, None, random_start=1.0).begin(core.initial_carry(4), shown, torch.ones(4, dtype=torch.bool))
    assert not begun.struck.any()
    assert [bool(state.any()) for state in begun.state] == [False, True, True, True]


def test_its_operations_are_counted_and_one_block_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (segment_flops(lattice(loops=loops), 3) for loops in (2, 4))
    tokens, width, inner = 3 * (1 + SHAPE.seq_len), 16, 256
    block = 2 * tokens * (4 * width**2 + 3 * width * inner + 2 * width * (1 + SHAPE.seq_len))
    heads = 2 * 3 * (2 * SHAPE.seq_len * width * SHAPE.vocab_size + width)
    assert many - few == 2 * (block + heads)
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    (piece,) = compiled_pieces(lattice(), 2)
    assert all(isinstance(module, ReasoningModule) for module in piece.modules)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1}, "threshold: expected a number from 0 to below 1, found 1"),
        ({"threshold": "0.1"}, "threshold: expected a finite number from 0 to 1, found '0.1'"),
        ({"blank": -1}, "blank: expected an integer from 0 to 65536, found -1"),
        ({"loops": 0}, "loops: expected an integer from 1 to 16384, found 0"),
        ({"patience": -1}, "patience: expected an integer from 0 to 65536, found -1"),
        ({"search": 1}, "search: expected True or False, found 1"),
        ({"keep_weight": 0.5}, "keep_weight: expected a .* at least 1, found 0.5"),
        ({"conflict_weight": -1.0}, "conflict_weight: expected a .* found -1"),
        ({"loops": 4096, "layers": 64}, "loops and layers: expected at most 16,384 passes"),
    ],
)
def test_bad_options_are_one_clear_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_core(SHAPE, "lattice", **options)


LEARNING: dict[str, Any] = {
    "learning_rate": 3e-3,
    "warmup_steps": 20,
    "lr_min_ratio": 0.1,
    "optimizer": "adamw",
    "weight_decay": 0.1,
    "token_loss": "softmax",
    "q_bootstrap": "none",
    "ema": 0.97,
    "halting": "q-threshold:0.5",
}
SMALL = {"hidden_size": 64, "layers": 2, "loops": 4, "positions": "learned-2d", "grid_columns": 4}


def sudoku(**options: Any) -> Any:
    common = {"num_envs": 64, "order": "once", "split": "test", "num_puzzles": 200, "max_segments": 8}
    return gym.make_vec("HRM-Sudoku4x4-v0", **{**common, **options}).unwrapped


@pytest.fixture(scope="module")
def trained() -> HRM:
    """An agent that has learned 4x4 Sudoku; shared, so a test must not change it."""
    model = HRM(
        "HRMPolicy",
        "HRM-Sudoku4x4-v0",
        n_envs=64,
        env_kwargs={"max_segments": 2, "augment": True},
        policy_kwargs={"core": LatticeConfig.name, **SMALL},
        seed=0,
        device="cpu",
        compile=False,
        **LEARNING,
    )
    return model.learn(64 * 350)


def test_it_learns_sudoku(trained: HRM) -> None:
    found = trained.evaluate(sudoku()).summary()
    assert found["exact"] > 0.9
    assert found["segments_mean"] < 4


def test_it_is_saved_loaded_recorded_and_replayed(trained: HRM, tmp_path: Path) -> None:
    trained.save(tmp_path / "lattice.zip")
    again = HRM.load(tmp_path / "lattice.zip", device="cpu")
    assert again.policy.core.config == trained.policy.core.config
    live = again.evaluate(sudoku(num_envs=7), halting="q-threshold:0.9")  # of another batch size
    assert np.array_equal(live.answer, trained.evaluate(sudoku(), halting="q-threshold:0.9").answer)
    traces = record(trained.policy.acting_core, sudoku(), tmp_path / "lattice.traces", signals=["q_halt"])
    replayed = replay(traces, "q-threshold:0.9")
    assert np.array_equal(np.asarray(replayed.exact).ravel(), live.exact)
