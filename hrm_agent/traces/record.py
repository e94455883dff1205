"""Records every puzzle through all segments, without halting, so that every policy can be replayed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from hrm_agent.cores.carry import slow_state
from hrm_agent.cores.core import ReasoningCore
from hrm_agent.halting.policy import HaltContext, HaltingPolicy, noise_of
from hrm_agent.halting.signals import SIGNALS
from hrm_agent.inference.evaluation import check_sweep
from hrm_agent.inference.reasoner import Reasoner
from hrm_agent.traces.file import TraceWriter, pack, read_records, unpack
from hrm_agent.traces.header import TraceHeader, parse
from hrm_env.checks import check_choice
from hrm_env.envs.vector import PuzzleVectorEnv
from hrm_env.task import PuzzleBatch

__all__ = ["TraceHeader", "Traces", "default_signals", "fingerprint", "record"]

_ALWAYS = ("q_halt", "correct")  # a replay reads these for every policy
_ROWS = 4096  # puzzles at a time for a checksum


@dataclass(frozen=True)
class Traces:
    """Answers and signals of an agent on N puzzles of L cells, in V views, through M segments.

    Attributes:
        header: Description of the recording.
        index: Row of each puzzle in the source, ``(N,)`` int64.
        rating: Difficulty from the source, ``(N,)`` int32.
        inputs: The puzzles, ``(N, L)`` uint8.
        answers: Answers in the puzzles' own cells and tokens, ``(N, V, M, L)`` uint8.
        signals: The recorded signals of `hrm_agent.halting.signals.SIGNALS` by name: ``(N, V, M)`` float32 each,
            ``state`` ``(N, V, M, D)``.
        group: Number of the original puzzle that each is a variant of, ``(N,)`` int64; by default all differ.
    """

    header: TraceHeader
    index: npt.NDArray[np.int64]
    rating: npt.NDArray[np.int32]
    inputs: npt.NDArray[np.uint8]
    answers: npt.NDArray[np.uint8]
    signals: Mapping[str, npt.NDArray[np.float32]]
    group: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        """Gives every puzzle a group of its own if there are no groups."""
        if not len(self.group):
            object.__setattr__(self, "group", np.arange(len(self.index)))

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each answer is right, ``(N, V, M)`` bool."""
        return self.signals["correct"] > 0.5

    def __repr__(self) -> str:
        """Returns number and size alone, because some of Gymnasium's messages repeat all options."""
        return f"Traces({len(self)} puzzles, {self.header.views} views, {self.header.max_segments} segments)"

    def __len__(self) -> int:
        """Returns N, which is below ``header.puzzles`` in an interrupted recording and in a selection of rows."""
        return len(self.index)

    def __getitem__(self, rows: slice | npt.NDArray[Any]) -> Traces:
        """Returns the puzzles of a slice (as a view of the arrays), of a mask ``(N,)`` or of indices."""
        signals = {name: signal[rows] for name, signal in self.signals.items()}
        columns = {name: getattr(self, name)[rows] for name in ("index", "rating", "inputs", "answers", "group")}
        return replace(self, **columns, signals=signals)

    @classmethod
    def read(cls, path: str | Path) -> Traces:
        """Reads a recording; if it was interrupted, the puzzles that are complete.

        Raises:
            ValueError: The file is missing, damaged, or holds no recorded traces.
        """
        _, header, records = read_records(Path(path))
        size = header.seq_len
        answers, inputs = (unpack(records[name], header.bits, size) for name in ("answers", "inputs"))
        highest = max(answers.max(initial=0), inputs.max(initial=0))
        if highest >= header.vocab_size:
            raise ValueError(f"{path}: expected tokens 0 to {header.vocab_size - 1}, found {highest}")
        index, rating = records["index"].astype(np.int64), records["rating"].astype(np.int32)
        signals = {name: records["signals"][name].astype(np.float32) for name in header.signals}
        return cls(header, index, rating, inputs, answers, signals, records["group"].astype(np.int64))


