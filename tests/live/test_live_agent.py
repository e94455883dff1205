"""What the live page computes is what Python computes: segments, views, halting rules and the rules of puzzles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hrm_agent import HRM, load_pretrained
from hrm_agent.halting import POLICIES
from hrm_agent.inference.views import Views
from hrm_agent.traces.record import Traces, record
from hrm_agent.traces.replay import replay
from hrm_env import PuzzleBatch, PuzzleTask, PuzzleVectorEnv, load_puzzles, make_task

VIEWS = 4
THINK = """async ([name, puzzles, views]) => {
  const { Agent } = await import(`${location.origin}/live/agent.js`);
  const agents = await (await fetch("./live/models/agents.json")).json();
  const agent = await Agent.load(agents.find((each) => each.name === name));
  const found = [];
  for (const puzzle of puzzles) {
    const segments = [];
    for await (const segment of agent.think(puzzle, views)) segments.push(segment);
    found.push(segments);
  }
  return found;
}"""
STOP = """async ([cases, seriesOfPuzzles]) => {
  const { elect, stop } = await import(`${location.origin}/live/rules.js`);
  return cases.map(([name, value]) => seriesOfPuzzles.map((views) => {
    const stops = views.map((series) => stop(name, value, series));
    const { view, segment } = elect(stops, views);
    return [stops[0].segment, stops[0].byChoice, segment, views[view][segment - 1].q_halt];
  }));
}"""
NAMES = "async () => Object.keys((await import(`${location.origin}/live/rules.js`)).RULES)"
CHECK = """async ([family, description, puzzles, answers, count]) => {
  const Task = Object.values(await import(`${location.origin}/live/${family}.js`))[0];
  const task = new Task(description);
  return {
    solved: answers.map((answer, index) => task.solved(puzzles[index], answer)),
    conflicts: answers.map((answer) => task.conflicts(answer)),
    problems: puzzles.map((puzzle) => task.problem(puzzle)),
    made: Array.from({ length: count }, () => task.generate(Math.random)),
  };
}"""


def signals_of(model: HRM, shown: Tensor) -> list[dict[str, Any]]:
    """The outputs of all segments of rows of puzzles, in torch."""
    from hrm_agent.checkpoints.onnx_file import exported_segment
    from hrm_agent.checkpoints.onnx_parity import torch_segments

    puzzles = PuzzleBatch(shown, shown, torch.zeros(len(shown), dtype=torch.long))
    return list(torch_segments(exported_segment(model), puzzles, model.max_segments))


@pytest.mark.parametrize("name", ["sudoku4x4", "sudoku6x6"])
def test_segments_in_the_browser_are_those_of_torch(name: str, opened: Any) -> None:
    model = load_pretrained(name, device="cpu")
    task = make_task(str(model.puzzles.task))
    inputs = torch.from_numpy(load_puzzles(task, "generated", num_puzzles=10, split="test").inputs).long()
    views = Views(2, task)
    expected = signals_of(model, views.show(inputs))
    found = opened.evaluate(THINK, [name, inputs.tolist(), 2])
    for m, segment in enumerate(expected):
        answers = views.restore(torch.from_numpy(segment["logits"]).argmax(-1))
        for puzzle in range(10):
            for view in range(2):
                row, seen = 2 * puzzle + view, found[puzzle][m][view]
                assert seen["answer"] == answers[puzzle, view].tolist()
                for signal, value in seen["signals"].items():
                    assert value == pytest.approx(float(segment[signal][row]), abs=1e-4), signal
                confidence = sorted(segment["probabilities"][row].max(-1))
                assert sorted(seen["confidence"]) == pytest.approx(confidence, abs=1e-4)


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """What the agent of 6x6 Sudoku does on 60 puzzles in four views."""
    model = load_pretrained("sudoku6x6", device="cpu")
    task = make_task(str(model.puzzles.task))
    puzzles = load_puzzles(task, "generated", num_puzzles=60, split="test")
    env = PuzzleVectorEnv(task, 60, source=puzzles, max_segments=model.max_segments, order="once", array="torch")
    file = tmp_path_factory.mktemp("traces") / "live.traces"
    return record(model.policy.acting_core, env, file, views=VIEWS)


def test_rules_stop_where_those_of_python_stop(traces: Traces, opened: Any) -> None:
    names = opened.evaluate(NAMES)
    assert set(POLICIES) - set(names) <= {
        *("ponder", "random", "oracle", "sb3"),  # draw by 64-bit hashes, know the solution, or need a network
        *("any", "all", "min", "max", "abstain", "halt-first", "best-q", "best-residual"),
    }
    cases = [
        (name, value) for name in names for value in POLICIES[name].sweep if value or not POLICIES[name].parameters
    ]
    series = [
        [
            [{key: float(signal[puzzle, view, m]) for key, signal in traces.signals.items()} for m in range(8)]
            for view in range(VIEWS)
        ]
        for puzzle in range(len(traces))
    ]
    given = [[name, float(value) if value else None] for name, value in cases]
    found = opened.evaluate(STOP, [given, series])
    for (name, value), of_puzzles in zip(cases, found, strict=True):
        policy = f"{name}:{value}" if value else name
        one, first = replay(traces, policy), replay(traces, f"halt-first:{VIEWS}({policy})")
        segments, choices, of_first, q_halt = zip(*of_puzzles, strict=True)
        assert list(segments) == one.segments.tolist(), policy
        assert list(choices) == one.by_choice.tolist(), policy
        assert list(of_first) == first.segments.tolist(), policy
        assert list(q_halt) == first.q_halt.tolist(), policy
    assert len({tuple(row[0] for row in of_puzzles) for of_puzzles in found}) > 12  # the rules do differ


def disturbed(task: PuzzleTask, solution: np.ndarray[Any, np.dtype[np.uint8]], rng: np.random.Generator) -> Any:
    """Solutions of which every second has a few cells of other tokens."""
    answers = solution.copy()
    for row in answers[::2]:
        row[rng.integers(0, len(row), 3)] = rng.integers(2, task.spec.vocab_size, 3)
    return answers


@pytest.mark.parametrize("name", ["sudoku:2x2", "sudoku:2x3", "sudoku:3x3", "maze:10x10"])
def test_rules_of_puzzles_are_those_of_python(name: str, page: Any, live_site: str, tmp_path: Path) -> None:
    page.goto(live_site)
    task, rng = make_task(name), np.random.default_rng(0)
    puzzles = load_puzzles(task, "generated", num_puzzles=40, split="test")
    answers = disturbed(task, puzzles.solution, rng)
    family, spec = name.partition(":")[0], task.spec
    description = {"height": spec.height, "width": spec.width, "boxes": task.boxes}
    found = page.evaluate(CHECK, [family, description, puzzles.inputs.tolist(), answers.tolist(), 2])
    inputs, grids = (torch.from_numpy(array).long() for array in (puzzles.inputs, answers))
    assert found["solved"] == task.check(inputs, grids).tolist()
    assert 10 < sum(found["solved"]) < 40
    assert set(found["problems"]) == {""}
    if family == "sudoku":
        assert found["conflicts"] == [task.conflicts(answer).tolist() for answer in answers]
        assert task.count_solutions(np.array(found["made"], dtype=np.uint8)).tolist() == [1, 1]
