"""The cost model of many GPUs, against sums done by hand."""

from __future__ import annotations

import pytest

from benchmarks.scaling_model import Machine, Model, all_reduce_seconds, pays_from, ring_seconds, step_seconds

MACHINE = Machine(peak=100.0, mfu=0.5, fixed=1.0, gpus=4, link=8.0, network=2.0, latency=(0.25, 0.5))


def test_a_ring_sends_every_byte_twice_but_a_ranks_share() -> None:
    assert ring_seconds(size=80.0, ranks=2, bandwidth=8.0, latency=0.25) == 2 * (5.0 + 0.25)
    assert ring_seconds(size=80.0, ranks=1, bandwidth=8.0, latency=0.25) == 0


def test_one_node_needs_no_network() -> None:
    assert all_reduce_seconds(64.0, MACHINE, nodes=1) == ring_seconds(64.0, 4, 8.0, 0.25) == 13.5


def test_between_nodes_each_gpu_sends_its_share() -> None:
    # 64 bytes / 4 GPUs = 16 of each, 3/4 of which goes out and comes back at 2 bytes/s; 2 · log2(4) messages of 0.5 s
    assert all_reduce_seconds(64.0, MACHINE, nodes=4) == 13.5 + 2 * 0.75 * 16 / 2 + 2 * 2 * 0.5


@pytest.mark.parametrize(("overlap", "expected"), [(0.0, 5.0), (1.5, 3.5), (9.0, 3.0)])
def test_what_hides_costs_nothing(overlap: float, expected: float) -> None:
    assert step_seconds(compute=3.0, all_reduce=2.0, overlap=overlap) == expected


def test_a_step_is_compute_and_what_does_not_hide() -> None:
    model = Model(parameters=16, flops=50.0, backward=0.5)  # a second a puzzle, a gradient of 64 bytes
    assert model.step(2, MACHINE, nodes=0) == 2 + 1
    assert model.step(2, MACHINE, nodes=1) == 2 + 1 + 13.5 - 0.5 * 0.5 * 2
    assert pays_from(model, MACHINE, nodes=0, share=0.8) == 4


def test_what_is_reduced_is_every_parameter_but_the_puzzle_table() -> None:
    assert Model.of("hrm").parameters == 27_275_266
