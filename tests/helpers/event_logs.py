"""Readers of what a run has logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from stable_baselines3.common.logger import KVWriter, Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hrm_agent import HRM

TEXT = "/text_summary"  # what TensorBoard adds to the tag of a text


class Lines(KVWriter):
    """Keeps every line that a run logs, and the names that go to TensorBoard."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.tensorboard: set[str] = set()

    @classmethod
    def of(cls, model: HRM) -> Self:
        """Returns a writer that keeps what the agent logs from now on."""
        lines = cls()
        model.set_logger(Logger(folder=None, output_formats=[lines]))
        return lines

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        self.lines.append({**key_values, "step": step})
        self.tensorboard |= {key for key in key_values if "tensorboard" not in (key_excluded[key] or ())}


def read_log(folder: Path) -> EventAccumulator:
    """Reads all events of a run."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def tags(log: EventAccumulator) -> set[str]:
    """Returns the tags of scalars, histograms, images and texts."""
    found = log.Tags()
    texts = {tag.removesuffix(TEXT) for tag in found["tensors"] if tag.endswith(TEXT)}
    return {*found["scalars"], *found["histograms"], *found["images"], *texts}
