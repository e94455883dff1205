"""The cores: sizes, gradients, memory, carry and independence of rows, over every core and variant."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest
import torch
from agents import OF_BLOCKS, SHAPE, relative_error, tiny_core
from torch import Tensor

from hrm_agent.config import HRMConfig
from hrm_agent.cores import CORES, Carry, HRMCarry, PuzzleShape, ReasoningCore, SegmentOutput, make_core
from hrm_agent.cores.carry import carry_parts, slow_state
from hrm_agent.cores.hrm import HRMCore
from hrm_env.checks import UnknownOptionError

VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "hrm": {
        "mlp": {"mixer": "mlp"},
        "rope": {"mixer": "attention", "positions": "rope"},
        "learned": {"mixer": "attention", "positions": "learned"},
        "no prefix": {"puzzle_positions": 0},
        "two heads, deep": {"num_heads": 2, "h_layers": 2, "l_layers": 3, "h_cycles": 3, "l_cycles": 1},
    },
    "trm": {
        "mlp": {"mixer": "mlp"},
        "rope": {"mixer": "attention"},
        "no prefix": {"puzzle_positions": 0},
    },
    "rnn": {
        "mlp": {"mixer": "mlp"},
        "learned": {"positions": "learned", "puzzle_positions": 3},
        "first step": {"injection": "first-step", "gradient": "full"},
    },
}
EVERY_CORE = [
    pytest.param(name, options | ({"dtype": dtype} if name in OF_BLOCKS else {}), id=f"{name}-{variant}-{dtype}")
    for name in CORES
    for variant, options in VARIANTS.get(name, {"plain": {}}).items()
    for dtype in (("float32", "bfloat16") if name in OF_BLOCKS else ("float32",))
]
ROUNDING = {"float32": 1e-5, "bfloat16": 5e-2}


def puzzles(rows: int = 5, seed: int = 0, shape: PuzzleShape = SHAPE) -> tuple[Tensor, Tensor]:
    """Random inputs ``(B, L)`` and puzzle ids ``(B,)``."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(1, shape.vocab_size, (rows, shape.seq_len), generator=generator)
    return inputs, torch.randint(shape.num_puzzle_ids, (rows,), generator=generator)


@torch.no_grad()
def lively(core: ReasoningCore) -> ReasoningCore:
    """Gives random values to the weights that start as zeros, so that they matter."""
    generator = torch.Generator().manual_seed(7)
    for parameter in core.parameters():
        if not parameter.any():
            parameter.normal_(generator=generator)
    return core


def two_segments(core: ReasoningCore, inputs: Tensor, puzzle_id: Tensor) -> SegmentOutput:
    first = core(core.initial_carry(len(inputs)), inputs, puzzle_id)
    output: SegmentOutput = core(first.carry, inputs, puzzle_id)
    return output


def states(carry: Carry) -> list[Tensor]:
    return [part for part in carry_parts(carry).values() if part.is_floating_point()]


def values(output: SegmentOutput) -> tuple[Tensor, ...]:
    return *carry_parts(output.carry).values(), *output.detach()[1:-1]


def test_the_papers_size() -> None:
    with torch.device("meta"):  # sizes without memory
        core = make_core(PuzzleShape(seq_len=81, vocab_size=11))
    embedding = core.get_parameter("puzzle_embedding.weight")
    counted = [p.numel() for p in core.parameters() if p.requires_grad and p is not embedding]
    assert sum(counted) == 27_275_266


@pytest.mark.parametrize(("name", "options"), EVERY_CORE)
@torch.no_grad()
def test_a_segment_has_the_promised_shapes(name: str, options: dict[str, Any]) -> None:
    core = tiny_core(name, **options)
    inputs, puzzle_id = puzzles(3)
    output = two_segments(core, inputs, puzzle_id)
    start = core.initial_carry(3)
    kinds, first = ([(n, p.shape, p.dtype) for n, p in carry_parts(carry).items()] for carry in (output.carry, start))
    assert kinds == first
    assert states(start)[0].dtype == getattr(torch, options.get("dtype", "float32"))
    assert len({part.dtype for part in states(start)}) == 1
    assert output.logits.shape == (3, SHAPE.seq_len, SHAPE.vocab_size)
    assert output.q_halt.shape == output.q_continue.shape == (3,)
    assert {output.logits.dtype, output.q_halt.dtype, output.q_continue.dtype} == {torch.float32}
    assert all(torch.isfinite(value).all() for value in values(output))
    for value, again in zip(core.q_values(output.q_input), (output.q_halt, output.q_continue), strict=True):
        assert torch.equal(value, again)


@pytest.mark.parametrize(("name", "options"), EVERY_CORE)
@torch.no_grad()
def test_rows_do_not_see_each_other(name: str, options: dict[str, Any]) -> None:
    core = lively(tiny_core(name, **options))
    inputs, puzzle_id = puzzles()
    rounding = ROUNDING[options.get("dtype", "float32")]
    together = values(two_segments(core, inputs, puzzle_id))
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = values(two_segments(core, inputs[order], puzzle_id[order]))
    alone = values(two_segments(core, inputs[2:3], puzzle_id[2:3]))
    for whole, moved, single in zip(together, permuted, alone, strict=True):
        assert relative_error(moved.float(), whole[order].float()) <= rounding
        assert relative_error(single.float(), whole[2:3].float()) <= rounding


