"""What `/metrics` shows of the sink. Reads its plain ints when somebody looks; owns nothing."""

from collections.abc import Callable

from mesh.metrics import Metrics
from nodes.log.sink import Sink

_COUNTS = (
    ("events_stored", "Events in segments."),
    ("events_duplicate", "Events that came again and were skipped."),
    ("blocks_written", "Blocks."),
    ("raw_bytes", "Bytes of events before compression."),
    ("bytes_written", "Bytes of blocks."),
    ("segments_begun", "Segments."),
    ("segments_deleted", "Segments deleted by retention."),
    ("bytes_deleted", "Bytes deleted by retention."),
    ("blocks_unindexed", "Blocks of sealed segments that no index describes."),
    ("syncs", "fsyncs of the open segment."),
    ("disk_full", "Groups refused because the disk was full."),
    ("failures", "Other failures of the disk."),
)
_STATES: tuple[tuple[str, str, Callable[[Sink], float]], ...] = (
    ("segments", "Segments on disk.", lambda sink: sink.segments),
    ("segment_bytes", "Size of the open segment.", lambda sink: sink.open_bytes),
    ("bytes", "Size of all segments.", lambda sink: sink.total_bytes),
    ("senders", "Sender incarnations known.", lambda sink: sink.senders),
    ("cut_bytes", "Bytes of a torn tail cut at the last start.", lambda sink: sink.recovered.cut_bytes),
    ("cut_events", "Events in it, as far as known.", lambda sink: sink.recovered.cut_events),
)


def show(metrics: Metrics, current: Callable[[], Sink | None]) -> None:
    """Enter them; `current` is None while the node does not have its folder open, which reads as 0."""

    def reader(read: Callable[[Sink], float]) -> Callable[[], float]:
        def now() -> float:
            sink = current()
            return read(sink) if sink else 0.0

        return now

    def count(name: str) -> Callable[[Sink], float]:
        return lambda sink: float(getattr(sink.counts, name))

    for name, text in _COUNTS:
        metrics.reads(f"log_{name}_total", text, reader(count(name)))
    for name, text, read in _STATES:
        metrics.reads(f"log_{name}", text, reader(read))
