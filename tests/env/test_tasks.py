"""What every task holds, over the whole registry; and that the check of a task catches what is wrong with one."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

import hrm_env
from hrm_env.puzzles import Puzzles
from hrm_env.task import PuzzleBatch
from hrm_env.tasks import make_task
from hrm_env.tasks.copy import Copy
from hrm_env.testing import check_task


@pytest.mark.parametrize("id", hrm_env.registered_ids())
def test_every_registered_task(id: str) -> None:
    check_task(make_task(gym.spec(id).kwargs["task"]), count=6)


def generating(change: Any) -> type[Copy]:
    class Changed(Copy):
        def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
            return change(super().generate(count, rng))  # type: ignore[no-any-return]

    return Changed


class Forgetful(Copy):
    def generate(self, count: int, rng: np.random.Generator) -> Puzzles:
        return super().generate(count, np.random.default_rng())


class Strict(Copy):
    def satisfies_rules(self, inputs: Tensor, answer: Tensor) -> Tensor:
        return (answer == 1).all(-1)


class Collective(Copy):
    def check(self, inputs: Tensor, answer: Tensor) -> Tensor:
        right = (inputs == answer).all(-1)
        return right.any() | right


class Careless(Copy):
    def augment(self, batch: PuzzleBatch, generator: torch.Generator) -> PuzzleBatch:
        batch.inputs.fill_(1)
        return batch


class Unseeded(Copy):
    def augment(self, batch: PuzzleBatch, generator: torch.Generator) -> PuzzleBatch:
        order = torch.randperm(batch.inputs.shape[1])
        return batch._replace(inputs=batch.inputs[:, order], solution=batch.solution[:, order])


class Unkeyed(Copy):
    def augment(self, batch: PuzzleBatch, generator: torch.Generator) -> PuzzleBatch:
        return batch._replace(inputs=batch.inputs.flip(-1), solution=batch.solution.flip(-1))


class Contradictory(Copy):
    def conflicts(self, answer: np.ndarray) -> np.ndarray:
        return np.zeros(len(answer) + 1, dtype=np.bool_)


BROKEN: dict[str, type[Copy]] = {
    "the same seed gives the same puzzles": Forgetful,
    "inputs are tokens below vocab_size": generating(lambda p: Puzzles(p.inputs + 9, p.solution + 9)),
    "every solution has a graded cell": generating(lambda p: Puzzles(p.inputs, p.solution * 0)),
    "check accepts every solution": Strict,
    "check judges every row by itself": Collective,
    "augment leaves its argument as it is": Careless,
    "augment draws from the given generator alone": Unseeded,
    "symmetry_key is the same for all variants": Unkeyed,
    r"conflicts has shape \(L,\)": Contradictory,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_wrong_with_a_task_is_said(broken: str) -> None:
    with pytest.raises(AssertionError, match=broken):
        check_task(BROKEN[broken](8, 4))
