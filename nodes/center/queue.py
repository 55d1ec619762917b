"""Who waits for a place in the zone, first come, first served.

Pure. One entry per account: a newer login of an account that waits takes over its position, so that nobody loses his
place by connecting again. The queue is bounded; who comes when it is full is refused.
"""

from collections import deque
from dataclasses import dataclass

from mesh.errors import Code, RefusedError
from mesh.protocol.cluster import Online, account_of

RATE_SAMPLES = 20  # admissions that the estimate looks back on
TOLD_ALWAYS = 50  # the first so many hear of every step
TOLD_STEP = 0.9  # the others when their position has become this much smaller
SETTLE_S = 0.5  # the way of "you wait" to the gate, by login, is longer than that of "it is your turn"
UNKNOWN_S = 5.0  # estimate per position before anybody was admitted


@dataclass(slots=True, eq=False)
class Entry:
    """One login that waits."""

    place: int  # its number, never used twice
    online: Online
    joined_at: float
    told: int = 0  # the position that its client knows
    left: bool = False  # gave up while it was being admitted

    @property
    def account(self) -> int:
        return account_of(self.online.session)


class Queue:
    """Entries in their order."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._entries: dict[int, Entry] = {}  # by account; a dict keeps its order
        self._last = 0
        self._admitted: deque[float] = deque(maxlen=RATE_SAMPLES)

    def __len__(self) -> int:
        return len(self._entries)

    def of_account(self, account: int) -> Entry | None:
        return self._entries.get(account)

    def position(self, entry: Entry) -> int:
        """1 is the next one."""
        return next(n for n, waiting in enumerate(self._entries.values(), 1) if waiting is entry)

    def join(self, online: Online, now: float) -> Entry:
        """At the end, or in the position of an older login of the account, whose entry is void from then on."""
        account = account_of(online.session)
        if account not in self._entries and len(self._entries) >= self._size_max:
            raise RefusedError(Code.ZONE_FULL, "the zone is full and so is its queue: try again later")
        self._last += 1
        entry = self._entries[account] = Entry(self._last, online, now)
        return entry

    def leave(self, place: int, gate: str) -> Entry | None:
        """The client of this place gave up."""
        found = next((e for e in self._entries.values() if e.place == place and e.online.gate == gate), None)
        return self._entries.pop(found.account) if found is not None else None

    def remove(self, account: int) -> Entry | None:
        return self._entries.pop(account, None)

    def lose_gate(self, gate: str) -> int:
        """All who waited at a gate that is gone. Returns how many that were."""
        gone = [account for account, entry in self._entries.items() if entry.online.gate == gate]
        for account in gone:
            del self._entries[account]
        return len(gone)

    def first(self, now: float) -> Entry | None:
        """Whose turn is next. None when nobody waits, or the first one came only just now."""
        entry = next(iter(self._entries.values()), None)
        return entry if entry is not None and now - entry.joined_at >= SETTLE_S else None

    def admit(self, now: float) -> Entry:
        """It is the first one's turn."""
        account = next(iter(self._entries))
        self._admitted.append(now)
        return self._entries.pop(account)

    def estimate_s(self, position: int, now: float) -> float:
        """How long somebody at this position will probably wait: as the last admissions went."""
        if len(self._admitted) < 2:
            return position * UNKNOWN_S
        return position * (now - self._admitted[0]) / len(self._admitted)

    def moved(self) -> list[tuple[Entry, int]]:
        """Whose client should hear of its new position, which counts as told."""
        news = [
            (entry, position)
            for position, entry in enumerate(self._entries.values(), 1)
            if position < entry.told and (position <= TOLD_ALWAYS or position <= entry.told * TOLD_STEP)
        ]
        for entry, position in news:
            entry.told = position
        return news
