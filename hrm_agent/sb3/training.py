"""A step of training: a segment in every environment, one optimizer step, and what callbacks see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import Schedule

from hrm_agent.learning.schedules import learning_rate_factor
from hrm_agent.sb3.host_view import HostView
from hrm_env.checks import check_number

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM


def train_segment(model: HRM, callback: BaseCallback, log_interval: int | None) -> bool:
    """Takes one segment in every environment and one optimizer step; returns False if a callback wants to stop."""
    model.learner.set_learning_rate_factor(_learning_rate_factor(model))
    model.learner.set_progress(model.num_timesteps / model._total_timesteps)
    batch, segment = model.stream.current()
    step = model.learner.step(model._carry, batch, segment)
    model._carry = step.carry
    result = model.stream.step(step.answer, step.halt)
    exploring = (model._explorer.min_segments > 1).float().mean()
    metrics = step.metrics | {"reward": result.reward.sum(), "exploring": exploring}
    model.training_log.add(metrics, result.reward, result.done)
    model.num_timesteps += model.batch_size
    model._n_updates += 1
    if log_interval is not None and model.training_log.sums.steps >= log_interval:
        model.dump_logs()  # before the callbacks: one that saves the run has nothing left to log of this step
    # by the names that SB3's callbacks look for
    shown: dict[str, Any] = {"rewards": HostView(result.reward), "dones": HostView(result.done)}
    if result.infos is not None:
        shown["infos"] = result.infos
    callback.update_locals(locals() | shown)
    return not model._stop.propose(int(not callback.on_step()))


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
