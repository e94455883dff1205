"""The recorder takes every inner step of every core that names them, and changes nothing."""

from __future__ import annotations

import pytest
import torch
from agents import BUDGET, SHAPE, tiny_core
from torch import Tensor

from hrm_agent.cores import CORES, ReasoningCore
from hrm_agent.cores.blocks import BlockCore
from hrm_agent.cores.carry import carry_parts
from hrm_agent.dynamics import recorder
from hrm_agent.dynamics.answers import InnerAnswers, inner_answers
from hrm_agent.dynamics.recorder import inner_states, record

STEPPING = [name for name in CORES if tiny_core(name).inner_steps()]
ROWS = 3


def puzzles() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(SHAPE.vocab_size, (ROWS, SHAPE.seq_len), generator=generator), torch.zeros(ROWS).long()


def plain(core: ReasoningCore) -> list[dict[str, Tensor]]:
    carry, found = core.initial_carry(ROWS), []
    for _ in range(BUDGET):
        with torch.no_grad():
            output = core(carry, *puzzles())
        carry = output.carry
        found.append({**carry_parts(carry), "logits": output.logits, "q_halt": output.q_halt})
    return found


@pytest.mark.parametrize("name", STEPPING)
def test_outputs_are_the_same_bit_for_bit(name: str) -> None:
    core = tiny_core(name)
    for segment, expected in zip(inner_states(core, *puzzles(), BUDGET), plain(core), strict=True):
        output = segment.output
        found = {**carry_parts(output.carry), "logits": output.logits, "q_halt": output.q_halt}
        assert all(torch.equal(value, expected[part]) for part, value in found.items())
    assert not any(module._forward_hooks for module in core.modules())


@pytest.mark.parametrize("name", STEPPING)
def test_the_last_value_of_a_state_is_that_of_the_carry(name: str) -> None:
    core = tiny_core(name)
    for segment in inner_states(core, *puzzles(), BUDGET):
        assert [step.state for step in segment.steps] == [step.state for step in core.inner_steps()]
        newest = {step.state: step.value for step in segment.steps}
        carried = carry_parts(segment.output.carry)
        assert all(torch.equal(newest[part], value) for part, value in carried.items() if part in newest)


@pytest.mark.parametrize("name", STEPPING)
def test_every_step_begins_where_the_one_before_ended(name: str) -> None:
    core = tiny_core(name)
    last = carry_parts(core.initial_carry(ROWS))
    for segment in inner_states(core, *puzzles(), BUDGET):
        for step in segment.steps:
            assert step.before is not None
            assert step.state not in last or torch.equal(step.before, last[step.state])
            last[step.state] = step.value
        last = carry_parts(segment.output.carry)


def test_the_layers_of_a_transformer_are_its_steps_from_the_input_on() -> None:
    core = tiny_core("transformer", layers=3)
    (segment,) = inner_states(core, *puzzles(), 1)
    assert isinstance(core, BlockCore)
    before = [core.embed(*puzzles()), *(step.value for step in segment.steps)]
    assert [step.state for step in segment.steps] == ["layer"] * 3
    assert all(
        torch.equal(step.before, x) for step, x in zip(segment.steps, before, strict=False) if step.before is not None
    )


@pytest.mark.parametrize("name", STEPPING)
def test_the_answer_decoded_at_the_end_of_a_segment_is_its_answer(name: str) -> None:
    core = tiny_core(name)
    answers = inner_answers(core, *puzzles(), BUDGET)
    count = len(core.inner_steps())
    assert len(answers.answers) == len(answers.states) == BUDGET * count
    for number, expected in enumerate(plain(core)):
        assert torch.equal(answers.answers[(number + 1) * count - 1], expected["logits"].argmax(-1))


def test_states_beyond_a_size_are_the_same_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    core = tiny_core()
    inside = record(core, *puzzles(), BUDGET)
    monkeypatch.setattr(recorder, "MEMORY", 0)
    outside = record(core, *puzzles(), BUDGET, states=["z_l"])
    assert set(inside) == {"z_l", "z_h"}
    assert set(outside) == {"z_l"}
    cycles, steps = core.config.cycles
    assert outside["z_l"].shape == (BUDGET * cycles * steps, ROWS, SHAPE.seq_len + 1, 16)
    assert (outside["z_l"] == inside["z_l"]).all()
    assert type(outside["z_l"]) is not type(inside["z_l"])


def test_a_core_that_names_no_steps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    core = tiny_core()
    monkeypatch.setattr(type(core), "inner_steps", lambda self: [])
    with pytest.raises(ValueError, match="names its inner steps, found 'hrm'"):
        next(inner_states(core, *puzzles(), 1))


def test_changes_and_returns_of_a_constructed_episode() -> None:
    answers = torch.tensor([[[1, 2]], [[3, 2]], [[1, 2]], [[1, 2]], [[2, 1]]])
    found = InnerAnswers(["z_l"] * 5, answers)
    assert found.changes().flatten().tolist() == [1, 1, 0, 2]
    assert found.returns().flatten().tolist() == [0, 1, 0, 0]
