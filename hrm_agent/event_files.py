"""The TensorBoard event files behind an SB3 logger: what its `record` cannot write goes to them directly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch.utils.tensorboard import SummaryWriter

from hrm_agent.learning.metrics import Histogram


def event_writers(outputs: Iterable[object]) -> list[SummaryWriter]:
    """The writers of event files among a logger's outputs; none where nothing is logged for TensorBoard."""
    writers = (getattr(output, "writer", None) for output in outputs)
    return [writer for writer in writers if isinstance(writer, SummaryWriter)]


def write_histograms(writers: Iterable[SummaryWriter], histograms: Mapping[str, Histogram], step: int) -> None:
    """Writes histograms with the bins they have, where the logger would sort values into its own.

    Args:
        writers: Of `event_writers`.
        histograms: By tag.
        step: Where on the horizontal axis.
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
    """TensorBoard drops empty bins at both ends and stretches the next ones to where they ended."""
    filled = histogram.counts.nonzero()
    first, last = int(filled[0]), int(filled[-1])
    return Histogram(histogram.edges[first : last + 2], histogram.counts[first : last + 1])
