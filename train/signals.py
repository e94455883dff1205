"""SIGTERM and SIGINT, noticed at once and obeyed between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticed_signals() -> Iterator[Callable[[], int]]:
    """Within, the first SIGTERM or SIGINT is only noted; the same one again does what it did before.

    Outside the main thread, where Python allows no handlers, nothing is noted.

    Yields:
        Tells the number of the signal that came first, or 0.
    """
    noted: list[int] = []
    before: dict[int, object] = {}

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.signal(number, before[number])  # type: ignore[arg-type]  # what signal.signal itself returned

    if threading.current_thread() is threading.main_thread():
        before |= {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: noted[0] if noted else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
