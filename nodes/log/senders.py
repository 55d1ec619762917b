"""Who has stored how much: what makes a batch that comes twice harmless. Pure.

Owns (sender, incarnation) -> next. A log node takes any `first` for an incarnation that it does not know, and any
above what it has (another log node had those in between); what is below was stored here before.

Limit: SENDERS_MAX incarnations; overflow: the one that was silent the longest is forgotten. A dead incarnation never
sends again, so that only makes a difference with more than SENDERS_MAX living senders.
"""

from collections.abc import Iterable

import msgpack
import msgspec

from mesh.protocol.journal import StoreEvents
from nodes.log.columns import part_of

SENDERS_MAX = 4096


class Senders:
    """The map, in the order of last use."""

    def __init__(self, rows: Iterable[tuple[str, int, int]] = ()) -> None:
        self._next: dict[tuple[str, int], int] = {}
        for sender, incarnation, following in rows:
            self.keep(sender, incarnation, following)

    def __len__(self) -> int:
        return len(self._next)

    def next_of(self, sender: str, incarnation: int) -> int:
        """Everything below this is stored or was never sent here; 0 for an unknown one."""
        return self._next.get((sender, incarnation), 0)

    def keep(self, sender: str, incarnation: int, following: int) -> None:
        """It is stored up to here."""
        key = (sender, incarnation)
        self._next[key] = max(following, self._next.pop(key, 0))
        if len(self._next) > SENDERS_MAX:
            del self._next[next(iter(self._next))]

    def rows(self) -> list[tuple[str, int, int]]:
        """For the head of the next segment."""
        return [(sender, incarnation, following) for (sender, incarnation), following in self._next.items()]


def without_first(batch: StoreEvents, events: int) -> StoreEvents:
    """A batch without its first `events` events. ValueError when its body is not what it says."""
    assert 0 < events < batch.count, "at least one event stays and at least one goes"
    if batch.lengths:
        return part_of(batch, events, batch.count)
    unpacker = msgpack.Unpacker(max_buffer_size=len(batch.body))
    unpacker.feed(batch.body)
    try:
        for _ in range(events):
            unpacker.skip()
    except (msgpack.UnpackException, ValueError) as error:
        raise ValueError(f"a batch whose body is not MessagePack: {error!r}") from None
    return msgspec.structs.replace(
        batch,
        first=batch.first + events,
        count=batch.count - events,
        players=batch.players[8 * events :],
        body=batch.body[unpacker.tell() :],
    )
