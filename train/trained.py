"""Puzzles to try trained agents on, and a trained agent with them: the options that commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import UseAppendAction

from hrm_agent.agent import HRM
from hrm_env.tasks import make_task
from hrm_env.vector import PuzzleVectorEnv

from .environments import load_part, options_from, task_of
from .options import Share, integer


@dataclass(frozen=True)
class TestPuzzles:
    """Puzzles to try trained agents on.

    Attributes:
        source: "generated", a CSV file, a built folder, ARC tasks (.json), or hub:owner/name; of a source with two
            splits the test puzzles.
        rows: Slice of a file's rows, such as "-5000:".
        num_puzzles: Generated puzzles (1,000 unless given).
        option: name=value, an option of source, such as min_rating=20, unique=true or augmentations=100.
        blank_fraction: Share of a puzzle's blank cells that stay blank; the others are filled in.
        skip_bad_rows: Skip and count bad CSV rows instead of stopping.
        env: Registered id of the puzzle; empty for the one the checkpoint was trained on.
    """

    source: str = "generated"
    rows: str | None = None
    num_puzzles: Annotated[int | None, integer(1)] = None
    option: Annotated[tuple[str, ...], UseAppendAction] = ()
    blank_fraction: Share = 1.0
    skip_bad_rows: bool = False
    env: str = ""

    def environment(
        self, model: HRM, checkpoint: str, num_envs: int, max_segments: int = 0, seed: int = 0
    ) -> PuzzleVectorEnv:
        """An environment that hands out each puzzle once.

        Args:
            model: The agent; its own puzzle family, device and budget unless others are given.
            checkpoint: Where it comes from, for errors.
            num_envs: Slots, no more than there are puzzles.
            max_segments: Budget of an episode; 0 for the agent's own.
            seed: Of generated puzzles.
        """
        task = task_of(self.env) if self.env else make_task(model.puzzles.task or "")
        puzzles = load_part(
            task,
            self.source,
            "test",
            seed,
            rows=self.rows,
            num_puzzles=self.num_puzzles,
            bad_rows="skip" if self.skip_bad_rows else None,
            **options_from(self.option),
        )
        env = PuzzleVectorEnv(
            task,
            min(num_envs, len(puzzles)),
            source=puzzles,
            max_segments=max_segments or model.max_segments,
            blank_fraction=self.blank_fraction,
            order="once",
            array="torch",
            device=model.device,
        )
        model.puzzles.require(env, f"{checkpoint}: made")
        return env


@dataclass(frozen=True, kw_only=True)
class Trained(TestPuzzles):
    """A trained agent and puzzles to try it on.

    Attributes:
        checkpoint: Folder of a run, or a .zip file.
        halting: Halting policy; empty for the checkpoint's own.
        max_segments: Budget of an episode; 0 for the checkpoint's own.
    """

    checkpoint: str
    halting: str = ""
    max_segments: Annotated[int, integer(0)] = 0

    def load(self, num_envs: int, device: str = "cpu", seed: int = 0) -> tuple[HRM, PuzzleVectorEnv]:
        """The agent, and an environment of ``num_envs`` slots that hands out each puzzle, generated of a seed, once."""
        chosen: dict[str, Any] = {"halting": self.halting} if self.halting else {}
        model = HRM.load(self.checkpoint, device=device, **chosen)
        return model, self.environment(model, self.checkpoint, num_envs, self.max_segments, seed)
