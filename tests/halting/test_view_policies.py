"""Many views: who answers, that views change nothing but the outcome, and that every door leads to the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, cast

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import BUDGET, every_puzzle_once, native_env, tiny_agent, wavering_agent
from playing import returns_and_lengths
from stable_baselines3.common.monitor import Monitor
from torch import Tensor

from hrm_agent import HRM, Evaluation
from hrm_agent.halting import HaltContext, make
from hrm_agent.halting.view_policies import BestQ, BestResidual, HaltFirst, ViewPolicy
from hrm_agent.inference.frames import frames
from hrm_agent.inference.views import Views
from hrm_agent.sb3.vec_env import as_vec_env
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.puzzles import Puzzles
from hrm_env.task import PuzzleBatch

SUDOKU, PUZZLES = "HRM-Sudoku4x4-v0", 24
POLICIES = ["halt-first:3(random:0.2)", "best-q:3", "best-q:3(random:0.4)"]
ARRAYS = ("exact", "valid", "cells", "answer", "segments", "work", "right_by_segment")


@pytest.fixture(scope="module")
def model() -> HRM:
    """Knows nothing and believes anything."""
    made = tiny_agent(env=SUDOKU, ema=None, env_kwargs={"max_segments": BUDGET, "num_puzzles": 4})
    with torch.no_grad():
        made.policy.core.get_parameter("q_weight").normal_(generator=torch.Generator().manual_seed(1))
    return made


@pytest.fixture(scope="module")
def copying() -> HRM:
    return wavering_agent()


GENERATED = {"split": "test", "num_puzzles": PUZZLES}


def sudokus(num_envs: int = 8, source: Puzzles | None = None, **options: Any) -> PuzzleVectorEnv:
    """Test puzzles, each handed out once."""
    puzzles: dict[str, Any] = GENERATED if source is None else {"source": source}
    options = {"max_segments": BUDGET, "order": "once", **puzzles, **options}
    return cast(PuzzleVectorEnv, gym.make_vec(SUDOKU, num_envs=num_envs, **options).unwrapped)


def assert_equal(found: Evaluation, expected: Evaluation) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    np.testing.assert_allclose(found.q_halt, expected.q_halt, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "views", "noise", "inner", "described"),
    [
        ("halt-first:4", 4, 0.0, "q-threshold:0.5", "the first of 4 views, each until (σ(q_halt) ≥ 0.5)"),
        ("halt-first:2:0.5(fixed:3)", 2, 0.5, "fixed:3", "the first of 2 views with noise 0.5, each until (m = 3)"),
        ("best-q:3", 3, 0.0, None, "the highest Q_halt of 3 views, each until (m = M)"),
        ("best-q:3()", 3, 0.0, None, "the highest Q_halt of 3 views, each until (m = M)"),
        ("best-q:8:1(kl:0.1)", 8, 1.0, "kl:0.1", "the highest Q_halt of 8 views with noise 1, each until "),
        ("best-residual:2", 2, 0.0, None, "the lowest residual of 2 views, each until (m = M)"),
        (
            *("best-residual:2:0.5:0.1:1(fixed:3)", 2, 0.5, "fixed:3"),
            "the lowest residual of 2 views with noise 0.5 and noise in every segment 0.1 and random start 1,",
        ),
    ],
)
def test_made_by_string(text: str, views: int, noise: float, inner: str | None, described: str) -> None:
    policy = make(text)
    assert isinstance(policy, ViewPolicy)
    assert (policy.name, policy.views, policy.noise) == (text, views, noise)
    assert [one.name for one in policy.policies] == ([] if inner is None else [inner])
    assert policy.needs[0] == ("residual_h" if text.startswith("best-residual") else "q_halt")
    assert len(set(policy.needs)) == len(policy.needs)
    assert policy.describe().startswith(described)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("halt-first", "views"),
        ("best-q:0", "expected at least 1 view, found 0"),
        ("halt-first:2:-1", "expected noise of 0 or more, found -1.0"),
        ("halt-first:2:nan", "expected noise of 0 or more, found nan"),
        ("halt-first:2:1:-1", "expected segment_noise of 0 or more, found -1.0"),
        ("halt-first:2:1:1:inf", "expected random_start of 0 or more, found inf"),
        (
            "halt-first:2:1:1:1:1",
            r"expected halt-first:views\[:noise\]\[:segment_noise\]\[:random_start\]\[\(policy, ...\)\], found 5 par",
        ),
        ("halt-first:2(nope)", "expected one of q-compare, .* found 'nope'"),
        ("halt-first:2(q-compare", "expected a closing parenthesis at the end"),
        ("any(halt-first:2,kl)", "a policy of many views has to stand outermost"),
        ("min:2(best-q:3)", "a policy of many views has to stand outermost"),
        ("halt-first:2(best-q:2)", "a policy of many views has to stand outermost"),
    ],
)
def test_bad_strings_are_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make(text)
    assert "\n" not in str(caught.value)


HALTED = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 0, 1]]).bool()
Q_HALT = torch.tensor([[1.0, 3.0, 2.0], [9.0, -5.0, 9.0], [-2.0, -1.0, 7.0], [4.0, 4.0, 0.0], [0.0, 8.0, 0.5]])


@pytest.mark.parametrize(
    ("text", "enough", "best"),
    [("halt-first:3", [False, True, True, True, True], [1, 1, 1, 0, 2]),
     ("best-q:3", [False, False, False, True, False], [1, 0, 2, 0, 1])],
)  # fmt: skip
def test_the_election_by_hand(text: str, enough: list[bool], best: list[int]) -> None:
    policy = make(text)
    assert isinstance(policy, ViewPolicy)
    assert policy.enough(HALTED).tolist() == enough
    assert policy.best(HALTED, Q_HALT).tolist() == best


def decisions(policy: ViewPolicy, q_halt: list[list[float]], restart: int = 0) -> list[tuple[list[bool], list[int]]]:
    """What is decided and who is elected at every segment; at segment ``restart`` all rows begin anew."""
    found = []
    for number, q in enumerate(q_halt):
        policy.reset(torch.full((len(q),), number in (0, restart)))
        context = HaltContext(torch.full((len(q),), number + 1), 9, {"q_halt": torch.tensor(q)})
        found.append((policy.decide(context).tolist(), policy.elect().tolist()))
    return found


# views 0 and 1 of puzzle 0, views 0 and 1 of puzzle 1
SEEN = [[-1.0, -2.0, 1.0, -9.0], [-5.0, 0.5, 8.0, 2.0], [-7.0, -3.0, -8.0, 3.0], [4.0, -4.0, 0.0, 0.0]]
YES, NO = [True, True], [False, False]


def test_the_first_view_to_halt_answers() -> None:
    found = decisions(
        HaltFirst(2, policies=[make("q-threshold:0.5")]), [[-1.0, -2.0, 1.0, 2.0], [-5.0, 0.5, 9.0, -3.0]]
    )
    assert found == [(NO + YES, [0, 1]), (YES + YES, [1, 1])]


def test_a_view_keeps_the_q_of_its_own_halt() -> None:
    found = decisions(BestQ(2, policies=[make("q-threshold:0.5")]), SEEN)
    # puzzle 0: view 1 halts at segment 2 with 0.5, view 0 at segment 4 with 4; puzzle 1: with 1 and with 2
    assert found == [(NO + NO, [0, 0]), (NO + YES, [1, 1]), (NO + YES, [1, 1]), (YES + YES, [0, 1])]


def test_the_view_that_changes_least_answers() -> None:
    policy, found = BestResidual(2, policies=[make("q-threshold:0.5")]), []
    residual = [[0.3, 0.2, 0.5, 0.6], [0.1, 0.1, 0.9, 0.4], [0.2, 0.0, 0.1, 0.1]]
    for number, (q, r) in enumerate(zip(SEEN, residual, strict=False)):
        policy.reset(torch.full((4,), number == 0))
        signals = {"q_halt": torch.tensor(q), "residual_h": torch.tensor(r)}
        found.append((policy.decide(HaltContext(torch.full((4,), number + 1), 9, signals)).tolist(), policy.elect()))
    assert [halt for halt, _ in found] == [NO + NO, NO + YES, NO + YES]
    # puzzle 0: view 1 keeps the 0.1 of segment 2; puzzle 1: view 0 keeps the 0.5 of segment 1
    assert [view.tolist() for _, view in found] == [[1, 0], [0, 1], [1, 1]]


def test_without_a_rule_views_halt_at_the_budget_alone() -> None:
    assert decisions(BestQ(2, policies=[]), SEEN) == [(NO + NO, [0, 0]), (NO + NO, [1, 0]), (NO + NO, [1, 1]),
                                                      (NO + NO, [0, 0])]  # fmt: skip


def test_an_episode_begins_without_memory() -> None:
    policy = BestQ(2, policies=[make("q-threshold:0.5")])
    assert decisions(policy, [*SEEN, *SEEN], restart=len(SEEN))[len(SEEN) :] == decisions(policy, SEEN)


def test_a_shrinking_batch_keeps_its_memory() -> None:
    policy = BestQ(2, policies=[make("q-threshold:0.5")])
    decisions(policy, SEEN[:3])
    policy.keep(torch.tensor([0, 1]))
    context = HaltContext(torch.full((2,), 4), 9, {"q_halt": torch.tensor(SEEN[3][:2])})
    assert policy.decide(context).all()
    assert policy.elect().tolist() == [0]


class Alone(NamedTuple):
    """What each view finds by itself, ``(N, K)``; answers ``(N, K, L)`` in the puzzle's own cells."""

    segments: np.ndarray
    exact: np.ndarray
    q_halt: np.ndarray
    answer: np.ndarray


