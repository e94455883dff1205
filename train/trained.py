"""A trained agent and puzzles to try it on: the options that ``evaluate`` and ``watch`` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import UseAppendAction

from hrm_agent.agent import HRM
from hrm_env.tasks import make_task
from hrm_env.vector import PuzzleVectorEnv
from train.environments import load_part, options_from, task_of


@dataclass(frozen=True)
class Trained:
    """A trained agent and puzzles to try it on.

    Attributes:
        checkpoint: Folder of a run, or a .zip file.
        source: "generated", a CSV file, a built folder, ARC tasks (.json), or hub:owner/name; of a source with two
            splits the test puzzles.
        rows: Slice of a file's rows, such as "-5000:".
        num_puzzles: Generated puzzles (1,000 unless given).
        option: name=value, an option of source, such as min_rating=20, unique=true or augmentations=100.
        blank_fraction: Share of a puzzle's blank cells that stay blank; the others are filled in.
        skip_bad_rows: Skip and count bad CSV rows instead of stopping.
        env: Registered id of the puzzle; empty for the one the checkpoint was trained on.
        halting: Halting policy; empty for the checkpoint's own.
        max_segments: Budget of an episode; 0 for the checkpoint's own.
    """

    checkpoint: str
    source: str = "generated"
    rows: str | None = None
    num_puzzles: int | None = None
    option: Annotated[tuple[str, ...], UseAppendAction] = ()
    blank_fraction: float = 1.0
    skip_bad_rows: bool = False
    env: str = ""
    halting: str = ""
    max_segments: int = 0

    def load(self, num_envs: int, device: str = "cpu") -> tuple[HRM, PuzzleVectorEnv]:
        """The agent, and an environment of ``num_envs`` slots that hands out each puzzle once."""
        chosen: dict[str, Any] = {"halting": self.halting} if self.halting else {}
        model = HRM.load(self.checkpoint, device=device, **chosen)
        task = task_of(self.env) if self.env else make_task(model.puzzles.task or "")
        puzzles = load_part(
            task,
            self.source,
            "test",
            rows=self.rows,
            num_puzzles=self.num_puzzles,
            bad_rows="skip" if self.skip_bad_rows else None,
            **options_from(self.option),
        )
        env = PuzzleVectorEnv(
            task,
            min(num_envs, len(puzzles)),
            source=puzzles,
            max_segments=self.max_segments or model.max_segments,
            blank_fraction=self.blank_fraction,
            order="once",
            array="torch",
            device=model.device,
        )
        model.puzzles.require(env, f"{self.checkpoint}: made")
        return model, env
