"""Which optimizer moves which weights, over all optimizers: by name, saved and loaded, and by their first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from agents import same, tiny_agent, tiny_core

from hrm_agent import HRM
from hrm_agent.checkpoints.optimizer_state import optimizer_tensors
from hrm_agent.config import LearnerConfig, OptimizerName
from hrm_agent.learning.optim import SparseSignSGD, make_optimizers, state_of

EVERY_OPTIMIZER = pytest.mark.parametrize("name", get_args(OptimizerName))
EVERY_CORE = pytest.mark.parametrize("core", ["hrm", "trm"])


@EVERY_CORE
@EVERY_OPTIMIZER
def test_every_weight_has_one_optimizer_at_its_full_rate(name: OptimizerName, core: str) -> None:
    network = tiny_core(core)
    config = LearnerConfig(optimizer=name, learning_rate=0.3, puzzle_embedding_lr=0.1, weight_decay=0.2)
    optimizers = make_optimizers(network, config)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    moved = [id(p) for group in groups for p in group["params"]]
    assert len(moved) == len(set(moved))
    assert set(moved) == {id(p) for p in network.parameters()}
    assert [group["lr"] for group in groups] == [0.3] * (len(groups) - 1) + [0.1]
    assert {group["weight_decay"] for group in groups} == {0.2}
    assert isinstance(optimizers[-1], SparseSignSGD)


@EVERY_CORE
@EVERY_OPTIMIZER
def test_what_a_file_is_checked_against_is_what_a_step_makes(name: OptimizerName, core: str) -> None:
    network = tiny_core(core)
    optimizers = make_optimizers(network, LearnerConfig(optimizer=name))
    expected = [state_of(optimizer) for optimizer in optimizers]
    output = network(network.initial_carry(2), torch.ones(2, 6, dtype=torch.long), torch.tensor([0, 2]))
    (output.logits.square().sum() + output.q_halt.sum()).backward()
    for optimizer in optimizers:
        optimizer.step()
    for optimizer, states in zip(optimizers, expected, strict=True):
        made = optimizer.state_dict()["state"]
        for number, state in enumerate(states):
            found = {entry: torch.as_tensor(value) for entry, value in made.get(number, {}).items()}
            assert {n: (t.dtype, t.shape) for n, t in found.items()} == {
                n: (t.dtype, t.shape) for n, t in state.items()
            }


@EVERY_CORE
def test_muon_moves_the_matrices_of_the_modules_alone(core: str) -> None:
    network = tiny_core(core)
    muon, adamw, _ = make_optimizers(network, LearnerConfig(optimizer="muon", betas=(0.8, 0.95)))
    names = {id(p): name for name, p in network.named_parameters()}
    mine, others = ({names[id(p)] for p in optimizer.param_groups[0]["params"]} for optimizer in (muon, adamw))
    assert mine == {name for name in names.values() if "_module." in name}
    assert others == {"token_embedding", "answer_head.weight", "q_weight", "q_bias"}
    assert muon.param_groups[0]["momentum"] == 0.8


def test_muon_turns_a_matrix_by_what_adamw_would() -> None:
    # the update is orthogonal and its root mean square 0.2 · rate, whatever the gradient's size
    network = tiny_core(hidden_size=16)
    weight = network.get_parameter("l_module.blocks.0.mixer.out.weight")
    muon = make_optimizers(network, LearnerConfig(optimizer="muon", learning_rate=0.1, weight_decay=0.0))[0]
    for parameter in muon.param_groups[0]["params"]:
        parameter.grad = 1e-4 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    before = weight.detach().clone()
    muon.step()
    update = (before - weight.detach()) / 0.1
    assert update.square().mean().sqrt() == pytest.approx(0.2, rel=0.2)
    gram = update @ update.T / (0.2**2 * 16)  # five Newton-Schulz steps bring singular values to 0.7 to 1.2
    assert 0.5 <= gram.diag().min() <= gram.diag().max() <= 1.5
    assert (gram - gram.diag().diag()).abs().max() <= 0.4


def test_a_torch_without_muon_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ValueError, match=r"^optimizer: 'muon' expected torch 2.9 or newer, found \d"):
        make_optimizers(tiny_core(), LearnerConfig(optimizer="muon"))


@EVERY_OPTIMIZER
def test_a_loaded_agent_goes_on_as_the_saved_one(name: OptimizerName, tmp_path: Path) -> None:
    model = tiny_agent(optimizer=name).learn(16 * 5)
    model.save(tmp_path / "agent")
    loaded = HRM.load(tmp_path / "agent", device="cpu")
    before, after = (optimizer_tensors(m.learner.optimizers) for m in (model, loaded))
    assert before
    assert same(before, after)
    for agent in (model, loaded):
        agent.learner.set_learning_rate_factor(0.5)
        generator = torch.Generator().manual_seed(0)
        for parameter in agent.learner.dense:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        for optimizer in agent.learner.optimizers[:-1]:
            optimizer.step()
    assert same(dict(model.policy.core.named_parameters()), dict(loaded.policy.core.named_parameters()))


def test_the_fused_adamw_computes_what_the_plain_one_does() -> None:
    cores = [tiny_core(), tiny_core()]
    fused = make_optimizers(cores[0], LearnerConfig(optimizer="adamw", learning_rate=1e-2))[0]
    assert fused.param_groups[0]["fused"]
    dense = [p for name, p in cores[1].named_parameters() if name != "puzzle_embedding.weight"]
    plain = torch.optim.AdamW(dense, lr=1e-2, betas=(0.9, 0.95), weight_decay=1.0, foreach=False)
    for step in range(10):
        for first, second in zip(fused.param_groups[0]["params"], dense, strict=True):
            generator = torch.Generator().manual_seed(step)
            first.grad = second.grad = 10.0 ** (step % 5 - 4) * torch.randn(first.shape, generator=generator)
        fused.step()
        plain.step()
    for first, second in zip(fused.param_groups[0]["params"], dense, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-6, atol=1e-6)


def test_a_rate_of_its_own_is_in_muons_own_measure() -> None:
    network = tiny_core(hidden_size=16)
    own: dict[str, Any] = {"muon_learning_rate": 0.1, "muon_weight_decay": 0.5, "muon_momentum": 0.6}
    muon, adamw, _ = make_optimizers(network, LearnerConfig(optimizer="muon", learning_rate=1e-4, **own))
    assert (muon.param_groups[0]["weight_decay"], muon.param_groups[0]["momentum"]) == (0.5, 0.6)
    assert (adamw.param_groups[0]["lr"], adamw.param_groups[0]["weight_decay"]) == (1e-4, 1.0)
    weight = network.get_parameter("l_module.blocks.0.mixer.qkv.weight")  # three times as many rows as columns
    for parameter in muon.param_groups[0]["params"]:
        parameter.grad = 1e-4 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    before = weight.detach().clone()
    muon.step()
    values = torch.linalg.svdvals((0.95 * before - weight.detach()) / (0.1 * 3**0.5))
    assert values.min() >= 0.6
    assert values.max() <= 1.3
