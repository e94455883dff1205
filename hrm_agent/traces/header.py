"""The first line of a file of recorded traces, which defines the layout of the records."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from hrm_agent.halting.probabilities import LOG_PROBABILITIES
from hrm_env.checks import shortened
from hrm_env.files import open_regular

FORMAT = "hrm-gym traces 2"
OLDER = ("hrm-gym traces 1",)
LONGEST_LINE = 2**16
_NOISES = ("noise", "segment_noise", "random_start")
_LARGEST = {"seq_len": 2**16, "vocab_size": 2**8, "max_segments": 2**12, "views": 2**12, "puzzles": 2**31 - 1}
_LARGEST_WIDTH, _LARGEST_RECORD = 2**14, 2**30
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which cannot be printed


@dataclass(frozen=True)
class TraceHeader:
    """Description of a recording.

    Attributes:
        task: Name of the puzzle family.
        seq_len: Number of cells L.
        vocab_size: Number of tokens.
        max_segments: Budget M; all segments are recorded.
        views: Number of views V of each puzzle.
        noise: Standard deviation of the noise on the views' start states.
        signals: Names, each with its numbers per segment: 1, or D for ``state``.
        agent: Fingerprint of the weights.
        source: Description of the puzzles.
        puzzles: Number of puzzles in a complete recording.
        checksum: SHA-256 of the puzzles.
        probabilities: How logits became probabilities, a name in `LOG_PROBABILITIES`.
        segment_noise: Standard deviation of the noise in the views' later segments.
        random_start: Standard deviation of the views' random start states; 0 for none.
    """

    task: str
    seq_len: int
    vocab_size: int
    max_segments: int
    views: int
    noise: float
    signals: dict[str, int]
    agent: str
    source: str
    puzzles: int = 0
    checksum: str = ""
    probabilities: str = "softmax"
    segment_noise: float = 0.0
    random_start: float = 0.0

    @property
    def bits(self) -> int:
        """Number of bits of a packed token."""
        return max(1, (self.vocab_size - 1).bit_length())

    def dtype(self) -> np.dtype[np.void]:
        """Returns the layout of a record."""
        segments, packed = (self.views, self.max_segments), (self.seq_len * self.bits + 7) // 8
        shapes = {name: segments if width == 1 else (*segments, width) for name, width in self.signals.items()}
        return np.dtype(
            [
                ("crc32", "<u4"),
                ("index", "<i8"),
                ("rating", "<i4"),
                ("group", "<i4"),
                ("inputs", "u1", (packed,)),
                ("answers", "u1", (*segments, packed)),
                ("signals", [(name, "<f4", shape) for name, shape in shapes.items()]),
            ]
        )

    def line(self) -> bytes:
        """Returns the first line of the file."""
        entries = asdict(self)
        return json.dumps({"format": FORMAT, **{name: entries[name] for name in _names(entries)}}).encode() + b"\n"


def read_header(path: Path) -> TraceHeader:
    """Reads the header of a file.

    Raises:
        ValueError: The file holds no recorded traces.
        OSError: The file cannot be opened.
    """
    with open_regular(path) as file:
        return parse(path, file.readline(LONGEST_LINE))


def parse(path: Path, line: bytes) -> TraceHeader:
    """Parses the first line of a file.

    Args:
        path: The file, for errors.
        line: Its first line.

    Raises:
        ValueError: The line is not the header of recorded traces, or describes an impossible recording.
    """
    try:
        found = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        found = None
    found = found if isinstance(found, dict) else {}
    named = found.pop("format", None)
    if named != FORMAT:
        what = "none" if not isinstance(named, str) else f"the format {shortened(named)}"
        what += " of an older version, which has to be recorded anew" if named in OLDER else ""
        raise ValueError(
            f'{path}: expected recorded traces, whose first line names the format "{FORMAT}", found {what}'
        )
    problem = next(_problems(found), None)
    if problem:
        raise ValueError(f"{path}: expected the header of recorded traces, found {problem}")
    return TraceHeader(**found)


def _names(header: dict[str, Any]) -> list[str]:
    """Returns the names of a header's entries: those of later noise stand only beside noise."""
    left_out = () if any(header.get(name) for name in _NOISES) else _NOISES[1:]
    return [field.name for field in fields(TraceHeader) if field.name not in left_out]


def _problems(header: dict[str, Any]) -> Iterator[str]:
    """Yields what is wrong with a header, the most basic problem first."""
    names = sorted(_names(header))
    if sorted(header) != names:
        yield f"the entries {shortened(sorted(header))} instead of {', '.join(names)}"
    for name in ("task", "agent", "source", "checksum"):
        if not isinstance(header[name], str) or _SURROGATE.search(header[name]):
            yield f"{name}={shortened(header[name])} instead of a text"
    if header["probabilities"] not in list(LOG_PROBABILITIES):
        yield f"probabilities={shortened(header['probabilities'])} instead of one of {', '.join(LOG_PROBABILITIES)}"
    for name, largest in _LARGEST.items():
        if not _is_count(header[name], largest):
            yield f"{name}={shortened(header[name])} instead of an integer from 1 to {largest}"
    for name in _NOISES:
        noise = header.get(name, 0.0)
        if not isinstance(noise, float) or not 0 <= noise < math.inf:
            yield f"{name}={shortened(noise)} instead of a number from 0"
    signals = header["signals"]
    if not isinstance(signals, dict) or not signals:
        yield f"signals={shortened(signals)} instead of names and widths"
    for name, width in signals.items():
        if not re.fullmatch(r"\w{1,64}", name, re.ASCII) or not _is_count(width, _LARGEST_WIDTH):
            yield f"a signal {shortened(name)} of width {shortened(width)}"
    numbers = header["seq_len"] + 4 * sum(signals.values())
    if header["views"] * header["max_segments"] * numbers > _LARGEST_RECORD:
        yield "sizes that make a record larger than 1 GiB"


def _is_count(value: Any, largest: int) -> bool:
    return type(value) is int and 1 <= value <= largest
