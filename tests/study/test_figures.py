"""The figures: each shows what it is given, without warnings, and no two labels touch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from study_traces import CORRECT, Q_CONTINUE, Q_HALT, hand_made, traces

from hrm_agent.study.figures.difficulty import difficulty_bins, difficulty_figure
from hrm_agent.study.figures.frontier import frontier_figure
from hrm_agent.study.figures.histograms import Stops, histograms_figure
from hrm_agent.study.figures.labels import Label, place_labels
from hrm_agent.study.figures.reliability import reliability_figure
from hrm_agent.study.figures.save import like_compute, study_figures
from hrm_agent.study.figures.segments import segments_figure
from hrm_agent.study.figures.style import STYLE, accuracy_axis, new_figure, save_figure, write_at_end
from hrm_agent.study.figures.views import curves_of, views_figure
from hrm_agent.study.study import StudyPlan, run_study
from hrm_agent.study.table import Row


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    recorded = hand_made(repeat=10)
    table, replays = run_study([recorded], StudyPlan(resamples=20))
    return study_figures(table, replays, trained_segments=3)


@pytest.fixture(scope="module")
def rows() -> tuple[Row, ...]:
    return run_study([hand_made(repeat=10)], StudyPlan(calibration=0, resamples=20))[0].rows


def pixels(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]


NAMES = (
    *("frontier", "frontier-zoom", "halting-segments", "reliability", "accuracy-by-segment", "regret"),
    *("risk-coverage", "difficulty"),
)


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_drawn_and_saved(name: str, figures: dict[str, Figure], tmp_path: Path) -> None:
    assert set(figures) == set(NAMES)
    painted = pixels(figures[name])[..., :3] < 250
    assert 0.005 < painted.any(-1).mean() < 0.6
    assert not painted[:2].any()  # nothing is cut off at an edge
    assert not painted[-2:].any()
    assert not painted[:, :2].any()
    assert not painted[:, -2:].any()
    png, svg = save_figure(figures[name], tmp_path / name)
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in svg.read_text()


def test_equal_figures_are_equal_files(tmp_path: Path) -> None:
    correct = hand_made().correct[:, 0][None]
    first = [path.read_bytes() for path in save_figure(segments_figure(correct), tmp_path / "first")]
    second = [path.read_bytes() for path in save_figure(segments_figure(correct), tmp_path / "second")]
    assert first == second


def test_the_style_leaves_matplotlib_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    segments_figure(hand_made().correct[:, 0][None])
    assert dict(matplotlib.rcParams) == before
    assert before["axes.grid"] != STYLE["axes.grid"]


def test_the_frontier_shows_every_policy(rows: tuple[Row, ...]) -> None:
    figure = frontier_figure(rows, "q-compare")
    (axes,) = figure.axes
    drawn = [line for line in axes.lines if line.get_marker() == "o"]
    points = {(x, y) for line in drawn for x, y in np.asarray(line.get_xydata())}
    assert points == {(row.work.value, row.exact.value) for row in rows}
    full = [line for line in drawn if line.get_markersize() > 4.5]
    assert sum(len(np.asarray(line.get_xydata())) for line in full) == sum(row.frontier for row in rows) + 1


def test_the_risk_coverage_curve_and_the_points_of_abstaining_policies(figures: dict[str, Figure]) -> None:
    (axes,) = figures["risk-coverage"].axes
    curve, *points = [np.asarray(line.get_xydata()) for line in axes.lines]
    assert len(curve) == 32  # scored puzzles of 40
    assert curve[-1][0] == 1
    assert curve[-1][1] == pytest.approx(1 / 2, abs=0.1)  # q-compare solves half of the puzzles
    assert len(points) >= 2
    assert all(0 < point[0, 0] < 1 for point in points)


def test_labels_do_not_touch_each_other_or_the_frame(rows: tuple[Row, ...]) -> None:
    (axes,) = frontier_figure(rows, "q-compare").axes
    boxes = label_boxes(axes)
    assert len(boxes) > 5
    frame = axes.get_window_extent().get_points()
    for number, (low, high) in enumerate(boxes):
        assert (low >= frame[0] - 1).all()
        assert (high <= frame[1] + 1).all()
        for other_low, other_high in boxes[:number]:
            assert not ((low < other_high) & (high > other_low)).all()


def label_boxes(axes: Axes) -> list[np.ndarray]:
    """Corners of all annotations' texts in pixels, ``(2, 2)`` each."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    pixels(figure)
    texts = [text for text in axes.texts if isinstance(text, Annotation)]
    return [Text.get_window_extent(text).get_points() for text in texts]  # without the line to the curve


def test_a_label_stands_beside_its_curve_and_off_the_others() -> None:
    figure = new_figure(4, 3)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    flat, other = np.array([[0.0, 0.5], [0.5, 0.5], [1.0, 0.5]]), np.array([[0.0, 0.55], [1.0, 0.55]])
    (label,) = place_labels(axes, [Label("flat", flat, "black")], [flat, other])
    box = axes.transData.inverted().transform(label.get_window_extent().get_points())
    assert box[1, 1] < 0.5  # below, where the other curve does not run
    assert box[1, 1] > 0.4


def test_the_label_of_a_point_in_the_corner_stands_inside() -> None:
    axes = new_figure(4, 3).add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    corner = np.array([[0.0, 0.0]])
    place_labels(axes, [Label("a name longer than its distance", corner, "black")], [corner])
    (box,) = label_boxes(axes)
    frame = axes.get_window_extent().get_points()
    assert (frame[0] <= box[0]).all()
    assert (box[1] <= frame[1]).all()


