"""Episodes that Stable-Baselines3 plays and counts."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.evaluation import evaluate_policy


def mean_return(model: Any, env: Any, episodes: int) -> float:
    """Returns the mean return of a model's episodes."""
    mean, _ = evaluate_policy(model, env, n_eval_episodes=episodes)
    assert isinstance(mean, float)
    return mean


def returns_and_lengths(model: Any, env: Any, episodes: int) -> tuple[list[float], list[int]]:
    """Returns the return and the number of steps of each episode."""
    returns, lengths = evaluate_policy(model, env, n_eval_episodes=episodes, return_episode_rewards=True, warn=False)
    assert isinstance(returns, list)
    assert isinstance(lengths, list)
    return returns, lengths
