"""Halting policies that SB3 learned: the same decisions without unpickling, and that they learn what is best."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import re
import zipfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import every_puzzle_once, wavering_agent
from halting_traces import random_traces, telling_traces
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.env_util import make_vec_env

from hrm_agent import HRM, halting
from hrm_agent.halting import HaltContext
from hrm_agent.halting.features import DEFAULT_FEATURES, observe
from hrm_agent.traces.halting_env import HaltingEnv
from hrm_agent.traces.record import Traces, record
from hrm_agent.traces.replay import replay
from train.__main__ import main

RANDOM = random_traces(200)
MODELS = [
    (PPO, {}),
    (PPO, {"net_arch": []}),
    (PPO, {"net_arch": {"pi": [7, 5, 3], "vf": [4]}, "activation_fn": torch.nn.ReLU}),
    (A2C, {"net_arch": [16]}),
    (A2C, {"net_arch": {"vf": [8]}}),
    (DQN, {}),
    (DQN, {"net_arch": []}),
    (DQN, {"net_arch": [9, 6, 4], "activation_fn": torch.nn.Tanh}),
]


def saved(
    path: Path,
    algorithm: Any = PPO,
    features: Any = DEFAULT_FEATURES,
    traces: Traces = RANDOM,
    abstain: bool = False,
    **policy_kwargs: Any,
) -> None:
    """A model with random weights that prefers to halt at half of the traces' segments, saved by SB3 itself."""
    env = HaltingEnv(traces, features=features, abstain=abstain)
    model = algorithm("MlpPolicy", env, policy_kwargs=policy_kwargs, seed=0, device="cpu")
    seen = torch.from_numpy(env.decisions.observations).flatten(0, 1)
    policy, generator = model.policy, torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.normal_(generator=generator)
        if algorithm is DQN:
            values, last = policy.q_net(seen), policy.q_net.q_net[-1]
        else:
            values, last = policy.get_distribution(seen).distribution.logits, policy.action_net
        last.bias[0] += (values[:, 1] - values[:, 0]).median()
        if abstain:
            last.bias[2] += (values[:, 1] - values[:, 2]).median()
    model.save(path)


def rewritten(path: Path, **members: Any) -> Path:
    """The file with other members: bytes, or a function of the JSON in ``data``."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for name, change in members.items():
        member = "policy.pth" if name == "policy" else name
        held[member] = json.dumps(change(json.loads(held[member]))).encode() if callable(change) else change
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    return path


def contexts(count: int) -> HaltContext:
    """Rows with random signals, as far from each other as those of real segments."""
    traces = random_traces(count, budget=1, seed=1)
    signals = {name: torch.from_numpy(signal[:, 0, 0]) for name, signal in traces.signals.items()}
    return HaltContext(torch.randint(1, 9, (count,), generator=torch.Generator().manual_seed(0)), 8, signals)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny agent that halts here and there."""
    folder = tmp_path_factory.mktemp("run")
    wavering_agent().save(folder / "model.zip")
    return folder


@pytest.mark.parametrize(("algorithm", "policy_kwargs"), MODELS)
@pytest.mark.parametrize("features", [DEFAULT_FEATURES, ("state", "q_halt", "fraction")])
def test_it_decides_as_the_model_that_was_saved(
    algorithm: Any, policy_kwargs: Any, features: tuple[str, ...], tmp_path: Path
) -> None:
    saved(tmp_path / "m.zip", algorithm, features, **policy_kwargs)
    policy, seen = halting.make(f"sb3:{tmp_path}/m.zip"), contexts(5000)
    expected = algorithm.load(tmp_path / "m.zip").predict(observe(seen, features).numpy(), deterministic=True)[0]
    policy.reset(torch.ones(5000, dtype=torch.bool))
    assert np.array_equal(policy.decide(seen).numpy(), expected == 1)
    assert 0 < expected.mean() < 1
    assert str(tmp_path) in policy.describe()


@pytest.mark.parametrize("algorithm", [PPO, DQN])
def test_it_abstains_as_the_model_that_was_saved(algorithm: Any, tmp_path: Path) -> None:
    saved(tmp_path / "m.zip", algorithm, abstain=True)
    policy, seen = halting.make(f"sb3:{tmp_path}/m.zip"), contexts(5000)
    expected = algorithm.load(tmp_path / "m.zip").predict(observe(seen, DEFAULT_FEATURES).numpy(), deterministic=True)[
        0
    ]
    assert set(expected.tolist()) == {0, 1, 2}
    policy.reset(torch.ones(5000, dtype=torch.bool))
    assert np.array_equal(policy.decide(seen).numpy(), expected > 0)
    assert np.array_equal(np.asarray(policy.abstains()), expected == 2)
    with pytest.raises(ValueError, match="neither abstaining, found Learned, Fixed"):
        halting.make(f"abstain(sb3:{tmp_path}/m.zip,fixed:1)")


