"""Exact values of what is measured on states."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agents import SHAPE, hrm_core, tiny_core
from torch import Tensor

from hrm_agent.config import Gradient
from hrm_agent.cores.core import SegmentOutput
from hrm_agent.dynamics.fixed_points import convergence, spectral_radius
from hrm_agent.dynamics.gradients import Agreement, gradient_agreement, graph_bytes
from hrm_agent.dynamics.interventions import Noise, at, effect, freeze, shuffle, time_scales_swapped
from hrm_agent.dynamics.participation import Moments, participation_ratio
from hrm_agent.dynamics.probes import balanced_accuracy, fit_probe
from hrm_agent.dynamics.recorder import Segment, Step, inner_states
from hrm_agent.dynamics.residuals import residuals, spike_ratios
from hrm_agent.dynamics.trajectories import principal_components


def episode(moves: list[tuple[str, float]]) -> list[Segment]:
    """One puzzle of two positions; each step moves a state by a vector of the given length at both."""
    states, steps = {"z_l": torch.zeros(1, 2, 2), "z_h": torch.zeros(1, 2, 2)}, []
    for name, length in moves:
        value = states[name] + torch.tensor([0.6, 0.8]) * length
        steps.append(Step(name, states[name], value))
        states[name] = value
    nothing = torch.zeros(1)
    return [Segment(steps, SegmentOutput(None, nothing, nothing, nothing, nothing))]


def test_residuals_and_spike_ratio_of_constructed_states() -> None:
    found = residuals(episode([("z_l", 4), ("z_l", 1), ("z_h", 7), ("z_l", 4), ("z_l", 2), ("z_h", 5), ("z_l", 8)]))
    assert found.of("z_l").flatten().tolist() == pytest.approx([4, 1, 4, 2, 8])
    assert found.of("z_h").flatten().tolist() == pytest.approx([7, 5])
    assert spike_ratios(found).tolist() == pytest.approx([4])  # the geometric mean of 4/1 and 8/2
    with pytest.raises(ValueError, match="between two of 'z_l'"):
        spike_ratios(residuals(episode([("z_l", 1), ("z_h", 1)])))


def test_participation_ratio_of_constructed_states() -> None:
    square = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    assert participation_ratio(square) == pytest.approx(2)
    assert participation_ratio(square * [1, 0, 0]) == pytest.approx(1)
    assert participation_ratio(square * [2, 1, 0]) == pytest.approx((4 + 1) ** 2 / (16 + 1))
    wide = np.eye(4, 50)  # fewer states than dimensions
    assert participation_ratio(wide) == pytest.approx(participation_ratio(wide[:, :4]))
    with pytest.raises(ValueError, match="found equal ones"):
        participation_ratio(np.ones((5, 3)))
    with pytest.raises(ValueError, match="expected 4 rows"):
        participation_ratio(square[:3], unbiased=True)


def test_the_unbiased_traces_are_right_on_average() -> None:
    from hrm_agent.dynamics.participation import _unbiased_traces

    rng = np.random.default_rng(0)
    scale = np.array([3.0, 2.0, 1.0, 1.0, 0.5, 0.5])
    # exponential: not symmetric, with heavy tails; its variance is 1
    samples = (rng.exponential(size=(20_000, 6, 6)) - 1) * scale
    found = np.array([_unbiased_traces(sample - sample.mean(0)) for sample in samples])
    expected = np.array([(scale**2).sum() ** 2, (scale**4).sum()])
    error = found.std(0) / np.sqrt(len(found))
    assert (abs(found.mean(0) - expected) < 4 * error).all()
    assert (error < 0.02 * expected).all()


def test_principal_components_are_those_of_numpy() -> None:
    states = np.random.default_rng(0).normal(size=(30, 4)) * [5, 3, 1, 0.5] + 7
    found = principal_components(states)
    values, vectors = np.linalg.eigh(np.cov(states.T))
    assert found.share == pytest.approx(values[::-1][:2] / values.sum())
    assert abs((found.axes * vectors[:, ::-1][:, :2].T).sum(1)) == pytest.approx(1)
    assert found.coordinates(states).var(0, ddof=1) == pytest.approx(values[::-1][:2])


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [([[0.5, 0.0], [0.0, -0.9]], 0.9), ([[0.0, -1.2], [1.2, 0.0]], 1.2), ([[0.5, 10.0], [0.0, 0.5]], 0.5)],
)
def test_spectral_radius_of_a_linear_map(matrix: list[list[float]], expected: float) -> None:
    weight = torch.tensor(matrix)
    found = spectral_radius(lambda x: x @ weight.T + 3, torch.ones(2, 1, 2), iterations=400)
    assert found.tolist() == pytest.approx([expected] * 2, rel=0.02)


def test_convergence_of_a_contraction() -> None:
    found = convergence(lambda x: 0.5 * x + 1, torch.tensor([[4.0], [2.0]]), 20)
    assert found[0].tolist() == pytest.approx([1 / 3, 0])  # from 4 to 3, and from 2 to 2
    assert (found[1:, 0] < found[:-1, 0]).all()
    assert found[-1, 0] < 1e-5


def inputs() -> Tensor:
    return torch.randint(SHAPE.vocab_size, (3, SHAPE.seq_len), generator=torch.Generator().manual_seed(0))


def test_interventions_change_the_chosen_state_at_the_chosen_steps() -> None:
    core, ids = tiny_core(), torch.zeros(3).long()
    (plain,) = inner_states(core, inputs(), ids, 1)
    (frozen,) = inner_states(core, inputs(), ids, 1, at(freeze, "z_l", {1}))
    first, second = frozen.steps[:2]
    assert torch.equal(first.value, plain.steps[0].value)
    assert torch.equal(second.value, first.value)
    assert not torch.equal(second.value, plain.steps[1].value)
    (shuffled,) = inner_states(core, inputs(), ids, 1, at(shuffle, "z_l", {0}))
    assert torch.equal(shuffled.steps[0].value, plain.steps[0].value.roll(1, dims=0))
    (noisy,) = inner_states(core, inputs(), ids, 1, at(Noise(0.0), "z_h"))
    assert torch.equal(noisy.output.logits, plain.output.logits)
    (noisy,) = inner_states(core, inputs(), ids, 1, at(Noise(0.5), "z_l", {0}))
    shift = noisy.steps[0].value - plain.steps[0].value
    assert shift.std() == pytest.approx(0.5 * plain.steps[0].value.square().mean().sqrt().item(), rel=0.1)


def test_an_intervention_in_a_later_segment_leaves_the_earlier_ones() -> None:
    core, ids = tiny_core(), torch.zeros(3).long()
    count = len(core.inner_steps())
    plain = list(inner_states(core, inputs(), ids, 3))
    changed = list(inner_states(core, inputs(), ids, 3, at(freeze, "z_h", set(range(count, 2 * count)))))
    same = [torch.equal(a.output.logits, b.output.logits) for a, b in zip(plain, changed, strict=True)]
    assert same == [True, False, False]


def test_no_change_costs_nothing_and_the_cost_is_the_difference() -> None:
    core, ids = tiny_core(), torch.zeros(3).long()
    *_, last = inner_states(core, inputs(), ids, 2)
    solution = last.output.logits.argmax(-1)  # what the core says is right
    found = effect(core, inputs(), ids, solution, 2, at(Noise(0.0), "z_h"))
    assert found.unchanged[-1].all()
    assert found.cost.tolist() == [0, 0]
    found = effect(core, inputs(), ids, solution, 2, at(Noise(50.0), "z_h"))
    assert found.cost[-1] == found.unchanged[-1].float().mean() - found.changed[-1].float().mean()
    assert found.cost[-1] > 0


def test_a_probe_reads_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(4000, 8))
    labels = np.stack([states[:, 0] > 0, rng.random(4000) > 0.5], axis=1)
    probe = fit_probe(states[:2000], labels[:2000])
    there, absent = (
        balanced_accuracy(fit_probe(states[:2000], labels[:2000, [k]]), states[2000:], labels[2000:, [k]])
        for k in (0, 1)
    )
    assert there > 0.95
    assert 0.45 < absent < 0.55
    assert probe.weight.shape == (8, 2)
    exact = fit_probe(states, states[:, :1] * 2 + 3, ridge=0)  # a linear function is found exactly
    assert exact.weight[:, 0] == pytest.approx([2] + [0] * 7, abs=1e-9)
    assert exact.bias == pytest.approx([3])


def agreement(cycles: int, steps: int) -> dict[Gradient, Agreement]:
    core, ids = tiny_core(h_cycles=cycles, l_cycles=steps), torch.zeros(3).long()
    weights = {name: weight.clone() for name, weight in core.state_dict().items()}
    config = core.config
    found = gradient_agreement(core, core.initial_carry(3), inputs(), ids, lambda output: output.logits.square().mean())
    assert core.config is config
    assert all(weight.grad is None for weight in core.parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in core.state_dict().items())
    return found


def test_gradients_agree_where_the_schemes_are_the_same_and_differ_elsewhere() -> None:
    single = agreement(1, 1)  # one step is the whole segment
    assert all(tuple(one) == pytest.approx((1, 1), rel=1e-4) for one in single.values())
    deep = agreement(2, 2)
    assert tuple(deep["full"]) == pytest.approx((1, 1), rel=1e-4)
    assert 0 < deep["one-step"].cosine < deep["last-cycle"].cosine < 1


def test_a_gradient_agrees_by_its_definition() -> None:
    core, ids = tiny_core(h_cycles=2, l_cycles=2), torch.zeros(3).long()
    vectors = {}
    for scheme in ("one-step", "full"):
        twin = tiny_core(h_cycles=2, l_cycles=2, gradient=scheme)
        twin(twin.initial_carry(3), inputs(), ids).logits.square().mean().backward()
        parts = [weight.grad for weight in twin.parameters() if weight.ndim > 1]
        vectors[scheme] = np.concatenate(
            [
                np.zeros(w.numel()) if p is None else p.to_dense().flatten().numpy()
                for w, p in zip([w for w in twin.parameters() if w.ndim > 1], parts, strict=True)
            ]
        )
    one, full = vectors["one-step"], vectors["full"]
    found = gradient_agreement(core, core.initial_carry(3), inputs(), ids, lambda output: output.logits.square().mean())
    assert found["one-step"].cosine == pytest.approx(one @ full / np.linalg.norm(one) / np.linalg.norm(full), rel=1e-4)
    assert found["one-step"].norm_ratio == pytest.approx(np.linalg.norm(one) / np.linalg.norm(full), rel=1e-4)


def test_moments_give_the_participation_ratio_of_any_weights() -> None:
    states = np.random.default_rng(0).normal(size=(3, 4, 5, 6)) * [3, 2, 1, 1, 1, 0.1]  # (steps, B, positions, D)
    moments = Moments.of(states)
    assert moments.ratio(np.ones(4)) == pytest.approx(participation_ratio(states.reshape(-1, 6)))
    chosen = np.concatenate([states[:, [0]], states[:, [2]], states[:, [2]]], axis=1)
    assert moments.ratio(np.array([1.0, 0, 2, 0])) == pytest.approx(participation_ratio(chosen.reshape(-1, 6)))


def test_swapped_time_scales_apply_h_twice_and_l_once_in_a_cycle() -> None:
    core = hrm_core(tiny_core("hrm", h_cycles=1, l_cycles=2))
    inputs, puzzle = torch.ones(2, SHAPE.seq_len).long(), torch.zeros(2).long()
    carry = core.initial_carry(2)
    usual = core(carry, inputs, puzzle)
    with time_scales_swapped(core), torch.no_grad():
        found = core(carry, inputs, puzzle)
        z_h = core.h_module(core.h_module(carry.z_h, carry.z_l), carry.z_l)
        z_l = core.l_module(carry.z_l, z_h + core.embed(inputs, puzzle))
    assert torch.equal(found.carry.z_h, z_h)
    assert torch.equal(found.carry.z_l, z_l)
    assert torch.equal(core(carry, inputs, puzzle).logits, usual.logits)


def test_bytes_of_a_graph_are_those_of_the_activations_that_a_backward_pass_needs() -> None:
    core = tiny_core("hrm")
    a, b = torch.ones(100, requires_grad=True), torch.ones(100, requires_grad=True)
    assert graph_bytes(core, lambda: a * b) == 800
    assert graph_bytes(core, lambda: a * a) == 400
    weight = next(core.parameters())
    assert graph_bytes(core, lambda: weight * weight) == 0
