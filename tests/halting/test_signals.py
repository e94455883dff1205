"""Signals: each by hand-computed numbers, padding left out, and what all of them keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from thinking import BUDGET, EVERY, ROWS, thinking
from torch import Tensor
from torch.nn.functional import one_hot

from hrm_agent.cores import HRMCarry, SegmentOutput
from hrm_agent.cores.carry import chosen_rows
from hrm_agent.halting.probabilities import LOG_PROBABILITIES
from hrm_agent.halting.signals import SIGNALS, SignalInput, measure, register_signal
from hrm_agent.learning.losses import TOKEN_LOSSES
from hrm_env.tasks.arc.grids import place
from hrm_env.tasks.arc.task import Arc
from hrm_env.tasks.copy import Copy
from hrm_env.tasks.sudoku.task import Sudoku

EVERY_SIGNAL = pytest.mark.parametrize("name", SIGNALS)
LN2, LN4 = math.log(2), math.log(4)

# tokens of three cells; the last cell of the second puzzle is padding
INPUTS = [[1, 2, 3], [3, 3, 0]]
HALVES, EVEN, SURE = [0.0, 0.5, 0.25, 0.25], [0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0]
PROBS = [[HALVES, EVEN, SURE], [HALVES, SURE, EVEN]]


def logits(probabilities: list[Any]) -> Tensor:
    """Logarithms, and -60 in place of that of 0."""
    return torch.tensor(probabilities).log().clamp(min=-60)


def signal_input(
    probabilities: list[Any] = PROBS,
    previous: list[Any] | None = None,
    start: list[bool] | None = None,
    z_h: tuple[Any, Any] = ([[[0.0]]] * 2, [[[0.0]]] * 2),
    z_l: tuple[Any, Any] = ([[[0.0]]] * 2, [[[0.0]]] * 2),
    **known: Any,
) -> SignalInput:
    """Two rows; ``z_h`` and ``z_l`` are the hidden state after and before the segment."""
    now, before = (HRMCarry(torch.tensor(h), torch.tensor(low)) for h, low in zip(z_h, z_l, strict=True))
    q_halt, q_continue = torch.tensor([[1.5, -2.0], [0.5, 3.0]])
    output = SegmentOutput(now, logits(probabilities), q_halt, q_continue, q_halt[:, None])
    begins = torch.tensor([previous is None] * 2 if start is None else start)
    last = None if previous is None else logits(previous)
    return SignalInput(output, before, last, begins, torch.tensor(INPUTS), **known)


def values(name: str, seen: SignalInput) -> list[float]:
    found: list[float] = SIGNALS[name](seen).tolist()
    return found


def test_q_values_are_those_of_the_head() -> None:
    assert values("q_halt", signal_input()) == [1.5, -2.0]
    assert values("q_continue", signal_input()) == [0.5, 3.0]


def test_entropy() -> None:
    halves = LN2 / 2 + LN4 / 2
    assert values("entropy", signal_input()) == pytest.approx([(halves + LN4 + 0) / 3, (halves + 0) / 2], abs=1e-6)


def test_margin_is_that_of_the_least_certain_cell() -> None:
    assert values("margin", signal_input()) == pytest.approx([0.0, 0.25], abs=1e-6)


def test_kl_to_the_segment_before() -> None:
    before, now = [[EVEN, EVEN, SURE], [SURE, HALVES, HALVES]], [[HALVES, EVEN, SURE], [EVEN, HALVES, SURE]]
    even_to_halves = (60 - LN4) / 4 + (LN2 - LN4) / 4  # Σ ¼ (ln ¼ − ln p), where ln 0 is −60
    assert values("kl", signal_input(now, before)) == pytest.approx([even_to_halves / 3, LN4 / 2], rel=1e-5)


def test_kl_at_the_first_segment_is_to_all_tokens_alike() -> None:
    to_halves = (60 - LN4) / 4 + (LN2 - LN4) / 4
    to_sure = 3 / 4 * 60 - LN4
    expected = [(to_halves + 0 + to_sure) / 3, (to_halves + to_sure) / 2]
    assert values("kl", signal_input()) == pytest.approx(expected, rel=1e-5)
    previous = [[SURE, SURE, SURE], [SURE, SURE, SURE]]
    assert values("kl", signal_input(previous=previous, start=[True, True])) == pytest.approx(expected, rel=1e-5)


def test_changed_is_a_share_of_cells_and_all_of_them_at_first() -> None:
    other = [0.0, 0.0, 1.0, 0.0]
    now, before = [[SURE, other, SURE], [SURE, SURE, SURE]], [[SURE, SURE, SURE], [SURE, SURE, other]]
    assert values("changed", signal_input(now, before)) == pytest.approx([1 / 3, 0.0])  # padding may change
    assert values("changed", signal_input(now, before, start=[False, True])) == pytest.approx([1 / 3, 1.0])
    assert values("changed", signal_input(now)) == [1.0, 1.0]


@pytest.mark.parametrize("name", ["residual_h", "residual_l"])
def test_residual_is_relative_to_the_new_state(name: str) -> None:
    now, before = [[[3.0, 0.0], [0.0, 4.0]], [[2.0, 0.0], [0.0, 0.0]]], [[[3.0, 0.0], [3.0, 0.0]], [[0.0, 0.0]] * 2]
    nothing: Any = ([[[9.0, 1.0], [1.0, 1.0]]] * 2,) * 2
    states: dict[str, Any] = (
        {"z_h": (now, before), "z_l": nothing} if name == "residual_h" else {"z_h": nothing, "z_l": (now, before)}
    )
    assert values(name, signal_input(**states)) == pytest.approx([5 / 5, 1.0])
    assert values({"residual_h": "residual_l", "residual_l": "residual_h"}[name], signal_input(**states)) == [0.0, 0.0]


def test_cosine_is_a_mean_over_positions() -> None:
    now = [[[3.0, 4.0], [1.0, 0.0]], [[2.0, 0.0], [0.0, 5.0]]]
    before = [[[6.0, 8.0], [0.0, 7.0]], [[-1.0, 0.0], [3.0, 4.0]]]
    assert values("cosine", signal_input(z_h=(now, before), z_l=(now, now))) == pytest.approx([0.5, (-1 + 0.8) / 2])


def test_state_is_the_mean_over_positions() -> None:
    states = ([[[1.0, 2.0], [3.0, 6.0]], [[0.0, 1.0], [0.0, -1.0]]],) * 2
    assert SIGNALS["state"](signal_input(z_h=states, z_l=states)).tolist() == [[2.0, 4.0], [0.0, 0.0]]


# ten logits of 10 for one token and 0 for the others: by stablemax p = 11/20, by softmax nearly 1
@pytest.mark.parametrize(("probabilities", "best"), [("stablemax", 11 / 20), ("softmax", 1 / (1 + 9 * math.exp(-10)))])
def test_probabilities_are_those_of_the_loss(probabilities: str, best: float) -> None:
    certain = torch.zeros(1, 1, 10)
    certain[..., 3] = 10.0
    empty = torch.zeros(1, 1, 1)
    output = SegmentOutput(HRMCarry(empty, empty), certain, empty[:, 0, 0], empty[:, 0, 0], empty[:, 0])
    start, inputs = torch.tensor([False]), torch.tensor([[1]])
    seen = SignalInput(output, output.carry, torch.zeros_like(certain), start, inputs, probabilities=probabilities)
    other = (1 - best) / 9
    assert values("margin", seen) == pytest.approx([best - other], abs=1e-6)
    assert values("entropy", seen) == pytest.approx([-best * math.log(best) - 9 * other * math.log(other)], abs=1e-6)
    assert values("kl", seen) == pytest.approx([-(math.log(best) + 9 * math.log(other)) / 10 - math.log(10)], rel=1e-5)


def test_stablemax_probabilities_are_those_of_its_loss() -> None:
    logits_ = 30 * torch.randn(50, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(7).expand(50, 7)
    expected = -TOKEN_LOSSES["stablemax"](logits_.unsqueeze(1).expand(-1, 7, -1), labels)
    found = LOG_PROBABILITIES["stablemax"](logits_)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(50), rtol=1e-5, atol=0)


ARC = Arc(9, 9)


def drawn(*grids: np.ndarray) -> Tensor:
    """Canvases with these grids in the corner; what lies beyond them is a colour, as nobody grades it."""
    canvases = np.full((len(grids), 9, 9), 7, np.uint8)
    for canvas, grid in zip(canvases, grids, strict=True):
        place(canvas, grid, 0, 0)
    return torch.from_numpy(canvases.reshape(len(grids), -1)).long()


def test_the_answers_of_arc_are_seen_whole_whatever_the_size_of_the_input() -> None:
    """A 3x3 input; the answer is 6x6, of which a cell far from the input's changes, then all of it becomes 2x2."""
    asked = np.zeros((1, 81), np.uint8)
    place(asked.reshape(9, 9), np.ones((3, 3), np.uint8), 0, 0)
    large, other, small = np.zeros((6, 6), np.uint8), np.zeros((6, 6), np.uint8), np.zeros((2, 2), np.uint8)
    other[5, 5] = 3
    before, after, last = drawn(large), drawn(other), drawn(small)
    before[0, 80], after[0, 80] = 4, 5  # beyond every grid, where nothing is asked
    empty = torch.zeros(1, 1, 1)

    def signal_input_of(now: Tensor, then: Tensor) -> SignalInput:
        output = SegmentOutput(
            HRMCarry(empty, empty), 9.0 * one_hot(now, 12), empty[:, 0, 0], empty[:, 0, 0], empty[:, 0]
        )
        output.logits[0, 5 * 9 + 5] = 0.0  # the last cell of the large answer is in doubt
        return SignalInput(
            output, output.carry, 9.0 * one_hot(then, 12), torch.tensor([False]), torch.from_numpy(asked), task=ARC
        )

    assert int(signal_input_of(after, before).cells.sum()) == 36 + 12  # and the EOS that closes it off
    assert int(signal_input_of(last, after).cells.sum()) == 4 + 4
    certain = signal_input_of(last, last)
    assert values("changed", certain) == [0.0]
    assert values("margin", certain)[0] > 0.99
    assert values("margin", signal_input_of(after, before)) == [0.0]
    assert values("entropy", signal_input_of(after, before))[0] > math.log(12) / 48
    assert values("changed", signal_input_of(after, before)) == pytest.approx([1 / 48])
    assert values("kl", signal_input_of(after, before))[0] > 0.05
    # a grid that becomes smaller has changed where it was
    assert int(signal_input_of(last, after).cells_so_far.sum()) == 48
    assert values("changed", signal_input_of(last, after))[0] > 0.2