def test_its_network_is_no_memory_of_a_run(tmp_path: Path) -> None:
    """A checkpoint of a run that trains with it holds rows of slots, and the network's weights are none."""
    saved(tmp_path / "m.zip")
    policy = halting.make(f"sb3:{tmp_path / 'm.zip'}")
    policy.reset(torch.ones(3, dtype=torch.bool))
    assert policy.state_dict() == {}


def test_it_needs_the_signals_of_its_features_alone(tmp_path: Path) -> None:
    saved(tmp_path / "m.zip", features=("cosine", "fraction", "q_halt"))
    policy = halting.make(f"sb3:{tmp_path}/m.zip")
    assert policy.needs == ("cosine", "q_halt")
    combined = halting.make(f"min:2(sb3:{tmp_path}/m.zip)")
    assert combined.needs == policy.needs


@pytest.mark.parametrize("abstain", [False, True])
def test_live_and_replay_agree(abstain: bool, run: Path, tmp_path: Path) -> None:
    policy, model = f"sb3:{tmp_path}/m.zip", HRM.load(run, device="cpu")
    traces = record(model.policy.acting_core, every_puzzle_once(num_envs=60), tmp_path / "t")
    saved(tmp_path / "m.zip", features=("q_halt", "q_continue"), traces=traces, abstain=abstain, net_arch=[])
    live, replayed = model.evaluate(every_puzzle_once(num_envs=60), halting=policy), replay(traces, policy)
    assert np.array_equal(live.segments, replayed.segments)
    assert np.array_equal(live.exact, replayed.exact)
    assert np.array_equal(live.abstained, replayed.abstained)
    assert live.abstained.any() == abstain
    assert 1 < live.segments.mean() < 4


