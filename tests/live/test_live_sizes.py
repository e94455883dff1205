"""Agents of other puzzles than the released ones work on the live page as soon as they are exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from live_server import served

from hrm_agent import HRM, export_onnx
from hrm_env import PuzzleBatch, make_task

TINY = {"hidden_size": 16, "num_heads": 2, "h_layers": 1, "l_layers": 1, "h_cycles": 1, "l_cycles": 1}
AGENTS = {"sudoku9": "HRM-Sudoku-v0", "maze10": "HRM-Maze10x10-v0"}
HEIGHTS = '() => [...document.querySelectorAll("#live-boards tr")].map((row) => row.getBoundingClientRect().height)'


@pytest.fixture(scope="module")
def untrained() -> dict[str, HRM]:
    """Tiny agents that have learned nothing."""
    options: dict[str, Any] = {"n_envs": 1, "env_kwargs": {"num_puzzles": 4}, "device": "cpu", "seed": 0}
    return {name: HRM(env=id, policy_kwargs=TINY, **options) for name, id in AGENTS.items()}


@pytest.fixture(scope="module")
def sizes_site(
    untrained: dict[str, HRM], made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of the page with these agents instead of the released ones."""
    from live_files import described

    folder = tmp_path_factory.mktemp("sizes")
    files = {name: path for name, path in made.items() if name.startswith("vendor/")}
    for name, model in untrained.items():
        files[f"models/{name}.onnx"] = folder / f"{name}.onnx"
        export_onnx(model, files[f"models/{name}.onnx"])
    files["models/agents.json"] = folder / "agents.json"
    files["models/agents.json"].write_text(json.dumps([described(*each) for each in untrained.items()]))
    with served(folder / "site", files) as address:
        yield address


def last_answer(model: HRM, text: str) -> str:
    """The answer after the last segment, in torch."""
    from hrm_agent.checkpoints.onnx_file import exported_segment
    from hrm_agent.checkpoints.onnx_parity import torch_segments

    assert model.puzzles.task is not None
    task = make_task(model.puzzles.task)
    inputs = torch.from_numpy(task.encode(text)).long()[None]
    puzzle = PuzzleBatch(inputs, inputs, torch.zeros(1, dtype=torch.long))
    *_, last = torch_segments(exported_segment(model), puzzle, model.max_segments)
    return task.decode(last["logits"][0].argmax(-1).astype("uint8"))


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_of_another_puzzle_thinks(name: str, untrained: dict[str, HRM], page: Any, sizes_site: str) -> None:
    model = untrained[name]
    cells = model.policy.acting_core.shape.seq_len
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(sizes_site)
    page.get_by_label("Agent").select_option(name)
    page.wait_for_selector("#live[data-state=ready]")
    assert page.locator("#live-puzzle input").count() == cells
    for make_puzzle in ("Generate", None):
        if make_puzzle:
            page.get_by_role("button", name=make_puzzle).click()
        else:
            page.get_by_label("Pick").select_option(index=3)
        puzzle = page.get_by_label("As text").input_value()
        assert len(puzzle) == cells
        assert page.locator("#live-puzzle td.wall").count() == puzzle.count("#")
        page.get_by_role("button", name="Think").click()
        page.wait_for_selector("#live[data-state=done]")
        assert page.get_by_role("alert").inner_text() == ""
        assert page.locator(".timeline tbody tr").count() == model.max_segments
        page.locator("#live-segment").fill(str(model.max_segments))
        shown = "".join(page.locator("#live-boards .symbol").all_text_contents())
        assert shown.replace("\xa0", " ") == last_answer(model, puzzle).replace(".", " ")
        heights = page.evaluate(HEIGHTS)
        assert max(heights) - min(heights) < 4  # a row without a symbol, too
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


BAD = {
    "sudoku9": ("55" + "." * 79, "Row 1 holds the digit 5 in 2 cells; expected every digit at most once."),
    "maze10": ("S" + " " * 99, "Expected one G, found none."),
}


@pytest.mark.parametrize("name", AGENTS)
def test_a_bad_puzzle_of_any_size_gets_one_sentence(name: str, page: Any, sizes_site: str) -> None:
    page.goto(sizes_site)
    page.get_by_label("Agent").select_option(name)
    page.wait_for_selector("#live[data-state=ready]")
    text, sentence = BAD[name]
    page.get_by_label("As text").fill(text)
    page.get_by_role("button", name="Think").click()
    assert page.get_by_role("alert").inner_text() == sentence