def each_view_alone(model: HRM, policy: str, count: int) -> Alone:
    """Every view as a set of puzzles of its own, without any policy of several views."""
    env = sudokus()
    views, batch = Views(count, env.rules.task), PuzzleBatch.of(env.rules.puzzles)
    shown = [views.show(tokens).view(PUZZLES, count, -1) for tokens in (batch.inputs, batch.solution)]
    found = []
    for view in range(count):
        inputs, solution = (tokens[:, view].numpy().astype(np.uint8) for tokens in shown)
        found.append(model.evaluate(sudokus(source=Puzzles(inputs, solution)), policy))
    answer = torch.from_numpy(np.stack([one.answer for one in found], 1)).long().flatten(0, 1)
    columns = {name: np.stack([getattr(one, name) for one in found], 1) for name in ("segments", "exact", "q_halt")}
    return Alone(**columns, answer=views.restore(answer).numpy())


# views that halt by choice go before those that the budget stops; so no rule here has both at once
@pytest.mark.parametrize("rule", ["max:3(random:0.3)", "max:3(q-compare)", "fixed:3", "random:0"])
def test_halt_first_is_the_fastest_of_separate_runs(model: HRM, rule: str) -> None:
    alone, found = each_view_alone(model, rule, 3), model.evaluate(sudokus(), f"halt-first:3({rule})")
    rows, first = np.arange(PUZZLES), alone.segments.min(1)
    elected = np.where(alone.segments == first[:, None], alone.q_halt, -np.inf).argmax(1)
    np.testing.assert_array_equal(found.segments, first)
    np.testing.assert_array_equal(found.work, 3 * first)
    np.testing.assert_array_equal(found.answer, alone.answer[rows, elected])
    np.testing.assert_array_equal(found.exact, alone.exact[rows, elected])


