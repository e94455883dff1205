"""HRM as an algorithm: every kind of environment, schedules, halting policies, continued runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
import torch
from agents import (
    BUDGET,
    COPY,
    LEARNING,
    SLOTS,
    every_puzzle_once,
    native_env,
    row_policies,
    same,
    tiny_agent,
    wavering_agent,
    weights,
)
from event_logs import Lines
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor

from hrm_agent import HRM
from hrm_agent.halting.rules import Fixed
from hrm_agent.sb3.policy import HRMPolicy
from hrm_env.envs.episode import HALT_REASONS


def scalar_env(**options: Any) -> gym.Env[Any, Any]:
    return gym.make(COPY, max_segments=BUDGET, **options)


ENVIRONMENTS: dict[str, Callable[[], Any]] = {
    "id": lambda: COPY,
    "gymnasium": scalar_env,
    "native numpy": lambda: native_env(array="numpy"),
    "native torch": lambda: native_env(array="torch"),
    "SB3": lambda: DummyVecEnv([scalar_env] * 4),
}


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_trains_on_every_kind_of_environment(kind: str) -> None:
    env, slots = ENVIRONMENTS[kind](), 1 if kind == "gymnasium" else 4
    model = tiny_agent(env, n_envs=slots)  # of an environment that is made, its own number is accepted
    before = weights(model)
    assert model.learn(3 * slots) is model
    assert (model.n_envs, model.num_timesteps, model._n_updates) == (slots, 3 * slots, 3)
    after = weights(model)
    assert not torch.equal(after["core.token_embedding"], before["core.token_embedding"])
    assert isinstance(model.policy, HRMPolicy)


@pytest.mark.parametrize(
    "kinds",
    [
        (lambda: native_env(array="numpy"), lambda: native_env(array="torch"), lambda: COPY),
        # one slot that goes round in file order sees the same puzzles in the scalar environment
        (
            lambda: native_env(1, order="sequential"),
            lambda: scalar_env(order="sequential"),
            lambda: DummyVecEnv([lambda: scalar_env(order="sequential")]),
        ),
    ],
    ids=["batched", "one slot"],
)
def test_kinds_with_the_same_puzzles_give_the_same_weights(kinds: Any) -> None:
    models = [tiny_agent(env, **({"n_envs": 4} if isinstance(env, str) else {})) for env in (kind() for kind in kinds)]
    trained = [weights(model.learn(20 * model.n_envs)) for model in models]
    assert all(same(other, trained[0]) for other in trained[1:])


def logged(model: HRM, updates: int, **options: Any) -> list[dict[str, Any]]:
    """What further training logs."""
    lines = Lines.of(model)
    model.learn(updates * model.n_envs, **options)
    return lines.lines


def test_logs_once_an_interval_and_at_the_end() -> None:
    lines = logged(tiny_agent(), updates=25, log_interval=10)
    assert [line["train/updates"] for line in lines] == [10, 20, 25]
    full = LEARNING["learning_rate"]
    # the rate that the interval's last step used: warm-up is linear over 20 steps
    assert [line["train/learning_rate"] for line in lines] == pytest.approx([full / 2, full, full])


@pytest.mark.parametrize(("warmup", "ratio"), [(0, 1.0), (20, 0.1)])
def test_a_schedule_of_sb3_is_multiplied_by_warm_up_and_decay(warmup: int, ratio: float) -> None:
    updates, shape = 50, {"warmup_steps": warmup, "lr_min_ratio": ratio, "puzzle_embedding_lr": 1e-2}
    rates, embedding = [], []
    for rate in (1e-3, LinearSchedule(start=1e-3, end=0.0, end_fraction=1.0)):
        model = tiny_agent(learning_rate=rate, **shape)
        assert model.config.learner.learning_rate == 1e-3
        rates.append([line["train/learning_rate"] for line in logged(model, updates, log_interval=1)])
        embedding.append(model.learner.optimizers[1].param_groups[0]["lr"])
    # SB3 asks after the timesteps that are learned from: the last step has nothing left
    assert rates[1] == pytest.approx([rate * (1 - (step + 1) / updates) for step, rate in enumerate(rates[0])])
    assert embedding[0] > 0 == embedding[1]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (lambda _: 0.0, "learning_rate: expected a schedule that begins above 0, found 0; warmup_steps warms up"),
        (lambda _: "fast", "learning_rate: expected a finite number of at least 0, found 'fast'"),
        (lambda remaining: remaining - 0.5, "learning_rate: expected a finite number of at least 0, found -0.25"),
    ],
)
def test_what_a_schedule_may_not_give(schedule: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        tiny_agent(learning_rate=schedule).learn(SLOTS * 4)


def test_cosine_decay_ends_at_the_smallest_rate() -> None:
    lines = logged(tiny_agent(warmup_steps=0, lr_min_ratio=0.1), updates=100, log_interval=50)
    expected = [LEARNING["learning_rate"] * factor for factor in (0.55, 0.1)]
    assert [line["train/learning_rate"] for line in lines] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("policy", "by_choice"), [("fixed:4", 1), ("fixed:9", 0), ("fixed:2", 1), ("random:0.3", None)]
)
def test_the_curves_tell_why_episodes_ended_as_the_environment_does(policy: str, by_choice: float | None) -> None:
    env = native_env(16)
    model = tiny_agent(env, halting=policy, exploration=0.0)
    ended: list[Tensor] = []
    step = env.step_tensors

    def noting(action: Tensor) -> Any:
        result = step(action)
        ended.append(result[4]["final_info"]["halt_reason"][result[4]["_final_info"]])
        return result

    env.step_tensors = noting  # type: ignore[method-assign]
    (line,) = logged(model, updates=40)
    by_agent = (torch.cat(ended) == HALT_REASONS.index("agent")).double().mean()
    assert line["halting/by_choice"] == pytest.approx(float(by_agent))
    assert line["halting/at_budget"] == pytest.approx(1 - float(by_agent))
    assert by_agent == by_choice if by_choice is not None else 0.5 < by_agent < 0.95


@pytest.mark.parametrize("text", ["fixed:2", "random:1", "q-threshold:0.5"])
def test_halting_is_swapped_on_a_live_agent(text: str) -> None:
    model = tiny_agent(exploration=0.0)
    assert model.halting.name == "q-compare"
    # untrained, Q_halt = Q_continue = σ(-5): neither rule of the Q head ever halts
    expected = {"fixed:2": 2.0, "random:1": 1.0, "q-threshold:0.5": float(BUDGET)}[text]
    model.halting = text
    assert model.halting.name == text
    assert (model.evaluate(every_puzzle_once()).segments == expected).all()
    assert logged(model, updates=8)[-1]["halting/segments_mean"] == expected
    obs, _ = scalar_env().reset(seed=0)
    state, halted = None, []
    for segment in range(BUDGET):
        action, state = model.predict(obs | {"segment": segment}, state)
        halted.append(bool(action[-1]))
    assert [*halted, True].index(True) + 1 == (expected if text != "q-threshold:0.5" else BUDGET + 1)


@pytest.mark.parametrize("text", row_policies())
def test_trains_and_is_evaluated_with_every_policy(text: str) -> None:
    model = tiny_agent(halting=text)
    (line,) = logged(model, updates=12)
    assert 1 <= line["halting/segments_mean"] <= BUDGET
    assert len(model.evaluate(every_puzzle_once()).exact) == 60


def test_a_policy_of_ones_own() -> None:
    class Patient(Fixed):
        """Waits for segment 3."""

    model = tiny_agent(halting=Patient(3), exploration=0.0)
    assert logged(model, updates=12)[-1]["halting/segments_mean"] == 3


@pytest.mark.parametrize("per", ["episode", "segment"])
def test_exploration_makes_episodes_longer(per: Any) -> None:
    means, rates = [], []
    for epsilon in (0.0, 1.0):
        model = tiny_agent(halting="fixed:1", exploration=epsilon, exploration_per=per)
        (line,) = logged(model, updates=40)
        means.append(line["halting/segments_mean"])
        rates.append(line["halting/exploration_rate"])
    assert means[0] == 1
    assert means[1] >= 2
    assert rates == [0, 1]


def test_the_budget_follows_set_env() -> None:
    model = tiny_agent(exploration=0.0, halting="fixed:9")
    model.learn(3 * model.n_envs)
    shorter = gym.make_vec(COPY, num_envs=SLOTS, max_segments=2)
    model.set_env(shorter)
    assert model.max_segments == model.policy.max_segments == 2
    assert logged(model, updates=6, reset_num_timesteps=False)[-1]["halting/segments_mean"] == 2
    obs, _ = shorter.reset(seed=0)
    state = None
    for segment in range(2):
        action, state = model.predict(obs | {"segment": obs["segment"] + segment}, state)
        assert not action[:, -1].any()  # the policy would think on: it is the environment that ends the episode


def test_a_run_in_two_parts_is_the_run_in_one() -> None:
    model = tiny_agent().learn(10 * 16)
    model.learn(15 * 16, reset_num_timesteps=False)
    assert (model.num_timesteps, model._n_updates) == (25 * 16, 25)
    assert same(weights(model), weights(tiny_agent().learn(25 * 16)))


def test_a_new_environment_begins_anew() -> None:
    # hidden states of the old puzzles are dropped, whatever SB3's force_reset says
    model = tiny_agent(DummyVecEnv([scalar_env] * 4), exploration=0.0, halting="fixed:3")
    model.learn(4 * 2)
    model.set_env(DummyVecEnv([scalar_env] * 4), force_reset=False)
    (line,) = logged(model, updates=3, reset_num_timesteps=False)
    assert line["halting/segments_mean"] == 3
    assert line["halting/by_choice"] == 1


def test_learning_anew_counts_anew() -> None:
    model = tiny_agent().learn(10 * 16)
    model.learn(5 * 16)
    assert model.num_timesteps == 5 * 16


def test_a_callback_stops_the_run() -> None:
    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return self.n_calls < 3

    assert tiny_agent().learn(1000 * 16, callback=Stop()).num_timesteps == 3 * 16


def test_timesteps_are_rounded_up_to_whole_updates() -> None:
    assert tiny_agent().learn(17).num_timesteps == 32


def test_the_moving_average_acts_and_is_evaluated() -> None:
    averaged, plain = tiny_agent(ema=0.9).learn(16 * 20), tiny_agent(ema=None).learn(16 * 20)
    assert averaged.policy.acting_core is not averaged.policy.core
    assert plain.policy.acting_core is plain.policy.core
    obs, _ = native_env(8).reset(seed=0)
    for model, changes in ((averaged, False), (plain, True)):
        acted, swept = model.predict(obs)[0], model.evaluate(every_puzzle_once())
        with torch.no_grad():
            model.policy.core.get_parameter("answer_head.weight").neg_()
        assert (acted != model.predict(obs)[0]).any() == changes
        assert (swept.cells != model.evaluate(every_puzzle_once()).cells).any() == changes


def test_weights_by_name() -> None:
    source, target = wavering_agent(), wavering_agent(seed=1)
    assert not same(weights(source), weights(target))
    target.set_parameters(source.get_parameters())
    assert same(weights(source), weights(target))


def test_comparing_with_an_untrained_q_value_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="'q-compare' reads Q_continue, which these options do not train"):
        tiny_agent(q_bootstrap="none", halting="q-compare")
