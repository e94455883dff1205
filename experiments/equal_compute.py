"""Agents at equal operations: the share of puzzles solved against those of the training, and of an answer.

    python -m experiments.equal_compute --agent HRM=runs/hrm --agent "lattice=runs/lattice" \
        --agent "lattice, no search=runs/lattice search=false" --source dev.csv.gz --max-segments 64 --out runs/equal

An agent is NAME=FOLDER of a finished run, and options of its core to change. Training curves are the sweeps of a run,
drawn for agents whose core is as it was trained.
Then every agent answers the puzzles given, by its own halting, within every budget up to the largest. It writes
``equal_compute.csv``, ``.png`` and ``.svg``. Operations are those of matrix products (`hrm_agent.cores.flops`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from tyro.conf import UseAppendAction

from hrm_env.checks import shortened
from hrm_env.envs.spaces import LARGEST
from hrm_env.files import check_writable
from train.options import integer, read_options
from train.results import read_result
from train.running import exit_status, use_threads
from train.trained import Computing, TestPuzzles

if TYPE_CHECKING:
    from hrm_agent import HRM

START = "python -m experiments.equal_compute"
TRAINING, THINKING = "accuracy, after so much training", "accuracy, after so much thinking"
PLACES = {TRAINING: "TFLOPs of training", THINKING: "log GFLOPs of a puzzle"}
"""Label of the horizontal axis of each panel, by its title."""


class Point(NamedTuple):
    """A share of solved puzzles, with its 95 % interval (Wilson)."""

    panel: str
    agent: str
    operations: float
    solved: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class EqualCompute(Computing, TestPuzzles):
    """Compare agents at equal operations of training and of thinking.

    Attributes:
        agent: NAME=FOLDER of a finished run, then options of its core as NAME=VALUE; may be repeated.
        max_segments: Largest budget; 0 for the agent's own budget.
        out: Folder of the table and the figure.
    """

    agent: Annotated[tuple[str, ...], UseAppendAction]
    max_segments: Annotated[int, integer(0, LARGEST.max_segments)] = 0
    out: Path = Path("runs/equal_compute")

    def agents(self) -> dict[str, tuple[Path, tuple[str, ...]]]:
        """Returns folder and core options of the agents by name.

        Raises:
            ValueError: A text is not NAME=FOLDER and options, or two have the same name.
        """
        found: dict[str, tuple[Path, tuple[str, ...]]] = {}
        for text in self.agent:
            name, equals, rest = text.partition("=")
            folder, *changes = rest.split() or [""]
            if not (name and equals and folder) or name in found:
                raise ValueError(f"--agent: expected another NAME=FOLDER, then NAME=VALUE, found {shortened(text)}")
            found[name] = Path(folder), tuple(changes)
        return found


def main(arguments: list[str]) -> None:
    """Measures all agents, and writes the table and the figure."""
    options: EqualCompute = read_options(EqualCompute, arguments, START)
    import pandas as pd

    from hrm_agent.study.figures.paper import panels_figure
    from hrm_agent.study.figures.style import save_figure
    from train.study_files import write_csv

    agents = options.agents()
    check_writable("--out", options.out / "equal_compute.csv")
    results = {folder: result_of(folder) for folder, _ in agents.values()}
    use_threads(options.threads)
    points: list[Point] = []
    for name, (folder, changes) in agents.items():
        changed = replace(options, core_option=(*options.core_option, *changes))
        model = changed.load_agent(str(folder), device=options.device, compile=options.compile)
        if not changed.core_option:  # another depth would count other operations than the training had
            points += training_points(name, model, results[folder])
        points += thinking_points(name, model, options, str(folder))
    write_csv(pd.DataFrame(points), options.out / "equal_compute.csv")
    lines: dict[str, dict[str, list[tuple[float, float, float, float]]]] = {panel: {} for panel in PLACES}
    for panel, agent, *numbers in points:
        operations, solved, low, high = numbers
        lines[panel].setdefault(agent, []).append((operations, solved, low, high))
    print(*save_figure(panels_figure(lines, PLACES), options.out / "equal_compute"), sep=", ")


def result_of(folder: Path) -> dict[str, Any]:
    """Returns the result of a run whose steps all cost the same and began with fresh weights.

    Raises:
        ValueError: It has none, or went on from other weights, or its depth changed.
    """
    result = read_result(folder / "result.json")
    options = result["options"]
    for option, found in (("--checkpoint", options["checkpoint"]), ("--depth", options["learner"]["depth"])):
        if found:
            raise ValueError(f"--agent: {folder}: expected a run without {option}, found {shortened(found)}")
    return result


def training_points(name: str, model: HRM, result: dict[str, Any]) -> Iterator[Point]:
    """Yields what every sweep of a run found on its test puzzles."""
    from hrm_agent.cores.flops import training_flops

    options = result["options"]
    step = training_flops(model.policy.acting_core, options["batch_size"], options["learner"]["q_bootstrap"])
    for sweep in result["history"]:
        yield point(TRAINING, name, sweep["updates"] * step / 1e12, sweep["exact"], sweep["puzzles"])


def thinking_points(name: str, model: HRM, options: EqualCompute, folder: str) -> Iterator[Point]:
    """Yields the share of puzzles that are answered right within every budget, by the agent's own halting."""
    from hrm_agent.cores.flops import segment_flops

    env = options.environment(model, folder, options.batch_size, options.max_segments)
    segment = segment_flops(model.policy.acting_core, 1)
    puzzles = len(env.rules.puzzles)
    right = model.evaluate(env).right_by_segment
    for number, solved in enumerate(right, start=1):
        yield point(THINKING, name, number * segment / 1e9, float(solved) / puzzles, puzzles)


def point(panel: str, agent: str, operations: float, solved: float, puzzles: int) -> Point:
    """Returns a share of solved puzzles, with its interval."""
    from hrm_agent.study.proportion import wilson

    return Point(panel, agent, operations, solved, *wilson(solved, puzzles))


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1:]), sys.argv[1:]))