def test_a_signal_of_ones_own_is_registered_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrm_agent.halting.signals.SIGNALS", dict(SIGNALS))

    @register_signal
    def doubtful(seen: SignalInput) -> Tensor:
        return seen.mean_over_cells((seen.log_probs.exp().amax(-1) < 0.9).float())

    assert register_signal(doubtful) is doubtful
    assert measure(signal_input(), ["doubtful", "q_halt"])["doubtful"].tolist() == pytest.approx([2 / 3, 0.5])


def many(seen: SignalInput) -> Tensor:
    return seen.output.logits


def counted(seen: SignalInput) -> Tensor:
    return seen.answer.sum(-1)


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (many, r"signal 'many': expected float32 \(2,\), found float32 \(2, 3, 4\)"),
        (counted, r"signal 'counted': expected float32 \(2,\), found int64 \(2,\)"),
    ],
)
def test_what_is_no_signal_is_one_clear_error(signal: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrm_agent.halting.signals.SIGNALS", dict(SIGNALS))
    register_signal(signal)
    with pytest.raises(ValueError, match=message):
        measure(signal_input(), [signal.__name__])


def test_a_name_is_registered_once() -> None:
    def kl(seen: SignalInput) -> Tensor:
        return seen.output.q_halt

    with pytest.raises(ValueError, match=r"signal: expected a name of its own, found 'kl', which hrm_agent"):
        register_signal(kl)
    with pytest.raises(ValueError, match=r"signal: expected a name of up to 64 letters, .* found '<lambda>'"):
        register_signal(lambda seen: seen.output.q_halt)
    with pytest.raises(
        ValueError, match=r"signals: expected one of q_halt, .* found 'entropie' \(did you mean 'entropy"
    ):
        measure(signal_input(), ["entropie"])


def answered(answer: list[list[int]]) -> list[Any]:
    return [[[float(token == other) for other in range(4)] for token in row] for row in answer]


def test_correct_is_the_stored_solution_where_it_is_graded() -> None:
    solution = torch.tensor([[1, 2, 3], [3, 3, 0]])
    assert values("correct", signal_input(answered([[1, 2, 3], [3, 3, 1]]), solution=solution)) == [1.0, 1.0]
    assert values("correct", signal_input(answered([[1, 2, 2], [1, 3, 0]]), solution=solution)) == [0.0, 0.0]


def test_valid_is_the_tasks_own_check() -> None:
    """By rows: solved, solved in another way, a rule broken, a given changed, nothing done."""
    task = Sudoku(2, 2)
    puzzle, answers = "1..." + 12 * ".", [
        "1234341221434321", "1243342121344312", "1134341221434321", "2134342112434312", "1..." + 12 * "."
    ]  # fmt: skip
    inputs, answer = (torch.tensor([task.encode(text).tolist() for text in texts]) for texts in ([puzzle] * 5, answers))
    empty = torch.zeros(5, 1, 1)
    output = SegmentOutput(HRMCarry(empty, empty), one_hot(answer).float(), *[empty] * 3)
    seen = SignalInput(output, output.carry, None, torch.ones(5).bool(), inputs, task=task)
    assert values("valid", seen) == [1.0, 1.0, 0.0, 0.0, 0.0]


def test_what_nobody_knows_is_one_clear_error() -> None:
    with pytest.raises(ValueError, match='halting: "oracle" needs the solution'):
        SIGNALS["correct"](signal_input(task=Copy()))
    with pytest.raises(ValueError, match='halting: "verifier" needs the rules of the puzzle'):
        SIGNALS["valid"](signal_input(solution=torch.tensor(INPUTS)))


def hashes(inputs: Tensor) -> Tensor:
    empty = torch.zeros(len(inputs), 1, 1)
    output = SegmentOutput(HRMCarry(empty, empty), empty, empty[:, 0, 0], empty[:, 0, 0], empty[:, 0])
    return SIGNALS["puzzle"](SignalInput(output, output.carry, None, torch.ones(len(inputs)).bool(), inputs))


def test_the_hash_of_a_puzzle_stays_what_it_is() -> None:
    """Random rules decide by it, so another hash would change recorded results."""
    puzzles = torch.tensor([[1, 2, 3, 4], [2, 1, 3, 4], [0, 0, 0, 0], [9, 9, 9, 9]])
    assert hashes(puzzles).tolist() == [7387204, 7007102, 0, 10879221]
    assert torch.equal(hashes(puzzles.to(torch.uint8)), hashes(puzzles))  # as files hold them


def test_hashes_are_whole_numbers_below_2_24_and_seldom_the_same() -> None:
    found = hashes(torch.randint(0, 11, (10_000, 81), generator=torch.Generator().manual_seed(0)))
    assert ((found >= 0) & (found < 2**24) & (found == found.round())).all()
    assert len(found.unique()) > 9_985  # three pairs are to be expected
    small = hashes(torch.cartesian_prod(*[torch.arange(1, 5)] * 6))  # puzzles with equal sums among them
    assert len(small.unique()) > 4**6 - 5
    assert abs(found.mean() / 2**24 - 0.5) < 4 * math.sqrt(1 / 12 / 10_000)


@EVERY_SIGNAL
def test_a_number_a_row_that_no_other_row_changes(name: str) -> None:
    segments = thinking()
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1))
    for number in range(BUDGET):
        whole = SIGNALS[name](segments.signal_input(number))
        assert whole.dtype == torch.float32
        assert whole.shape[:1] == (ROWS,)
        assert whole.ndim == 1 + (name == "state")
        for rows in (order, *EVERY[:, None]):
            some = segments.signal_input(number)
            last = some.last_logits if some.last_logits is None else some.last_logits[rows]
            part = SignalInput(
                some.output.rows(rows), chosen_rows(some.before, rows), last, some.start[rows],
                segments.inputs[rows], segments.solution[rows], segments.task,
            )  # fmt: skip
            torch.testing.assert_close(SIGNALS[name](part), whole[rows], rtol=1e-6, atol=1e-6)


