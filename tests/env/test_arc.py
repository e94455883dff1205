"""ARC's canvas: the layout of a grid, what is well formed, moving, reading back, symmetries, names and rules."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hrm_env.task import PuzzleBatch
from hrm_env.tasks import make_task
from hrm_env.tasks.arc.grids import SYMMETRIES, UNCHANGED, Grid, Variant, canonical, parse_name, place, undo
from hrm_env.tasks.arc.rules import RULES
from hrm_env.tasks.arc.task import Arc

TASK = Arc(4, 5)
RNG = np.random.default_rng(0)


def grid(*rows: str) -> Grid:
    return np.array([[int(char) for char in row] for row in rows], dtype=np.uint8)


def placed(task: Arc, content: Grid, row: int, column: int) -> np.ndarray:
    canvas = np.zeros((task.spec.height, task.spec.width), dtype=np.uint8)
    place(canvas, content, row, column)
    return canvas.ravel()


def random_grid(height: int, width: int) -> Grid:
    return RNG.integers(10, size=(height, width), dtype=np.uint8)


LAYOUTS = [
    ((0, 0), "12|__ 30|__ ||___ _____"),
    ((1, 2), "_____ __12| __30| __||_"),
    ((2, 0), "_____ _____ 12|__ 30|__"),
    ((0, 3), "___12 ___30 ___|| _____"),
    ((2, 3), "_____ _____ ___12 ___30"),
]


@pytest.mark.parametrize(
    ("answer", "cells"),
    [
        ("_____ __999 __9|_ __|||", "..... ..### ..### ..###"),  # as far as its first row and column reach
        ("99999 999|9 99||9 99999", "..... ..##. ..#.. ....."),
        ("_____ _____ _____ _____", "..... ..##. ..##. ..#.."),  # no grid: the input's cells
        ("99999 99999 99999 99999", "..... ..### ..### ..###"),
    ],
)
def test_the_cells_of_an_answer_are_those_that_it_draws(answer: str, cells: str) -> None:
    asked = torch.from_numpy(TASK.encode("_______1|___2|___|__"))[None]
    found = TASK.answer_cells(asked, torch.from_numpy(TASK.encode(answer.replace(" ", "")))[None])
    assert "".join(".#"[int(cell)] for cell in found[0]) == cells.replace(" ", "")


@pytest.mark.parametrize(("corner", "text"), LAYOUTS)
def test_eos_closes_a_grid_off_where_the_canvas_goes_on(corner: tuple[int, int], text: str) -> None:
    tokens = placed(TASK, grid("12", "30"), *corner)
    assert TASK.decode(tokens) == text.replace(" ", "")
    assert np.array_equal(TASK.encode(text.replace(" ", "")), tokens)
    assert np.array_equal(TASK.read_grid(tokens, tokens), grid("12", "30"))


def test_tokens_are_those_of_the_reference_code() -> None:
    assert TASK.encode("_|0123456789________").tolist() == [*range(12), *[0] * 8]
    assert (Arc().spec.name, Arc().spec.seq_len, Arc().spec.vocab_size) == ("arc:30x30", 900, 12)


def test_text_of_another_alphabet_or_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected characters of '\|0123456789', found 'x'"):
        TASK.encode("x" * 20)
    with pytest.raises(ValueError, match="expected 20 characters, found 19"):
        TASK.encode("_" * 19)


@pytest.mark.parametrize("size", ["2x30", "30x2", "31x30", "0x0"])
def test_a_canvas_is_3x3_to_30x30(size: str) -> None:
    with pytest.raises(ValueError, match=f"ARC: expected a canvas of 3x3 to 30x30, found {size}"):
        make_task(f"arc:{size}")


ANSWERS = {
    "_____ __34| __||_ _____": True,  # of another size than the input
    "_____ __121 __301 __200": True,  # up to the edges
    "91|_| _|34| ||||_ 77__9": True,  # positions outside the grid and its EOS hold anything
    "_____ __3|_ __|__ _____": True,
    "_____ __34_ __||_ _____": False,  # EOS missing
    "_____ __34| __|__ _____": False,
    "_____ __34| __3|| __||_": False,  # no rectangle
    "_____ __34| __|4| __||_": False,
    "_____ __34| __4_| __||_": False,
    "34|__ ||___ _____ _____": False,  # elsewhere
    "_____ ___34 __4|| _____": False,
    "_____ _____ _____ _____": False,
    "||||| ||||| ||||| |||||": False,
}


def test_well_formed_is_a_rectangle_closed_off_where_the_input_begins() -> None:
    inputs = np.tile(placed(TASK, grid("12", "30"), 1, 2), (len(ANSWERS), 1))
    answers = np.stack([TASK.encode(text.replace(" ", "")) for text in ANSWERS])
    assert TASK.check(torch.as_tensor(inputs), torch.as_tensor(answers)).tolist() == list(ANSWERS.values())
    in_the_corner = torch.as_tensor(placed(TASK, grid("12", "30"), 0, 0)).unsqueeze(0)
    assert not TASK.check(torch.zeros_like(in_the_corner), in_the_corner).item()  # no grid was asked about


def test_an_answer_is_read_as_the_largest_rectangle_of_colours_from_the_corner() -> None:
    inputs = placed(TASK, grid("12", "30"), 0, 1)
    cases = {
        "_123| _45|| _||__ _____": grid("12", "45"),  # 4 cells rather than 3
        "_123| _4||| _||__ _____": grid("123"),  # 3 cells rather than 2
        "_12|| _3||| _||__ _____": grid("12"),  # of equally many the one with fewer rows
        "9____ _1___ _____ _____": np.zeros((0, 0), np.uint8),
        "91234 55678 94321 98765": grid("1234", "5678", "4321", "8765"),
    }
    for text, expected in cases.items():
        found = TASK.read_grid(inputs, TASK.encode(text.replace(" ", "")))
        assert found.shape == expected.shape
        assert np.array_equal(found, expected)


def batch(inputs: np.ndarray, solution: np.ndarray, copies: int = 1) -> PuzzleBatch:
    repeated = [torch.as_tensor(tokens).long().repeat(copies, 1) for tokens in (inputs, solution)]
    return PuzzleBatch(repeated[0], repeated[1], torch.zeros(copies, dtype=torch.long))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_moved_grids_stay_as_they_are_and_together(data: st.DataObject) -> None:
    (h, w), (h2, w2) = (data.draw(st.tuples(st.integers(1, 4), st.integers(1, 5))) for _ in range(2))
    row, column = data.draw(st.integers(0, 4 - max(h, h2))), data.draw(st.integers(0, 5 - max(w, w2)))
    asked, answer = random_grid(h, w), random_grid(h2, w2)
    puzzle = batch(placed(TASK, asked, row, column), placed(TASK, answer, row, column), copies=8)
    moved = TASK.augment(puzzle, torch.Generator().manual_seed(data.draw(st.integers(0, 1000))))
    assert TASK.check(moved.inputs, moved.solution).all()
    for inputs, solution in zip(moved.inputs.numpy(), moved.solution.numpy(), strict=True):
        where = divmod(int(np.argmax(inputs > 1)), 5)
        assert np.array_equal(inputs, placed(TASK, asked, *where))
        assert np.array_equal(solution, placed(TASK, answer, *where))


def test_moving_reaches_every_place_where_both_grids_fit() -> None:
    puzzle = batch(placed(TASK, random_grid(2, 1), 1, 0), placed(TASK, random_grid(1, 3), 1, 0), copies=300)
    moved = TASK.augment(puzzle, torch.Generator().manual_seed(0))
    first = (moved.inputs > 1).int().argmax(1)
    assert {divmod(int(cell), 5) for cell in first} == set(product(range(3), range(3)))


def test_moving_leaves_an_unknown_solution_unknown() -> None:
    puzzle = batch(placed(TASK, random_grid(2, 2), 0, 0), np.zeros(20, np.uint8), copies=20)
    assert not TASK.augment(puzzle, torch.Generator().manual_seed(0)).solution.any()


def test_symmetries_are_those_of_the_reference_code() -> None:
    example = random_grid(2, 3)
    expected = [example, *(np.rot90(example, k) for k in (1, 2, 3)), np.fliplr(example), np.flipud(example), example.T]
    expected.append(np.fliplr(np.rot90(example)))
    for symmetry, image in zip(SYMMETRIES, expected, strict=True):
        assert np.array_equal(symmetry(example), image)


@pytest.mark.parametrize("symmetry", range(8))
def test_undo_inverts_every_variant_by_its_name(symmetry: int) -> None:
    colours = np.append(0, 1 + RNG.permutation(9)).astype(np.uint8)
    variant, example = Variant(symmetry, colours), random_grid(3, 4)
    name = variant.name("concept_7")
    assert name == f"concept_7_t{symmetry}_{''.join(str(colour) for colour in colours)}"
    task_id, parsed = parse_name(name)
    assert (task_id, parsed.symmetry, parsed.colours.tolist()) == ("concept_7", symmetry, colours.tolist())
    assert np.array_equal(undo(name, variant.apply(example)), example)


def test_a_variant_by_hand() -> None:
    """One quarter turn against the clock, and colours 1 and 2 exchanged."""
    assert np.array_equal(undo("007bbfb7_t1_0213456789", grid("20", "15", "00")), grid("021", "050"))


@pytest.mark.parametrize(
    "name", ["007bbfb7", "a_b", "a_t8_0123456789", "a_t1_0113456789", "a_t1_1023456789", "<blank>"]
)
def test_other_names_are_tasks_as_they_are(name: str) -> None:
    assert parse_name(name) == (name, UNCHANGED)
    assert UNCHANGED.name(name) == name


def test_the_canonical_form_is_that_of_all_variants_and_of_nothing_else() -> None:
    asked, answer = grid("0123", "4051", "2200"), grid("310", "077")
    form = canonical(asked, answer)
    for symmetry in range(8):
        variant = Variant(symmetry, np.append(0, 1 + RNG.permutation(9)).astype(np.uint8))
        assert canonical(variant.apply(asked), variant.apply(answer)) == form
    black_for_white = np.array([1, 0, *range(2, 10)], dtype=np.uint8)
    others = [(asked, answer.T), (black_for_white[asked], black_for_white[answer]), (answer, asked), (asked, asked)]
    assert form not in [canonical(*pair) for pair in others]
    assert canonical(grid("12"), grid("12")) != canonical(grid("12"), grid("13"))


def test_rules_by_hand() -> None:
    example = grid("103", "020", "009", "400")
    expected = {
        "mirror": grid("301", "020", "900", "004"),
        "transpose": grid("1004", "0200", "3090"),
        "rotate": grid("3090", "0200", "1004"),
        "recolour": grid("204", "030", "001", "500"),
        "outline": grid("888", "828", "808", "888"),
        "gravity": grid("000", "000", "103", "429"),
        "left half": grid("10", "02", "00", "40"),
    }
    assert set(expected) == set(RULES)
    for name, rule in RULES.items():
        assert np.array_equal(rule(example), expected[name]), name


def test_generated_puzzles_follow_the_rule_of_their_puzzle_id() -> None:
    task = Arc(12, 11)
    puzzles = task.generate(200, np.random.default_rng(0))
    assert set(puzzles.puzzle_id.tolist()) == set(range(1, 1 + len(RULES)))
    sizes = set()
    for inputs, solution, number in zip(puzzles.inputs, puzzles.solution, puzzles.puzzle_id, strict=True):
        asked = task.read_grid(inputs, inputs)
        assert np.array_equal(inputs, placed(task, asked, 0, 0))
        assert np.array_equal(solution, placed(task, RULES[puzzles.names[number]](asked), 0, 0))
        sizes.add(asked.shape)
    assert {side for size in sizes for side in size} == set(range(3, 11))
