"""The cores that HRM is compared with: sizes by formula, steps written out, learning, files, commands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents import COPY, native_env, same, tiny_agent, tiny_core, weights
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from hrm_agent import HRM, PuzzleShape, core_config, matched
from hrm_agent.checkpoints.training_state import TrainingCheckpoint, restore_training, save_training
from hrm_agent.config import CONFIGS, LearnerConfig, RNNConfig
from hrm_agent.cores import CORES
from hrm_agent.cores.compiling import compiled_pieces
from hrm_agent.cores.layers import Block
from hrm_agent.cores.matching import By, size_of
from hrm_agent.cores.rnn import RNNCore
from hrm_agent.learning.optim import make_optimizers
from hrm_env.envs.vector import PuzzleVectorEnv
from train.fit import parse
from train.presets import PRESETS

RECURRENT = ["transformer", "recurrent-transformer", "rnn"]
SMALL: dict[str, dict[str, Any]] = {
    name: {"core": name, "hidden_size": 32, "num_heads": 1, "expansion": 2.0, "mixer": "mlp"} for name in RECURRENT
} | {"gru": {"core": "gru"}}
SMALL["transformer"]["layers"] = 4
SMALL["recurrent-transformer"] |= {"layers": 1, "steps": 4}
SMALL["rnn"] |= {"layers": 2, "steps": 3}
EVERY_BASELINE = pytest.mark.parametrize("name", SMALL)
SUDOKU = PuzzleShape(81, 11)
SUDOKU6X6 = PuzzleShape(36, 8)


def puzzles(env: str, num_envs: int, **options: Any) -> PuzzleVectorEnv:
    return cast(PuzzleVectorEnv, gym.make_vec(env, num_envs=num_envs, **options).unwrapped)


def recurrent(name: str, **options: Any) -> RNNCore:
    core = tiny_core(name, **options)
    assert isinstance(core, RNNCore)
    return core


def test_every_built_in_core_has_its_config_without_torch() -> None:
    assert {name: core.config_class for name, core in CORES.items() if name in CONFIGS} == CONFIGS
    assert set(CORES) - set(CONFIGS) == {"vector"}  # of the example


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize(("layers", "steps"), [(1, 1), (3, 2)])
def test_size_by_formula(name: str, layers: int, steps: int) -> None:
    dim, length, vocab, rows = 32, SUDOKU.seq_len + 1, SUDOKU.vocab_size, 1
    inner = 256  # 2/3 * 4 * 32 = 85, up to a multiple of 256
    block = 4 * dim * dim + 3 * dim * inner
    size = size_of(core_config(name, hidden_size=dim, num_heads=2, layers=layers, steps=steps), SUDOKU)
    assert size.parameters == layers * block + 2 * vocab * dim + 2 * dim + 2
    passes = layers * steps * (2 * length * block + 4 * length * length * dim)
    assert size.flops == rows * (passes + 2 * (SUDOKU.seq_len * vocab * dim + 2 * dim))


def test_size_of_the_gru_by_formula() -> None:
    width, cells, vocab, steps = 24, SUDOKU.seq_len, SUDOKU.vocab_size, 3
    gates = 3 * width * 2 * width + 3 * width * width
    size = size_of(core_config("gru", width=width, steps=steps), SUDOKU)
    heads = (width + 1) * vocab + (width + 1) * 2
    assert size.parameters == vocab * width + cells * (cells + 1) + gates + 6 * width + heads
    assert size.flops == 2 * (steps * (width * cells * cells + cells * gates) + cells * vocab * width + 2 * width)


def test_sizes_of_the_papers_cores() -> None:
    hrm = size_of(core_config("hrm"), SUDOKU)
    assert hrm.parameters == 27_275_266
    assert size_of(core_config("transformer"), SUDOKU).parameters == hrm.parameters
    assert size_of(core_config("rnn"), SUDOKU).flops == hrm.flops
    assert size_of(core_config("rnn", layers=8, steps=3), SUDOKU) == hrm


@pytest.mark.parametrize(("gradient", "kept"), [("one-step", 1), ("last-cycle", 3), ("full", 3)])
def test_the_steps_written_out(gradient: str, kept: int) -> None:
    core = recurrent("rnn", steps=3, gradient=gradient)
    inputs, ids = torch.tensor([[1, 2, 3, 4, 1, 2]]), torch.tensor([1])
    first = core(core.initial_carry(1), inputs, ids)
    second = core(first.carry, inputs, ids)
    found = torch.autograd.grad(second.logits.square().sum(), [core.token_embedding])
    x, z = core.embed(inputs, ids), first.carry.z
    for step in range(3):
        z = core.network(z, x)
        z = z.detach() if step < 3 - kept else z
    expected = core.answer_head(z[:, 1:])
    torch.testing.assert_close(second.logits, expected)
    torch.testing.assert_close(found, torch.autograd.grad(expected.square().sum(), [core.token_embedding]))


@torch.no_grad()
def test_the_puzzle_enters_a_recurrent_transformer_once() -> None:
    inputs, ids = torch.tensor([[1, 2, 3, 4, 1, 2]]), torch.tensor([1])

    def blocks(core: RNNCore, x: Tensor) -> Tensor:
        for block in core.network.blocks:
            x = block(x)
        return x

    core = recurrent("recurrent-transformer", steps=3)
    x = core.embed(inputs, ids)
    z = blocks(core, blocks(core, blocks(core, x)))
    assert torch.equal(core(core.initial_carry(1), inputs, ids).carry.z, z)
    plain = recurrent("transformer")
    assert plain.cycles == (1, 1)
    first = plain(plain.initial_carry(1), inputs, ids)
    assert torch.equal(first.carry.z, blocks(plain, plain.embed(inputs, ids)))
    assert torch.equal(plain(first.carry, inputs, ids).carry.z, blocks(plain, first.carry.z + plain.embed(inputs, ids)))


def test_inner_steps_are_the_steps_or_the_blocks_of_one_step() -> None:
    rnn, plain = recurrent("rnn", steps=3), recurrent("transformer", layers=4)
    assert [step.module for step in rnn.inner_steps()] == [rnn.network] * 3
    assert [step.module for step in plain.inner_steps()] == list(plain.network.blocks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"injection": "never"}, "injection: expected one of every-step, first-step, found 'never'"),
        ({"injection": "first-step"}, "gradient: expected 'full' with injection 'first-step', found 'one-step'"),
        ({"steps": 0}, "steps: expected an integer from 1 to 16384, found 0"),
        ({"layers": 1024, "steps": 1024}, "layers and steps: expected at most 16,384 passes"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RNNConfig(**options)


@pytest.mark.parametrize(("env", "updates", "exact"), [(COPY, 150, 0.95), ("HRM-Sudoku4x4-v0", 300, 0.8)])
@EVERY_BASELINE
def test_it_learns(name: str, env: str, updates: int, exact: float) -> None:
    budget = 1 if "transformer" in name else 6
    augment = {} if env == COPY else {"augment": True}
    model = tiny_agent(puzzles(env, 32, max_segments=budget, **augment), policy_kwargs=SMALL[name])
    model.learn(32 * updates)
    test = puzzles(env, 64, max_segments=budget, order="once", split="test", num_puzzles=200)
    assert model.evaluate(test).summary()["exact"] > exact


@EVERY_BASELINE
def test_it_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model = tiny_agent(policy_kwargs=SMALL[name]).learn(16 * 3)
    model.save(tmp_path / "agent.zip")
    again = HRM.load(tmp_path / "agent.zip", device="cpu")
    assert again.policy.core.config == model.policy.core.config
    assert same(weights(again), weights(model))
    observation, _ = native_env(5).reset(seed=0)
    assert np.array_equal(again.predict(observation)[0], model.predict(observation)[0])


class SaveOnce(BaseCallback):
    """Saves the run after five updates."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def _on_step(self) -> bool:
        if self.n_calls == 5:
            save_training(cast(HRM, self.model), self.path)
        return True