def test_names_at_the_end_of_lines_move_apart() -> None:
    figure = new_figure(4, 3)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    figure.canvas.draw()
    write_at_end(axes, [(0.5, "one", "black"), (0.5, "two", "black"), (0.1, "low", "black")], x=1)
    boxes = sorted(label_boxes(axes), key=lambda box: box[0, 1])
    assert all(below[1, 1] <= above[0, 1] + 1 for below, above in pairwise(boxes))


@pytest.mark.parametrize("values", [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.3, 0.999999]])
def test_accuracy_axes_hold_every_accuracy(values: list[float]) -> None:
    axes = new_figure(3, 3).add_subplot()
    accuracy_axis(axes, values)
    low, high = axes.get_ylim()
    assert low <= values[0] <= values[1] <= high
    assert axes.transData.transform((0, high))[1] > axes.transData.transform((0, low))[1]
    places = [axes.transData.transform((0, value))[1] for value in (0.0, 0.9, 0.99)]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], rel=0.05)


def test_histograms_add_up_and_part_right_from_wrong() -> None:
    segments, exact = np.array([1, 1, 2, 4]), np.array([True, False, True, True])
    figure = histograms_figure([Stops("some", segments, exact, "blue")], budget=4)
    heights = np.array([bar.get_height() for bar in figure.axes[0].patches])  # type: ignore[attr-defined]
    np.testing.assert_allclose(heights, [0.25, 0.25, 0, 0.25, 0.25, 0, 0, 0])


def test_reliability_shows_the_bins() -> None:
    q = np.array([-10.0, -10, 10, 10])
    figure = reliability_figure(q, [0, 0, 1, 0])
    diagram, counts = figure.axes
    np.testing.assert_allclose(diagram.lines[1].get_ydata(), [0, 0.5])  # type: ignore[arg-type]
    assert [bar.get_height() for bar in counts.patches] == [2, *[0] * 8, 2]  # type: ignore[attr-defined]


def test_flips_stand_at_the_segment_where_the_answer_turns() -> None:
    correct = np.array([[[0, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]]], bool)
    flips = segments_figure(correct).axes[1]
    heights = [bar.get_height() for bar in flips.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(heights, [0.25, 0, -0.25, -0.25])  # gained at 2 and 3, lost at 2 and 3


def test_difficulty_bins() -> None:
    bins = difficulty_bins(np.array([3, 0, 0, 7], np.int32))
    assert {name: rows.tolist() for name, rows in bins.items()} == {"0": [1, 2], "3": [0], "7": [3]}
    many = difficulty_bins(np.arange(80, dtype=np.int32))
    assert len(many) == 8
    assert sorted(np.concatenate(list(many.values())).tolist()) == list(range(80))
    assert {len(rows) for rows in many.values()} <= {9, 10, 11}


def test_difficulty_means() -> None:
    segments = np.array([[1, 3, 2, 4]])
    stops = Stops("rule", segments, np.ones_like(segments, bool), "blue")
    figure = difficulty_figure([stops], np.array([0, 0, 5, 5], np.int32))
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [2, 3])  # type: ignore[arg-type]


def test_like_compute_takes_one_policy_of_each_rule(rows: tuple[Row, ...]) -> None:
    shown = like_compute(rows, "q-compare")
    assert shown[0].policy == "q-compare"
    names = [row.policy.partition(":")[0].partition("(")[0] for row in shown]
    assert len(names) == len(set(names)) <= 16
    compare = shown[0].work.value
    (fixed,) = [row for row in shown if row.policy.startswith("fixed")]
    alike = [abs(np.log(row.work.value / compare)) for row in rows if row.policy.startswith("fixed")]
    assert abs(np.log(fixed.work.value / compare)) == min(alike)


def test_no_figure_for_one_difficulty() -> None:
    recorded = hand_made(repeat=2)
    recorded.rating[:] = 1
    table, replays = run_study([recorded], StudyPlan(policies=("fixed:2",), calibration=0, resamples=5))
    assert "difficulty" not in study_figures(table, replays)


def test_curves_of_segments_and_views(rows: tuple[Row, ...]) -> None:
    """A line for every number of views, in order of segments; the grid of a study of several views is complete."""
    assert not curves_of(rows)  # of one view
    signals = {"correct": CORRECT, "q_halt": Q_HALT, "q_continue": Q_CONTINUE, "residual_h": CORRECT}
    recorded = traces(signals, views=4, repeat=10)
    table, replays = run_study([recorded], StudyPlan(calibration=0, resamples=20))
    curves = curves_of(table.rows)
    assert list(curves) == ["best-q", "best-residual"]
    for by_views in curves.values():
        assert sorted(by_views) == [1, 2, 4]
        for views, line in by_views.items():
            segments = [row.segments.value for row in line]
            assert segments == sorted(set(segments))
            assert segments[-1] == table.budget
            assert [row.work.value for row in line] == [views * m for m in segments]
    figure = views_figure(curves)
    assert [len(axes.lines) for axes in figure.axes] == [3] * len(curves)
    drawn, expected = figure.axes[0].lines[1].get_ydata(), [row.exact.value for row in curves["best-q"][2]]
    np.testing.assert_array_equal(np.asarray(drawn), expected)
    assert "views" in study_figures(table, replays)
