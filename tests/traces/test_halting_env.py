"""HRM-Halting-v0: its features, its rewards, and the same episodes one at a time and many at once."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import every_puzzle_once, wavering_agent
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics
from halting_traces import BUDGET, random_traces, traces_of
from paths import ROOT
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from torch import Tensor

import hrm_agent  # noqa: F401  (registers the id)
import hrm_env
from hrm_agent.halting import HaltContext, HaltingPolicy
from hrm_agent.halting.features import DEFAULT_FEATURES, FEATURES, observe, signals_of
from hrm_agent.traces.halting_env import HaltingEnv
from hrm_agent.traces.halting_vector import HaltingVectorEnv
from hrm_agent.traces.record import record
from hrm_env.checks import UnknownOptionError

ID = "HRM-Halting-v0"
COST = 0.125  # exact in binary


def defaults() -> dict[str, Any]:
    return {"traces": random_traces(), "cost": COST}


def scalar(**options: Any) -> HaltingEnv:
    env = gym.make(ID, **defaults() | options).unwrapped
    assert isinstance(env, HaltingEnv)
    return env


def native(num_envs: int = 3, **options: Any) -> HaltingVectorEnv:
    env = gym.make_vec(ID, num_envs=num_envs, **defaults() | options)
    assert isinstance(env, HaltingVectorEnv)
    return env


def context(**signals: list[float]) -> HaltContext:
    tensors = {name: torch.tensor(values) for name, values in signals.items()}
    rows = len(next(iter(tensors.values()))) if tensors else 2
    return HaltContext(torch.arange(1, rows + 1), 4, tensors)


@pytest.mark.parametrize(
    ("feature", "signals", "expected"),
    [
        ("q_halt", {"q_halt": [0.0, 5.0, -15.0]}, [0.0, 0.5, -0.75]),
        ("q_continue", {"q_continue": [45.0, -5.0]}, [0.9, -0.5]),
        ("entropy", {"entropy": [0.01, 1.0, 0.0]}, [0.0, 0.5, -1.0]),
        ("margin", {"margin": [0.25, 1.0]}, [0.25, 1.0]),
        ("changed", {"changed": [0.0, 0.75]}, [0.0, 0.75]),
        ("kl", {"kl": [0.0001, 1e9, -1e-9]}, [-0.5, 1.0, -1.0]),
        ("residual_h", {"residual_h": [0.01, 0.1]}, [0.0, 0.25]),
        ("residual_l", {"residual_l": [1.0, 0.001]}, [0.5, -0.25]),
        ("cosine", {"cosine": [0.0, 1.0, 1.0000001]}, [0.5, -1.0, -1.0]),
        ("fraction", {}, [0.25, 0.5]),
        ("state", {"state": [[1.0, 0.0], [-3.0, 9.0]]}, [[0.5, 0.0], [-0.75, 0.9]]),
    ],
)
def test_the_features(feature: str, signals: dict[str, list[float]], expected: list[float]) -> None:
    found = observe(context(**signals), (feature,))
    assert found.dtype == torch.float32
    assert found.squeeze(1).tolist() == [pytest.approx(value, abs=1e-7) for value in expected]


def test_every_feature_is_tested_and_documented() -> None:
    document = (ROOT / "docs" / "halting-env.md").read_text()
    for name, feature in FEATURES.items():
        assert f"| `{name}` | {feature.formula} |" in document


def test_features_of_a_row_do_not_depend_on_the_others() -> None:
    signals = {name: torch.rand(257) for name in signals_of(DEFAULT_FEATURES)}
    segment = torch.randint(1, 9, (257,))
    together = observe(HaltContext(segment, 8, signals), DEFAULT_FEATURES)
    assert together.abs().max() <= 1
    for row in range(257):
        alone = {name: signal[row : row + 1] for name, signal in signals.items()}
        assert torch.equal(observe(HaltContext(segment[row : row + 1], 8, alone), DEFAULT_FEATURES)[0], together[row])


class Watching(HaltingPolicy):
    """Never halts, and keeps the features it sees."""

    needs = signals_of((*DEFAULT_FEATURES, "state"))

    def __init__(self, seen: list[Tensor]) -> None:
        self.seen = seen

    def __deepcopy__(self, memo: dict[int, Any]) -> Watching:
        return self

    def decide(self, context: HaltContext) -> Tensor:
        self.seen.append(observe(context, (*DEFAULT_FEATURES, "state")))
        return torch.zeros(len(context.segment), dtype=torch.bool)


def test_it_shows_what_a_live_policy_sees(tmp_path: Path) -> None:
    seen: list[Tensor] = []
    model = wavering_agent()
    model.evaluate(every_puzzle_once(num_envs=60), halting=Watching(seen))
    traces = record(model.policy.acting_core, every_puzzle_once(num_envs=60), tmp_path / "t", signals=[*Watching.needs])
    for form in (traces, tmp_path / "t", str(tmp_path / "t")):
        env = scalar(traces=form, features=(*DEFAULT_FEATURES, "state"))
        assert np.array_equal(env.decisions.observations, torch.stack(seen, dim=1).numpy())
    assert env.observation_space.shape == (len(DEFAULT_FEATURES) + 16,)


@pytest.mark.parametrize("halt_at", [*range(1, BUDGET + 1), None])
def test_the_return_is_correct_minus_the_cost_of_all_segments(halt_at: int | None) -> None:
    traces, env = random_traces(), scalar()
    for index in range(len(traces)):
        observation, info = env.reset(options={"index": index})
        assert info == {"index": index}
        total, done, segment = 0.0, False, 0
        while not done:
            segment += 1
            assert np.array_equal(observation, env.decisions.observations[index, segment - 1])
            observation, reward, done, truncated, info = env.step(np.int64(segment == halt_at))
            assert not truncated
            total += float(reward)
        correct = bool(traces.correct[index, 0, segment - 1])
        assert total == correct - COST * segment
        assert segment == (halt_at or BUDGET)
        reason = "agent" if halt_at else "budget"
        assert info == {"index": index, "correct": correct, "segments": segment, "halt_reason": reason}


@pytest.mark.parametrize("segment", [1, BUDGET])
def test_an_abstention_pays_nothing_and_a_wrong_answer_costs(segment: int) -> None:
    traces, env = random_traces(), scalar(abstain=True, wrong_cost=2)
    for index, action in ((index, action) for index in range(len(traces)) for action in range(3)):
        env.reset(options={"index": index})
        for _ in range(segment - 1):
            assert env.step(np.int64(0))[1] == -COST
        _, reward, done, _, info = env.step(np.int64(action))
        right = bool(traces.correct[index, 0, segment - 1])
        if action == 0 and segment < BUDGET:
            assert (reward, done) == (-COST, False)
            continue
        reason = ("budget", "agent", "abstained")[action]
        value = {True: 1, False: -2}[right] if action < 2 else 0
        assert (reward, done) == (value - COST, True)
        correct = right and action < 2
        assert info == {"index": index, "correct": correct, "segments": segment, "halt_reason": reason}


@pytest.mark.parametrize("abstain", [False, True])
def test_checkers_pass(abstain: bool) -> None:
    env = gym.make(ID, traces=random_traces(), features=(*DEFAULT_FEATURES, "state"), abstain=abstain, wrong_cost=1)
    check_env(env.unwrapped)
    sb3_check_env(env.unwrapped)


@pytest.mark.parametrize("abstain", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_scalar_and_native_trajectories_are_equal(seed: int, abstain: bool) -> None:
    rng, options = np.random.default_rng(seed), {"abstain": abstain, "wrong_cost": 0.3}
    batched, scalars = native(5, **options), [scalar(**options) for _ in range(5)]
    observation, info = batched.reset(seed=seed)
    for slot, env in enumerate(scalars):
        assert np.array_equal(env.reset(options={"index": info["index"][slot]})[0], observation[slot])
    for _ in range(12):
        action = rng.integers(2 + abstain, size=5)
        observation, reward, terminated, truncated, info = batched.step(action)
        for slot, env in enumerate(scalars):
            one, paid, done, cut, one_info = env.step(action[slot])
            assert (paid, done, cut) == (reward[slot], terminated[slot], truncated[slot])
            if done:
                assert np.array_equal(one, info["final_obs"][slot])
                assert one_info == {key: info["final_info"][key][slot] for key in one_info}
                one, one_info = env.reset(options={"index": info["index"][slot]})
            assert np.array_equal(one, observation[slot])
            assert one_info["index"] == info["index"][slot]


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize(("num_envs", "puzzles"), [(1, 12), (4, 1)])
def test_everything_returned_equals_gymnasiums_sync_vector_env(
    num_envs: int, puzzles: int, mode: AutoresetMode
) -> None:
    """Keys, types, masks and values, where both draw the same puzzles: one slot in order, or one puzzle."""
    options: dict[str, Any] = {"traces": random_traces(puzzles), "order": "sequential", "cost": COST}
    options |= {"abstain": True, "wrong_cost": 0.5}
    kwargs: dict[str, Any] = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}}
    ours = native(num_envs, autoreset_mode=mode, **options)
    theirs = gym.make_vec(ID, num_envs=num_envs, **kwargs, **options)
    assert ours.autoreset_mode == ours.metadata["autoreset_mode"] == mode
    rng = np.random.default_rng(0)
    assert_equal(ours.reset(seed=0), theirs.reset(seed=0))
    for _ in range(20):
        action = rng.integers(3, size=num_envs)
        step = ours.step(action)
        assert_equal(step, theirs.step(action))
        if mode is AutoresetMode.DISABLED and step[2].any():
            with pytest.raises(gym.error.ResetNeeded, match="reset_mask"):
                ours.step(action)
            assert_equal(*(env.reset(options={"reset_mask": step[2].copy()}) for env in (ours, theirs)))


def assert_equal(got: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert set(got) == set(expected)
        for key in expected:
            assert_equal(got[key], expected[key])
    elif isinstance(expected, tuple) or (isinstance(expected, np.ndarray) and expected.dtype == object):
        for one, other in zip(got, expected, strict=True):
            assert_equal(one, other)
    elif isinstance(expected, np.ndarray):
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected)
    else:
        assert got == expected


def test_spaces() -> None:
    env = native(3)
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert env.single_observation_space == gym.spaces.Box(-1, 1, (len(DEFAULT_FEATURES),), np.float32)
    assert env.single_action_space == gym.spaces.Discrete(2)
    assert native(abstain=True).single_action_space == scalar(abstain=True).action_space == gym.spaces.Discrete(3)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert env.observation_space.contains(env.step(env.action_space.sample())[0])


def test_the_space_names_the_features_and_keeps_the_names() -> None:
    space = scalar(features=["margin", "q_halt"]).observation_space
    for kept in (space, pickle.loads(pickle.dumps(space))):
        assert vars(kept)["features"] == ["margin", "q_halt"]


def test_gymnasiums_vector_wrappers_take_it() -> None:
    env = RecordEpisodeStatistics(native(2))
    env.reset(seed=0)
    info = env.step(np.array([1, 0]))[4]
    assert info["episode"]["l"].tolist() == [1, 0]
    normalized = NormalizeObservation(native(2, autoreset_mode="NextStep"))  # takes this mode alone
    normalized.reset(seed=0)
    assert np.isfinite(normalized.step(np.array([1, 0]))[0]).all()


def test_orders_and_seeds() -> None:
    env = native(5, order="sequential")
    assert env.reset(seed=0)[1]["index"].tolist() == [0, 1, 2, 3, 4]
    assert env.step(np.array([0, 1, 0, 1, 0]))[4]["index"].tolist() == [0, 5, 2, 6, 4]
    assert env.reset(options={"index": [7, 7, 0, 11, 1]})[1]["index"].tolist() == [7, 7, 0, 11, 1]
    assert env.reset()[1]["index"].tolist() == [7, 8, 9, 10, 11]
    assert env.reset(seed=1)[1]["index"].tolist() == [0, 1, 2, 3, 4]
    one = scalar(order="sequential")
    assert [one.reset(seed=0 if not n else None)[1]["index"] for n in range(13)] == [*range(12), 0]
    for made in (native(40), scalar()):
        drawn = [
            [np.array(made.reset(seed=seed if not n else None)[1]["index"]) for n in range(9)] for seed in (1, 1, 2)
        ]
        assert np.array_equal(drawn[0], drawn[1])
        assert not np.array_equal(drawn[0], drawn[2])


def test_arrays_are_the_callers_own() -> None:
    env, untouched = native(), native()
    for each in (env, untouched):
        each.reset(seed=0)
    for _ in range(6):
        observation, reward, terminated, _, info = env.step(np.array([0, 1, 0]))
        expected = untouched.step(np.array([0, 1, 0]))
        assert_equal((observation, reward, terminated, info), (expected[0], expected[1], expected[2], expected[4]))
        for array in (observation, reward, terminated, info["index"], info["_index"], info["final_obs"][1]):
            array[:] = 1
    one = scalar()
    kept = one.reset(options={"index": 0})[0]
    kept[:] = 9
    assert one.reset(options={"index": 0})[0].max() <= 1


NAN = traces_of({**random_traces().signals, "kl": np.full((12, 2, BUDGET), np.nan, np.float32)})
POOR = traces_of({name: signal for name, signal in random_traces().signals.items() if name in ("correct", "q_halt")})


@pytest.mark.parametrize("make", [scalar, native])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost": -1}, "cost: expected a finite number of at least 0, found -1"),
        ({"cost": math.nan}, "cost: expected a finite number of at least 0, found nan"),
        ({"cost": "0.1"}, "cost: expected a finite number of at least 0, found '0.1'"),
        ({"wrong_cost": -1}, "wrong_cost: expected a finite number of at least 0, found -1"),
        ({"abstain": 1}, "abstain: expected True or False, found 1"),
        ({"order": "once"}, "order: expected one of .*found 'once'"),
        ({"order": 1}, "order: expected one of .*found 1"),
        ({"features": 3}, "features: .*found .3"),
        ({"features": "margin "}, "features: .*found .'margin '"),
        ({"features": [["kl"]]}, "features: .*found ..'kl'"),
        ({"traces": None}, "traces: expected the recorded traces of an agent, .*, found none"),
        ({"traces": 3}, "traces: expected the recorded traces of an agent, .*, found 3"),
        ({"features": ()}, r"features: expected different names of q_halt, .*, found \[\]"),
        ({"features": ("correct",)}, "features: .*found .'correct'"),
        ({"features": ("kl", "kl")}, "features: .*found .'kl', 'kl'"),
        ({"traces": POOR}, "traces: expected the signal 'q_continue' for the features, found .*correct"),
        ({"traces": NAN}, "traces: expected finite signals"),
        ({"traces": random_traces()[:0]}, "traces: expected at least one puzzle, found none"),
        ({"traces": "/nowhere"}, "/nowhere: expected"),
    ],
)
def test_bad_options_are_one_clear_error(make: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)


@pytest.mark.parametrize("action", [2, -1, 0.0, [0], "halt"])
def test_bad_actions_are_one_clear_error(action: Any) -> None:
    env = scalar()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action: expected an integer from 0 to 1, found"):
        env.step(action)
    batched = native()
    batched.reset(seed=0)
    with pytest.raises(ValueError, match="actions: expected 3 integers from 0 to 1, found"):
        batched.step(action)


def test_step_after_the_end_needs_a_reset() -> None:
    env = scalar()
    env.reset(seed=0)
    assert env.step(np.int64(1))[2]
    with pytest.raises(gym.error.ResetNeeded, match="after the end"):
        env.step(np.int64(1))
    env.reset()
    env.step(np.int64(0))


@pytest.mark.parametrize("made", [scalar, native])
def test_step_needs_a_reset(made: Any) -> None:
    with pytest.raises(gym.error.ResetNeeded):
        made().step(np.zeros(3, dtype=int))


def test_bad_index_and_slots() -> None:
    with pytest.raises(ValueError, match=r'options."index".: expected an integer from 0 to 11, found 12'):
        scalar().reset(options={"index": 12})
    with pytest.raises(ValueError, match=r'options."index".: expected 3 integers from 0 to 11'):
        native().reset(options={"index": [1, 2]})
    for num_envs in (0, "4", 2.5):
        with pytest.raises(ValueError, match="num_envs: expected an integer from 1 to 16777216, found"):
            native(num_envs)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="autoreset_mode: expected one of NextStep, SameStep, Disabled, found 'same'"):
        native(autoreset_mode="same")
    bad_seeds: list[Any] = [[], [None, 7, 8], -1, "7"]
    for seed in bad_seeds:
        with pytest.raises(ValueError, match="seed: expected"):
            native().reset(seed=seed)


@pytest.mark.parametrize("make", [scalar, native])
def test_options_that_nobody_has(make: Any) -> None:
    with pytest.raises(UnknownOptionError, match="got an unexpected keyword argument 'frameskip'") as caught:
        make(frameskip=1)
    assert len(str(caught.value)) < 500  # Gymnasium adds all options, of which the traces are long
    with pytest.raises(UnknownOptionError, match=r"'feature'; did you mean 'features'\?"):
        make(feature=("kl",))


def test_a_picture_shows_the_segments_so_far_and_the_ending() -> None:
    traces = random_traces()
    index = int(np.flatnonzero(traces.correct[:, 0, 1])[0])
    env = scalar(render_mode="rgb_array", features=("margin", "state"))
    with pytest.raises(gym.error.ResetNeeded, match="render"):
        env.render()
    env.reset(options={"index": index})
    pictures = [env.render()]
    env.step(np.int64(0))
    pictures.append(env.render())
    env.step(np.int64(1))
    pictures.append(env.render())
    assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((224, 560, 3), "uint8")}
    column, row = 420 // BUDGET, 28  # pixels of a segment and of a feature; then decision and answer
    cells = [[picture[12 + row * place, 132 + column].tolist() for place in range(5)] for picture in pictures]
    unseen, share = [234, 237, 240], traces.signals["margin"][index, 0, 1]
    assert cells[0] == [unseen] * 5  # segment 2 is still to come
    assert cells[1][0] == pytest.approx(255 + (np.array([225, 111, 36]) - 255) * share, abs=1)
    assert cells[1][3:] == [unseen] * 2
    assert cells[2] == [*cells[1][:3], [28, 33, 40], [26, 127, 55]]  # halted, and right
    abstaining = scalar(render_mode="rgb_array", features=("margin", "state"), abstain=True)
    abstaining.reset(options={"index": index})
    abstaining.step(np.int64(0))
    abstaining.step(np.int64(2))
    picture = abstaining.render()
    assert picture[12 + row * 4, 132 + column].tolist() not in (cells[2][4], unseen)  # neither right nor reached
    silent = scalar()
    silent.reset()
    assert silent.render() is None


def test_slots_are_drawn_one_by_one() -> None:
    env = native(2, render_mode="rgb_array", autoreset_mode="NextStep", order="sequential")
    assert env.render() is None
    env.reset(seed=0)
    env.step(np.array([1, 0]))
    one = scalar(render_mode="rgb_array")
    one.reset(options={"index": 0})
    one.step(np.int64(1))
    pictures = env.render()
    assert pictures is not None
    assert np.array_equal(pictures[0], one.render())
    assert not np.array_equal(pictures[1], one.render())


def test_registered_by_a_light_import() -> None:
    assert ID not in hrm_env.registered_ids()
    code = "import sys, gymnasium, hrm_agent; sys.exit('torch' in sys.modules or ID not in gymnasium.registry)"
    code = code.replace("ID", repr(ID))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
