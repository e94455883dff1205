"""The page of a study: its numbers are those of the table, its puzzles those recorded; it needs no network."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from halting_traces import random_traces
from study_traces import hand_made

from hrm_agent.study.page.episodes import PIECE
from hrm_agent.study.page.numbers import RIGHT, SILENT
from hrm_agent.study.page.page import LIMIT, study_page
from hrm_agent.study.replays import Replays
from hrm_agent.study.study import Study, StudyPlan, run_study
from hrm_agent.traces.header import TraceHeader
from hrm_agent.traces.record import Traces
from hrm_env import make_task

TASK = make_task("copy:4x4")  # four cells in a row
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=60000"),
)


@pytest.fixture(scope="module")
def studied() -> tuple[Study, Replays]:
    """Two checkpoints on 32 puzzles, one of which answers at random."""
    first = hand_made(repeat=10)
    rng = np.random.default_rng(0)
    answers = rng.integers(1, 5, first.answers.shape, np.uint8)
    noise = {name: signal + rng.normal(0, 1, signal.shape).astype(np.float32) for name, signal in first.signals.items()}
    second = replace(first, answers=answers, signals=noise)
    return run_study([first, second], StudyPlan(resamples=20, confidence=0.9))


@pytest.fixture(scope="module")
def page(studied: tuple[Study, Replays]) -> bytes:
    return study_page(*studied, TASK, trained_segments=3)


def content(page: bytes) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page.decode())
    data = json.loads(found)
    assert isinstance(data, dict)
    return data


def unpacked(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(gzip.decompress(base64.b64decode(text)), dtype)


def test_the_numbers_are_those_of_the_table(studied: tuple[Study, Replays], page: bytes) -> None:
    found, frame = content(page), studied[0].frame().set_index("policy")
    assert [policy["policy"] for policy in found["policies"]] == list(frame.index)
    for name in ("exact", "segments", "work", "gain", "extra", "coverage", "risk"):
        columns = frame[[name, f"{name}_low", f"{name}_high"]].to_numpy()
        np.testing.assert_allclose([policy[name] for policy in found["policies"]], columns, rtol=1e-6)
    for name in ("family", "frontier", "verdict", "describe"):
        assert [policy[name] for policy in found["policies"]] == list(frame[name])
    assert (found["puzzles"], found["checkpoints"], found["confidence"]) == (32, 2, 0.9)


def test_what_each_policy_did_on_each_puzzle_adds_up_to_the_table(studied: tuple[Study, Replays], page: bytes) -> None:
    found, (study, _) = content(page), studied
    shape = len(study.rows), 2 * study.puzzles
    outcomes = unpacked(found["outcomes"], "u1").reshape(shape)
    stops = unpacked(found["stops"], "<u2").reshape(shape)
    for row, ended, stopped, policy in zip(study.rows, outcomes, stops, found["policies"], strict=True):
        assert (ended == RIGHT).mean() == pytest.approx(row.exact.value)
        assert (ended != SILENT).mean() == pytest.approx(row.selective["coverage"].value)
        assert stopped.mean() == pytest.approx(row.segments.value)
        shares = [[((stopped == m) & (ended == kind)).mean() for m in range(1, study.budget + 1)] for kind in range(3)]
        np.testing.assert_allclose(policy["stops"], shares, atol=1e-7)
    assert SILENT in outcomes


def test_the_charts_of_the_agent(studied: tuple[Study, Replays], page: bytes) -> None:
    found, (study, replays) = content(page), studied
    correct = np.stack([each.correct[:, 0] for each in replays.traces])
    np.testing.assert_allclose(found["segments"]["now"], correct.mean((0, 1)), rtol=1e-6)
    turned = (~correct[..., :-1] & correct[..., 1:]).mean((0, 1))
    np.testing.assert_allclose(found["segments"]["gained"], turned, rtol=1e-6)
    assert [sum(each["count"]) for each in found["reliability"]] == [correct.size] * 2
    for each in found["reliability"]:
        low, high = np.transpose(each["interval"])
        assert (low <= each["frequency"]).all()
        assert (each["frequency"] <= high).all()
    assert found["risk"]["aurc"] == pytest.approx(np.mean(found["risk"]["risk"]), abs=0.01)
    assert found["risk"]["aurc"] == pytest.approx(study.row(study.reference).selective["aurc"].value)


def test_the_segments_are_those_recorded(studied: tuple[Study, Replays], page: bytes) -> None:
    found, (study, replays) = content(page), studied
    order = unpacked(found["order"], "<u4")
    assert sorted(order) == list(range(64))
    rows = np.concatenate([unpacked(piece, "u1") for piece in found["pieces"]]).reshape(64, -1)
    tokens = np.bitwise_xor.accumulate(rows[:, : 5 * 4].reshape(64, 5, 4), axis=1)
    trust, right = rows[:, 20:24] / 255, rows[:, 24:]
    for place, episode in enumerate(order):
        own, puzzle = replays.traces[episode // study.puzzles], episode % study.puzzles
        assert found["index"][puzzle] == own.index[puzzle]
        np.testing.assert_array_equal(tokens[place, 0], own.inputs[puzzle])
        np.testing.assert_array_equal(tokens[place, 1:], own.answers[puzzle, 0])
        np.testing.assert_array_equal(right[place], own.correct[puzzle, 0])
        expected = 1 / (1 + np.exp(-own.signals["q_halt"][puzzle, 0].astype(np.float64)))
        np.testing.assert_allclose(trust[place], expected, atol=0.5 / 255 + 1e-9)


def test_5000_puzzles_of_16_segments_fit_even_if_every_answer_is_noise() -> None:
    """As far as they fit: no compression makes such answers small. Puzzles that policies differ on come first."""
    small = random_traces(puzzles=5000, budget=16)
    rng = np.random.default_rng(0)
    inputs, answers = rng.integers(1, 11, (5000, 81), np.uint8), rng.integers(1, 11, (5000, 1, 16, 81), np.uint8)
    header = TraceHeader("sudoku:3x3", 81, 11, 16, 1, 0.0, small.header.signals, "agent", "noise", 5000)
    traces = Traces(header, small.index, small.rating, inputs, answers, {k: v[:, :1] for k, v in small.signals.items()})
    study, replays = run_study([traces], StudyPlan(calibration=0, resamples=2))
    page = study_page(study, replays, make_task("sudoku:3x3"))
    found = content(page)
    assert len(study.rows) > 80
    assert 0.98 * LIMIT < len(page) <= LIMIT
    assert 0 < len(found["pieces"]) < 5000 / PIECE
    solved = np.ptp(unpacked(found["outcomes"], "u1").reshape(-1, 5000), axis=0)
    assert (np.diff((solved[unpacked(found["order"], "<u4")] == 0).astype(int)) >= 0).all()


def test_the_page_refers_to_nothing_else(page: bytes) -> None:
    text = page.decode()
    assert "default-src 'none'" in text  # a browser then refuses every connection
    own = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href|action)\s*=|url\(|@import", own)


def test_names_are_no_markup(studied: tuple[Study, Replays]) -> None:
    study, replays = studied
    name = "</script><b id='no'>&"
    odd = replace(replays.traces[0], header=replace(replays.traces[0].header, task=name))
    page = study_page(study, replace(replays, traces=(odd, *replays.traces[1:])), TASK)
    assert content(page)["task"] == name
    assert b"<b id='no'>" not in page
    assert f"<title>Halting policies on {html.escape(name)}</title>".encode() in page


def test_a_task_of_another_size_is_refused(studied: tuple[Study, Replays]) -> None:
    with pytest.raises(
        ValueError, match="task: expected the task of the recordings, of 4 cells, found sudoku:2x2 of 16"
    ):
        study_page(*studied, make_task("sudoku:2x2"))


VISIT = """<script>
const refused = [];
document.addEventListener("securitypolicyviolation", (event) => refused.push(event.blockedURI));
window.addEventListener("error", (event) => refused.push(event.message));
const pick = (id, value) => { element(id).value = value; element(id).dispatchEvent(new Event("change")); };
const told = () => ({
  kinds: Object.keys(KINDS).map((kind) => Number(element(`kind-${kind}`).textContent.split(": ")[1])),
  options: element("episode").options.length, note: element("episode-note").textContent,
  grids: Array.from(document.querySelectorAll("#grids figure"), (figure) => figure.textContent),
  cells: Array.from(document.querySelectorAll("#grids canvas"), (canvas) => canvas.getAttribute("aria-label")),
});
async function visit() {
  while (document.body.dataset.ready !== "yes") await new Promise((done) => setTimeout(done, 20));
  pick("a", "fixed:4");
  pick("b", "fixed:1");
  const settled = async () => { do await new Promise((done) => setTimeout(done, 20));
    while (!element("grids").children.length); return told(); };
  const first = await settled();
  element("swap").click();
  const swapped = await settled();
  element("filter").value = "fixed";
  element("filter").dispatchEvent(new Event("input"));
  const [shown] = element("shown").textContent.split(" ");
  const drawn = document.querySelectorAll("#frontier .point").length;
  const charts = document.querySelectorAll(".chart .main-svg").length > 0;
  const loaded = performance.getEntriesByType("resource").length;
  const found = { first, swapped, shown, drawn, charts, refused, loaded };
  document.body.append(made("pre", JSON.stringify(found), { id: "found" }));
}
visit();
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_visit_without_a_network(studied: tuple[Study, Replays], page: bytes, tmp_path: Path) -> None:
    """Two policies are chosen: their counts are those of the replays, and the segments of a puzzle are drawn."""
    study, replays = studied
    path = tmp_path / "study.html"
    path.write_bytes(page.replace(b"</body>\n</html>", VISIT.encode() + b"</body></html>"))
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    dumped = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240).stdout
    (text,) = re.findall(r'<pre id="found">(.*?)</pre>', dumped, flags=re.DOTALL)
    found = json.loads(html.unescape(text))
    assert (found["refused"], found["loaded"], found["charts"]) == ([], 0, True)
    names = [candidate.name for candidate in replays.candidates]
    a, b = (replays.exact[:, names.index(name)] for name in ("fixed:4", "fixed:1"))
    counts = [(a & ~b).sum(), (~a & b).sum(), (a == b).sum(), 0]  # both never halt at the same segment
    assert found["first"]["kinds"] == counts
    assert found["first"]["options"] == counts[0]
    assert found["swapped"]["kinds"] == [counts[1], counts[0], *counts[2:]]
    assert found["first"]["note"].endswith("A, fixed:4: right after segment 4. B, fixed:1: wrong after segment 1.")
    question, *segments = found["first"]["grids"]
    assert question == "question"
    assert [line.partition(":")[0] for line in segments] == ["1", "2", "3", "4"]
    assert ["halts here" in line for line in segments] == [True, False, False, True]
    episode = int(np.flatnonzero((a & ~b).ravel())[0])
    own, puzzle = replays.traces[episode // study.puzzles], episode % study.puzzles
    grids = [own.inputs[puzzle], *own.answers[puzzle, 0]]
    assert found["first"]["cells"] == [TASK.decode(tokens) for tokens in grids]
    assert int(found["shown"]) == sum("fixed" in row.policy for row in study.rows)
    assert found["drawn"] >= int(found["shown"])