class Payload:
    """Makes a folder when unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_pickles_in_data_are_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    saved(tmp_path / "m.zip")
    payload = {":type:": "dict", ":serialized:": base64.b64encode(pickle.dumps(Payload(trap))).decode()}

    def poison(data: Any) -> Any:
        return {name: {**value, **payload} if isinstance(value, dict) else value for name, value in data.items()}

    path = rewritten(tmp_path / "m.zip", data=lambda data: poison(data) | {"extra": payload})
    halting.make(f"sb3:{path}")  # reads the texts beside the pickles
    assert not trap.exists()
    with suppress(Exception):  # what is unpickled here is no model, but it is unpickled
        PPO.load(path)
    assert trap.exists()  # the payload was real


def test_pickles_in_the_weights_are_refused(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    saved(tmp_path / "m.zip")
    poisoned = io.BytesIO()
    torch.save({"action_net.weight": Payload(trap)}, poisoned)
    path = rewritten(tmp_path / "m.zip", policy=poisoned.getvalue())
    with pytest.raises(ValueError, match=f"{path}: expected a model that SB3 saved, found a file that is damaged or"):
        halting.make(f"sb3:{path}")
    assert not trap.exists()
    torch.load(io.BytesIO(poisoned.getvalue()), weights_only=False)
    assert trap.exists()


def weights(**tensors: Any) -> bytes:
    """A ``policy.pth`` of a net without hidden layers for the default features, with other tensors."""
    good = {"action_net.weight": torch.zeros(2, 10), "action_net.bias": torch.zeros(2)}
    named = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    file = io.BytesIO()
    torch.save({name: tensor for name, tensor in (good | named).items() if tensor is not None}, file)
    return file.getvalue()


def without(name: str) -> Any:
    return lambda data: {key: value for key, value in data.items() if key != name}


def with_kwargs(**kwargs: Any) -> Any:
    return lambda data: {**data, "policy_kwargs": kwargs}


def with_features(features: Any) -> Any:
    return lambda data: {**data, "observation_space": {**data["observation_space"], "features": features}}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"data": b"{"}, "a file that is damaged"),
        ({"data": b"[]"}, "other contents"),
        ({"data": b"[" * 100_000}, "a file that is damaged"),
        ({"data": b" " * (65 * 2**20)}, "a member larger than 64 MiB"),
        ({"policy": b"nothing"}, "a file that is damaged"),
        ({"policy": pickle.dumps({"action_net.weight": 1}, protocol=2)}, "a file that is damaged"),
        ({"policy": weights(action_net__bias=3)}, "no tensor of numbers"),
        ({"policy": weights(action_net__bias=torch.tensor([1, 2]))}, "no tensor of numbers"),
        ({"policy": weights(action_net__bias=torch.eye(2).to_sparse())}, "no tensor of numbers"),
        ({"policy": weights(action_net__bias=torch.tensor([1, torch.nan]))}, "not finite"),
        ({"policy": weights(action_net__weight=torch.zeros(1).expand(2, 10**9))}, "too large"),
        ({"policy": weights(action_net__bias=None)}, "a weight and a bias in every layer, found no bias"),
        ({"policy": weights(action_net__weight=None)}, "found no weight"),
        ({"policy": weights(action_net__weight=None, action_net__bias=None)}, "expected two or three actions"),
        ({"policy": weights(action_net__bias=torch.zeros(3))}, "layers that follow each other"),
        ({"policy": weights(action_net__weight=torch.zeros(10))}, "layers that follow each other"),
        ({"policy": weights(action_net__weight=torch.zeros(4, 10), action_net__bias=torch.zeros(4))}, "three actions"),
        ({"policy": weights(action_net__weight=torch.zeros(2, 9))}, "expected 10 inputs for its features, found 9"),
        ({"policy": weights(log_std=torch.zeros(2))}, "the weights of an MlpPolicy, found 'log_std'"),
        ({"policy": weights(features_extractor__cnn__0__weight=torch.zeros(2))}, "found 'features_extractor.cnn.0"),
        ({"data": without("policy_class")}, "expected the MlpPolicy of SB3's PPO, A2C or DQN"),
        ({"data": lambda data: {**data, "policy_class": {"__module__": "mine"}}}, "expected the MlpPolicy of SB3's"),
        ({"data": without("observation_space")}, "trained on HRM-Halting-v0, found one that names no features"),
        ({"data": with_features("kl")}, "names no features"),
        ({"data": with_features([1])}, "names no features"),
        ({"data": with_features(["correct"])}, "expected different names of .*found .'correct'"),
        ({"data": with_features(["kl"])}, "expected 1 inputs for its features, found 10"),
        ({"data": with_kwargs(activation_fn="<class 'torch.nn.modules.activation.ELU'>")}, "Tanh or ReLU, found .*ELU"),
        ({"data": with_kwargs(features_extractor_class="mine")}, "no policy_kwargs but .*'features_extractor_class'"),
        ({"data": lambda data: {**data, "policy_kwargs": 3}}, "no policy_kwargs but .*found 3"),
    ],
)
def test_other_files_are_one_clear_error(members: dict[str, Any], message: str, tmp_path: Path) -> None:
    saved(tmp_path / "m.zip", net_arch=[])
    path = rewritten(tmp_path / "m.zip", **members)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: .*{message}") as caught:
        halting.make(f"sb3:{path}")
    assert "\n" not in str(caught.value)


def test_other_models_are_one_clear_error(tmp_path: Path) -> None:
    PPO("MlpPolicy", gym.make("CartPole-v1"), device="cpu").save(tmp_path / "other.zip")
    with pytest.raises(ValueError, match="trained on HRM-Halting-v0, found one that names no features"):
        halting.make(f"sb3:{tmp_path}/other.zip")
    with pytest.raises(ValueError, match=r"nowhere\.zip: expected a model that SB3 saved, found no such file"):
        halting.make("sb3:nowhere.zip")
    saved(tmp_path / "state.zip", features=("state",))
    policy = halting.make(f"sb3:{tmp_path}/state.zip")
    with pytest.raises(ValueError, match=r"state\.zip: expected features of 2 numbers, found 3"):
        policy.decide(HaltContext(torch.ones(1), 8, {"state": torch.zeros(1, 3)}))


@pytest.mark.parametrize(
    ("algorithm", "settings", "steps"),
    [
        (PPO, {"n_steps": 128, "batch_size": 256, "learning_rate": 3e-3}, 6000),
        (DQN, {"learning_rate": 3e-3, "learning_starts": 500, "target_update_interval": 300, "train_freq": 4}, 6000),
    ],
)
def test_it_learns_the_best_policy(algorithm: Any, settings: Any, steps: int, tmp_path: Path) -> None:
    traces = telling_traces()
    env = make_vec_env(partial(HaltingEnv, traces[:150], cost=0.1), n_envs=8)
    algorithm("MlpPolicy", env, gamma=1.0, seed=0, device="cpu", **settings).learn(steps).save(tmp_path / "m.zip")
    unseen = traces[150:]
    found = replay(unseen, f"sb3:{tmp_path}/m.zip")
    solvable = unseen.correct[:, 0].any(1)
    assert np.array_equal(found.exact, solvable)
    assert np.array_equal(found.segments, np.where(solvable, unseen.correct[:, 0].argmax(1) + 1, 1))


@pytest.mark.parametrize("algorithm", ["ppo", "dqn"])
def test_the_command(algorithm: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--checkpoint", str(run), "--num-puzzles=40", "--steps=600", "--threads=1", "--device=cpu"]
    assert main(["learn-halting", *options, "--algorithm", algorithm]) == 0
    printed = capsys.readouterr().out
    policy = f"sb3:{run}/halting-{algorithm}.zip"
    assert "8 puzzles held out" in printed
    for name in (policy, "q-compare", "fixed:4", "oracle"):
        assert re.search(rf"^{re.escape(name)} +[01]\.\d{{4}} +\d\.\d\d$", printed, re.MULTILINE)
    assert main(["evaluate", "--checkpoint", str(run), "--num-puzzles=20", "--halting", policy, "--threads=1"]) == 0
    assert policy in capsys.readouterr().out


@pytest.mark.parametrize("share", ["0", "1", "nan"])
def test_the_command_refuses_shares(share: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn-halting", "--checkpoint", str(run), "--comparison", share]) == 2
    assert re.match("error: --comparison: expected a .*number .* 0 (and|to) 1, found", capsys.readouterr().err)