@pytest.mark.parametrize(("text", "rule"), [("best-q:3", f"fixed:{BUDGET}"), ("best-q:3(q-compare)", "q-compare"),
                                            ("best-q:3(random:0.4)", "random:0.4")])  # fmt: skip
def test_best_q_is_the_surest_of_separate_runs(model: HRM, text: str, rule: str) -> None:
    alone, found = each_view_alone(model, rule, 3), model.evaluate(sudokus(), text)
    rows, elected = np.arange(PUZZLES), alone.q_halt.argmax(1)
    np.testing.assert_array_equal(found.segments, alone.segments.max(1))
    np.testing.assert_array_equal(found.work, alone.segments.sum(1))
    np.testing.assert_array_equal(found.answer, alone.answer[rows, elected])
    np.testing.assert_array_equal(found.exact, alone.exact[rows, elected])
    np.testing.assert_allclose(found.q_halt, alone.q_halt.max(1), rtol=1e-5, atol=1e-5)
    assert len(set(elected)) == 3


@pytest.mark.parametrize("policy", POLICIES)
def test_figures_do_not_depend_on_the_number_of_slots(model: HRM, policy: str) -> None:
    one, seven, many = (model.evaluate(sudokus(slots), policy) for slots in (1, 7, 64))
    assert_equal(seven, one)
    assert_equal(many, one)
    assert len(set(one.segments)) > 1 or policy == "best-q:3", "the agent does not waver: the test shows little"


