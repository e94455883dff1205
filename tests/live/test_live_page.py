"""What a visitor of the live page does: with the mouse, the keyboard, a link, a phone, and with bad puzzles."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import torch

from hrm_agent import load_pretrained
from hrm_agent.checkpoints.onnx_file import in_float32
from hrm_agent.halting import make
from hrm_agent.inference.reasoner import Reasoner
from hrm_env import PuzzleBatch, make_task

SHIFTS = """() => new Promise((done) => {
  const watch = (list) => done(list.getEntries().reduce((sum, { value }) => sum + value, 0));
  new PerformanceObserver(watch).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(0), 500);
})"""
UNNAMED = """() => [...document.querySelectorAll("#live :is(button, input, select)")]
  .filter((control) => !(control.labels?.length || control.ariaLabel || control.textContent.trim())).length"""


def state(page: Any) -> dict[str, str]:
    """What the link of the page says."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.evaluate("location.href")).fragment).items()}


def think(page: Any) -> None:
    """Lets the agent think, and waits for all segments."""
    page.get_by_role("button", name="Think").click()
    page.wait_for_selector("#live[data-state=done]")


def symbols(page: Any) -> str:
    """The answer that is shown, as text."""
    return "".join(page.locator("#live-boards .symbol").all_inner_texts())


def stopping_segment(name: str, text: str, policy: str) -> int:
    """The segment after which an agent stops in Python."""
    model = load_pretrained(name, device="cpu")
    task = make_task(str(model.puzzles.task))
    inputs = torch.from_numpy(task.encode(text)).long()[None]
    batch = PuzzleBatch(inputs, inputs, torch.zeros(1, dtype=torch.long))
    return len(list(Reasoner(in_float32(model.policy.acting_core), make(policy), 8, 1, task).episodes(batch)))


def test_a_visitor_lets_the_agent_think_and_goes_through_its_segments(opened: Any) -> None:
    opened.emulate_media(reduced_motion="reduce")
    opened.get_by_label("Agent").select_option("sudoku6x6")
    opened.wait_for_selector("#live[data-state=ready]")
    opened.get_by_label("Pick").select_option(index=6)
    puzzle = state(opened)["puzzle"]
    think(opened)
    stop = stopping_segment("sudoku6x6", puzzle, "q-threshold:0.95")
    assert f"Stops after segment {stop} of 8: the answer is right." in opened.locator("#live-stop").inner_text()
    assert state(opened)["segment"] == str(stop)  # without motion the answer is shown at once
    assert opened.locator(".timeline tbody tr").count() == 8
    assert "–" not in opened.locator(".timeline tbody").inner_text()
    solved = symbols(opened)
    assert all(given in (".", shown) for given, shown in zip(puzzle, solved, strict=True))
    opened.get_by_role("button", name="First").press("Enter")
    assert "Segment 1 of 8" in opened.locator("#live-where").inner_text()
    assert opened.get_by_role("button", name="Back").is_disabled()
    for segment in range(2, 9):
        opened.get_by_role("button", name="Step").press("Space")
        assert state(opened)["segment"] == str(segment)
    assert symbols(opened) == solved
    opened.locator(".timeline").get_by_role("button", name="2", exact=True).click()
    assert state(opened)["segment"] == "2"
    assert "Segment 2: " in opened.get_by_role("status").first.inner_text()


def test_the_slider_moves_where_the_rule_would_have_stopped(opened: Any) -> None:
    opened.emulate_media(reduced_motion="reduce")
    think(opened)
    opened.get_by_label("Halting rule").select_option("fixed")
    slider = opened.locator("#live-value")
    for position, segment in (("0", 1), ("5", 6), ("7", 8)):
        slider.fill(position)
        assert f"Stops after segment {segment} of 8" in opened.locator("#live-stop").inner_text()
        assert opened.locator(".timeline tr.stop").locator("button").inner_text() == str(segment)
    slider.press("ArrowLeft")
    assert opened.locator("#live-value-text").inner_text() == "K = 7"
    assert slider.get_attribute("aria-valuetext") == "K = 7"


def test_a_puzzle_is_typed_with_the_keyboard_alone(opened: Any) -> None:
    puzzle = state(opened)["puzzle"]
    opened.get_by_role("button", name="Clear").press("Enter")
    assert state(opened)["puzzle"] == "." * 16
    opened.get_by_label("Row 1, column 1", exact=True).focus()
    for cell, symbol in enumerate(puzzle):
        if symbol != ".":
            opened.keyboard.type(symbol)
        opened.keyboard.press("ArrowRight")
        if cell % 4 == 3:
            opened.keyboard.press("ArrowDown")
    assert state(opened)["puzzle"] == puzzle
    opened.keyboard.type("9")  # no digit of this puzzle
    assert state(opened)["puzzle"][0] in (".", puzzle[0])
    assert opened.evaluate(UNNAMED) == 0


def test_a_link_restores_everything(opened: Any, browser: Any) -> None:
    opened.emulate_media(reduced_motion="reduce")
    opened.get_by_label("Agent").select_option("sudoku6x6")
    opened.get_by_role("button", name="Generate").click()
    opened.get_by_label("Views").select_option("4")
    opened.get_by_label("Halting rule").select_option("residual")
    opened.locator("#live-value").fill("40")
    think(opened)
    opened.locator("#live-segment").fill("3")
    other = browser.new_page()
    other.goto(opened.evaluate("location.href"))
    other.wait_for_selector("#live[data-state=done]")
    assert state(other) == state(opened)
    assert state(other)["segment"] == "3"
    assert symbols(other) == symbols(opened)
    assert other.locator("#live-stop").inner_text() == opened.locator("#live-stop").inner_text()
    other.close()


def test_four_views_stand_side_by_side(opened: Any) -> None:
    opened.emulate_media(reduced_motion="reduce")
    opened.get_by_label("Views").select_option("4")
    think(opened)
    assert opened.locator("#live-boards table").count() == 4
    answers = symbols(opened)
    assert len(answers) == 64
    assert answers[:16] == answers[16:32] == answers[32:48] == answers[48:]  # all solve it, in the puzzle's own order
    assert "answers first" in opened.locator("#live-stop").inner_text()


BAD = {
    "11" + "." * 14: "Row 1 holds the digit 1 in 2 cells; expected every digit at most once.",
    "1" + "." * 15: "1 digit leaves more than one solution; expected more digits.",
    "." * 16: "Expected a puzzle with some digits, found none.",
    "123.4..........4": "No digits fit into the empty cells; expected a puzzle with a solution.",
    "hello": "Expected the digits 1 to 4, and . for an empty cell, found “h” in cell 1.",
    "1234": "Expected 16 cells, found 4.",
}


def test_a_bad_puzzle_gets_one_sentence(opened: Any) -> None:
    for text, sentence in BAD.items():
        opened.get_by_label("As text").fill(text)
        opened.get_by_role("button", name="Think").click()
        assert opened.get_by_role("alert").inner_text() == sentence
        assert opened.locator("#live").get_attribute("data-state") == "ready"


def test_nothing_jumps_and_nothing_leaves_the_machine(page: Any, live_site: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(live_site)
    page.wait_for_selector("#live[data-state=ready]")
    think(page)
    page.get_by_label("Halting rule").select_option("kl")
    assert page.evaluate(SHIFTS) < 0.01
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(live_site).netloc}


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_as_wide_as_the_screen(width: int, page: Any, live_site: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(live_site)
    page.wait_for_selector("#live[data-state=ready]")
    page.get_by_label("Views").select_option("4")
    think(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
