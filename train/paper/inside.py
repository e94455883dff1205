"""What goes on inside a segment: figures 3, 7 and 8, and causal tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hrm_agent.cores.core import ReasoningCore
from hrm_agent.cores.hrm import HRMCore
from hrm_agent.dynamics.answers import inner_answers
from hrm_agent.dynamics.interventions import (
    Effect,
    Intervention,
    Noise,
    at,
    effect,
    freeze,
    shuffle,
    time_scales_swapped,
)
from hrm_agent.dynamics.participation import Moments
from hrm_agent.dynamics.recorder import Change, inner_states, record
from hrm_agent.dynamics.residuals import Residuals, residuals, spike_ratios
from hrm_agent.dynamics.trajectories import principal_components

from .accuracy import gradient_options, rnn, transformer
from .lab import Lab
from .numbers import Number, Statistic, mean_of, statistic_of

MOST_SEGMENTS = 4
"""Segments of an episode whose residuals are drawn, at most."""
PAPER_RATIOS = {("trained", "z_h"): 89.95, ("trained", "z_l"): 30.22, ("untrained", "z_h"): 40.75}
PAPER_RATIOS |= {("untrained", "z_l"): 42.09, ("trained", "z_h / z_l"): 2.98, ("untrained", "z_h / z_l"): 0.97}
NO_CHANGE = at(freeze, "", ())
INTERVENTIONS: dict[str, Intervention] = {"freeze": freeze, "shuffle": shuffle, "noise": Noise(1.0)}


def deep(lab: Lab) -> str:
    """Returns the options of the deepest transformer of figure 2."""
    return transformer(lab, lab.sizes.scales[-1])


def residual_runs(lab: Lab) -> list[str]:
    """Returns the runs of figure 3."""
    return ["", rnn(lab), deep(lab)]


def measure_residuals(lab: Lab) -> list[Number]:
    """Measures figure 3: residual of every step, spike ratio, how active a state stays, principal components."""
    length = min(lab.budget, MOST_SEGMENTS)
    paths = {f"HRM {name}": path for name, path in _residuals(lab, lab.core(), length).items()}
    found = _episode(lab, lab.core(), length)
    numbers = [_geometric("HRM z_l", "spike ratio", spike_ratios(found).numpy())]
    if lab.compares:
        paths |= {"RNN": _residuals(lab, lab.core(rnn(lab)), length)["z"]}
        paths |= {"transformer, layers": _residuals(lab, lab.core(deep(lab)), 1)["layer"]}
        still = _late(paths["HRM z_l"]) / _late(paths["RNN"])
        layers = paths["transformer, layers"]
        middle = layers[1:-1].mean(0) / layers[[0, -1]].mean(0)
        numbers += [
            _geometric("RNN", "late activity", _late(paths["RNN"])),
            _geometric("HRM z_l / RNN", "late activity", still),
            _geometric("transformer, layers", "middle / outer layers", middle),
        ]
    numbers += [_geometric(name, "late activity", _late(paths[name])) for name in ("HRM z_h", "HRM z_l")]
    numbers += [
        mean_of(name, "residual", each, step) for name, path in paths.items() for step, each in enumerate(path, start=1)
    ]
    return (
        numbers
        + _components(lab, lab.core(), "HRM", length)
        + (_components(lab, lab.core(rnn(lab)), "RNN", length) if lab.compares else [])
    )


def _episode(lab: Lab, core: ReasoningCore, length: int) -> Residuals:
    return residuals(inner_states(core, lab.batch.inputs, lab.batch.puzzle_id, length))


def _residuals(lab: Lab, core: ReasoningCore, length: int) -> dict[str, npt.NDArray[np.float32]]:
    """Returns the residuals of each state, ``(steps, B)``."""
    found = _episode(lab, core, length)
    return {name: found.of(name).numpy() for name in dict.fromkeys(found.states)}


def _late(path: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns the mean residual of the last quarter of the steps as a share of that of the first, ``(B,)``."""
    quarter = max(1, len(path) // 4)
    late: npt.NDArray[np.float32] = path[-quarter:].mean(0) / path[:quarter].mean(0)
    return late


def _geometric(series: str, metric: str, values: npt.ArrayLike) -> Number:
    """Returns a geometric mean over puzzles with its interval."""
    found = mean_of(series, metric, np.log(np.maximum(np.asarray(values, np.float64), 1e-12)))
    assert found.low is not None
    assert found.high is not None
    value, low, high = (float(np.exp(each)) for each in (found.value, found.low, found.high))
    return Number(series, metric, 0, value, low, high)


def _components(lab: Lab, core: ReasoningCore, name: str, length: int) -> list[Number]:
    """Returns the first two principal components of each state's path on the first puzzle, step by step."""
    numbers = []
    for state, values in record(core, lab.batch.inputs[:1], lab.batch.puzzle_id[:1], length).items():
        path = values.reshape(len(values), -1)
        for step, place in enumerate(principal_components(path).coordinates(path), start=1):
            series = f"{name} {state}" if name == "HRM" else name
            numbers += [Number(series, f"component {axis}", step, float(place[axis - 1])) for axis in (1, 2)]
    return numbers


def measure_answers(lab: Lab) -> list[Number]:
    """Measures figure 7: cells that break a rule, change, and go back, after every inner step."""
    found = inner_answers(lab.core(), lab.batch.inputs, lab.batch.puzzle_id, lab.budget)
    violations = found.violations(lab.task)
    counts: dict[str, npt.NDArray[np.int64]] = {
        "violations": violations,
        "changes": found.changes().numpy(),
        "returns": found.returns().numpy(),
        "wrong cells": (found.answers != lab.batch.solution).sum(-1).numpy(),
    }
    numbers = [
        mean_of("HRM", metric, each, step + len(violations) - len(steps))
        for metric, steps in counts.items()
        for step, each in enumerate(steps, start=1)
    ]
    return [
        *numbers,
        mean_of("HRM", "wrong cells, first − last step", counts["wrong cells"][0] - counts["wrong cells"][-1]),
        mean_of("HRM", "returns, an episode", counts["returns"].sum(0)),
    ]


def measure_participation(lab: Lab) -> list[Number]:
    """Measures figure 8: participation ratios, trained and untrained, and against the number of puzzles."""
    count, numbers = len(lab.batch.inputs), list[Number]()
    for name, core in {"trained": lab.core(), "untrained": lab.untrained()}.items():
        states = record(core, lab.batch.inputs, lab.batch.puzzle_id, lab.budget)
        h, low = (Moments.of(states[state]).ratio for state in ("z_h", "z_l"))
        for state, statistic in {"z_h": h, "z_l": low, "z_h / z_l": _quotient(h, low)}.items():
            paper = PAPER_RATIOS[name, state]
            numbers.append(statistic_of(f"{state}, {name}", "participation", count, statistic, paper=paper))
        if name == "trained":
            numbers += _growth(h, low, count)
    return numbers


def _quotient(above: Statistic, below: Statistic) -> Statistic:
    return lambda weights: above(weights) / below(weights)


def _growth(h: Statistic, low: Statistic, count: int) -> list[Number]:
    """Returns the participation ratios of the first 5, 10, ... puzzles, and how much more that of z_H grows."""
    steps = [*(number for number in (5, 10, 20, 50, 100, 200) if number < count), count]
    few = (np.arange(count) < steps[0]).astype(np.float64)

    def grows(weights: npt.NDArray[np.float64]) -> float:
        part = weights * few if (weights * few).any() else few
        return (h(weights) / h(part)) / (low(weights) / low(part))

    numbers = [
        Number(state, "participation by puzzles", number, ratio((np.arange(count) < number).astype(np.float64)))
        for state, ratio in (("z_h", h), ("z_l", low))
        for number in steps
    ]
    return [*numbers, statistic_of("z_h / z_l", "growth with puzzles", count, grows)]


def causal_runs(lab: Lab) -> list[str]:
    """Returns the runs of the causal tests: HRM and the RNN of its size under the same gradient."""
    return ["", gradient_options(lab, "one-step"), rnn(lab)]


def measure_causes(lab: Lab) -> list[Number]:
    """Measures what it costs to disturb a state in the second segment, to swap the time scales, to have only one."""
    core, batch = lab.core(), lab.batch
    inner = len(core.inner_steps())
    when = range(inner, 2 * inner) if lab.budget > 1 else range(inner)

    def run(change: Change) -> Effect:
        return effect(core, batch.inputs, batch.puzzle_id, batch.solution, lab.budget, change)

    numbers = [
        _cost(f"{name} {state}", run(at(intervention, state, when)))
        for name, intervention in INTERVENTIONS.items()
        for state in ("z_h", "z_l")
    ]
    if isinstance(core, HRMCore):
        usual = run(NO_CHANGE).unchanged
        with time_scales_swapped(core):
            numbers.append(_cost("swap time scales", Effect(usual, run(NO_CHANGE).unchanged)))
    if lab.compares:
        ours, other = (lab.solved(options).astype(float) for options in causal_runs(lab)[1:])
        numbers += [
            mean_of("HRM, one-step gradient", "accuracy", ours),
            mean_of("RNN, one-step gradient", "accuracy", other),
            mean_of("HRM − RNN", "accuracy", ours - other),
        ]
    return numbers


def _cost(name: str, found: Effect) -> Number:
    return mean_of(name, "cost in accuracy", (found.unchanged[-1].float() - found.changed[-1].float()).numpy())
