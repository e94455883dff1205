"""Reading what a run has written for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TEXT = "/text_summary"  # what TensorBoard adds to the tag of a text


def read_log(folder: Path) -> EventAccumulator:
    """All events of a run."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def tags(log: EventAccumulator) -> set[str]:
    """The tags of scalars, histograms, pictures and texts."""
    found = log.Tags()
    texts = {tag.removesuffix(TEXT) for tag in found["tensors"] if tag.endswith(TEXT)}
    return {*found["scalars"], *found["histograms"], *found["images"], *texts}
