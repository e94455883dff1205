"""The moving average of the weights, and a puzzle embedding of which a step reads and writes the touched rows alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from agents import tiny_agent, tiny_core
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hrm_agent import HRM, halting
from hrm_agent.checkpoints.checkpoint import read_checkpoint
from hrm_agent.config import LearnerConfig
from hrm_agent.cores import PuzzleShape, ReasoningCore
from hrm_agent.learning.average import WeightAverage
from hrm_agent.learning.learner import Learner
from hrm_agent.learning.optim import split_parameters
from hrm_env.task import PuzzleBatch

ROWS = 1000
TOUCHED = torch.tensor([7, 3, 999, 3])
UNTOUCHED = torch.tensor([row for row in range(ROWS) if row not in TOUCHED])


def table_of(core: ReasoningCore) -> nn.Parameter:
    return core.get_parameter("puzzle_embedding.weight")


def core_with_table(**options: Any) -> ReasoningCore:
    """A core whose puzzle embedding is filled with numbers."""
    core = tiny_core(shape=PuzzleShape(seq_len=6, vocab_size=5, num_puzzle_ids=ROWS), **options)
    if "puzzle_embedding.weight" in core.state_dict():
        nn.init.normal_(table_of(core), generator=torch.Generator().manual_seed(1))
    return core


@torch.no_grad()
def wander(core: ReasoningCore, seed: int) -> None:
    """Moves every weight."""
    generator = torch.Generator().manual_seed(seed)
    for weight in core.parameters():
        weight.add_(torch.randn(weight.shape, generator=generator))


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_without_a_table_it_is_torchs_average_to_the_last_bit(decay: float) -> None:
    core = core_with_table(puzzle_positions=0)
    ours, theirs = WeightAverage(core, decay), AveragedModel(core, multi_avg_fn=get_ema_multi_avg_fn(decay))
    for seed in range(5):  # the first update copies
        wander(core, seed)
        ours.update(split_parameters(core)[0])
        theirs.update_parameters(core)
        for mine, other in zip(ours.module.parameters(), theirs.module.parameters(), strict=True):
            assert torch.equal(mine, other)


def test_the_table_is_shared_and_nothing_else_is() -> None:
    core = core_with_table()
    average = WeightAverage(core, 0.9)
    pairs = zip(core.named_parameters(), average.module.parameters(), strict=True)
    assert [name for (name, mine), other in pairs if mine is other] == ["puzzle_embedding.weight"]
    assert not {weight.data_ptr() for weight in core.buffers()} & {weight.data_ptr() for weight in average.buffers()}


def test_a_state_dict_leaves_the_shared_table_out_and_loads() -> None:
    core, other = core_with_table(), core_with_table(seed=1)
    average, target = WeightAverage(core, 0.9), WeightAverage(other, 0.9)
    average.update(split_parameters(core)[0])
    wander(core, 0)
    state = {name: tensor.clone() for name, tensor in average.state_dict().items()}
    assert state.keys() == {f"module.{name}" for name in core.state_dict()} - {"module.puzzle_embedding.weight"} | {
        "n_averaged"
    }
    table = table_of(other).detach().clone()
    older = state | {"module.puzzle_embedding.weight": torch.zeros_like(table)}  # one of before it was shared
    for saved in (state, older):
        target.load_state_dict(saved)
        assert torch.equal(
            target.module.get_parameter("answer_head.weight"), average.module.get_parameter("answer_head.weight")
        )
        assert torch.equal(table_of(other), table)
        assert table_of(target.module) is table_of(other)
        assert int(target.n_averaged) == 1  # so the next update does not copy
    with pytest.raises(RuntimeError, match="answer_head"):
        target.load_state_dict({name: tensor for name, tensor in state.items() if "answer_head" not in name})


def test_a_checkpoint_holds_the_table_once(tmp_path: Path) -> None:
    model = tiny_agent(ema=0.9).learn(16 * 5)
    model.save(tmp_path / "agent.zip")
    weights = read_checkpoint(tmp_path / "agent.zip")[1]["policy"]
    assert [name for name in weights if "puzzle_embedding" in name] == ["core.puzzle_embedding.weight"]
    loaded = HRM.load(tmp_path / "agent.zip", device="cpu")
    table = table_of(loaded.policy.acting_core)
    assert table is table_of(loaded.policy.core)
    assert torch.equal(table, weights["core.puzzle_embedding.weight"])
    assert table.any()


def _table_and_gradient(core: ReasoningCore, ema: float | None) -> tuple[Tensor, Tensor]:
    """The table after one training step, and the gradient's sign at the touched rows."""
    config = LearnerConfig(learning_rate=1e-3, puzzle_embedding_lr=0.25, weight_decay=0.5, ema=ema)
    learner = Learner(core, halting.make("q-compare"), 4, config)
    inputs = torch.randint(1, 5, (4, 6), generator=torch.Generator().manual_seed(2))
    batch = PuzzleBatch(inputs, inputs, TOUCHED)
    learner.step(core.initial_carry(4), batch, torch.zeros(4, dtype=torch.long))
    gradient = table_of(core).grad
    assert gradient is not None
    assert gradient.is_sparse
    assert gradient.coalesce().indices().tolist() == [[3, 7, 999]]
    assert table_of(learner.acting_core) is table_of(core)
    return table_of(core).detach(), gradient.to_dense().sign()


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_training_step_changes_the_touched_rows_alone(ema: float | None) -> None:
    core = core_with_table()
    before = table_of(core).detach().clone()
    after, sign = _table_and_gradient(core, ema)
    assert torch.equal(after[UNTOUCHED], before[UNTOUCHED])
    assert sign[TOUCHED].abs().mean() > 0.9
    expected = before[TOUCHED] * (1 - 0.25 * 0.5) - 0.25 * sign[TOUCHED]
    torch.testing.assert_close(after[TOUCHED], expected, rtol=1e-6, atol=1e-7)