NOISY = ["halt-first:3:0.5", "best-q:3:0.5", "best-q:3:0:0.5(random:0.4)", "best-residual:3:0:0.1:1(random:0.4)"]


@pytest.mark.parametrize("policy", NOISY)
def test_noise_does_not_depend_on_the_number_of_slots(copying: HRM, policy: str) -> None:
    assert_equal(copying.evaluate(every_puzzle_once(64), policy), copying.evaluate(every_puzzle_once(7), policy))


@pytest.mark.parametrize("rule", ["q-compare", "fixed:2", "patience:1", "random:0.4", "verifier", "oracle", "cdf:0.9"])
@pytest.mark.parametrize("views", ["halt-first:1", "best-q:1", "best-residual:1", "best-q:1:0.5:0.5:0.5"])
def test_one_view_is_the_rule_itself(model: HRM, views: str, rule: str) -> None:
    found, expected = model.evaluate(sudokus(), f"{views}({rule})"), model.evaluate(sudokus(), rule)
    assert_equal(found, expected)
    np.testing.assert_array_equal(expected.work, expected.segments)


@pytest.mark.parametrize("rule", ["halt-first:3{}(random:0.2)", "best-q:3{}", "best-residual:3{}(random:0.4)"])
def test_no_noise_is_no_change(model: HRM, rule: str) -> None:
    expected, found = (model.evaluate(sudokus(), rule.format(noise)) for noise in ("", ":0:0:0"))
    assert_equal(found, expected)
    np.testing.assert_array_equal(found.q_halt, expected.q_halt)


@pytest.mark.parametrize("policy", POLICIES)
def test_work_is_what_the_network_computes(model: HRM, policy: str) -> None:
    rows: list[int] = []
    hook = model.policy.acting_core.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[1])))
    found = model.evaluate(sudokus(7), policy)
    hook.remove()
    assert sum(rows) == found.work.sum()
    assert max(rows) == 3 * 7
    assert found.summary()["work_mean"] == found.work.mean() > found.segments.mean()


@pytest.mark.parametrize("policy", ["verifier", "oracle"])
def test_views_are_checked_and_graded_in_their_own_frame(model: HRM, policy: str) -> None:
    env = sudokus()
    solution = torch.from_numpy(env.rules.puzzles.solution).long()
    given, views = torch.from_numpy(env.rules.puzzles.inputs).long(), Views(2, env.rules.task)
    shown, solved = views.show(given), views.show(solution)

    def answering(_: Any, arguments: Any, output: Any) -> Any:
        """Right in the second view of every puzzle, wrong in the first, which is the puzzle itself."""
        found = (arguments[1].unsqueeze(1) == shown).all(-1).float().argmax(1)
        answer = torch.where((found % 2 == 1).unsqueeze(1), solved[found], 1)
        return output._replace(logits=torch.nn.functional.one_hot(answer, output.logits.shape[-1]).float())

    hook = model.policy.acting_core.register_forward_hook(answering)
    found = model.evaluate(env, f"halt-first:2({policy})")
    hook.remove()
    assert found.exact.all()
    assert (found.segments == 1).all()
    assert (found.answer == env.rules.puzzles.solution).all()