def record(
    core: ReasoningCore,
    env: PuzzleVectorEnv,
    path: str | Path,
    *,
    views: int = 1,
    noise: float = 0.0,
    segment_noise: float = 0.0,
    random_start: float = 0.0,
    signals: Sequence[str] | None = None,
    agent: str = "",
    source: str = "",
    progress: bool | None = None,
) -> Traces:
    """Records every puzzle of an environment through all segments of its budget; reads a complete recording.

    An interrupted recording is continued, and ends as the same file. The numbers are those of an evaluation with as
    many slots as puzzles are computed at a time here; see docs/traces.md.

    Args:
        core: The network that acts.
        env: Environment with ``order="once"``, on the core's device; ``num_envs`` puzzles are computed at a time.
        path: The file.
        views: Number of views V of each puzzle, for policies of several views.
        noise: Standard deviation of the noise on the start states, as in those policies.
        segment_noise: Standard deviation of the noise in later segments, as in those policies.
        random_start: Standard deviation of random start states, as in those policies.
        signals: Names in `SIGNALS`, by default `default_signals`; ``q_halt`` and ``correct`` are always recorded.
        agent: Name of the weights; by default the `fingerprint` of the core.
        source: Description of the puzzles.
        progress: Show a bar; None for a bar on a terminal only.

    Raises:
        ValueError: The environment deals puzzles more than once or in random variants, a signal is unknown, or the file
            holds something else.
    """
    names = default_signals() if signals is None else signals
    header = parse(
        Path(path), _header(core, env, views, (noise, segment_noise, random_start), names, agent, source).line()
    )
    at_a_time = min(env.num_envs, header.puzzles)
    reasoner = Reasoner(core, _NeverHalt(header), header.max_segments, at_a_time, env.rules.task)
    writer = TraceWriter(Path(path), header, env.num_envs)
    puzzles, hidden = env.rules.puzzles, None if progress is None else not progress
    with tqdm(total=header.puzzles, initial=writer.count, desc="recording", disable=hidden, leave=False) as bar:
        for rows in _slices(header.puzzles, env.num_envs, writer.count):
            batch = env.stored(rows)
            if len(batch.inputs) < at_a_time:  # the last puzzles
                reasoner.keep(torch.arange(len(batch.inputs), device=env.device))
            answers, found = _think(reasoner, batch)
            tokens = {"inputs": batch.inputs.cpu().numpy().astype(np.uint8), "answers": answers}
            packed = {name: pack(array, header.bits) for name, array in tokens.items()}
            numbers = {"index": np.arange(rows.start, rows.stop), "rating": puzzles.rating[rows]}
            writer.append({**numbers, "group": puzzles.group[rows], **packed}, found)
            bar.update(rows.stop - rows.start)
    return Traces.read(path)


def default_signals() -> tuple[str, ...]:
    """Returns the names of all registered signals that are one number."""
    return tuple(name for name in SIGNALS if name != "state")


def fingerprint(core: ReasoningCore) -> str:
    """Returns a SHA-256 over kind, options and weights of a network, equal for networks that compute the same."""
    digest = hashlib.sha256(f"{type(core).__name__} {core.shape} {getattr(core, 'config', '')}".encode())
    for name, tensor in sorted(core.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def puzzles_checksum(env: PuzzleVectorEnv) -> str:
    """Returns a SHA-256 over puzzles, solutions, ids, ratings and groups as the environment deals them."""
    digest, puzzles = hashlib.sha256(), env.rules.puzzles
    for rows in _slices(len(puzzles)):
        for column in (
            *(tokens.cpu().numpy() for tokens in env.stored(rows)),
            puzzles.rating[rows],
            puzzles.group[rows],
        ):
            digest.update(column.astype("<i4").tobytes())
    return digest.hexdigest()


def _header(
    core: ReasoningCore,
    env: PuzzleVectorEnv,
    views: int,
    noise: tuple[float, float, float],
    signals: Sequence[str],
    agent: str,
    source: str,
) -> TraceHeader:
    """Returns the header of a recording with these options.

    Raises:
        ValueError: `check_sweep` refuses the environment, or a signal is unknown.
    """
    check_sweep("record", env)
    for name in signals:
        check_choice("signals", name, SIGNALS)
    chosen, spec = {*signals, *_ALWAYS}, env.rules.task.spec
    return TraceHeader(
        task=spec.name,
        seq_len=spec.seq_len,
        vocab_size=spec.vocab_size,
        max_segments=env.rules.max_segments,
        views=views,
        noise=float(noise[0]),
        segment_noise=float(noise[1]),
        random_start=float(noise[2]),
        signals={name: _width(name, core) for name in SIGNALS if name in chosen},
        agent=agent or fingerprint(core),
        source=source,
        puzzles=len(env.rules.puzzles),
        checksum=puzzles_checksum(env),
        probabilities=core.probabilities,
    )


def _width(name: str, core: ReasoningCore) -> int:
    return slow_state(core.initial_carry(1)).shape[-1] if name == "state" else 1


class _NeverHalt(HaltingPolicy):
    """Needs every signal of a recording and never halts, so that all segments of the budget are computed."""

    def __init__(self, header: TraceHeader) -> None:
        self.needs, self.views = tuple(header.signals), header.views
        self.noise, self.segment_noise, self.random_start = noise_of(header)

    def decide(self, context: HaltContext) -> Tensor:
        """Returns False for every row, ``(B,)`` bool."""
        return torch.zeros_like(context.segment, dtype=torch.bool)


def _think(reasoner: Reasoner, batch: PuzzleBatch) -> tuple[npt.NDArray[np.uint8], dict[str, npt.NDArray[np.float32]]]:
    """Returns answers ``(B, V, M, L)`` and signals ``(B, V, M)`` or ``(B, V, M, D)`` of a batch of puzzles."""
    results = list(reasoner.episodes(batch))
    signals = {name: torch.stack([one.signals[name] for one in results], dim=2) for name in results[0].signals}
    answers = torch.stack([one.answers for one in results], dim=2)
    return answers.cpu().numpy().astype(np.uint8), {name: signal.cpu().numpy() for name, signal in signals.items()}


def _slices(count: int, size: int = _ROWS, start: int = 0) -> Iterator[slice]:
    """Returns slices from ``start`` to ``count``, ``size`` rows each."""
    return (slice(first, min(first + size, count)) for first in range(start, count, size))
