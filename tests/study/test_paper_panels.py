"""The panels of the paper's figures: axes, legends, bars."""

from __future__ import annotations

from matplotlib.figure import Figure

from hrm_agent.study.figures.paper import Line, panels_figure


def line(*places: float) -> Line:
    return [(place, 0.1 * place, 0.0, 1.0) for place in places]


def ticks(figure: Figure, panel: int) -> list[str]:
    figure.draw_without_rendering()
    return [label.get_text() for label in figure.axes[panel].get_xticklabels()]


def test_few_places_are_the_ticks_and_accuracies_are_percent() -> None:
    panels = {
        "accuracy by depth": {"HRM": line(1, 2, 4), "RNN": line(1, 4)},
        "residual, HRM": {"HRM": line(*range(20))},
    }
    figure = panels_figure(panels, {"accuracy by depth": "log depth", "residual, HRM": "step"})
    accuracy, residual = figure.axes
    assert (accuracy.get_xscale(), accuracy.get_xlabel(), residual.get_xscale()) == ("log", "depth", "linear")
    assert ticks(figure, 0) == ["1", "2", "4"]
    assert all(tick.removeprefix("\N{MINUS SIGN}").isdigit() for tick in ticks(figure, 1))
    assert all(label.get_text().endswith(" %") for label in accuracy.get_yticklabels())
    assert accuracy.get_legend() is not None
    assert residual.get_legend() is None  # its title names the one line


def test_single_numbers_are_bars_and_panels_fill_the_rows() -> None:
    panels = {name: {"a": line(1), "b": line(1)} for name in ("one", "cost in accuracy", "three", "four")}
    figure = panels_figure(panels, dict.fromkeys(panels, ""), columns=2)
    assert [len(axes.patches) for axes in figure.axes] == [2, 2, 2, 2]
    assert len({axes.get_position().y0 for axes in figure.axes}) == 2
    assert all(tick.endswith(" %") for tick in ticks(figure, 1))
