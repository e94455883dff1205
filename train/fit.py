"""``python -m train fit``: train an agent, evaluate it, write its checkpoint."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import torch
import tyro
from stable_baselines3.common.utils import get_device

from hrm_agent.agent import HRM
from hrm_agent.callbacks import EvaluateCallback, HaltingDashboard
from hrm_env.files import atomic_write
from hrm_env.vector import PuzzleVectorEnv
from train.environments import test_arguments, training_and_test_env
from train.presets import PRESETS, Fit
from train.summary import print_summary


def main(arguments: list[str]) -> None:
    """Parses the options, the preset's where none are given, and trains."""
    fit(parse(arguments, "fit"))


def parse(arguments: list[str], command: str) -> Fit:
    """`Fit` options: those of the preset, changed by the arguments."""
    preset = "sudoku6x6"
    for position, argument in enumerate(arguments):
        if argument.startswith("--preset"):
            preset = (argument.partition("=")[2] or "".join(arguments[position + 1 : position + 2])).strip()
    if preset not in PRESETS:
        raise ValueError(f"--preset: expected one of {', '.join(PRESETS)}, found {preset!r}")
    return tyro.cli(
        Fit,
        default=PRESETS[preset],
        args=arguments,
        prog=f"python -m train {command}",
        config=(tyro.conf.OmitArgPrefixes,),
    )


def make_agent(options: Fit) -> tuple[HRM, PuzzleVectorEnv]:
    """The untrained agent of ``options`` with its training environment, and the test environment."""
    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    device = str(get_device(options.device))
    training, test = training_and_test_env(
        options.data, options.batch_size, device, options.seed, options.learner.segment_cost
    )
    model = HRM(
        "HRMPolicy",
        training,
        warmup_steps=options.warmup_steps,
        lr_min_ratio=options.lr_min_ratio,
        halting=options.halting,
        exploration=options.exploration,
        exploration_per=options.exploration_per,
        compile=options.compile,
        policy_kwargs={"core": "hrm", **asdict(options.core)},
        tensorboard_log=str(run_folder(options) / "tensorboard"),
        seed=options.seed,
        device=device,
        **asdict(options.learner),
    )
    print(
        f"{options.data.env}: {len(training.rules.puzzles):,} training and {len(test.rules.puzzles):,} test puzzles, "
        f"{sum(p.numel() for p in model.policy.core.parameters()):,} parameters, {options.updates:,} optimizer steps "
        f"of {options.batch_size} on {device} ({options.core.dtype}, {torch.get_num_threads()} threads)"
    )
    return model, test


def fit(options: Fit) -> Path:
    """Runs the training of ``options``.

    Returns:
        The folder of the run, with ``model.zip``, ``result.json`` and ``tensorboard``.
    """
    out = run_folder(options)
    model, test = make_agent(options)
    sweeps = EvaluateCallback(test, options.evaluate_every, save_path=out / "model.zip")
    started = time.perf_counter()
    callbacks = [sweeps, HaltingDashboard(sweeps)]
    model.learn(options.updates * options.batch_size, callbacks, progress_bar=True)
    seconds = time.perf_counter() - started
    result = {
        "options": asdict(options),
        "training_seconds": seconds,
        "updates": model._n_updates,
        "chosen": sweeps.latest(),
        "all_segments": model.evaluate(test, halting=f"fixed:{options.data.max_segments}").summary(),
        "history": [{"updates": updates, **summary} for updates, summary in sweeps.history],
    }
    with atomic_write(out / "result.json") as file:
        file.write(json.dumps(result, indent=2).encode())
    print_summary(result, out, test_arguments(options.data, len(test.rules.puzzles)))
    return out


def run_folder(options: Fit) -> Path:
    """Where a run writes."""
    return Path(options.out.replace("{preset}", options.preset).replace("{seed}", str(options.seed)))
