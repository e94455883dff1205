"""What training measures: added up on the device, checked and written once an interval."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from hrm_agent.distributed import sum_over_ranks, world_size
from hrm_agent.event_files import event_writers, outliving_a_full_disk, write_histograms
from hrm_agent.learning.metrics import MetricSums, tensorboard_histograms, tensorboard_tags
from hrm_agent.saving.agent_file import NonFiniteError


class TrainingLog:
    """The interval under way.

    Attributes:
        sums: Its metrics so far.
    """

    def __init__(self) -> None:
        self.sums = MetricSums()
        self._started = time.perf_counter()

    def begin(self) -> None:
        """Training goes on now: what lay between does not count as its time."""
        self._started = time.perf_counter()

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Adds a step's metrics without leaving the device."""
        self.sums.add(metrics)

    def write(self, logger: Any, updates: int, timesteps: int, rows: int, learning_rate: float) -> None:
        """Reads the interval's sums from the device, checks and records them, and begins the next; none, no record.

        Args:
            logger: Stable-Baselines3's.
            updates: Optimizer steps so far.
            timesteps: Segments so far, the horizontal axis.
            rows: Segments in an optimizer step, over all ranks.
            learning_rate: Of the last step.

        Raises:
            NonFiniteError: The loss is not finite.
        """
        steps, sums = self.sums.steps, self.sums.pop()
        if not steps:
            return
        sums = dict(zip(sums, sum_over_ranks(list(sums.values())), strict=True))
        if not torch.isfinite(sums["loss"]):
            raise NonFiniteError(
                f"the loss is not finite within the {steps} optimizer steps before step {updates}: "
                "lower the learning rate or clip the gradient, and go on from the last checkpoint"
            )
        now = time.perf_counter()
        for tag, value in tensorboard_tags(sums, steps * world_size()).items():
            logger.record(tag, value)
        logger.record("train/learning_rate", learning_rate)
        logger.record("train/segments_per_second", steps * rows / (now - self._started))
        logger.record("train/updates", updates)
        with outliving_a_full_disk(logger):
            write_histograms(event_writers(logger.output_formats), tensorboard_histograms(sums), timesteps)
            logger.dump(timesteps)
        self._started = now
