"""A step of training: a segment in every environment, an optimizer step for each minibatch, and what callbacks see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor

from hrm_agent.cores.carry import Carry, map_parts
from hrm_agent.learning.learner import SegmentStep
from hrm_agent.learning.schedules import learning_rate_factor
from hrm_agent.sb3.host_view import HostView
from hrm_env.checks import check_number
from hrm_env.task import PuzzleBatch

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


def train_segment(model: HRM, callback: BaseCallback, log_interval: int | None) -> bool:
    """Takes one segment in every environment; returns False if a callback wants to stop."""
    steps = [_learn(model, number, *rows) for number, rows in enumerate(model.minibatches())]
    model._carry = map_parts(lambda *rows: torch.cat(rows), *(step.carry for step in steps))
    result = model.stream.step(torch.cat([step.answer for step in steps]), torch.cat([step.halt for step in steps]))
    rewards = result.reward.chunk(len(steps))
    for step, explorer, reward in zip(steps, model._explorers, rewards, strict=True):
        exploring = (explorer.min_segments > 1).float().mean()
        model.training_log.add(step.metrics | {"reward": reward.sum(), "exploring": exploring})
    model.training_log.episodes.add(result.reward, result.done)
    if log_interval is not None and model.training_log.sums.steps >= log_interval:
        model.dump_logs()  # before the callbacks: one that saves the run has nothing left to log of this step
    # by the names that SB3's callbacks look for
    shown: dict[str, Any] = {"rewards": HostView(result.reward), "dones": HostView(result.done)}
    if result.infos is not None:
        shown["infos"] = result.infos
    callback.update_locals(locals() | shown)
    return not model._stop.propose(int(not callback.on_step()))


def _learn(model: HRM, minibatch: int, carry: Carry, batch: PuzzleBatch, segment: Tensor) -> SegmentStep:
    """Takes one segment in the slots of a minibatch, and one optimizer step."""
    model.learner.set_learning_rate_factor(_learning_rate_factor(model))
    model.learner.set_progress(model.num_timesteps / model._total_timesteps)
    step = model.learner.step(carry, batch, segment, minibatch)
    model.num_timesteps += model.batch_size
    model._n_updates += 1
    return step


def _learning_rate_factor(model: HRM) -> float:
    """Returns the factor of all rates in the next step."""
    config = model.config
    step, total = model.num_timesteps // model.batch_size, model._total_timesteps // model.batch_size
    factor = learning_rate_factor(step, config.warmup_steps, total, config.lr_min_ratio)
    # as SB3's algorithms do, which ask the schedule after the timesteps that they learn from
    model._update_current_progress_remaining(model.num_timesteps + model.batch_size, model._total_timesteps)
    if callable(model.learning_rate):
        rate = model.lr_schedule(max(0.0, model._current_progress_remaining))
        factor *= check_number("learning_rate", rate, 0) / config.learner.learning_rate
    return factor


def full_rate(learning_rate: float | Schedule) -> float:
    """Returns the rate after the warm-up: a number, or the first value of a schedule."""
    if not callable(learning_rate):
        return learning_rate
    full = check_number("learning_rate", learning_rate(1.0), 0)
    if full == 0:
        raise ValueError("learning_rate: expected a schedule that begins above 0, found 0; warmup_steps warms up")
    return full
