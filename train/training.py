"""A training run: the agent and its puzzles, the sweeps, the files, and resuming after a stop."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback

from hrm_agent.checkpoints.saved_agent import said_of
from hrm_agent.checkpoints.training_state import restore_training
from hrm_agent.cores import CORES
from hrm_agent.cores.carry import slow_state
from hrm_agent.distributed import (
    first_on_each_machine,
    own_device,
    print_rank0,
    rank,
    wait_for_all,
    world_size,
)
from hrm_agent.sb3.agent import HRM
from hrm_agent.sb3.callbacks import EvaluateCallback, Progress
from hrm_agent.sb3.dashboard import HaltingDashboard
from hrm_agent.sb3.dynamics_log import DynamicsCallback
from hrm_agent.sb3.event_files import silenced_writer_thread
from hrm_agent.sb3.save_callback import SaveCallback
from hrm_agent.state import check_same
from hrm_env.devices import check_device
from hrm_env.envs.vector import PuzzleVectorEnv

from .environments import test_arguments, training_and_test_env
from .machine import commit, machine
from .pause import Limit, Pause
from .presets import Fit, run_folder
from .results import write_result
from .resume import RunFolder
from .running import use_threads
from .signals import noticed_signals
from .summary import print_summary


def make_agent(options: Fit) -> tuple[HRM, PuzzleVectorEnv]:
    """Returns the untrained agent of ``options`` with its training environment, and the test environment."""
    use_threads(options.threads)
    device, (slots, rest) = str(own_device(check_device(options.device))), divmod(options.batch_size, world_size())
    if rest or not slots:
        raise ValueError(f"--batch-size: expected a multiple of {world_size()} processes, found {options.batch_size}")
    with first_on_each_machine():
        training, test = training_and_test_env(
            options.data, slots * options.minibatches, device, options.seed, options.learner.segment_cost
        )
    model = HRM(
        "HRMPolicy",
        training,
        compile=options.compile,
        policy_kwargs={"core": options.core.name, **asdict(options.core)},
        tensorboard_log=None if rank() else str(run_folder(options) / "tensorboard"),
        device=device,
        **options.by_name(),
    )
    precision = str(slow_state(model.policy.core.initial_carry(1)).dtype).removeprefix("torch.")
    print_rank0(
        f"{options.data.env}: {len(training.rules.puzzles):,} training and {len(test.rules.puzzles):,} test puzzles, "
        f"{sum(p.numel() for p in model.policy.core.parameters()):,} parameters, {options.updates:,} optimizer steps "
        f"of {options.batch_size} on {device} ({precision}, {torch.get_num_threads()} threads)"
        + (f" in each of {world_size()} processes" if world_size() > 1 else "")
    )
    return model, test


def fit(options: Fit, until: Limit | None = None, callbacks: Sequence[BaseCallback] = ()) -> Path:
    """Runs the training of ``options``, or the rest of it; under torchrun every process calls it.

    Args:
        options: Options of the run.
        until: Pause the run there, after a sweep: it saves itself, is not finished, and goes on when it is resumed as
            if it had not been paused. Learning-rate schedule and depth curriculum are those of the whole run. For a
            single process.
        callbacks: Callbacks in addition to those of every run; one that ends the training pauses the run.

    Returns:
        The folder of the run, with ``model.zip``, ``best.zip``, ``result.json``, ``checkpoints`` and ``tensorboard``.

    Raises:
        Stopped: A signal asked for it; the run has saved itself.
        ValueError: The folder holds an unfinished run, and the options neither resume nor restart it; or another run
            writes to it.
    """
    folder = RunFolder(run_folder(options), options)
    with folder.alone():
        if folder.is_finished():
            print_rank0(f"{folder.result}: the run is finished")
        else:
            _fit(folder, until, callbacks)
    return folder.path


def decided(options: Fit, stored: Mapping[str, Any]) -> Fit:
    """Returns options in which nothing of the core is left to the machine.

    Args:
        options: Options of the run.
        stored: Options that the run was begun with, as JSON; what they decided holds on every machine. Empty for a new
            run, for which this machine decides.
    """
    left_open = [name for name, value in asdict(options.core).items() if value == "auto"]
    core = replace(options.core, **{name: stored["core"][name] for name in left_open if stored})
    return replace(options, core=CORES[core.name].resolved(core))


def begin_with(model: HRM, checkpoint: str) -> None:
    """Gives an agent the weights of another one that act; optimizers and schedules are its own.

    Raises:
        CheckpointError: The other agent cannot be read, or has another core.
    """
    found = HRM.load(checkpoint, device="cpu").policy.acting_core.state_dict()
    with said_of(Path(checkpoint)):
        check_same(found, model.policy.core.state_dict(), "weights of this run's core")
    for core in (model.policy.core, model.policy.acting_core):
        core.load_state_dict(found)


def _fit(folder: RunFolder, until: Limit | None, callbacks: Sequence[BaseCallback]) -> None:
    options, out = folder.options, folder.path
    earlier = folder.unfinished()
    options = decided(options, {} if earlier is None else earlier.extra["options"])
    model, test = make_agent(options)
    sweeps = EvaluateCallback(test, options.evaluate_every, save_path=out / "model.zip", best_path=out / "best.zip")
    dashboard, pause = HaltingDashboard(sweeps), Pause(sweeps, until)
    if options.dynamics:
        DynamicsCallback(sweeps)
    left, seconds = options.updates * options.batch_size, 0.0
    if earlier is not None:
        left, seconds = restore_training(model, earlier), earlier.extra["seconds"]
        with said_of(earlier.path):
            sweeps.load_state_dict(earlier.extra["sweeps"])
            pause.load_state_dict(earlier.extra.get("pause", {}))
        print_rank0(f"{earlier.path}: going on after {model._n_updates:,} optimizer steps")
    elif options.checkpoint:
        begin_with(model, options.checkpoint)
    wait_for_all()  # each has seen what the folder held
    if not rank():
        folder.tidy(anew=earlier is None)
    started = time.perf_counter() - seconds

    def extra() -> dict[str, Any]:
        seconds = time.perf_counter() - started
        states = {"sweeps": sweeps.state_dict(), "pause": pause.state_dict()}
        return {"options": asdict(options), "seconds": seconds, **states}

    with noticed_signals() as stop, silenced_writer_thread():
        saving = SaveCallback(folder.checkpoints, options.checkpoint_seconds, extra, stop)
        every = [pause, *callbacks, *([] if rank() else [Progress()]), sweeps, dashboard, saving]
        model.learn(left, every, reset_num_timesteps=earlier is None)
        seconds = time.perf_counter() - started
        chosen = sweeps.latest()
        saving.save()
        saving.obey()
    if model.num_timesteps < model._total_timesteps:
        return  # paused
    if not rank():  # a sweep may have found the disk full; now that is an error, before there is a result
        model.save(out / "model.zip")
    result = {
        "options": asdict(options),
        "commit": commit(),
        "machine": machine(model.device),
        "training_seconds": seconds,
        "updates": model._n_updates,
        "chosen": chosen,
        "all_segments": model.evaluate(test, halting=f"fixed:{options.data.max_segments}").summary(),
        "history": [{"updates": updates, **summary} for updates, summary in sweeps.history],
    }
    if not rank():
        write_result(folder.result, result)
        print_summary(result, out, test_arguments(options.data, options.seed))
