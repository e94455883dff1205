"""The mixer that treats every candidate alike: its means, its symmetry in every core, learning, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from agents import OF_BLOCKS, solved_after, tiny_core, vector_env

from hrm_agent import PuzzleShape
from hrm_agent.checkpoints.reference_checkpoint import write_reference
from hrm_agent.cores.blocks import BlockCore
from hrm_agent.cores.layers import Linear
from hrm_agent.cores.layout import NEVER, CandidateLayout
from hrm_agent.cores.units import UnitMixer
from hrm_env.tasks.sudoku.task import Sudoku

BOXES = [(2, 2), (2, 3), (1, 4)]
UNITS: dict[str, Any] = {"mixer": "units", "puzzle_positions": 0}


def over_units(name: str, box: tuple[int, int], **options: Any) -> BlockCore:
    digits = box[0] * box[1]
    core = tiny_core(name, shape=PuzzleShape(digits**2, digits + 2), box=box, **UNITS, **options)
    assert isinstance(core, BlockCore)
    return core


def neighbours(cell: int, digit: int, box: tuple[int, int]) -> dict[str, list[tuple[int, int]]]:
    """Returns the candidates (cell, digit) of each unit of a candidate, by the mixer's names."""
    rows, columns = box
    size = rows * columns

    def unit_of(c: int) -> dict[str, object]:
        row, column = divmod(c, size)
        return {"row": row, "column": column, "box": (row // rows, column // columns)}

    def same(*units: str) -> list[tuple[int, int]]:
        return [(c, digit) for c in range(size**2) if all(unit_of(c)[unit] == here[unit] for unit in units)]

    here = unit_of(cell)
    return {
        "row": same("row"),
        "column": same("column"),
        "box": same("box"),
        "row_of_box": same("row", "box"),
        "column_of_box": same("column", "box"),
        "cell": [(cell, other) for other in range(size)],
    }


@pytest.mark.parametrize("box", BOXES)
@torch.no_grad()
def test_a_candidate_hears_the_means_of_its_units(box: tuple[int, int]) -> None:
    torch.manual_seed(0)
    mixer, digits = UnitMixer(4, box), box[0] * box[1]
    x = torch.randn(2, digits**3, 4)
    mixed = mixer(x)
    for cell, digit in [(0, 0), (digits + 1, 1), (digits**2 - 2, digits - 1)]:
        units = neighbours(cell, digit, box)
        means = {name: x[:, [c * digits + d for c, d in unit]].mean(1) for name, unit in units.items()}
        expected = sum(cast(Linear, getattr(mixer, name))(mean) for name, mean in means.items())
        torch.testing.assert_close(mixed[:, cell * digits + digit], expected)


def test_what_is_embedded_of_a_candidate() -> None:
    layout = CandidateLayout(digits=2)
    tokens = layout.tokens(torch.tensor([[1, 2, 3, 0]]))
    assert tokens.tolist() == [[0, 0, 1, 2, 2, 1, 0, 0]]
    assert layout.features(torch.arange(16).view(1, 4, 4)).flatten().tolist() == [2, 3, 6, 7, 10, 11, 14, 15]
    logits = layout.read(torch.nn.Identity(), torch.arange(8.0).view(1, 8, 1))
    assert logits[0, :, 2:].flatten().tolist() == list(range(8))
    assert (logits[..., :2] == NEVER).all()


@pytest.mark.parametrize("box", [(2, 2), (2, 3)])
@pytest.mark.parametrize("name", OF_BLOCKS)
@torch.no_grad()
def test_a_variant_gets_the_variant_of_the_answer(name: str, box: tuple[int, int]) -> None:
    core, task = over_units(name, box), Sudoku(*box)
    for weight in (core.q_weight, core.q_bias):
        weight.normal_()
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(1, core.shape.vocab_size, (3, core.shape.seq_len), generator=generator)
    symmetry = task.symmetries(3, generator)
    assert symmetry is not None
    ids = torch.zeros(3, dtype=torch.long)
    plain, varied = core.initial_carry(3), core.initial_carry(3)
    tie_rows_and_columns(core)
    for _ in range(2):
        expected, found = core(plain, inputs, ids), core(varied, symmetry.apply(inputs), ids)
        plain, varied = expected.carry, found.carry
    places = symmetry.cells.unsqueeze(-1).expand_as(found.logits)
    tokens = symmetry.tokens.unsqueeze(1).expand_as(found.logits)
    torch.testing.assert_close(found.logits.gather(-1, tokens), expected.logits.gather(1, places), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.q_halt, expected.q_halt, atol=1e-3, rtol=1e-3)
    assert expected.logits[..., 2:].std() > 0.02


def tie_rows_and_columns(core: BlockCore) -> None:
    """Gives columns the weights of rows, because a symmetry of square boxes may transpose."""
    for mixer in core.modules():
        if isinstance(mixer, UnitMixer):
            mixer.column.load_state_dict(mixer.row.state_dict())
            mixer.column_of_box.load_state_dict(mixer.row_of_box.state_dict())


def test_it_learns_sudoku() -> None:
    train = vector_env("HRM-Sudoku4x4-v0", 32, max_segments=6)
    test = vector_env("HRM-Sudoku4x4-v0", 64, max_segments=6, order="once", split="test", num_puzzles=200)
    assert solved_after(250, train, test, hidden_size=16, box=(2, 2), **UNITS) > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixer": "units"}, "box: expected its rows and columns with mixer 'units', found None"),
        ({"mixer": "units", "box": 3}, "box: expected its rows and columns with mixer 'units', found 3"),
        ({"mixer": "units", "box": (2, 0)}, "box: expected an integer from 1 to 65536, found 0"),
        ({"mixer": "mlp", "box": (2, 2)}, r"box: expected None with mixer 'mlp', found \(2, 2\)"),
        ({**UNITS, "box": (2, 2), "puzzle_positions": 1}, "puzzle_positions: expected 0 with mixer 'units', found 1"),
        ({**UNITS, "box": (3, 3)}, "expected a puzzle of 81 cells and 11 tokens for boxes of 3 by 3, found 16 cells"),
    ],
)
def test_bad_options_are_one_clear_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_core("hrm", shape=PuzzleShape(16, 6), **options)


def test_the_reference_codes_have_no_such_core(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a core with mixer 'attention', found 'units'"):
        write_reference(over_units("trm", (2, 2)), tmp_path / "step_10")
    assert not [*tmp_path.iterdir()]