def test_noisy_views_think_differently(copying: HRM) -> None:
    swept = [copying.evaluate(every_puzzle_once(), text) for text in ("fixed:2", "best-q:4:2(fixed:2)")]
    assert (swept[0].answer != swept[1].answer).any()
    assert (swept[1].q_halt > swept[0].q_halt).any()
    assert (swept[1].q_halt >= swept[0].q_halt - 1e-5).all()  # the puzzle itself is one of the views
    assert (swept[1].work == 8).all()


def test_a_task_without_symmetries_asks_for_noise(copying: HRM) -> None:
    with pytest.raises(ValueError, match=r"views: copy:4x4 has 0 symmetries .* such as halt-first:2:0.5"):
        copying.evaluate(every_puzzle_once(), "halt-first:2")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["gymnasium", "native"])
def test_evaluate_policy_finds_what_evaluate_finds(model: HRM, kind: str, policy: str) -> None:
    model.halting = policy
    swept = model.evaluate(sudokus())
    options: dict[str, Any] = {**GENERATED, "max_segments": BUDGET, "order": "sequential"}
    made = Monitor(gym.make(SUDOKU, **options)) if kind == "gymnasium" else as_vec_env(sudokus(1, **options))
    returns, lengths = returns_and_lengths(model, made, PUZZLES)
    np.testing.assert_array_equal(returns, swept.exact)
    np.testing.assert_array_equal(lengths, swept.segments)


def test_the_state_goes_in_and_stays_as_it_was(model: HRM) -> None:
    model.halting = "best-q:3"
    observation, _ = sudokus(5, array="numpy").reset(seed=0)
    _, state = model.predict(observation)
    later = {**observation, "segment": observation["segment"] + 1}
    (first, one), (second, other) = (model.predict(later, state) for _ in range(2))
    assert (first == second).all()
    assert torch.equal(one.carry.z_h, other.carry.z_h)
    assert not torch.equal(one.carry.z_h, state.carry.z_h)
    with pytest.raises(ValueError, match="state: expected that of 2 rows, found 5"):
        model.predict({name: value[:2] for name, value in later.items()}, state)


def test_a_puzzle_that_has_halted_rests(model: HRM) -> None:
    model.halting = "best-q:2(fixed:1)"
    observation, _ = sudokus(5).reset(seed=0)
    action, state = model.predict(observation)
    again, after = model.predict({**observation, "segment": observation["segment"] + 1}, state)
    assert (action == again).all()
    assert action[:, -1].all()
    assert after.work.tolist() == state.work.tolist() == [2] * 5


def test_frames_are_what_evaluation_finds(model: HRM) -> None:
    model.halting = "halt-first:3(random:0.2)"
    swept = model.evaluate(sudokus())
    for index in range(5):
        *_, last = frames(model.policy.acting_core, model.halting, sudokus(), index)
        assert last.segment == swept.segments[index]
        assert isinstance(last.answer, Tensor)
        assert last.answer.tolist() == swept.answer[index].tolist()


def test_only_acting_takes_several_views(tmp_path: Path) -> None:
    model = tiny_agent(halting="halt-first:2:0.5")
    with pytest.raises(ValueError, match=r"learn: expected a halting policy of one view .* found one of 2 views"):
        model.learn(16)
    assert model.evaluate(every_puzzle_once()).summary()["puzzles"] == 60
    model.save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", env=native_env(16), device="cpu")
    assert loaded.halting.name == "halt-first:2:0.5"
    loaded.halting = "q-compare"
    assert loaded.learn(16).num_timesteps == 16
