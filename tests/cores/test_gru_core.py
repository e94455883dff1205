"""A core of another shape, and an example's, go through every room: no room knows HRM's states or layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import SHAPE, native_env, same, tiny_agent, tiny_core, weights
from paths import ROOT
from stable_baselines3.common.callbacks import BaseCallback

from hrm_agent import HRM, CheckpointError, halting
from hrm_agent.checkpoints.training_state import TrainingCheckpoint, restore_training, save_training
from hrm_agent.config import GRUConfig, LearnerConfig
from hrm_agent.cores import CORES, CoreConfig, PuzzleShape, make_core, register_core
from hrm_agent.cores.carry import carry_parts
from hrm_agent.cores.compiling import compiled_pieces
from hrm_agent.cores.flops import segment_flops, training_flops
from hrm_agent.cores.gru import GRUCarry, GRUCore
from hrm_agent.halting.signals import SIGNALS
from hrm_agent.inference.reasoner import Reasoner
from hrm_agent.learning.learner import Learner
from hrm_agent.learning.optim import make_optimizers
from hrm_agent.study.study import StudyPlan, run_study
from hrm_agent.traces.record import record
from hrm_env.envs.vector import PuzzleVectorEnv
from train.presets import PRESETS
from train.training import fit

GRU = {"core": "gru", "width": 16}
LEARNING = {"learning_rate": 5e-3, "lr_min_ratio": 0.1, "warmup_steps": 20, "optimizer": "adamw"}


@pytest.fixture(scope="module")
def trained() -> HRM:
    """An agent that has learned; shared, so a test must not change it."""
    options = {"policy_kwargs": {"core": "gru"}, "seed": 0, "device": "cpu", **LEARNING}
    return HRM("HRMPolicy", "HRM-Sudoku4x4-v0", n_envs=64, **cast(Any, options)).learn(64 * 300)


def sudoku(**options: Any) -> PuzzleVectorEnv:
    common = {"num_envs": 64, "order": "once", "split": "test", "num_puzzles": 200}
    return cast(PuzzleVectorEnv, gym.make_vec("HRM-Sudoku4x4-v0", **{**common, **options}).unwrapped)


def test_the_example_stays_below_70_lines_and_stands_in_the_page() -> None:
    text = (ROOT / "examples" / "own_core.py").read_text()
    assert len(text.splitlines()) < 70
    assert text in (ROOT / "docs" / "own-core.md").read_text()


def test_it_learns_sudoku_and_when_to_stop(trained: HRM) -> None:
    found = trained.evaluate(sudoku()).summary()
    assert found["exact"] > 0.9
    assert found["accuracy_by_segment"][0] < 0.5  # segments help
    assert found["segments_mean"] < 12


def test_it_is_saved_and_loaded(trained: HRM, tmp_path: Path) -> None:
    trained.save(tmp_path / "gru.zip")
    again = HRM.load(tmp_path / "gru.zip", device="cpu")
    assert isinstance(again.policy.core, GRUCore)
    assert same(weights(again), weights(trained))
    ours, theirs = (model.evaluate(sudoku()).answer for model in (trained, again))
    assert np.array_equal(ours, theirs)


def test_a_file_of_a_core_that_is_not_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_agent(policy_kwargs={"core": "vector", "width": 8}).save(tmp_path / "own.zip")
    assert HRM.load(tmp_path / "own.zip").policy.core.config.width == 8
    monkeypatch.delitem(CORES, "vector")
    message = "own.zip: core: expected one of .*, found 'vector'; import the module that registers it"
    with pytest.raises(CheckpointError, match=message):
        HRM.load(tmp_path / "own.zip")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"core": "gru", "width": 8}, "expected the weights of its own options, found others"),
        ({"core": "gru", "width": 10**9}, "width: expected an integer from 1 to 16384, found 1000000000"),
        ({"core": "gru", "depth": 3}, "core 'gru' got an unexpected keyword argument 'depth'; did you mean 'width'"),
        ({"core": "hrm"}, "expected the weights of its own options, found"),
    ],
)
def test_a_file_of_other_options_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    model = tiny_agent(policy_kwargs=GRU)
    model.policy_kwargs = options  # what the file says
    model.save(tmp_path / "gru.zip")
    with pytest.raises(CheckpointError, match=message):
        HRM.load(tmp_path / "gru.zip")


def test_it_is_recorded_and_studied(trained: HRM, tmp_path: Path) -> None:
    test = sudoku(max_segments=8)
    traces = record(trained.policy.acting_core, test, tmp_path / "gru.traces", signals=[*SIGNALS])
    assert traces.signals["state"].shape == (200, 1, 8, 64)
    assert np.array_equal(traces.signals["residual_h"], traces.signals["residual_l"])  # of the one state
    table, _ = run_study(
        [traces], StudyPlan(policies=("residual:0.1", "fixed:8"), budget=8, calibration=0, resamples=20)
    )
    exact = {row.policy: row.exact.value for row in table.rows}
    live = trained.evaluate(sudoku(max_segments=8), halting="residual:0.1").exact
    assert exact["fixed:8"] > 0.9
    assert exact["residual:0.1"] == pytest.approx(live.mean())  # a replay is what the agent does


class SaveOnce(BaseCallback):
    """Saves the run after five updates."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def _on_step(self) -> bool:
        if self.n_calls == 5:
            save_training(cast(HRM, self.model), self.path)
        return True


