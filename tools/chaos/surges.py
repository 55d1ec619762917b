"""What a surge of load did to those who asked: how much was of use to somebody, and when it was as ever again. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from mesh.checking.records import Operation

BUCKET_S = 0.25
NORMAL_SHARE = 0.9  # of those who asked within a bucket must have been served as ever
SETTLE_S = 1.0  # of a surge, in which what came before it is still answered


@dataclass(frozen=True)
class Surge:
    """`factor` times the load that is carried, from `began` until `fell_at`; then little, until `ended`."""

    factor: float
    began: float
    fell_at: float
    ended: float


def goodput(operations: Iterable[Operation], begin: float, end: float, useful_s: float) -> float:
    """Answers a second between these two moments that were a yes and came while somebody waited for them."""
    good = sum(
        one.ended == "ok" and begin <= one.returned < end and one.returned - one.called <= useful_s
        for one in operations
    )
    return good / (end - begin)


def share_of_peak(operations: Iterable[Operation], surge: Surge, peak: float, useful_s: float) -> float:
    """In per cent."""
    begin = min(surge.began + SETTLE_S, (surge.began + surge.fell_at) / 2)
    return 100 * goodput(operations, begin, surge.fell_at, useful_s) / peak


def normal_after(operations: Iterable[Operation], surge: Surge, normal_s: float) -> float:
    """Seconds from the fall of the load until whoever asks is served within `normal_s` again, and stays so."""
    served: dict[int, list[bool]] = {}
    for one in operations:
        if surge.fell_at <= one.called < surge.ended:
            is_good = one.ended == "ok" and one.returned - one.called <= normal_s
            served.setdefault(int((one.called - surge.fell_at) / BUCKET_S), []).append(is_good)
    bad = [bucket for bucket, row in served.items() if sum(row) < NORMAL_SHARE * len(row)]
    return (max(bad) + 1) * BUCKET_S if bad else 0.0