@pytest.mark.parametrize("name", RECURRENT)  # for the GRU see test_gru_core.py
def test_a_resumed_run_is_the_run_that_never_stopped(name: str, tmp_path: Path) -> None:
    def agent(seed: int) -> HRM:
        return tiny_agent(native_env(4, augment=True), policy_kwargs=SMALL[name], exploration=0.5, seed=seed)

    whole = agent(0).learn(4 * 9, SaveOnce(tmp_path / "run.zip"))
    again = agent(99)
    left = restore_training(again, TrainingCheckpoint.read(tmp_path / "run.zip"))
    again.learn(left, reset_num_timesteps=False)
    assert same(weights(again), weights(whole))
    assert torch.equal(again._carry.z, whole._carry.z)


@pytest.mark.parametrize("name", RECURRENT)
def test_its_block_is_compiled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    core = recurrent(name)
    (piece,) = compiled_pieces(core, 2)
    assert (piece.modules, piece.attribute) == ([core.network], "run_block")
    assert core.compilable()[0].function is Block.forward


def test_muon_moves_the_matrices_of_its_blocks() -> None:
    core = recurrent("rnn", mixer="attention")
    muon, *_ = make_optimizers(core, LearnerConfig(optimizer="muon"))
    assert {id(p) for p in muon.param_groups[0]["params"]} == {id(p) for p in core.network.parameters()}


