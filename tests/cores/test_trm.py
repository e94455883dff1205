"""The TRM core: its sizes, its recursion written out, its checkpoints, its presets."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from agents import BUDGET, COPY, SHAPE, every_puzzle_once, same, tiny_agent, tiny_core

from hrm_agent import HRM
from hrm_agent.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from hrm_agent.checkpoints.reference_checkpoint import read_reference, reference_config, write_reference
from hrm_agent.config import HRMConfig, TRMConfig
from hrm_agent.cores import PuzzleShape, make_core
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.cores.layers import Block, PositionMixer, SwiGLU
from train.fit import parse
from train.presets import PRESETS

EVERY_MIXER = pytest.mark.parametrize("mixer", ["attention", "mlp"])
SUDOKU, MAZE = PuzzleShape(seq_len=81, vocab_size=11), PuzzleShape(seq_len=900, vocab_size=6)


def lively(**options: Any) -> HRMCore:
    """A TRM none of whose numbers is one that a fresh core has."""
    core = tiny_core("trm", **{"l_layers": 2, "puzzle_positions": 3, **options})
    assert isinstance(core, HRMCore)
    generator = torch.Generator().manual_seed(7)
    core.load_state_dict({n: 0.3 * torch.randn(w.shape, generator=generator) for n, w in core.state_dict().items()})
    return core


@pytest.mark.parametrize(
    ("shape", "mixer", "expected"),
    [  # sum of p.numel() over the parameters of TinyRecursiveModels' model, which the puzzle embedding is not among
        (SUDOKU, "attention", 6_828_034),
        (SUDOKU, "mlp", 5_028_866),
        (MAZE, "attention", 6_822_914),
    ],
)
def test_the_sizes_are_those_of_tiny_recursive_models(shape: PuzzleShape, mixer: str, expected: int) -> None:
    with torch.device("meta"):
        core = make_core(shape, "trm", mixer=mixer)
    assert core.get_parameter("puzzle_embedding.weight").shape == (1, 512)
    assert sum(p.numel() for p in core.parameters()) - 512 == expected


def test_defaults_are_those_of_tiny_recursive_models() -> None:
    differs = {name: value for name, value in asdict(TRMConfig()).items() if value != asdict(HRMConfig())[name]}
    assert differs == {
        "h_layers": 0,
        "l_layers": 2,
        "h_cycles": 3,
        "l_cycles": 6,
        "mixer_multiple": 256,
        "mixer_norm": "positions",
        "puzzle_positions": 16,
        "embedded_positions": 1,
        "gradient": "last-cycle",
    }


def test_one_network_is_both_modules_also_in_a_copy() -> None:
    for core in (tiny_core("trm"), copy.deepcopy(tiny_core("trm"))):
        assert core.h_module is core.l_module
        assert not [name for name in core.state_dict() if name.startswith("h_module")]
        names = [name for name, _ in core.named_parameters()]
        assert len(names) == len(set(names)) == len({id(p) for p in core.parameters()})


@EVERY_MIXER
def test_a_segment_is_the_recursion_of_the_paper(mixer: str) -> None:
    # section 4: latent z is improved T times given x, y and z, then the answer y given y and z; the last of the N
    # rounds alone is differentiated
    core = lively(mixer=mixer, h_cycles=2, l_cycles=3)
    inputs, puzzle_id = torch.randint(1, 5, (4, SHAPE.seq_len)), torch.tensor([0, 1, 2, 1])
    y, z = start = core.initial_carry(4)
    net, x = core.l_module, core.embed(inputs, puzzle_id)
    with torch.no_grad():
        for _ in range(3):
            z = net(z, y + x)
        y = net(y, z)
    for _ in range(3):
        z = net(z, y + x)
    y = net(y, z)
    core.answer_head(y[:, 3:]).square().mean().backward()
    expected = {name: p.grad.to_dense() for name, p in core.named_parameters() if p.grad is not None}
    core.zero_grad(set_to_none=True)
    output = core(start, inputs, puzzle_id)
    output.logits.square().mean().backward()
    torch.testing.assert_close(output.carry.z_h, y.detach())
    torch.testing.assert_close(output.carry.z_l, z.detach())
    found = {name: p.grad.to_dense() for name, p in core.named_parameters() if p.grad is not None}
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_the_puzzle_embedding_fills_the_first_positions_and_zeros_the_others() -> None:
    core = lively(puzzle_positions=4, embedded_positions=2)
    x = core.embed(torch.ones(2, SHAPE.seq_len, dtype=torch.long), torch.tensor([2, 0]))
    rows = core.get_parameter("puzzle_embedding.weight")[[2, 0]].view(2, 2, 16)
    torch.testing.assert_close(x[:, :2], 4.0 * rows)
    assert not x[:, 2:4].any()
    assert (x[:, 4:] != 0).all()


@torch.no_grad()
def test_an_mlp_mixer_can_normalise_over_the_positions() -> None:
    block = Block(PositionMixer(6, 4.0, 256), SwiGLU(16, 4.0), norm_positions=True)
    x = 3 * torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    mixed = x + block.mixer(x)
    scaled = mixed / (mixed.square().mean(1, keepdim=True) + 1e-5).sqrt()
    after = scaled + block.feed_forward(scaled)
    torch.testing.assert_close(block(x), after / (after.square().mean(2, keepdim=True) + 1e-5).sqrt())


CODES: dict[str, dict[str, Any]] = {
    "attention": {"puzzle_positions": 16},
    "learned": {"positions": "learned", "puzzle_positions": 16},
    "mlp": {"mixer": "mlp", "puzzle_positions": 16, "expansion": 20.0},
    "mlp, wide": {"mixer": "mlp", "puzzle_positions": 16, "expansion": 60.0},
    "two embedded": {"puzzle_positions": 16, "embedded_positions": 2},
    "no puzzle embedding": {"puzzle_positions": 0},
}


@pytest.mark.parametrize("options", CODES.values(), ids=CODES)
def test_checkpoints_of_tiny_recursive_models_are_read_and_written(tmp_path: Path, options: dict[str, Any]) -> None:
    core = lively(**options)
    write_reference(core, tmp_path / "step_10")
    weights = read_reference(tmp_path / "step_10")
    assert same(weights, core.state_dict())
    found = reference_config(weights)
    assert found["core"] == "trm"
    rebuilt = make_core(SHAPE, num_heads=2, **found)
    rebuilt.load_state_dict(weights)
    inputs, puzzle_id = torch.randint(1, 5, (2, SHAPE.seq_len)), torch.tensor([0, 2])
    with torch.no_grad():
        logits = [c(c.initial_carry(2), inputs, puzzle_id).logits for c in (core, rebuilt)]
    assert torch.equal(*logits)


@EVERY_MIXER
def test_the_names_are_those_of_tiny_recursive_models(tmp_path: Path, mixer: str) -> None:
    write_reference(lively(mixer=mixer, l_layers=1), tmp_path / "step_10")
    names = {name.removeprefix("_orig_mod.model.inner.") for name in torch.load(tmp_path / "step_10")}
    mixing = {"attention": {"self_attn.qkv_proj", "self_attn.o_proj"}, "mlp": {"mlp_t.gate_up_proj", "mlp_t.down_proj"}}
    blocks = {*mixing[mixer], "mlp.gate_up_proj", "mlp.down_proj"}
    others = {"H_init", "L_init", "embed_tokens.embedding_weight", "lm_head.weight", "q_head.weight", "q_head.bias"}
    assert names == {f"L_level.layers.0.{name}.weight" for name in blocks} | others | {"puzzle_emb.weights"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixer": "mlp", "h_layers": 1}, "expected a core with mixer 'attention', found 'mlp'"),
        ({"mixer": "mlp", "mixer_multiple": 32}, "expected mixer_multiple 256 of TinyRecursiveModels, found 32"),
        ({"mixer": "mlp", "mixer_norm": "features"}, "expected mixer_norm 'positions' of .*, found 'features'"),
    ],
)
def test_a_core_that_neither_code_has_is_not_written(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^write_reference: {message}$"):
        write_reference(lively(**options), tmp_path / "step_10")
    assert not [*tmp_path.iterdir()]


def test_an_agent_with_trm_is_saved_and_loaded(tmp_path: Path) -> None:
    model = tiny_agent(policy_kwargs={"core": "trm", "hidden_size": 16, "num_heads": 1, "mixer": "mlp", "l_layers": 1})
    model.learn(32).save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", device="cpu")
    assert isinstance(loaded.policy.core.config, TRMConfig)
    assert same(loaded.policy.state_dict(), model.policy.state_dict())


def test_an_agent_from_before_these_options_is_loaded(tmp_path: Path) -> None:
    model = tiny_agent(policy_kwargs={"core": "hrm", **asdict(HRMConfig(16, 1, h_layers=1, l_layers=1))}).learn(32)
    model.save(tmp_path / "agent.zip")
    config, tensors = read_checkpoint(tmp_path / "agent.zip")
    for name in ("mixer_multiple", "mixer_norm", "embedded_positions"):
        del config["policy_kwargs"][name]
    for name in ("label_smoothing", "depth"):
        del config["options"][name]
    write_checkpoint(tmp_path / "old.zip", config, tensors)
    assert same(HRM.load(tmp_path / "old", device="cpu").policy.state_dict(), model.policy.state_dict())


@pytest.mark.parametrize("preset", [name for name in PRESETS if "trm" in name])
def test_presets_of_trm_are_trm_and_take_its_options(preset: str) -> None:
    options = parse(["--preset", preset, "--hidden-size", "64", "--l-cycles", "5"], "fit")
    assert isinstance(options.core, TRMConfig)
    assert (options.core.hidden_size, options.core.l_cycles, options.core.h_layers) == (64, 5, 0)
    assert options.learner.q_bootstrap == "none"
    assert options.learner.ema is not None
    assert "q_continue" not in options.halting


RECIPE: dict[str, Any] = {
    "optimizer": "adam-atan2",
    "token_loss": "stablemax",
    "q_bootstrap": "none",
    "halting": "q-threshold:0.5",
}


@EVERY_MIXER
def test_learns_the_copy_task_and_when_to_stop(mixer: str) -> None:
    # everything but the sizes, the cycles, the rate, the warm-up, the weight decay and the average's memory is TRM's
    sizes = {"hidden_size": 32, "num_heads": 2, "l_layers": 1, "h_cycles": 2, "l_cycles": 2, "puzzle_positions": 2}
    core = {"core": "trm", "mixer": mixer, **sizes}
    common: dict[str, Any] = {"learning_rate": 5e-3, "warmup_steps": 20, "weight_decay": 0.1, "ema": 0.9, "seed": 0}
    env = {"max_segments": BUDGET}
    model = HRM("HRMPolicy", COPY, n_envs=16, env_kwargs=env, policy_kwargs=core, device="cpu", **common, **RECIPE)
    summary = model.learn(16 * 150).evaluate(every_puzzle_once()).summary()
    assert summary["exact"] >= 0.95
    assert summary["segments_mean"] < BUDGET
