"""Compaction while the node serves: now and then a process beside it brings what is new into the lake.

Owns nothing but counters. Several log nodes of a machine write into one lake, one after the other: the second one finds
it locked and comes again later. What fails is said and tried again; the segments stay until retention deletes them.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.lake.lake import FOLDER
from mesh.metrics import Metrics
from mesh.seat import Logger, Seat
from nodes.log.lakeside import OK, is_possible
from nodes.log.settings import LogSettings

Run = Callable[[Sequence[str]], Awaitable[tuple[int, bytes]]]


class Compactions:
    """See the module."""

    def __init__(self, seat: Seat, settings: LogSettings, metrics: Metrics, log: Logger) -> None:
        self._run, self._settings, self._log = seat.beside, settings, log
        self._data, self._lake = seat.data, seat.topology.runtime / FOLDER
        self.done = self.failed = self.events = self.lost = 0
        metrics.reads("log_compactions_total", "Compactions of the log into the lake.", lambda: self.done)
        metrics.reads("log_compactions_failed_total", "Compactions that failed.", lambda: self.failed)
        metrics.reads("log_compacted_events_total", "Events that are in the lake.", lambda: self.events)
        metrics.reads("log_compaction_lost_total", "Places in segments that no compaction can read.", lambda: self.lost)

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to do it, and anything to do it with."""
        return self._settings.compact_s > 0 and self._run is not None and is_possible()

    async def compact(self) -> None:
        """Once."""
        assert self._run is not None, "the caller looked"
        code, output = await self._run(_words(self._data, self._lake, self._settings))
        answer = _answer(output)
        if code != OK:
            self.failed += 1
            self._log.warning("the behaviour log was not compacted", code=code, reason=answer.get("error", ""))
            return
        self.done += 1
        self.events += answer.get("events", 0)
        self.lost += answer.get("lost", 0)
        if answer.get("lost"):
            self._log.warning("segments have places that cannot be read", places=answer["lost"], lake=str(self._lake))


def _words(data: Path, lake: Path, settings: LogSettings) -> list[str]:
    words = ["log", "--offline", "compact", "--data", str(data), "--lake", str(lake), "--parent", str(os.getpid())]
    return [*words, "--days", str(settings.lake_days), "--bytes", str(settings.lake_bytes)]


def _answer(output: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(output)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
