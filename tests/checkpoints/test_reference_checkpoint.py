"""Checkpoints of the reference code: read, written, refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents import SHAPE, hrm_core, same, tiny_agent, tiny_core
from hostile import savez
from safetensors.torch import save_file
from torch import Tensor

from hrm_agent import HRM, CheckpointError
from hrm_agent.checkpoints.reference_checkpoint import read_reference, reference_config, write_reference
from hrm_agent.cores import PuzzleShape
from hrm_agent.cores.hrm import HRMCore

NO_TENSOR: Any = 5
PREFIXES = ["_orig_mod.model.", "model.", "_orig_mod.", ""]
SIZES: dict[str, dict[str, Any]] = {
    "rotary": {},
    "learned": {"positions": "learned", "h_layers": 2},
    "no prefix": {"puzzle_positions": 0, "l_layers": 3},
    "wide": {"puzzle_positions": 2, "expansion": 40.0},
}


def random_core(**options: Any) -> HRMCore:
    """A core none of whose numbers is one that a fresh core has."""
    core = hrm_core(tiny_core(**options))
    generator = torch.Generator().manual_seed(7)
    core.load_state_dict({n: torch.randn(w.shape, generator=generator) for n, w in core.state_dict().items()})
    return core


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path, prefix: str, sizes: dict[str, Any]) -> None:
    core = random_core(**sizes)
    write_reference(core, tmp_path / "step_10", prefix)
    assert [file.name for file in tmp_path.iterdir()] == ["step_10"]
    assert same(read_reference(tmp_path / "step_10"), core.state_dict())


def test_the_names_and_shapes_are_those_of_the_reference_code(tmp_path: Path) -> None:
    write_reference(random_core(positions="learned"), tmp_path / "step_10")
    found = torch.load(tmp_path / "step_10", weights_only=True)
    blocks = {
        f"{level}_level.layers.0.{name}.weight": shape
        for level in "HL"
        for name, shape in {
            "self_attn.qkv_proj": (48, 16),
            "self_attn.o_proj": (16, 16),
            "mlp.gate_up_proj": (512, 16),
            "mlp.down_proj": (16, 256),
        }.items()
    }
    others = {"H_init": (16,), "L_init": (16,), "embed_tokens.embedding_weight": (5, 16), "lm_head.weight": (5, 16)}
    others |= {"q_head.weight": (2, 16), "q_head.bias": (2,), "puzzle_emb.weights": (3, 16)}
    others |= {"embed_pos.embedding_weight": (7, 16)}
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        f"_orig_mod.model.inner.{name}": shape for name, shape in (blocks | others).items()
    }


def test_start_states_are_written_in_the_precision_of_the_activations(tmp_path: Path) -> None:
    core = random_core(dtype="bfloat16")
    write_reference(core, tmp_path / "step_10", prefix="")
    found = torch.load(tmp_path / "step_10", weights_only=True)
    assert {name for name, tensor in found.items() if tensor.dtype == torch.bfloat16} == {
        "inner.H_init",
        "inner.L_init",
    }
    weights = read_reference(tmp_path / "step_10")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    before = core.initial_carry(1)
    core.load_state_dict(weights)
    assert torch.equal(core.initial_carry(1).z_h, before.z_h)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_sizes_are_read_from_the_weights(tmp_path: Path, sizes: dict[str, Any]) -> None:
    core = random_core(**sizes)
    write_reference(core, tmp_path / "step_10")
    weights = read_reference(tmp_path / "step_10")
    found = reference_config(weights)
    for name in ("hidden_size", "h_layers", "l_layers", "positions", "puzzle_positions"):
        assert found[name] == getattr(core.config, name), name
    rebuilt = tiny_core(found.pop("core"), **found)
    rebuilt.load_state_dict(weights)
    inputs, puzzle_id = torch.randint(1, 5, (2, SHAPE.seq_len)), torch.tensor([0, 2])
    with torch.no_grad():
        logits = [c(c.initial_carry(2), inputs, puzzle_id).logits for c in (core, rebuilt)]
    assert torch.equal(*logits)


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_other_containers(tmp_path: Path, kind: str) -> None:
    core = random_core()
    write_reference(core, tmp_path / "step_10", prefix="")
    tensors = torch.load(tmp_path / "step_10", weights_only=True)
    path = tmp_path / f"weights.{kind}"
    if kind == "npz":
        arrays = {f"weights/{name}": tensor.numpy() for name, tensor in tensors.items()}
        savez(path, arrays | {"config/positions": np.array("rope"), "gradients/inner.H_init": np.zeros(3)})
    else:
        save_file(tensors, path)
    assert same(read_reference(path), core.state_dict())


def test_a_narrow_puzzle_embedding_is_filled_up_with_zeros(tmp_path: Path) -> None:
    change(tmp_path, lambda tensors: tensors.update({"inner.puzzle_emb.weights": torch.ones(3, 20)}))
    weights = read_reference(tmp_path / "changed")
    assert weights["puzzle_embedding.weight"].tolist() == [[1.0] * 20 + [0.0] * 12] * 3
    assert reference_config(weights)["puzzle_positions"] == 2


def test_an_agent_out_of_a_reference_checkpoint(tmp_path: Path) -> None:
    core = random_core(shape=PuzzleShape(seq_len=4, vocab_size=5))
    write_reference(core, tmp_path / "step_10")
    weights = read_reference(tmp_path / "step_10")
    model = tiny_agent(ema=None, policy_kwargs=reference_config(weights) | {"num_heads": 2})
    model.policy.core.load_state_dict(weights)
    model.save(tmp_path / "agent")
    assert same(HRM.load(tmp_path / "agent", device="cpu").policy.core.state_dict(), core.state_dict())


def change(folder: Path, edit: Callable[[dict[str, Tensor]], Any]) -> Path:
    """A reference checkpoint whose tensors were edited."""
    write_reference(random_core(), folder / "good", prefix="")
    tensors = torch.load(folder / "good", weights_only=True)
    edit(tensors)
    torch.save(tensors, folder / "changed")
    return folder / "changed"


EDITS: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "missing": (
        lambda t: t.pop("inner.lm_head.weight"),
        "lm_head.weight: expected a tensor of shape (5, 16), found none",
    ),
    "no start": (lambda t: t.pop("inner.H_init"), "H_init: expected a tensor of the reference code, found none"),
    "unknown": (
        lambda t: t.update(bias=torch.zeros(1)),
        "bias: expected a name of the reference code, found an unknown one",
    ),
    "shape": (lambda t: t.update({"inner.L_init": torch.zeros(8)}), "L_init: expected shape (16,), found (8,)"),
    "gap": (
        lambda t: t.update({"inner.H_level.layers.2.mlp.down_proj.weight": torch.zeros(16, 256)}),
        "H_level.layers.1.mlp.down_proj.weight: expected a tensor of shape (16, 256), found none",
    ),
    "odd width": (
        lambda t: t.update({"inner.H_init": torch.zeros(5)}),
        "expected the shapes of the reference code, found impossible ones "
        "(hidden_size: expected a multiple of 2 * num_heads = 2 with positions 'rope', found 5)",
    ),
    "scalar": (
        lambda t: t.update({"inner.H_init": torch.zeros(())}),
        "expected the shapes of the reference code, found impossible ones",
    ),
    "empty": (
        lambda t: t.update({"inner.H_init": torch.zeros(0)}),
        "expected a checkpoint of the reference code, found a file that is damaged or holds more than tensors by name "
        "(tensors that are empty, or reach beyond their storage)",
    ),
    "nan": (lambda t: t["inner.q_head.bias"].fill_(torch.nan), "q_head.bias: expected finite numbers, found others"),
    "twice": (
        lambda t: t.update({"model.inner.H_init": torch.zeros(16)}),
        "expected every tensor once, found names that differ in their prefix alone",
    ),
    "no tensor": (
        lambda t: t.update(step=NO_TENSOR),
        "expected a checkpoint of the reference code, found a file that is damaged or holds more than tensors by name "
        "(something that is no tensor of numbers)",
    ),
}


@pytest.mark.parametrize(("edit", "message"), EDITS.values(), ids=EDITS)
def test_wrong_tensors(tmp_path: Path, edit: Callable[[dict[str, Tensor]], Any], message: str) -> None:
    path = change(tmp_path, edit)
    with pytest.raises(CheckpointError) as caught:
        read_reference(path)
    assert str(caught.value) == f"{path}: {message}"


def test_no_flipped_bit_changes_a_weight(tmp_path: Path) -> None:
    core = random_core()
    write_reference(core, tmp_path / "step_10")
    good, refused = (tmp_path / "step_10").read_bytes(), 0
    for place in range(0, len(good), 211):
        (tmp_path / "flipped").write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        try:
            assert same(read_reference(tmp_path / "flipped"), core.state_dict())  # it fell into what fills up the zip
        except CheckpointError:
            refused += 1
    assert refused > 0.7 * len(range(0, len(good), 211))


@pytest.mark.parametrize("name", ["step_10", "step_10.safetensors", "step_10.npz"])
@pytest.mark.parametrize("content", [b"", b"no checkpoint", bytes(range(256)) * 9, b"\x80\x02]q\x00.", None])
def test_a_file_that_is_none(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"^[^\n]*: expected a checkpoint of the reference code, found [^\n]*$"):
        read_reference(tmp_path / name)


def test_a_core_that_the_reference_code_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a core with mixer 'attention', found 'mlp'$"):
        write_reference(tiny_core(mixer="mlp"), tmp_path / "step_10")
