"""The batched environment: Gymnasium's contract, and the same trajectories as the scalar one."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from hypothesis import given, settings
from hypothesis import strategies as st

import hrm_env
from hrm_env.envs.episode import HALT_REASONS
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.task import PuzzleBatch, PuzzleTask

IDS = hrm_env.registered_ids()
SMALL: dict[str, Any] = {"num_puzzles": 12, "max_segments": 3}
ENDED = ("exact", "cell_accuracy", "segments", "halt_reason")


def native(id: str = "HRM-Sudoku4x4-v0", num_envs: int = 4, **options: Any) -> PuzzleVectorEnv:
    env = gym.make_vec(id, num_envs=num_envs, **SMALL | options)
    assert isinstance(env, PuzzleVectorEnv)
    return env


def play(solution: np.ndarray, vocab_size: int, rng: np.random.Generator) -> np.ndarray:
    """Answers that are right, wrong, half right and all PAD, with random decisions, ``(B, L+1)``."""
    noise = rng.integers(vocab_size, size=solution.shape)
    share = rng.choice([0.0, 0.5, 1.0], size=(len(solution), 1))
    answer = np.where(rng.random(solution.shape) < share, noise, solution)
    answer[rng.random(len(answer)) < 0.2] = 0
    return np.concatenate([answer, rng.integers(2, size=(len(solution), 1))], axis=1)


@pytest.mark.parametrize("id", IDS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), num_envs=st.integers(1, 5), mode=st.sampled_from(AutoresetMode))
def test_scalar_and_native_trajectories_are_equal(id: str, seed: int, num_envs: int, mode: AutoresetMode) -> None:
    rng = np.random.default_rng(seed)
    batched = native(id, num_envs, autoreset_mode=mode, wrong_cost=0.3)
    scalars = [gym.make(id, wrong_cost=0.3, **SMALL).unwrapped for _ in range(num_envs)]
    observation, info = batched.reset(seed=seed)
    vocab_size = int(batched.single_action_space.nvec[0])  # type: ignore[attr-defined]
    for slot, env in enumerate(scalars):
        assert_same(env.reset(options={"index": info["index"][slot]}), observation, info, slot)
    resting = np.zeros(num_envs, dtype=np.bool_)
    for _ in range(6):
        action = play(info["solution"], vocab_size, rng)
        observation, reward, terminated, truncated, info = batched.step(action)
        for slot, env in enumerate(scalars):
            if resting[slot]:  # the action does not count
                step = env.reset(options={"index": info["index"][slot]})
                one, paid, done, cut, one_info = step[0], 0.0, False, False, step[1]
            else:
                one, reward_of_one, done, cut, one_info = env.step(action[slot])
                paid = float(reward_of_one)
            assert (paid, done, cut) == (reward[slot], terminated[slot], truncated[slot])
            if done:
                final = info["final_info"] if mode is AutoresetMode.SAME_STEP else info
                assert all(one_info[key] == final[key][slot] for key in ENDED)
                if mode is AutoresetMode.SAME_STEP:
                    assert_same((one, one_info), info["final_obs"][slot], final, slot, final_row=True)
                    one, one_info = env.reset(options={"index": info["index"][slot]})
            assert_same((one, one_info), observation, info, slot)
        resting = terminated & (mode is AutoresetMode.NEXT_STEP)
        if mode is AutoresetMode.DISABLED and terminated.any():
            before = observation
            observation, info = batched.reset(options={"reset_mask": terminated})
            assert info["_index"].tolist() == terminated.tolist()
            assert np.array_equal(observation["inputs"][~terminated], before["inputs"][~terminated])
            for slot in np.flatnonzero(terminated).tolist():
                assert_same(scalars[slot].reset(options={"index": info["index"][slot]}), observation, info, slot)


def assert_same(scalar: Any, observation: Any, info: Any, slot: int, final_row: bool = False) -> None:
    one, one_info = scalar
    for key in one:
        assert np.array_equal(one[key], observation[key] if final_row else observation[key][slot])
    for key in ("solution", "index"):
        assert np.array_equal(one_info[key], info[key][slot])


@pytest.mark.parametrize(("num_envs", "num_puzzles"), [(1, 12), (4, 1)])
@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("id", IDS)
def test_everything_returned_equals_gymnasiums_sync_vector_env(
    id: str, mode: AutoresetMode, num_envs: int, num_puzzles: int
) -> None:
    """Keys, types, masks and values, where both draw the same puzzles: one slot in file order, or one puzzle."""
    options = SMALL | {"order": "sequential", "num_puzzles": num_puzzles, "segment_cost": 0.25, "wrong_cost": 0.5}
    kwargs: dict[str, Any] = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": mode}}
    ours = native(id, num_envs, autoreset_mode=mode, **options)
    theirs = gym.make_vec(id, num_envs=num_envs, **kwargs, **options)
    assert ours.autoreset_mode == ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"] == mode
    rng = np.random.default_rng(0)
    got, expected = ours.reset(seed=0), theirs.reset(seed=0)
    assert_equal(got, expected)
    solution = got[1]["solution"].copy()
    for _ in range(12):
        action = play(solution, int(ours.single_action_space.nvec[0]), rng)  # type: ignore[attr-defined]
        step, wanted = ours.step(action), theirs.step(action)
        assert_equal(step, wanted)
        if mode is AutoresetMode.DISABLED and step[2].any():
            got, expected = (env.reset(options={"reset_mask": step[2].copy()}) for env in (ours, theirs))
            assert_equal(got, expected)
            solution[step[2]] = got[1]["solution"][step[2]]
        else:
            solution = step[-1]["solution"].copy()


def assert_equal(got: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert set(got) == set(expected)
        for key in expected:
            assert_equal(got[key], expected[key])
    elif isinstance(expected, tuple):
        for one, other in zip(got, expected, strict=True):
            assert_equal(one, other)
    elif isinstance(expected, np.ndarray) and expected.dtype == object:
        assert_equal(tuple(got), tuple(expected))
    elif isinstance(expected, np.ndarray):
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected)
    else:
        assert got == expected


def test_make_vec_is_native_with_same_step_autoreset() -> None:
    env = native()
    assert env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    action = np.concatenate([info["solution"], np.ones((4, 1), dtype=np.int64)], axis=1)
    assert env.action_space.contains(action)
    observation, reward, terminated, _, _ = env.step(action)
    assert reward.tolist() == [1.0] * 4
    assert terminated.all()
    assert (observation["segment"] == 0).all()
    assert env.observation_space.contains(observation)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_other_vectorization_modes_work(mode: str) -> None:
    kwargs: dict[str, Any] = {"vectorization_mode": mode, "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
    env = gym.make_vec("HRM-Copy-v0", num_envs=2, **kwargs, **SMALL)
    _, info = env.reset(seed=0)
    action = np.concatenate([info["solution"], [[1], [0]]], axis=1)
    _, reward, terminated, _, info = env.step(action)
    assert (reward.tolist(), terminated.tolist()) == ([1.0, 0.0], [True, False])
    assert info["final_info"]["halt_reason"].tolist() == ["agent", None]
    env.close()


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_gymnasiums_vector_wrappers_take_it(mode: AutoresetMode) -> None:
    env = RecordEpisodeStatistics(native("HRM-Copy-v0", 2, autoreset_mode=mode.value))
    _, info = env.reset(seed=0)
    info = env.step(np.concatenate([info["solution"], [[1], [0]]], axis=1))[4]
    assert info["episode"]["r"].tolist() == [1.0, 0.0]
    assert info["episode"]["l"].tolist() == [1, 0]


@pytest.mark.parametrize("array", ["numpy", "torch"])
def test_slots_that_nothing_resets_have_to_be_reset(array: str) -> None:
    env = native(autoreset_mode="Disabled", array=array)
    with pytest.raises(gym.error.ResetNeeded, match="reset of all slots before one of some"):
        env.reset(options={"reset_mask": np.ones(4, dtype=np.bool_)})
    _, info = env.reset(seed=0)
    played = np.concatenate([info["solution"], [[1], [0], [0], [0]]], axis=1)
    action = played if array == "numpy" else torch.from_numpy(played)
    env.step(action)
    with pytest.raises(gym.error.ResetNeeded, match="reset_mask"):
        env.step(action)
    env.reset(options={"reset_mask": np.array([True, False, False, False])})
    assert np.asarray(env.step(action)[0]["segment"]).tolist() == [1, 2, 2, 2]


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_once_hands_out_every_puzzle_once_in_every_mode(mode: str) -> None:
    env = native(num_envs=5, order="once", autoreset_mode=mode)
    _, info = env.reset(seed=0)
    seen = []
    for _ in range(20):
        action = np.concatenate([np.zeros((5, 16), dtype=np.int64), np.ones((5, 1), dtype=np.int64)], axis=1)
        _, _, terminated, _, info = env.step(action)
        seen += info["index"][terminated].tolist()
        if mode == "Disabled" and terminated.any():
            info = env.reset(options={"reset_mask": terminated})[1]
    assert sorted(seen) == list(range(12))


def test_one_seed_or_one_for_each_slot() -> None:
    def drawn(seed: Any) -> list[int]:
        env = native(num_envs=3, num_puzzles=300)
        return [int(index) for n in range(3) for index in env.reset(seed=None if n else seed)[1]["index"]]

    assert drawn(7) == drawn([7, 8, 9]) == drawn(np.int64(7))
    assert drawn([7, 8, 1]) == drawn((7, 8, 1)) != drawn(7)
    assert drawn([None] * 3) != drawn([None] * 3)


@pytest.mark.parametrize("num_envs", [1, 5, 12, 30])
def test_once_hands_out_every_puzzle_once(num_envs: int) -> None:
    env = native(num_envs=num_envs, order="once")
    _, info = env.reset(seed=0)
    rng, seen = np.random.default_rng(0), []
    while info["active"].any():
        active, index = info["active"], info["index"]
        action = play(info["solution"], 6, rng)
        _, reward, terminated, _, info = env.step(action)
        assert not terminated[~active].any()
        assert not reward[~active].any()
        seen += index[terminated].tolist()
    assert sorted(seen) == list(range(12))


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_torch_mode_equals_numpy_mode(mode: AutoresetMode) -> None:
    tensors, arrays = (native(array=array, augment=True, autoreset_mode=mode) for array in ("torch", "numpy"))
    (observation, info), (observation_np, info_np) = tensors.reset(seed=3), arrays.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(8):
        assert all(np.array_equal(observation[key], observation_np[key]) for key in observation)
        assert np.array_equal(info["solution"], info_np["solution"])
        action = play(info_np["solution"], 6, rng)
        observation, reward, terminated, _, info = tensors.step(torch.as_tensor(action))
        observation_np, reward_np, terminated_np, _, info_np = arrays.step(action)
        assert np.array_equal(reward, reward_np)
        assert np.array_equal(terminated, terminated_np)
        if terminated_np.any():
            codes = info.get("final_info", info)["halt_reason"][terminated]
            reasons = info_np.get("final_info", info_np)["halt_reason"][terminated_np].tolist()
            assert [HALT_REASONS[code] for code in codes] == reasons


def test_what_was_returned_stays_as_it_was() -> None:
    env = native(array="torch", augment=True)
    observation, info = env.reset(seed=0)
    kept = observation["inputs"].clone(), info["solution"].clone()
    env.step(torch.cat([info["solution"], torch.ones(4, 1, dtype=torch.long)], dim=1))
    assert torch.equal(observation["inputs"], kept[0])
    assert torch.equal(info["solution"], kept[1])


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_arrays_are_the_callers_own(mode: AutoresetMode) -> None:
    env, untouched = (native(autoreset_mode=mode) for _ in range(2))
    for each in (env, untouched):
        each.reset(seed=0)
    action = np.zeros((4, 17), dtype=np.int64)
    for _ in range(4):
        observation, reward, terminated, truncated, info = env.step(action)
        assert_equal((observation, reward, terminated, truncated, info), untouched.step(action))
        for array in (*observation.values(), terminated, info["solution"], info["index"]):
            array[:] = 1


def test_chosen_puzzles_leave_the_order_as_it_is() -> None:
    env = native(order="sequential")
    assert env.reset(seed=0, options={"index": [7, 7, 0, 11]})[1]["index"].tolist() == [7, 7, 0, 11]
    assert env.reset()[1]["index"].tolist() == [0, 1, 2, 3]


def test_same_seed_same_trajectory() -> None:
    def trajectory(seed: int) -> list[np.ndarray]:
        env = native(augment=True)
        _, info = env.reset(seed=seed)
        rng, solutions = np.random.default_rng(0), []
        for _ in range(6):
            info = env.step(play(info["solution"], 6, rng))[4]
            solutions.append(info["solution"])
        return solutions

    first, again, other = trajectory(1), trajectory(1), trajectory(2)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_slots_are_drawn_one_by_one() -> None:
    env = native(render_mode="rgb_array")
    assert env.render() is None
    _, info = env.reset(seed=0)
    before = env.render()
    action = np.concatenate([info["solution"], [[1], [0], [0], [0]]], axis=1)
    env.step(action)
    after = env.render()
    assert before is not None
    assert after is not None
    assert len(before) == len(after) == 4
    assert not np.array_equal(before[1], after[1])


def test_once_begins_anew_at_every_reset() -> None:
    env = native(order="once")
    for _ in range(3):
        assert env.reset()[1]["index"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rewards_of_a_function_have_its_precision_whichever_slots_end(dtype: torch.dtype) -> None:
    def reward(task: PuzzleTask, batch: PuzzleBatch, answer: torch.Tensor) -> torch.Tensor:
        assert batch.inputs.dtype == batch.solution.dtype == batch.puzzle_id.dtype == answer.dtype == torch.long
        return (answer == batch.solution).to(dtype).mean(-1)

    options: dict[str, Any] = {"reward": reward, "segment_cost": 0.1, "wrong_cost": 0.7}
    tensors, arrays = (native(array=array, **options) for array in ("torch", "numpy"))
    tensors.reset(seed=3)
    _, info = arrays.reset(seed=3)
    for halt in ([0, 0, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]):
        action = np.concatenate([info["solution"], np.array(halt)[:, None]], axis=1)
        _, paid, _, _, info = arrays.step(action)
        assert np.array_equal(paid, tensors.step(torch.from_numpy(action))[1])