@pytest.mark.parametrize(("name", "options"), [case for case in EVERY_CORE if "float32" in str(case.id)])
@torch.no_grad()
def test_every_cell_and_its_place_matter(name: str, options: dict[str, Any]) -> None:
    core = lively(tiny_core(name, **options))
    inputs, puzzle_id = torch.tensor([[1, 2, 3, 4, 1, 2]]), torch.tensor([0])
    logits = two_segments(core, inputs, puzzle_id).logits
    changed = inputs.clone()
    changed[0, -1] = 4
    assert not torch.allclose(two_segments(core, changed, puzzle_id).logits[0, 0], logits[0, 0], atol=1e-3)
    order = torch.tensor([1, 2, 3, 4, 5, 0])
    moved = two_segments(core, inputs[:, order], puzzle_id).logits
    assert not torch.allclose(moved, logits[:, order], atol=1e-3)


@pytest.mark.parametrize("name", CORES)
def test_the_carry_is_detached(name: str) -> None:
    core = tiny_core(name)
    output = core(core.initial_carry(5), *puzzles())
    assert output.logits.requires_grad
    assert not any(part.requires_grad for part in carry_parts(output.carry).values())


@pytest.mark.parametrize("name", CORES)
@torch.no_grad()
def test_reset_carry_touches_only_the_masked_rows(name: str) -> None:
    core = tiny_core(name)
    carry = core(core.initial_carry(5), *puzzles()).carry
    mask = torch.tensor([True, False, True, False, False])
    carries = core.reset_carry(carry, mask), carry, core.initial_carry(5)
    for after, before, start in zip(*(carry_parts(each).values() for each in carries), strict=True):
        assert torch.equal(after[mask], start[mask])
        assert torch.equal(after[~mask], before[~mask])
        if before.is_floating_point():
            assert not torch.equal(before[mask], start[mask])


@pytest.mark.parametrize("name", CORES)
@torch.no_grad()
def test_the_carry_is_all_that_a_segment_remembers(name: str) -> None:
    core = tiny_core(name)
    inputs, puzzle_id = puzzles()
    first = two_segments(core, inputs, puzzle_id)
    second = two_segments(core, inputs, puzzle_id)
    assert all(torch.equal(a, b) for a, b in zip(values(first), values(second), strict=True))
    further = core(first.carry, inputs, puzzle_id)
    assert not torch.allclose(slow_state(further.carry), slow_state(first.carry), atol=1e-3)


CYCLE = "LLLH"  # three fast steps, one slow step
CYCLES = 2 * CYCLE


def _gradients(core: HRMCore, carry: HRMCarry, inputs: Tensor, puzzle_id: Tensor, tail: int) -> dict[str, Tensor]:
    """Gradients of a loss on all outputs where only the last ``tail`` updates are differentiated, step by step."""
    x = core.embed(inputs, puzzle_id)
    z_h, z_l = carry
    for number, update in enumerate(CYCLES):
        with torch.set_grad_enabled(len(CYCLES) - number <= tail):
            if update == "L":
                z_l = core.l_module(z_l, z_h + x)
            else:
                z_h = core.h_module(z_h, z_l)
    _loss(core.answer_head(z_h[:, 1:]), *core.q_values(z_h[:, 0])).backward()
    return _taken(core)


def _loss(logits: Tensor, q_halt: Tensor, q_continue: Tensor) -> Tensor:
    return logits.square().mean() + (q_halt - 1).square().mean() + (q_continue + 2).square().mean()


def _taken(core: ReasoningCore) -> dict[str, Tensor]:
    taken = {name: p.grad.to_dense() for name, p in core.named_parameters() if p.grad is not None}
    core.zero_grad(set_to_none=True)
    return taken


def test_gradient_goes_through_the_last_updates() -> None:
    # the paper's one-step gradient: output head, last state of H, last state of L, input embedding
    found = {}
    inputs, puzzle_id = puzzles()
    for gradient, tail in (("one-step", 2), ("last-cycle", len(CYCLE)), ("full", len(CYCLES))):
        core = lively(tiny_core(h_cycles=2, l_cycles=3, gradient=gradient))
        assert isinstance(core, HRMCore)
        carry = core(core.initial_carry(5), inputs, puzzle_id).carry
        output = core(carry, inputs, puzzle_id)
        _loss(output.logits, output.q_halt, output.q_continue).backward()
        found[gradient] = _taken(core)
        torch.testing.assert_close(found[gradient], _gradients(core, carry, inputs, puzzle_id, tail))
    for first, second in (("one-step", "last-cycle"), ("last-cycle", "full"), ("one-step", "full")):
        for name in ("token_embedding", "puzzle_embedding.weight", "l_module.blocks.0.feed_forward.down.weight"):
            assert relative_error(found[first][name], found[second][name]) > 1e-2, (first, second, name)


