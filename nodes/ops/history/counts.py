"""What happened to the history since the start, and what an operator should be told of it, each thing once."""

from collections import deque
from pathlib import Path

NAMED_MAX = 100  # things that are named; above that they are only counted
NEWS_MAX = 100  # texts that nobody has asked for yet; the oldest are dropped


class Counts:
    """Plain ints; written by the loop (readings and series) and by one worker thread (the rest), read by anybody."""

    def __init__(self) -> None:
        self.readings = 0  # taken
        self.readings_refused = 0  # not what a reading should be, or of one node too many
        self.readings_repeated = 0  # of a second that the node has a reading of
        self.readings_late = 0  # of a second that has been written
        self.rows_lost = 0  # seconds that were dropped because nothing was written for long
        self.jumps = 0  # the clock went back
        self.blocks_written = 0
        self.bytes_written = 0
        self.blocks_lost = 0  # dropped from memory before a file took them
        self.segments_deleted = 0
        self.bytes_deleted = 0
        self.cut_bytes = 0  # torn tails
        self.damaged = 0  # parts of files that cannot be read
        self.disk_full = 0  # writes that the disk had no room for
        self.failures = 0  # of the disk, besides that it is full
        self.named: dict[str, str] = {}  # series and nodes that are refused, and why
        self._places: set[tuple[Path, int]] = set()
        self._news: deque[str] = deque(maxlen=NEWS_MAX)

    def say(self, text: str) -> None:
        """For the operator."""
        self._news.append(text)

    def news(self) -> list[str]:
        """What there is to say since the last time."""
        said = []
        while self._news:
            said.append(self._news.popleft())
        return said

    def refuse(self, what: str, why: str) -> None:
        """Name what is refused, the first time."""
        if what not in self.named and len(self.named) < NAMED_MAX:
            self.named[what] = why
            self.say(f"{what} is not kept: {why}")

    def damage(self, path: Path, offset: int, what: str) -> None:
        """Count what cannot be read, once for each place, and name it."""
        if (path, offset) in self._places:
            return
        if len(self._places) < NAMED_MAX:
            self._places.add((path, offset))
            self.say(f"{path} at byte {offset}: {what}")
        self.damaged += 1
