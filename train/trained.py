"""Trained agents and puzzles to try them on: the options that commands share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import UseAppendAction

from hrm_env.envs.spaces import LARGEST

from .options import Device, HeldOut, Seed, Share, Threads, integer, named_values

if TYPE_CHECKING:
    from hrm_agent.sb3.agent import HRM
    from hrm_env.envs.vector import PuzzleVectorEnv
    from hrm_env.puzzles import Puzzles
    from hrm_env.task import PuzzleTask


@dataclass(frozen=True)
class Changed:
    """What is changed about trained agents.

    Attributes:
        core_option: name=value, an option of an agent's core in place of its own, such as search=false or
            threshold=0.05; may be repeated. One with which the core would have other weights is refused.
    """

    core_option: Annotated[tuple[str, ...], UseAppendAction] = ()

    def load_agent(self, checkpoint: str, **options: Any) -> HRM:
        """Returns the agent of a checkpoint.

        Args:
            checkpoint: As `HRM.load` takes it.
            **options: Other options of `HRM.load`.
        """
        from hrm_agent.sb3.agent import HRM

        return HRM.load(checkpoint, policy_kwargs=named_values("--core-option", self.core_option), **options)


@dataclass(frozen=True)
class TestPuzzles(Changed):
    """Puzzles to try trained agents on.

    Attributes:
        source: "generated", a CSV file, a built folder, ARC tasks (.json), or hub:owner/name; of a source with two
            splits the test puzzles.
        held_out: Those puzzles of source that ``fit`` holds out with the same option, or by itself ("auto").
        rows: Slice of a file's rows, such as "-5000:".
        num_puzzles: Generated puzzles (1,000 unless given).
        test_puzzles: So many of them, at most; of more every task takes part, as evenly as can be.
        puzzle_seed: Seed of generated puzzles; the usual test puzzles have seed 0.
        option: name=value, an option of source, such as min_rating=20, unique=true or augmentations=100.
        blank_fraction: Share of a puzzle's blank cells that stay blank; the others are filled in.
        skip_bad_rows: Skip and count bad CSV rows instead of stopping.
        env: Registered id of the puzzle; empty for the one the checkpoint was trained on.
    """

    source: str = "generated"
    held_out: HeldOut = None
    rows: str | None = None
    num_puzzles: Annotated[int | None, integer(1)] = None
    test_puzzles: Annotated[int | None, integer(1)] = None
    puzzle_seed: Seed = 0
    option: Annotated[tuple[str, ...], UseAppendAction] = ()
    blank_fraction: Share = 1.0
    skip_bad_rows: bool = False
    env: str = ""

    def task(self, model: HRM, checkpoint: str) -> PuzzleTask:
        """The puzzle family: that of `env`, else the agent's own.

        Args:
            model: The agent.
            checkpoint: Where it comes from, for errors.

        Raises:
            ValueError: It is another than the agent's; or the agent's is another module's, and `env` does not name it.
        """
        from hrm_agent.puzzle_identity import puzzle_task

        from .environments import task_of

        own = model.puzzles
        task = task_of(self.env) if self.env else puzzle_task(None, own.task)
        if task is None:
            raise ValueError(f"--env: expected module:id of the puzzle of {checkpoint} ({own}), found none")
        spec = task.spec
        others = own.task not in (None, spec.name)
        if others or (spec.seq_len, spec.vocab_size) != (own.sizes.seq_len, own.sizes.vocab_size):
            raise ValueError(f"--env: expected the puzzle of {checkpoint} ({own}), found {spec.name}")
        return task

    def load_puzzles(self, task: PuzzleTask) -> Puzzles:
        """The puzzles, in the order of their source."""
        from .environments import load_part
        from .splitting import hold_out

        whole = load_part(
            task,
            self.source,
            "test" if self.held_out is None else "train",
            option=self.option,
            puzzle_seed=self.puzzle_seed,
            skip_bad_rows=self.skip_bad_rows,
            rows=self.rows,
            num_puzzles=self.num_puzzles,
        )
        chosen = whole if self.held_out is None else hold_out(task, whole, self.held_out)[1]
        return replace(chosen.spread(self.test_puzzles or len(chosen)), skipped=whole.skipped)

    def environment(self, model: HRM, checkpoint: str, num_envs: int, max_segments: int = 0) -> PuzzleVectorEnv:
        """An environment that hands out each puzzle once.

        Args:
            model: The agent; its own puzzle family, device and budget unless others are given.
            checkpoint: Where it comes from, for errors.
            num_envs: Slots, no more than there are puzzles.
            max_segments: Budget of an episode; 0 for the agent's own.
        """
        from hrm_env.envs.vector import PuzzleVectorEnv

        task = self.task(model, checkpoint)
        puzzles = self.load_puzzles(task)
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
        checkpoint: Folder of a run, a .zip file, zoo:NAME (a released agent, docs/zoo.md) or hub:owner/name.
        halting: Halting policy; empty for the checkpoint's own.
        max_segments: Budget of an episode; 0 for the checkpoint's own.
    """

    checkpoint: str
    halting: str = ""
    max_segments: Annotated[int, integer(0, LARGEST.max_segments)] = 0

    def agent(self, device: str = "cpu", compile: bool = False) -> HRM:
        """Returns the agent, which computes full batches by compiled code if ``compile``.

        Raises:
            ValueError: Its halting policy wants more views than the puzzle has.
        """
        from hrm_agent.halting.policy import noise_of
        from hrm_agent.inference.views import Views

        chosen: dict[str, Any] = {"halting": self.halting} if self.halting else {}
        model = self.load_agent(self.checkpoint, device=device, compile=compile, **chosen)
        Views(model.halting.views, self.task(model, self.checkpoint), *noise_of(model.halting))
        return model

    def load(self, num_envs: int, device: str = "cpu", compile: bool = False) -> tuple[HRM, PuzzleVectorEnv]:
        """Returns the agent, and an environment of ``num_envs`` slots that hands out each puzzle once."""
        model = self.agent(device, compile)
        return model, self.environment(model, self.checkpoint, num_envs, self.max_segments)


@dataclass(frozen=True, kw_only=True)
class Computing:
    """How many puzzles are computed, and by what.

    Attributes:
        batch_size: Puzzles computed at a time, in each process under torchrun.
        compile: Compute full batches with torch.compile (needs a C++ compiler): faster where there are many; the same
            answers but for rounding.
        threads: CPU threads; 0 for all cores.
        device: "auto", "cpu" or "cuda".
    """

    batch_size: Annotated[int, integer(1)] = 256
    compile: bool = False
    threads: Threads = 0
    device: Device = "auto"