def _stored_for_backward(gradient: str, h_cycles: int) -> int:
    """Numbers that autograd keeps for the backward pass of a segment."""
    core = tiny_core(h_cycles=h_cycles, gradient=gradient)
    stored: list[int] = []

    def noting(tensor: Tensor) -> Tensor:
        stored.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(noting, lambda tensor: tensor):
        core(core.initial_carry(5), *puzzles())
    return sum(stored)


@pytest.mark.parametrize(("gradient", "grows"), [("one-step", False), ("last-cycle", False), ("full", True)])
def test_memory_of_the_gradient(gradient: str, grows: bool) -> None:
    few, many = _stored_for_backward(gradient, 2), _stored_for_backward(gradient, 8)
    assert few > 0
    assert many > 3 * few if grows else many == few


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"core": "nope"}, f"core: expected one of {', '.join(CORES)}, found 'nope'"),
        ({"width": 3}, "core 'hrm' got an unexpected keyword argument 'width'; expected one of hidden_size"),
        ({"mixer": "conv"}, "mixer: expected one of .*, found 'conv'"),
        ({"positions": "sinus"}, "positions: expected one of .*, found 'sinus'"),
        ({"gradient": "two-step"}, "gradient: expected one of .*, found 'two-step'"),
        ({"dtype": "float16"}, "dtype: expected one of .*, found 'float16'"),
        ({"h_cycles": 0}, "h_cycles: expected an integer from 1 to 16384, found 0"),
        ({"l_layers": -1}, "l_layers: expected an integer from 1 to 16384, found -1"),
        ({"h_layers": -1}, "h_layers: expected an integer from 0 to 16384, found -1"),
        ({"mixer_multiple": 0}, "mixer_multiple: expected an integer from 1 to 16384, found 0"),
        ({"embedded_positions": 2}, "embedded_positions: expected 1 to puzzle_positions = 1, found 2"),
        ({"embedded_positions": 0}, "embedded_positions: expected 1 to puzzle_positions = 1, found 0"),
        (
            {"hidden_size": 30, "num_heads": 4},
            "hidden_size: expected a multiple of .* 8 with .*, found 30",
        ),
        ({"puzzle_positions": -1}, "puzzle_positions: expected an integer from 0 to 16384, found -1"),
        ({"expansion": 0.0}, "expansion: expected more than 0, found 0"),
        ({"expansion": math.inf}, "expansion: expected a finite number from 0 to 16384, found inf"),
        ({"hidden_size": "64"}, "hidden_size: expected an integer from 1 to 16384, found '64'"),
        ({"h_cycles": 1.5}, "h_cycles: expected an integer from 1 to 16384, found 1.5"),
        ({"h_cycles": math.nan}, "h_cycles: expected an integer from 1 to 16384, found nan"),
        ({"mixer_multiple": 10**5000}, "mixer_multiple: expected an integer .* found an integer of 16,610 bits"),
        ({"swiglu_norm": 1}, "swiglu_norm: expected True or False, found 1"),
        ({"embedded_positions": "1"}, "embedded_positions: expected an integer, found '1'"),
        ({"mixer": ["mlp"]}, r"mixer: expected one of attention, mlp, units, neighbours, found \['mlp'\]"),
        ({"shape": 3}, "core 'hrm' got an unexpected keyword argument 'shape'"),
        ({"h_cycles": 1024, "l_cycles": 1024}, "h_cycles, l_cycles, .*: expected at most 16,384 passes .* found 4"),
    ],
)
def test_bad_options_are_one_clear_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, UnknownOptionError), match=message):
        make_core(SHAPE, **options)


def test_defaults_are_the_papers() -> None:
    sizes = {"hidden_size": 512, "num_heads": 8, "expansion": 4.0, "h_layers": 4, "l_layers": 4}
    cycles = {"h_cycles": 2, "l_cycles": 2, "gradient": "one-step"}
    positions = {"mixer": "attention", "mixer_multiple": 32, "mixer_norm": "features", "swiglu_norm": False}
    positions |= {"positions": "rope", "grid_columns": None, "puzzle_positions": 1}
    positions |= {"box": None, "feed_forward_multiple": 256}
    expected = {**sizes, **cycles, **positions, "embedded_positions": None, "dtype": "float32"}
    assert asdict(HRMConfig()) == expected


@pytest.mark.parametrize(
    ("cuda", "amx", "avx512", "expected"),
    [
        (True, False, False, "bfloat16"),
        (False, True, False, "bfloat16"),
        (False, False, True, "bfloat16"),
        (False, False, False, "float32"),
    ],
)
def test_auto_is_the_precision_that_the_machine_multiplies_in(
    cuda: bool, amx: bool, avx512: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    core = HRMCore(SHAPE, HRMConfig(hidden_size=8, num_heads=1, dtype="auto"))
    assert core.config.dtype == expected
    assert core.initial_carry(1).z_h.dtype == getattr(torch, expected)