def test_a_depth_curriculum_changes_its_steps() -> None:
    curriculum = ((0.0, 1, 1), (0.5, 1, 3))
    model = tiny_agent(policy_kwargs=SMALL["rnn"], depth=curriculum)
    seen: list[tuple[int, int]] = []

    class Noting(BaseCallback):
        def _on_step(self) -> bool:
            seen.append(cast(HRM, self.model).policy.core.cycles or (0, 0))
            return True

    model.learn(16 * 4, Noting())
    assert set(seen) == {(1, 1), (1, 3)}


@pytest.mark.parametrize(
    ("core", "by", "option"),
    [
        ("transformer", "parameters", "layers"),
        ("transformer", "flops", "layers"),
        ("rnn", "parameters", "hidden_size"),
        ("rnn", "flops", "steps"),
        ("gru", "parameters", "width"),
        ("gru", "flops", "width"),
    ],
)
def test_matched_sizes(core: str, by: By, option: str) -> None:
    target = core_config("hrm", hidden_size=128, num_heads=4, h_layers=2, l_layers=2)
    start = core_config(core, **({} if core == "gru" else {"hidden_size": 128, "num_heads": 2, "layers": 4}))
    found = matched(start, target, SUDOKU6X6, by, option)
    assert found.size == size_of(found.config, SUDOKU6X6)
    assert found.target == size_of(target, SUDOKU6X6)
    assert getattr(found.size, by) == pytest.approx(getattr(found.target, by), rel=0.01)
    changed = {key for key, value in asdict(found.config).items() if value != getattr(start, key)}
    assert changed <= {option}
    assert f"{core}: {found.size.parameters:,} parameters" in str(found)
    assert f"{found.size.flops:,} operations" in str(found)


def test_parameters_and_operations_matched_at_once() -> None:
    target = core_config("hrm", hidden_size=32, num_heads=2, h_layers=2, l_layers=2)
    start = core_config("rnn", hidden_size=32, num_heads=2)
    found = matched(start, target, SUDOKU6X6)
    both = matched(found.config, target, SUDOKU6X6, by="flops", option="steps")
    assert both.size == both.target
    assert (both.config.layers, both.config.steps) == (4, 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("by", "option", "message"),
    [
        (
            "parameters",
            "steps",
            r"option 'steps': .* 27,275,266 parameters, found .* with steps=1 at best",
        ),
        ("parameters", "mixer", "option: expected one of hidden_size, .*layers.*, found 'mixer'"),
        ("time", "layers", "by: expected one of parameters, flops, found 'time'"),
    ],
)
def test_what_cannot_be_matched(by: By, option: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        matched(core_config("rnn"), core_config("hrm"), SUDOKU, by, option)


@pytest.mark.parametrize("name", SMALL)
def test_the_presets_have_the_parameters_of_hrm(name: str) -> None:
    found, hrm = (size_of(PRESETS[preset].core, SUDOKU6X6) for preset in (f"sudoku6x6-{name}", "sudoku6x6"))
    assert found.parameters == pytest.approx(hrm.parameters, rel=0.01)
    if name in ("rnn", "recurrent-transformer"):
        assert found == hrm
    assert PRESETS[f"sudoku6x6-{name}"].data.max_segments == (1 if "transformer" in name else 8)


def test_a_core_is_chosen_on_the_command_line() -> None:
    preset = PRESETS["sudoku9-paper"].core
    found = parse(["--preset", "sudoku9-paper", "--core", "rnn", "--steps", "3"], "fit")
    assert found.core == core_config("rnn", dtype="bfloat16", steps=3)
    assert found.core_name == "rnn"
    assert parse(["--core=gru", "--width", "8"], "fit").core == core_config("gru", width=8)
    assert parse(["--preset", "sudoku9-paper", "--core", "hrm"], "fit").core == preset
    with pytest.raises(ValueError, match=r"--core: expected one of hrm, trm, transformer, .*, found 'nope'"):
        parse(["--core", "nope"], "fit")
