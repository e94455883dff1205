"""Options on the command line: every bad value is one sentence that names the option as it is typed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_type_hints

import pytest

from benchmarks.__main__ import Bench
from hrm_agent.config import AgentConfig
from train.__main__ import main
from train.data import Build, BuildArc, Convert, Inspect
from train.evaluate import Evaluate
from train.learn_halting import LearnHalting
from train.options import Checked, ProperShare, Seed, Share, as_typed, integer, number, parsed, read_options_in_part
from train.presets import Data, Fit
from train.release import Release
from train.study import StudyOptions
from train.study_training import StudyTraining
from train.watch import Watch


@dataclass(frozen=True)
class Group:
    """A group of options.

    Attributes:
        rate: A rate.
    """

    rate: Annotated[float, number(0)] = 1.0

    def __post_init__(self) -> None:
        if self.rate == 7:
            raise ValueError("rate: expected another than 7, found 7")


@dataclass(frozen=True)
class Some:
    """Options of every kind.

    Attributes:
        num_puzzles: A number, or none.
        bounds: Two shares.
        views: Numbers.
        risk: A share that is neither none nor all.
        seed: A seed.
        kind: A word.
        group: A group.
    """

    num_puzzles: Annotated[int | None, integer(1)] = None
    bounds: tuple[Share, Share] = (0.0, 1.0)
    views: tuple[Annotated[int, integer(1)], ...] = ()
    risk: ProperShare = 0.5
    seed: Seed = 0
    kind: Literal["a", "b"] = "a"
    group: Group = Group()


def some(text: str) -> Some:
    found: Some = parsed(Some, text.split(), "some")
    return found


def test_good_values_are_what_they_mean() -> None:
    assert some("") == Some()
    assert some("--num-puzzles 3 --bounds 0 .5 --views 1 2 3 --risk 1e-2 --seed 4294967295 --rate 2") == Some(
        3, (0.0, 0.5), (1, 2, 3), 0.01, 2**32 - 1, "a", Group(2.0)
    )
    assert some("--num-puzzles 3 --num-puzzles None").num_puzzles is None
    assert parsed(Some, ["--seed", "2"], "some", default=Some(num_puzzles=5)) == Some(num_puzzles=5, seed=2)
    assert read_options_in_part(Some, ["--seed", "2", "--other", "x"], "some") == (Some(seed=2), ["--other", "x"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--num-puzzles 2.5", "--num-puzzles: expected an integer of at least 1, found '2.5'"),
        ("--num_puzzles 0", "--num-puzzles: expected an integer of at least 1, found 0"),
        ("--seed -1", "--seed: expected an integer from 0 to 4294967295, found -1"),
        ("--seed None", "--seed: expected an integer from 0 to 4294967295, found None"),
        ("--bounds 0 1.5", "--bounds: expected a finite number from 0 to 1, found 1.5"),
        ("--bounds 0 much", "--bounds: expected a finite number from 0 to 1, found 'much'"),
        ("--views 1 0", "--views: expected an integer of at least 1, found 0"),
        ("--risk 1", "--risk: expected a number between 0 and 1, found 1.0"),
        ("--risk nan", "--risk: expected a finite number from 0 to 1, found nan"),
        ("--rate -1", "--rate: expected a finite number of at least 0, found -1.0"),
        ("--rate 7", "--rate: expected another than 7, found 7"),
        ("--kind c", "invalid choice 'c' for argument '--kind'. Expected one of ('a', 'b')."),
        ("--seed", "Missing value for argument '--seed'. Expected 1 values."),
        ("--num-puzzle 3", "Unrecognized options: --num-puzzle, 3; Perhaps you meant: --num-puzzles INT A number"),
    ],
)
def test_a_bad_value_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        some(text)
    assert "\n" not in str(error.value)


COMMANDS: list[Any] = [Fit, Evaluate, Watch, StudyOptions, StudyTraining, LearnHalting, Bench, Release]
COMMANDS += [Inspect, Convert, Build, BuildArc]


@pytest.mark.parametrize("kind", [*COMMANDS, Data])
def test_every_number_of_a_command_is_checked(kind: type[Any]) -> None:
    """Those of agents, cores and learners check themselves."""
    plain = get_type_hints(kind)
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if re.search(r"\b(int|float)\b", str(plain[name])) and name not in AgentConfig.names():
            assert any(isinstance(note, Checked) for note in _notes(hint)), name


def _notes(hint: Any) -> list[Any]:
    """All notes within a type."""
    inner = [note for part in getattr(hint, "__args__", ()) for note in _notes(part)]
    return [*getattr(hint, "__metadata__", ()), *inner]


BAD = {
    "fit --updates -1": "--updates: expected an integer of at least 1, found -1",
    "fit --updates 0": "--updates: expected an integer of at least 1, found 0",
    "fit --evaluate-every -1": "--evaluate-every: expected an integer of at least 0, found -1",
    "fit --batch-size -4": "--batch-size: expected an integer of at least 1, found -4",
    "fit --test-puzzles 0": "--test-puzzles: expected an integer of at least 1, found 0",
    "fit --threads 999": f"--threads: expected an integer from 0 to {os.cpu_count()}, found 999",
    "fit --checkpoint-seconds nan": "--checkpoint-seconds: expected a finite number of at least 0, found nan",
    "fit --held-out -1": "--held-out: expected an integer of at least 1, found -1",
    "fit --hidden-size -1": "--hidden-size: expected .*, found -1",
    "demo --seed -1": "--seed: expected an integer from 0 to 4294967295, found -1",
    "evaluate --checkpoint x --num-puzzles 2.5": "--num-puzzles: expected an integer of at least 1, found '2.5'",
    "evaluate --checkpoint x --device gpu": "--device: expected .*, found 'gpu'",
    "watch --checkpoint x --max-segments -1": "--max-segments: expected an integer from 0 to 65536, found -1",
    "fit --puzzle-embedding-lr x": "Error parsing --puzzle-embedding-lr: no type matching .* from \\['x'\\].",
    "fit --preset sudoku-6x6": "--preset: expected one of .* \\(did you mean 'sudoku6x6'\\?\\)",
    "study --risk 2": "--risk: expected a finite number from 0 to 1, found 2.0",
    "study-training --seeds 0": "--seeds: expected an integer of at least 1, found 0",
    "study-training --updates 0": "--updates: expected an integer of at least 1, found 0",
    "learn-halting --checkpoint x --cost -1": "--cost: expected a finite number of at least 0, found -1.0",
    "learn-halting --checkpoint x --steps 0": "--steps: expected an integer of at least 1, found 0",
    "data build out --env x --num-puzzles 0": "--num-puzzles: expected an integer of at least 1, found 0",
    "data convert in out --env x --hold-out -2": "--hold-out: expected an integer of at least 0, found -2",
}


@pytest.mark.parametrize(("typed", "message"), BAD.items())
def test_every_command_refuses_bad_numbers(typed: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 2
    assert re.fullmatch(f"error: {message}\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("message", "typed", "shown"),
    [
        ("max_segments: expected 1", "--max-segments 0", "--max-segments: expected 1"),
        ("max_segments: expected 1", "--max_segments=0", "--max-segments: expected 1"),
        ("halting 'fixed': expected 1", "--halting fixed", "--halting 'fixed': expected 1"),
        ("clues: expected 1", "--option clues=x", "--option clues: expected 1"),
        ("min_rating: expected 1", "--option=min-rating=x", "--option min_rating: expected 1"),
        ("seed: expected 1", "--seeds 3 --out seed", "seed: expected 1"),
        ("/some/file: expected 1", "--some file", "/some/file: expected 1"),
        ("env is missing", "--env x", "env is missing"),
    ],
)
def test_a_message_names_an_option_as_it_was_typed(message: str, typed: str, shown: str) -> None:
    assert as_typed(message, typed.split()) == shown