def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path) -> None:
    def agent(seed: int) -> HRM:
        return tiny_agent(native_env(4, augment=True), policy_kwargs=GRU, exploration=0.5, seed=seed)

    whole = agent(0).learn(4 * 9, SaveOnce(tmp_path / "run.zip"))
    again = agent(99)
    left = restore_training(again, TrainingCheckpoint.read(tmp_path / "run.zip"))
    again.learn(left, reset_num_timesteps=False)
    assert same(weights(again), weights(whole))
    assert torch.equal(again._carry.state, whole._carry.state)


def test_a_preset_takes_it(tmp_path: Path) -> None:
    options = replace(PRESETS["sudoku4x4"], preset="gru", core=GRUConfig(width=8), updates=3, threads=1)
    data = replace(options.data, num_puzzles=40, test_puzzles=20)
    fit(replace(options, data=data, out=str(tmp_path / "run")))
    assert json.loads((tmp_path / "run" / "result.json").read_text())["options"]["core"] == {"width": 8, "steps": 2}


def test_its_operations_are_counted() -> None:
    core, (rows, length, vocab, width, steps) = tiny_core("gru"), (3, SHAPE.seq_len, SHAPE.vocab_size, 16, 2)
    gates = 3 * width * (2 * width + width)
    mixed = 2 * rows * steps * (width * length * length + length * gates)
    head = 2 * rows * (length * vocab * width + 2 * width)
    assert segment_flops(core, rows) == mixed + head
    assert training_flops(core, rows, "second-pass") > 3 * segment_flops(core, rows)


def test_muon_moves_its_hidden_matrices() -> None:
    core = tiny_core("gru")
    muon, adamw = make_optimizers(core, LearnerConfig(optimizer="muon"))
    names = {id(p): name for name, p in core.named_parameters()}
    moved = {names[id(p)] for p in muon.param_groups[0]["params"]}
    assert moved == {"mix.weight", "gru.weight_ih", "gru.weight_hh"}
    assert len(adamw.param_groups[0]["params"]) == len(names) - len(moved)


def test_it_has_no_depth_curriculum() -> None:
    with pytest.raises(ValueError, match="depth: expected none for a core without cycles"):
        Learner(tiny_core("gru"), halting.make("fixed:2"), 2, LearnerConfig(depth=((0.0, 1, 1),)))


def test_its_whole_segment_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    core = tiny_core("gru")
    (piece,) = compiled_pieces(core, 2)
    assert (piece.modules, piece.attribute) == ([core], "forward")
    assert "forward" not in vars(core)


def test_views_with_noise_and_views_that_rest() -> None:
    core = tiny_core("gru")
    reasoner = Reasoner(core, halting.make("halt-first:3:0.5"), 4, 2)
    inputs, ids = torch.ones(2, SHAPE.seq_len, dtype=torch.long), torch.zeros(2, dtype=torch.long)
    for segment in range(3):
        used = torch.full((2,), segment)
        result = reasoner.think(inputs, ids, used == 0, used)
    assert result.answer.shape == inputs.shape
    assert reasoner.carry.state.shape == (6, SHAPE.seq_len, 16)


def test_only_a_core_with_a_config_of_its_own_is_registered() -> None:
    class Other(GRUCore):
        pass

    with pytest.raises(ValueError, match=r"core: expected a name of its own, found 'gru', which .* has registered"):
        register_core(Other)

    class Nameless(GRUCore):
        config_class: ClassVar[Any] = CoreConfig

    with pytest.raises(ValueError, match="core Nameless: expected a name of up to 64 letters and digits, found None"):
        register_core(Nameless)

    class Strange(GRUCore):
        config_class: ClassVar[Any] = dict

    with pytest.raises(ValueError, match="core Strange: expected config_class = a dataclass derived from CoreConfig"):
        register_core(Strange)
    assert CORES["gru"] is GRUCore


def test_it_is_built_by_name() -> None:
    core = make_core(PuzzleShape(4, 3), "gru", width=8)
    assert isinstance(core.initial_carry(2), GRUCarry)
    assert carry_parts(core.initial_carry(2))["state"].shape == (2, 4, 8)
    assert core.passes == 2
