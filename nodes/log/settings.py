"""What a topology may say about log nodes under [settings.log]. Data only."""

from typing import Annotated

import msgspec

_MIB = 1024 * 1024


class LogSettings(msgspec.Struct, frozen=True):
    """Sizes in bytes, times as the names say."""

    segment_bytes: Annotated[int, msgspec.Meta(ge=4096, le=1 << 40)] = 64 * _MIB  # a segment is sealed when it has this
    segment_age_s: Annotated[float, msgspec.Meta(gt=0)] = 3600.0  # or when it is this old
    retention_bytes: Annotated[int, msgspec.Meta(ge=4096)] = 8 * 1024 * _MIB  # of all segments; the oldest are deleted
    retention_days: Annotated[float, msgspec.Meta(gt=0)] = 30.0  # sealed segments older than this are deleted
    block_bytes: Annotated[int, msgspec.Meta(ge=1024, le=16 * _MIB)] = 128 * 1024  # compressed together, before that
    flush_ms: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 20  # how long a batch waits for others to share a block
    sync_s: Annotated[float, msgspec.Meta(gt=0, le=1.0)] = 0.5  # between two fsyncs
    compression_level: Annotated[int, msgspec.Meta(ge=1, le=19)] = 1  # of zstd
    query_s_max: Annotated[float, msgspec.Meta(gt=0, le=600)] = 10.0  # a query that takes longer returns what it has
    compact_s: Annotated[float, msgspec.Meta(ge=0)] = 600.0  # between two compactions into the lake; 0: none
    lake_days: Annotated[float, msgspec.Meta(ge=0)] = 400.0  # older hours are deleted from the lake; 0: none are
    lake_bytes: Annotated[int, msgspec.Meta(ge=0)] = 64 * 1024 * _MIB  # of the lake, likewise; 0: no limit
