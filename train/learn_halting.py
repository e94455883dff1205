"""``python -m train learn-halting``: trains PPO or DQN to decide when a frozen agent halts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from hrm_env.files import atomic_write, check_writable

from .options import ProperShare, Seed, integer, number, parsed
from .running import use_threads
from .trained import Computing, Trained

if TYPE_CHECKING:
    from hrm_agent.traces.record import Traces

PUZZLES = 5000
SLOTS = 16
# episodes are short, so the return is not discounted
SETTINGS: dict[str, dict[str, Any]] = {
    "ppo": {"gamma": 1.0, "n_steps": 256, "batch_size": 512},
    "dqn": {
        "gamma": 1.0,
        "buffer_size": 200_000,
        "learning_starts": 5000,
        "batch_size": 512,
        "train_freq": 8,
        "gradient_steps": 4,
        "target_update_interval": 1600,
        "exploration_fraction": 0.3,
    },
}


@dataclass(frozen=True)
class LearnHalting(Computing, Trained):
    """Record a trained agent on puzzles, and train PPO or DQN on the recording to decide when the agent halts.

    Attributes:
        num_puzzles: Number of generated puzzles (default: 5,000).
        algorithm: Algorithm of Stable-Baselines3, unmodified.
        cost: Cost of a segment; a right answer is worth 1.
        steps: Number of decisions to learn from.
        out: File for the learned policy, which is then used as "sb3:FILE"; empty for halting-ALGORITHM.zip beside the
            checkpoint, or in runs/NAME for a released agent.
        traces: File of the recording; empty for halting.traces beside the checkpoint. Puzzles that it holds are not
            recorded again.
        puzzle_seed: Seed of generated puzzles; the usual test puzzles have seed 0.
        comparison: Share of the puzzles, drawn at random, that are kept from learning for the comparison at the end;
            puzzles that are variants of one another are drawn as a group.
        seed: Seed of the algorithm and of that draw.
    """

    algorithm: Literal["ppo", "dqn"] = "ppo"
    cost: Annotated[float, number(0)] = 0.01
    steps: Annotated[int, integer(1)] = 200_000
    out: str = ""
    traces: str = ""
    puzzle_seed: Seed = 1
    comparison: ProperShare = 0.2
    seed: Seed = 0

    @property
    def folder(self) -> Path:
        """The folder of the checkpoint, or ``runs/NAME`` for a released agent."""
        from hrm_agent.checkpoints.names import folder_beside

        return folder_beside(self.checkpoint)

    @property
    def model_path(self) -> Path:
        """The file of the learned policy."""
        return Path(self.out or self.folder / f"halting-{self.algorithm}.zip")

    @property
    def traces_path(self) -> Path:
        """The file of the recording."""
        return Path(self.traces or self.folder / "halting.traces")


def main(arguments: list[str]) -> None:
    """Parses the options, records, trains, and compares the result with the rule of the paper."""
    options: LearnHalting = parsed(LearnHalting, arguments, "learn-halting")
    from hrm_agent.study.groups import split_by_group

    use_threads(options.threads)
    check_writable("--out", options.model_path)
    check_writable("--traces", options.traces_path)
    traces = recorded(options)
    compared = split_by_group(traces.group, options.comparison, options.seed, least=1)
    if not compared.any():
        raise ValueError(f"--num-puzzles: expected at least 2 puzzles, to learn from one, found {len(traces)}")
    started = time.perf_counter()
    learn(options, traces[~compared])
    print(f"{options.model_path}: {options.steps:,} decisions in {time.perf_counter() - started:.0f} s")
    print_comparison(traces[compared], f"sb3:{options.model_path}")


def recorded(options: LearnHalting) -> Traces:
    """Returns the traces of the puzzles of ``options``, and records those that are missing."""
    from hrm_agent.traces.record import record

    if options.source == "generated" and options.num_puzzles is None:
        options = replace(options, num_puzzles=PUZZLES)
    options = replace(options, halting="fixed:1")  # every segment is recorded; a file may not name a policy of its own
    model, env = options.load(options.batch_size, options.device, options.compile)
    source = f"{options.source}, test, seed {options.puzzle_seed}, rows {options.rows}"
    with model.compiled_sweep(env.num_envs):
        return record(model.policy.acting_core, env, options.traces_path, source=source, progress=True)


def learn(options: LearnHalting, traces: Traces) -> None:
    """Trains the algorithm of ``options`` on the traces and saves it."""
    from stable_baselines3 import DQN, PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.utils import LinearSchedule

    from hrm_agent.traces.halting_env import HaltingEnv

    # the learning rate of DQN decays to 0, because the values of its two actions differ by little more than the cost
    algorithm, rate = {"ppo": (PPO, 1e-3), "dqn": (DQN, LinearSchedule(1e-3, 0.0, 1.0))}[options.algorithm]
    env = make_vec_env(partial(HaltingEnv, traces, cost=options.cost), n_envs=SLOTS)
    settings = SETTINGS[options.algorithm]
    model = algorithm("MlpPolicy", env, learning_rate=rate, seed=options.seed, device="cpu", **settings)
    model.learn(options.steps, progress_bar=True)
    with atomic_write(options.model_path) as file:
        model.save(cast(BufferedIOBase, file))


def print_comparison(traces: Traces, learned: str) -> None:
    """Prints accuracy and mean segments of the learned policy, the paper's rule, the full budget and the oracle."""
    from hrm_agent.traces.replay import replay

    print(f"{f'{len(traces):,} puzzles held out':{len(learned)}}  exact  segments")
    for policy in (learned, "q-compare", f"fixed:{traces.header.max_segments}", "oracle"):
        result = replay(traces, policy)
        print(f"{policy:{len(learned)}} {result.exact.mean():.4f} {result.segments.mean():9.2f}")