@EVERY_SIGNAL
def test_extremes_stay_finite(name: str) -> None:
    """All padding, a hidden state of zeros, and logits as far apart as a network makes them."""
    zeros = torch.zeros(2, 3, 2)
    far = torch.tensor([0.0, 1e4, -1e4, 1e4]).expand(2, 3, 4)
    output = SegmentOutput(HRMCarry(zeros, zeros), far, torch.zeros(2), torch.zeros(2), zeros[:, 0])
    inputs = torch.tensor([[0, 0, 0], [1, 2, 3]])
    for before in (zeros, zeros + 1):
        seen = SignalInput(output, HRMCarry(before, before), -far, torch.zeros(2).bool(), inputs, inputs, Copy(3, 3))
        assert SIGNALS[name](seen).isfinite().all()


def test_signals_of_a_half_precision_state_are_computed_in_float32() -> None:
    state, later = (torch.full((1, 4, 300), value, dtype=torch.bfloat16) for value in (1.0, 1.0078125))
    zeros = torch.zeros(1, 4, 2)
    output = SegmentOutput(HRMCarry(later, later), zeros, torch.zeros(1), torch.zeros(1), zeros[:, 0])
    seen = SignalInput(output, HRMCarry(state, state), None, torch.ones(1).bool(), torch.ones(1, 4).long())
    for name in ("residual_h", "residual_l"):
        assert values(name, seen) == pytest.approx([0.0078125 / 1.0078125], rel=1e-5)
    assert values("cosine", seen) == pytest.approx([1.0], rel=1e-6)
    assert SIGNALS["state"](seen).dtype == torch.float32
