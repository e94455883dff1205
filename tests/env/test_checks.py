"""Checks of arguments: what they let pass, and the sentence that says what was wrong."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from hrm_env.checks import (
    UnknownOptionError,
    check_choice,
    check_flag,
    check_integer,
    check_number,
    shortened,
)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), torch.tensor(3)])
def test_an_integer_of_any_library_is_an_int(value: Any) -> None:
    found = check_integer("n", value, 1, 3)
    assert found == 3
    assert type(found) is int


@pytest.mark.parametrize(
    "value",
    ["3", 3.0, True, None, [3], 0, 4, math.nan, 10**400, torch.tensor(3.0)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_integer_within_bounds_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^n: expected an integer from 1 to 3, found "):
        check_integer("n", value, 1, 3)


def test_bounds_are_named_as_far_as_there_are_any() -> None:
    for low, high, text in ((None, None, "integer,"), (1, None, "integer of at least 1,"), (None, 1, "of at most 1,")):
        with pytest.raises(ValueError, match=text):
            check_integer("n", "?", low, high)


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.5), torch.tensor(0.5)])
def test_a_number_of_any_library_is_a_float(value: Any) -> None:
    assert type(check_number("share", value, 0, 1)) is float


@pytest.mark.parametrize(
    "value",
    ["0.5", True, None, math.nan, math.inf, -0.1, 1.1, [0.5], b"1", 10**400],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_finite_number_within_bounds_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^share: expected a finite number from 0 to 1, found "):
        check_number("share", value, 0, 1)


def test_a_flag_is_a_bool_alone() -> None:
    assert check_flag("augment", True) is True
    for value in ("yes", 1, None):
        with pytest.raises(ValueError, match="augment: expected True or False, found"):
            check_flag("augment", value)


def test_a_word_is_one_of_the_choices_and_a_similar_one_is_suggested() -> None:
    assert check_choice("order", "once", ["random", "once"]) == "once"
    with pytest.raises(ValueError, match=r"order: expected one of random, once, found 'onc' \(did you mean 'once'\?\)"):
        check_choice("order", "onc", ["random", "once"])
    with pytest.raises(ValueError, match=r"found 3$"):
        check_choice("order", 3, ["random", "once"])


def test_an_unknown_option_is_pythons_type_error_with_a_suggestion() -> None:
    error = UnknownOptionError("PuzzleEnv", "max_segment", ["max_segments", "order"])
    assert isinstance(error, TypeError)
    assert str(error) == "PuzzleEnv got an unexpected keyword argument 'max_segment'; did you mean 'max_segments'?"
    assert "expected one of order" in str(UnknownOptionError("PuzzleEnv", "xyz", ["order"]))
    for copied in (type(error)(str(error)), pickle.loads(pickle.dumps(error))):  # as Gymnasium adds to a TypeError
        assert str(copied) == str(error)


@pytest.mark.parametrize(
    "value", ["x" * 10**6, 10**5000, list(range(1000)), b"y" * 1000], ids=lambda value: type(value).__name__
)
def test_a_message_repeats_no_long_value(value: Any) -> None:
    assert len(shortened(value)) <= 80
