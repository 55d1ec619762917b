"""A tap: shows an operator the messages that a node hears, while somebody looks.

Owns what was heard and is not fetched yet. It must not slow the node down: there is at most TAPS_MAX of them, each
takes at most PER_SECOND_MAX messages in a second and ends when nobody has asked for UNSEEN_S. What is secret by its
type or its name never gets in.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from mesh.clock import Clock
from mesh.protocol.catalogue import Message
from mesh.protocol.monitoring import Tap, Tapped, TapRead
from mesh.recent import Recent

TAPS_MAX = 4
PER_SECOND_MAX = 500
KEPT_MAX = 1000
UNSEEN_S = 5.0
FIELDS_CHARS_MAX = 1000
MASK = "***"
SECRET_NAMES = ("secret", "password", "token", "ticket", "hash", "key", "nonce")


class _Open:
    """One tap."""

    def __init__(self, now: float) -> None:
        self.heard: Recent[Tapped] = Recent(KEPT_MAX)
        self.asked = now
        self.over = 0  # left out for want of time, this tap's life
        self.second, self.in_second = int(now), 0


class Taps:
    """See the module. Look at `open` before offering: nearly always there is none."""

    def __init__(self, clock: Clock) -> None:
        self.open: dict[tuple[str, str, str], _Open] = {}
        self._clock = clock

    def read(self, said: Tap) -> TapRead:
        """What this tap has heard since; it is opened when it is not. KeyError: there are TAPS_MAX others."""
        now, filters = self._clock.now(), (said.message, said.player, said.source)
        self._close_unseen(now)
        tap = self.open.get(filters)
        if tap is None:
            if len(self.open) >= TAPS_MAX:
                raise KeyError(filters)
            tap = self.open[filters] = _Open(now)
        tap.asked = now
        last, missed, heard = tap.heard.after(said.after, KEPT_MAX)
        over, tap.over = tap.over, 0
        return TapRead(last, missed + over, heard)

    def offer(self, said: Message, source: str, role: str, player: str, bytes_: int) -> None:
        """A message was heard."""
        now = self._clock.now()
        self._close_unseen(now)
        name = type(said).__name__
        for (message, of_player, of_source), tap in self.open.items():
            if message in ("", name) and of_player in ("", player) and of_source in ("", source, role):
                if tap.second != int(now):
                    tap.second, tap.in_second = int(now), 0
                tap.in_second += 1
                if tap.in_second > PER_SECOND_MAX:
                    tap.over += 1
                    continue
                wall_ms = round(self._clock.wall() * 1000)
                tap.heard.add(Tapped(wall_ms, name, source, player, shown(said), bytes_))

    def _close_unseen(self, now: float) -> None:
        for filters, tap in list(self.open.items()):
            if now - tap.asked > UNSEEN_S:
                del self.open[filters]


def shown(said: Message) -> str:
    """The fields of a message as JSON, without what is secret, cut when it is long."""
    text = msgspec.json.encode(_masked(said), enc_hook=str).decode("utf-8", "replace")
    return text if len(text) <= FIELDS_CHARS_MAX else text[: FIELDS_CHARS_MAX - 1] + "…"


def _masked(value: Any, name: str = "") -> Any:
    if any(word in name for word in SECRET_NAMES) and value:
        return MASK
    if isinstance(value, msgspec.Struct):
        return {field: _masked(getattr(value, field), field) for field in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): _masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, bytes | bytearray | memoryview | msgspec.Raw):
        return f"{len(bytes(value))} bytes"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_masked(inner) for inner in value[:50]]
    return value
