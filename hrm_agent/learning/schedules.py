"""What changes over a run, as functions of the optimizer step alone: a resumed run goes on as if never stopped."""

from __future__ import annotations

import math

from hrm_agent.config import Depth


def learning_rate_factor(step: int, warmup_steps: int, total_steps: int, min_ratio: float) -> float:
    """Linear warm-up from 0, then a half cosine from 1 down to ``min_ratio`` (1 keeps the rate constant).

    It is that of the reference code (sapientinc/HRM, ``cosine_schedule_with_warmup_lr_lambda``), which counts the step
    that is to be made: the last one has the rate ``min_ratio``.

    Args:
        step: Optimizer steps made so far.
        warmup_steps: Steps until the full rate.
        total_steps: Steps of the whole run.
        min_ratio: The rate at the end, as a share of the full rate.
    """
    step += 1
    if step < warmup_steps:
        return step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return min_ratio + (1 - min_ratio) * 0.5 * (1 + math.cos(math.pi * progress))


def cycles_at(depth: Depth, progress: float) -> tuple[int, int]:
    """Cycles N and steps T of a depth curriculum: those of the last stage that has begun.

    Growing the recursion while training is the progressive depth curriculum of CGAR (arXiv 2511.08653), there with
    stages at 0, 0.3 and 0.6 of the run.

    Args:
        depth: Its stages, at least one.
        progress: Share of the run that is done, from 0.
    """
    cycles, steps = [stage[1:] for stage in depth if stage[0] <= progress][-1]
    return cycles, steps
