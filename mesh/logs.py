"""The ops log: what nodes say to operators. Constant text plus fields, to a rotated file and, on a terminal, to stderr.

Never a pipe that nobody reads: a node that waits for a reader stands still. Never loguru's `enqueue`: its queue has no
limit.
"""

import logging
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

from loguru import logger

from mesh.clock import Clock
from mesh.protocol.monitoring import Line
from mesh.recent import Recent
from mesh.trace import CURRENT

ROTATION = "20 MB"
RETENTION = 5  # files
SAME_TEXT_MAX = 20  # lines with one text in a second; more are counted and left out
TEXTS_MAX = 1000  # whose lines are counted while they are held back
LINES_MAX = 2000  # kept for the ops node, which asks every few seconds
TEXT_CHARS_MAX, FIELD_CHARS_MAX, FIELDS_MAX = 1000, 500, 40  # of these
FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <7} {extra[node]} {message}{extra[rest]}"


class RateLimit:
    """Lets at most SAME_TEXT_MAX lines of one text through in a second, and says with the next one, in a later second,
    how many it held back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = 0
        self._seen: dict[str, int] = {}
        self._held: dict[str, int] = {}

    def __call__(self, record: dict[str, Any]) -> bool:
        second, text = int(self._clock.now()), record["message"]
        if second != self._second:
            self._second, self._seen = second, {}
        count = self._seen[text] = self._seen.get(text, 0) + 1
        if count > SAME_TEXT_MAX:
            if text in self._held or len(self._held) < TEXTS_MAX:
                self._held[text] = self._held.get(text, 0) + 1
            return False
        held = self._held.pop(text, 0)
        if held:
            record["extra"]["held_back"] = held
        return True


class _Intercept(logging.Handler):
    """What libraries say through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = record.levelname if record.levelname in _LEVELS else record.levelno
        logger.opt(exception=record.exc_info).bind(node=record.name).log(level, "{}", record.getMessage())


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_OWN = ("node", "rest", "passes", "trace")


class _Patch:
    """Prepares each record once, however many places it goes to."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit

    def __call__(self, record: dict[str, Any]) -> None:
        extra = record["extra"]
        extra["passes"] = self._limit(record)
        current = CURRENT.get()
        if current is not None:
            extra["trace"] = current.id
        rest = "".join(f" {key}={value!r}" for key, value in extra.items() if key not in _OWN)
        extra["rest"] = f"{rest} trace={current.id:x}" if current is not None else rest
        extra.setdefault("node", "-")


def _passes(record: dict[str, Any]) -> bool:
    return bool(record["extra"]["passes"])


class Lines:
    """What this process has logged lately, and how much of each level."""

    def __init__(self) -> None:
        self.latest: Recent[Line] = Recent(LINES_MAX)
        self.counts: Counter[str] = Counter()

    def write(self, message: Any) -> None:
        """One line, as loguru hands it to a sink."""
        record = message.record
        extra, level = record["extra"], record["level"].name
        self.counts[level] += 1
        fields = {
            key: str(value)[:FIELD_CHARS_MAX] for key, value in islice(extra.items(), FIELDS_MAX) if key not in _OWN
        }
        if record["exception"] is not None:
            fields["exception"] = repr(record["exception"].value)[:FIELD_CHARS_MAX]
        wall_ms = round(record["time"].timestamp() * 1000)
        text, trace = record["message"][:TEXT_CHARS_MAX], extra.get("trace", 0)
        self.latest.add(Line(wall_ms, level, extra["node"][:64], text, fields, trace))


def begin(
    file: Path | None, clock: Clock, level: str = "INFO", terminal: bool | None = None, lines: Lines | None = None
) -> None:
    """Open the log of this process. `terminal` None: to stderr as well when it is one. `lines` gets them, too."""
    logger.remove()
    logger.configure(patcher=_Patch(RateLimit(clock)))  # type: ignore[arg-type]
    if file is not None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        logger.add(
            file, format=FORMAT, level=level, rotation=ROTATION, retention=RETENTION, filter=_passes,  # type: ignore[arg-type]
            enqueue=False, backtrace=False, diagnose=False,
        )  # fmt: skip
    if terminal if terminal is not None else sys.stderr.isatty():
        logger.add(sys.stderr, format=FORMAT, level=level, filter=_passes, backtrace=False, diagnose=False)  # type: ignore[arg-type]
    if lines is not None:
        logger.add(lines.write, format="", level=level, filter=_passes, backtrace=False, diagnose=False)  # type: ignore[arg-type]
    logging.basicConfig(handlers=[_Intercept()], level=logging.WARNING, force=True)


def of_node(short: str) -> Any:
    """The logger of one node."""
    return logger.bind(node=short)
