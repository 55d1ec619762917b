"""How often somebody may speak and how long, per channel; and what sees to it.

A message of a channel with many hearers is paid for by all of them, so besides the rate of each speaker there is one of
all speakers of the same place (a line, a map, the zone) together. Of that one account gets at most a fifth, so that
nobody can take the word from all others.
"""

import msgspec

from mesh.core.bucket import Bucket
from mesh.errors import Code, RefusedError
from nodes.center.directory import Presence
from nodes.center.tabs import Tab, Tabs


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one channel. More is refused with "too_many", longer texts with "too_large"."""

    per_s: float  # messages of one player
    burst: int
    chars_max: int  # in one message, at most 128
    all_per_s: float = 0.0  # of all players of the same place together; 0: not limited
    all_burst: int = 1

    def __post_init__(self) -> None:
        if self.per_s <= 0 or self.burst < 1 or self.all_burst < 1 or not 1 <= self.chars_max <= CHARS_MAX:
            raise ValueError(f"per_s above 0, burst and all_burst from 1 on, chars_max 1 to {CHARS_MAX}")
        if self.all_per_s < 0:
            raise ValueError("all_per_s must not be negative")


CHARS_MAX = 128  # what the catalogue allows

RATES = {
    "line": Rate(1.0, 5, CHARS_MAX, 10.0, 40),
    "map": Rate(0.5, 3, CHARS_MAX, 5.0, 20),
    "party": Rate(2.0, 10, CHARS_MAX),
    "friend": Rate(0.5, 5, CHARS_MAX),
    "world": Rate(0.1, 2, CHARS_MAX, 2.0, 10),
    "whisper": Rate(2.0, 10, CHARS_MAX),
    "invite": Rate(0.5, 5, CHARS_MAX),  # into a party
}
"""Without settings. A channel that [settings.center.channels] names is described there whole."""

Place = tuple[str, str, int]
SHARES = 5  # one account gets at most one of so many parts of what all together have


def pay(tab: Tab, kind: str, own: tuple[float, int], shared: Bucket | None, now: float) -> None:
    """One of a kind for the account, of which all together have what is in `shared`; refuses what is too much."""
    if not tab.take(kind, *own, now):
        raise RefusedError(Code.TOO_MANY, "not so often")
    if shared is None:
        return
    share = f"share of {kind}"
    if not tab.take(share, shared.rate / SHARES, max(1, shared.burst // SHARES), now):
        tab.give_back(kind)
        raise RefusedError(Code.TOO_MANY, "let others speak, too")
    if not shared.take(now):
        tab.give_back(kind)
        tab.give_back(share)
        raise RefusedError(Code.TOO_MANY, "too many are talking")


class Meter:
    """Holds everybody to the rates."""

    def __init__(
        self, rates: dict[str, Rate], tabs: Tabs, shouts: tuple[float, int], zone_shouts: tuple[float, int], now: float
    ) -> None:
        """`shouts` and `zone_shouts`: per second, and at once; of each player, and of all together."""
        self._rates, self._tabs = RATES | rates, tabs
        self._shouts, self._zone_shouts = shouts, Bucket(*zone_shouts, now)
        self._together: dict[Place, Bucket] = {}  # as many as there are lines

    def pay(self, channel: str, who: Presence, now: float, text: str = "", place: tuple[str, int] = ("", 0)) -> None:
        """This player says this in this place: refused when it is too long or too much. What is refused because of the
        others costs the player nothing."""
        rate = self._rates[channel]
        if len(text) > rate.chars_max:
            raise RefusedError(Code.TOO_LARGE, f"at most {rate.chars_max} characters")
        tab, shared = self._tabs.of(who.account, now), None
        if rate.all_per_s:
            shared = self._shared(rate, (channel, *place), now)
        pay(tab, channel, (rate.per_s, rate.burst), shared, now)

    def shout(self, who: Presence, now: float) -> None:
        """This player says something to the whole zone."""
        pay(self._tabs.of(who.account, now), "shout", self._shouts, self._zone_shouts, now)

    def _shared(self, rate: Rate, place: Place, now: float) -> Bucket:
        bucket = self._together.get(place)
        if bucket is None:
            bucket = self._together[place] = Bucket(rate.all_per_s, rate.all_burst, now)
        return bucket
