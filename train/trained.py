"""A trained agent and puzzles to try it on: the options that ``evaluate`` and ``watch`` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import gymnasium as gym

from hrm_agent.agent import HRM
from hrm_agent.vec_env import registered
from hrm_env.vector import PuzzleVectorEnv


@dataclass(frozen=True)
class Trained:
    """A trained agent and puzzles to try it on.

    Attributes:
        checkpoint: Folder of a run, or a .zip file.
        source: "generated" (the test split), or the path of a CSV file.
        rows: Slice of the CSV's rows, such as "-5000:".
        num_puzzles: Generated puzzles.
        skip_bad_rows: Skip and count bad CSV rows instead of stopping.
        env: Registered id of the puzzle; empty for the one the checkpoint was trained on.
        halting: Halting policy; empty for the checkpoint's own.
        max_segments: Budget of an episode; 0 for the checkpoint's own.
    """

    checkpoint: str
    source: str = "generated"
    rows: str = ":"
    num_puzzles: int = 1000
    skip_bad_rows: bool = False
    env: str = ""
    halting: str = ""
    max_segments: int = 0

    def load(self, num_envs: int, device: str = "cpu") -> tuple[HRM, PuzzleVectorEnv]:
        """The agent, and an environment of ``num_envs`` slots that hands out each puzzle once."""
        chosen: dict[str, Any] = {"halting": self.halting} if self.halting else {}
        model = HRM.load(self.checkpoint, device=device, **chosen)
        options: dict[str, Any] = {
            "num_envs": num_envs,
            "max_segments": self.max_segments or model.max_segments,
            "order": "once",
            "array": "torch",
            "device": model.device,
        }
        if self.source == "generated":
            options |= {"split": "test", "num_puzzles": self.num_puzzles}
        else:
            bad_rows = "skip" if self.skip_bad_rows else "raise"
            options |= {"source": self.source, "rows": self.rows, "bad_rows": bad_rows}
        if self.env:
            env = cast(PuzzleVectorEnv, gym.make_vec(registered(self.env), **options).unwrapped)
        else:
            env = PuzzleVectorEnv(model.puzzles.task or "", **options)
        model.puzzles.require(env, f"{self.checkpoint}: made")
        return model, env
