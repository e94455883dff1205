"""Metrics of training: added up on the device, checked and logged once an interval."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hrm_agent.distributed import sum_over_ranks, world_size
from hrm_agent.errors import NonFiniteError
from hrm_agent.learning.metrics import MetricSums, tensorboard_histograms, tensorboard_tags
from hrm_agent.sb3.episode_window import EpisodeWindow
from hrm_agent.sb3.event_files import event_writers, outliving_a_full_disk, write_histograms

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


class TrainingLog:
    """Metrics of the current interval.

    Args:
        slots: Number of environments B of this process.
        window: Number of newest episodes behind ``rollout/ep_rew_mean`` and ``rollout/ep_len_mean``.

    Attributes:
        sums: The interval's metrics so far.
        episodes: The newest episodes.
    """

    def __init__(self, slots: int, window: int) -> None:
        self.sums, self.episodes = MetricSums(), EpisodeWindow(slots, window)
        self._started = time.perf_counter()

    def begin(self) -> None:
        """Starts the clock of training; the time before does not count."""
        self._started = time.perf_counter()

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        """Adds the metrics of an optimizer step without leaving the device."""
        self.sums.add(metrics)

    def write(self, model: HRM) -> None:
        """Reads the interval's sums from the device, checks and logs them, and begins the next; skips an empty one.

        Args:
            model: The agent that learns.

        Raises:
            NonFiniteError: The loss is not finite.
        """
        steps, sums = self.sums.steps, self.sums.pop()
        if not steps:
            return
        sums |= self.episodes.sums()
        sums = dict(zip(sums, sum_over_ranks(list(sums.values())), strict=True))
        if not torch.isfinite(sums["loss"]):
            raise NonFiniteError(
                f"the loss is not finite within the {steps} optimizer steps before step {model._n_updates}: "
                "lower the learning rate or clip the gradient, and go on from the last checkpoint"
            )
        logger, now = model.logger, time.perf_counter()
        for tag, value in tensorboard_tags(sums, steps * world_size()).items():
            logger.record(tag, value)
        if episodes := float(sums["window_episodes"]):
            logger.record("rollout/ep_rew_mean", float(sums["window_return"]) / episodes)
            logger.record("rollout/ep_len_mean", float(sums["window_length"]) / episodes)
        logger.record("train/learning_rate", model.learner.optimizers[0].param_groups[0]["lr"])
        logger.record("train/segments_per_second", steps * model.batch_size / (now - self._started))
        logger.record("train/updates", model._n_updates)
        seconds = (time.time_ns() - model.start_time) / 1e9
        logger.record("time/fps", int((model.num_timesteps - model._num_timesteps_at_start) / max(seconds, 1e-9)))
        logger.record("time/time_elapsed", int(seconds), exclude="tensorboard")
        logger.record("time/total_timesteps", model.num_timesteps, exclude="tensorboard")
        with outliving_a_full_disk(logger):
            write_histograms(event_writers(logger.output_formats), tensorboard_histograms(sums), model.num_timesteps)
            logger.dump(model.num_timesteps)
        self._started = now
