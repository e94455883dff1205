"""The TensorBoard event files behind an SB3 logger, for what its `record` cannot write."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread
from torch.utils.tensorboard import SummaryWriter

from hrm_agent.learning.metrics import Histogram


def event_writers(outputs: Iterable[object]) -> list[SummaryWriter]:
    """Returns the writers of event files among a logger's outputs; an empty list if none is for TensorBoard."""
    writers = (getattr(output, "writer", None) for output in outputs)
    return [writer for writer in writers if isinstance(writer, SummaryWriter)]


def forget_after(writers: Iterable[SummaryWriter], step: int) -> None:
    """Tells TensorBoard to drop what was logged past ``step``: a run that was killed goes on from there.

    `SummaryWriter` does the same with its ``purge_step``; these writers are made by SB3.
    """
    for writer in writers:
        events = writer._get_file_writer()
        events.add_event(Event(session_log=SessionLog(status=SessionLog.START)), step + 1)


@contextmanager
def outliving_a_full_disk(logger: Any) -> Iterator[None]:
    """Removes the event files from a logger, with one warning, if they cannot be written within.

    Args:
        logger: A logger of Stable-Baselines3.
    """
    try:
        yield
    except OSError as error:
        logger.output_formats = [output for output in logger.output_formats if not event_writers([output])]
        warnings.warn(f"{logger.dir}: no longer written ({error.strerror or error}); the run goes on", stacklevel=3)


@contextmanager
def silenced_writer_thread() -> Iterator[None]:
    """Keeps the thread that writes an event file from printing a traceback if the disk is full.

    TensorBoard raises the same error again at the next write to the file, and `outliving_a_full_disk` warns of it.
    """

    def hook(args: threading.ExceptHookArgs) -> None:
        if not (isinstance(args.thread, _AsyncWriterThread) and isinstance(args.exc_value, OSError)):
            before(args)

    before, threading.excepthook = threading.excepthook, hook
    try:
        yield
    finally:
        threading.excepthook = before


def write_histograms(writers: Iterable[SummaryWriter], histograms: Mapping[str, Histogram], step: int) -> None:
    """Writes histograms with their own bins; the logger would sort values into its own.

    Args:
        writers: Writers that `event_writers` returned.
        histograms: Histograms by tag.
        step: Place on the horizontal axis.
    """
    for tag, histogram in histograms.items():
        edges, counts = _without_empty_ends(histogram)
        middle = (edges[1:] + edges[:-1]) / 2
        for writer in writers:
            writer.add_histogram_raw(
                tag,
                min=float(edges[0]),
                max=float(edges[-1]),
                num=float(counts.sum()),
                sum=float((counts * middle).sum()),
                sum_squares=float((counts * middle.square()).sum()),
                bucket_limits=edges[1:].tolist(),
                bucket_counts=counts.tolist(),
                global_step=step,
            )


def _without_empty_ends(histogram: Histogram) -> Histogram:
    """Drops empty bins at both ends; TensorBoard would stretch the next ones over them."""
    filled = histogram.counts.nonzero()
    first, last = int(filled[0]), int(filled[-1])
    return Histogram(histogram.edges[first : last + 2], histogram.counts[first : last + 1])
