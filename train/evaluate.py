"""``python -m train evaluate``: score a checkpoint on every puzzle of a source, once."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import gymnasium as gym
import torch
import tyro

from hrm_agent.agent import HRM
from hrm_agent.vec_env import registered
from hrm_env.files import atomic_write
from hrm_env.vector import PuzzleVectorEnv


@dataclass(frozen=True)
class Evaluate:
    """Score a checkpoint on every puzzle of a source, once.

    Attributes:
        checkpoint: Folder of a run, or a .zip file.
        source: "generated" (the test split), or the path of a CSV file.
        rows: Slice of the CSV's rows, such as "-5000:".
        env: Registered id of the puzzle; empty for the one the checkpoint was trained on.
        num_puzzles: Generated puzzles.
        halting: Halting policy; empty for the checkpoint's own.
        max_segments: Budget of an episode; 0 for the checkpoint's own.
        batch_size: Puzzles at a time.
        skip_bad_rows: Skip and count bad CSV rows instead of stopping.
        threads: CPU threads; 0 for all cores.
        device: "auto", "cpu" or "cuda".
        json_out: Write the figures to this file, too.
    """

    checkpoint: str
    source: str = "generated"
    rows: str = ":"
    env: str = ""
    num_puzzles: int = 1000
    halting: str = ""
    max_segments: int = 0
    batch_size: int = 256
    skip_bad_rows: bool = False
    threads: int = 0
    device: str = "auto"
    json_out: Annotated[str, tyro.conf.arg(name="json")] = ""


def main(arguments: list[str]) -> None:
    """Parses the options and prints the figures."""
    options = tyro.cli(Evaluate, args=arguments, prog="python -m train evaluate")
    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    model, env = load_agent_and_env(
        options.checkpoint,
        options.env,
        options.device,
        options.max_segments,
        num_envs=options.batch_size,
        **source_options(options.source, options.rows, options.num_puzzles, options.skip_bad_rows),
    )
    summary = model.evaluate(env, options.halting or None).summary()
    summary = {"halting": options.halting or model.halting.name, "skipped_rows": env.rules.puzzles.skipped, **summary}
    for name, value in summary.items():
        print(f"{name:22} {_text(value)}")
    if options.json_out:
        with atomic_write(Path(options.json_out)) as file:
            file.write(json.dumps(summary, indent=2).encode())


def source_options(source: str, rows: str, num_puzzles: int, skip_bad_rows: bool) -> dict[str, Any]:
    """The environment's options for a source of test puzzles."""
    if source == "generated":
        return {"split": "test", "num_puzzles": num_puzzles}
    return {"source": source, "rows": rows, "bad_rows": "skip" if skip_bad_rows else "raise"}


def load_agent_and_env(
    checkpoint: str, env_id: str, device: str, max_segments: int, **env_options: Any
) -> tuple[HRM, PuzzleVectorEnv]:
    """A checkpoint's agent, and an environment that hands out each puzzle once.

    Args:
        checkpoint: Folder of a run, or a file.
        env_id: Registered id; empty for the task the checkpoint names.
        device: Where both live.
        max_segments: Budget; 0 for the checkpoint's.
        **env_options: The environment's other options.
    """
    model = HRM.load(checkpoint, device=device)
    common = {
        "max_segments": max_segments or model.max_segments,
        "order": "once",
        "array": "torch",
        "device": model.device,
        **env_options,
    }
    if env_id:
        return model, cast(PuzzleVectorEnv, gym.make_vec(registered(env_id), **common).unwrapped)
    return model, PuzzleVectorEnv(model.puzzles.task or "", **common)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{item:.4f}" for item in value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)
