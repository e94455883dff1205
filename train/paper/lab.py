"""The agents that the figures are measured on: trained by ``fit``, each in a folder of its own, or read from a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.sb3.agent import HRM
from hrm_agent.traces.record import Traces, record
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.task import PuzzleBatch, PuzzleTask

from ..environments import training_and_test_env
from ..pause import Limit
from ..presets import Fit, run_folder
from ..resume import PLACES
from ..training import fit
from ..variants import Variant, options_of_variant


@dataclass(frozen=True)
class Sizes:
    """How much is trained and measured.

    Attributes:
        options: Options of ``fit`` of all runs, before those of the command line.
        seeds: Seeds of every run of figures 2 and 5 and of data efficiency.
        scales: Depths of figure 2, as multiples of the blocks that HRM passes in a segment.
        widths: Widths of its transformers, as multiples of the preset's.
        budgets: Numbers of segments M of figure 5.
        inference: Segments at inference, at most.
        puzzles: Numbers of training puzzles of data efficiency.
        measured: Puzzles on which states are measured.
        stages: Shares of a training at which gradients are compared.
    """

    options: tuple[str, ...] = (
        "--preset",
        "sudoku6x6",
        "--halting",
        "q-compare",
        "--evaluate-every",
        "400",
        "--no-dynamics",
    )
    seeds: int = 3
    scales: tuple[int, ...] = (1, 2, 4)
    widths: tuple[float, ...] = (0.5, 1, 2)
    budgets: tuple[int, ...] = (2, 4, 8)
    inference: int = 64
    puzzles: tuple[int, ...] = (100, 1000, 10_000)
    measured: int = 100
    stages: tuple[float, ...] = (0.05, 0.25, 0.5, 1.0)


QUICK = Sizes(
    options=(
        *("--preset", "sudoku4x4", "--hidden-size", "64", "--batch-size", "32", "--updates", "300", "--ema", "0.98"),
        *("--warmup-steps", "20", "--evaluate-every", "150", "--test-puzzles", "400", "--max-segments", "4"),
        *("--halting", "q-compare", "--no-dynamics"),
    ),
    seeds=1,
    scales=(1, 2),
    widths=(0.5, 1),
    budgets=(2, 4),
    inference=16,
    puzzles=(100, 1000),
    measured=50,
    stages=(0.2, 1.0),
)


class Lab:
    """Runs by their options, the agents they make, and the puzzles these are measured on.

    Args:
        folder: Folder of the runs and of the numbers.
        sizes: How much is trained.
        shared: Options of ``fit`` for every run, from the command line.

    Attributes:
        base: Options of the HRM that all other runs differ from.
    """

    def __init__(self, folder: Path, sizes: Sizes, shared: Sequence[str] = ()) -> None:
        self.folder, self.sizes, self.shared = folder, sizes, shared
        self._agents: dict[tuple[str, int], HRM] = {}
        self.base = self.run("")

    def run(self, options: str, seed: int = 0) -> Fit:
        """Returns all options of a run; ``options`` are those that differ from `base`, and name its folder."""
        name = options.replace("--", "").strip() or "hrm"
        before = [*self.sizes.options, *self.shared]
        return options_of_variant(self.folder / "runs", name, Variant(options), seed, before)

    def train(self, run: Fit, stages: Sequence[float] = ()) -> None:
        """Trains a run, or the rest of it; keeps a copy of the agent after each of some shares of the training.

        Raises:
            ValueError: The run went on beyond a stage without a copy.
        """
        for share in stages:
            if not kept_at(run, share).exists():
                if share < 1 and (run_folder(run) / "result.json").exists():
                    raise ValueError(f"{kept_at(run, share)}: expected it beside a finished run, found none")
                fit(run, Limit(round(share * run.updates), "updates") if share < 1 else None)
                shutil.copyfile(run_folder(run) / "model.zip", kept_at(run, share))
        fit(run)

    def agent(self, options: str = "", seed: int = 0) -> HRM:
        """Returns the trained agent of a run."""
        if (options, seed) not in self._agents:
            self._agents[options, seed] = HRM.load(run_folder(self.run(options, seed)), device="cpu", halting="fixed:1")
        return self._agents[options, seed]

    def core(self, options: str = "") -> ReasoningCore:
        """Returns the trained network of a run with seed 0."""
        return self.agent(options).policy.acting_core

    def untrained(self) -> ReasoningCore:
        """Returns the network of the HRM with fresh weights."""
        torch.manual_seed(0)
        return type(self.core())(self.core().shape, self.core().config)

    @property
    def compares(self) -> bool:
        """Whether there are baselines to compare with."""
        return True

    @property
    def budget(self) -> int:
        """Segments M of an episode."""
        return self.base.data.max_segments

    def test(self, run: Fit, budget: int) -> PuzzleVectorEnv:
        """Returns the environment that hands out each test puzzle once, with a budget of segments."""
        data = replace(run.data, max_segments=budget)
        return training_and_test_env(data, run.batch_size, "cpu", run.seed)[1]

    @cached_property
    def tested(self) -> PuzzleVectorEnv:
        """The test puzzles of the HRM."""
        return self.test(self.base, self.budget)

    @property
    def task(self) -> PuzzleTask:
        """The puzzle family."""
        return self.tested.rules.task

    @property
    def batch(self) -> PuzzleBatch:
        """The first test puzzles, on which states are measured."""
        return self.tested.stored(self.tested.rules.puzzles.round_robin()[: self.sizes.measured])

    def traces(self, options: str = "", seed: int = 0, budget: int = 0) -> Traces:
        """Returns the recording of an agent on all test puzzles through a number of segments; 0 for its own."""
        run = self.run(options, seed)
        env = self.test(run, budget or run.data.max_segments)
        return self._recorded(self.agent(options, seed), env, run_folder(run))

    def _recorded(self, agent: HRM, env: PuzzleVectorEnv, folder: Path) -> Traces:
        path = folder / f"test-{env.rules.max_segments}.traces"
        return record(agent.policy.acting_core, env, path, signals=("q_halt", "q_continue"))

    def correct(self, options: str = "", budget: int = 0) -> npt.NDArray[np.bool_]:
        """Returns whether the answers after every segment are right, ``(S, N, M)``."""
        return np.stack([self.traces(options, seed, budget).correct[:, 0] for seed in range(self.sizes.seeds)])

    def solved(self, options: str = "") -> npt.NDArray[np.bool_]:
        """Returns whether the answers after all segments are right, ``(S, N)``."""
        return self.correct(options)[..., -1]


class OneAgent(Lab):
    """An agent from a file in place of the trained ones, without baselines.

    Args:
        folder: Folder of the numbers.
        sizes: How much is measured.
        agent: The agent.
        tested: Hands out each of the puzzles once.
    """

    def __init__(self, folder: Path, sizes: Sizes, agent: HRM, tested: PuzzleVectorEnv) -> None:
        self.folder, self.sizes, self._agent, self.tested = folder, replace(sizes, seeds=1), agent, tested

    def agent(self, options: str = "", seed: int = 0) -> HRM:
        """Returns the agent."""
        return self._agent

    @property
    def compares(self) -> bool:
        """Whether there are baselines to compare with: none."""
        return False

    @property
    def budget(self) -> int:
        """Segments M of an episode."""
        return self._agent.max_segments

    def traces(self, options: str = "", seed: int = 0, budget: int = 0) -> Traces:
        """Returns the recording of the agent on all puzzles through a number of segments; 0 for its own."""
        rules = self.tested.rules
        slots = self.tested.num_envs
        env = PuzzleVectorEnv(
            rules.task, slots, source=rules.puzzles, max_segments=budget or self.budget, order="once", array="torch"
        )
        return self._recorded(self._agent, env, self.folder)


def kept_at(run: Fit, share: float) -> Path:
    """Returns the file of the agent after a share of its training."""
    return run_folder(run) / f"after-{share:g}.zip"


def key_of(run: Fit) -> Any:
    """Returns what a run's agent depends on, as JSON data."""
    return {name: value for name, value in json.loads(json.dumps(asdict(run))).items() if name not in PLACES}
