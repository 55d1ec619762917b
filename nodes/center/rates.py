"""How often somebody may speak and how long, per channel; and what sees to it.

A message of a channel with many hearers is paid for by all of them, so besides the rate of each speaker there is one of
all speakers of the same place (a line, a map, the zone) together. Of that one account gets at most a fifth, so that
nobody can take the word from all others. Under pressure there is a share of all that. Whoever is refused is told when
to try again.
"""

from collections.abc import Callable

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

NOT_CHAT = ("invite",)  # is paid for, but no pressure makes it rarer

Place = tuple[str, str, int]
Shares = Callable[[Presence], tuple[float, float]]  # what pressure leaves of its rates, and of those of all together
SHARES = 5  # one account gets at most one of so many parts of what all together have


def pay(tab: Tab, kind: str, own: tuple[float, int], shared: Bucket | None, now: float) -> None:
    """One of a kind for the account, of which all together have what is in `shared`; refuses what is too much."""
    if not tab.take(kind, *own, now):
        raise RefusedError(Code.TOO_MANY, f"not so often: again in {tab.wait_s(kind, now):.1f} s")
    if shared is None:
        return
    share = f"share of {kind}"
    if not tab.take(share, shared.rate / SHARES, max(1, shared.burst // SHARES), now):
        tab.give_back(kind)
        raise RefusedError(Code.TOO_MANY, f"let others speak, too: again in {tab.wait_s(share, now):.1f} s")
    if not shared.take(now):
        tab.give_back(kind)
        tab.give_back(share)
        raise RefusedError(Code.TOO_MANY, f"too many are talking: again in {shared.wait_s(now):.1f} s")


def part(share: float, per_s: float, burst: int) -> tuple[float, int]:
    """So much of a rate, and at least one at a time."""
    return share * per_s, max(1, round(share * burst))


class Meter:
    """Holds everybody to the rates."""

    def __init__(
        self,
        rates: dict[str, Rate],
        tabs: Tabs,
        shouts: tuple[float, int],
        zone_shouts: tuple[float, int],
        shares: Shares,
        now: float,
    ) -> None:
        """`shouts` and `zone_shouts`: per second, and at once; of each player, and of all together."""
        self._rates, self._tabs, self._shares, self._zone_rate = RATES | rates, tabs, shares, zone_shouts
        self._shouts, self._zone_shouts = shouts, Bucket(*zone_shouts, now)
        self._together: dict[Place, Bucket] = {}  # as many as there are lines

    def pay(self, channel: str, who: Presence, now: float, text: str = "", place: tuple[str, int] = ("", 0)) -> None:
        """This player says this in this place: refused when it is too long or too much. What is refused because of the
        others costs the player nothing."""
        rate = self._rates[channel]
        if len(text) > rate.chars_max:
            raise RefusedError(Code.TOO_LARGE, f"at most {rate.chars_max} characters")
        tab, shared = self._tabs.of(who.account, now), None
        own, all_ = self._shares(who) if channel not in NOT_CHAT else (1.0, 1.0)
        if rate.all_per_s:
            shared = self._shared(rate, (channel, *place), now)
            shared.rate, shared.burst = part(all_, rate.all_per_s, rate.all_burst)
        pay(tab, channel, part(own, rate.per_s, rate.burst), shared, now)

    def shout(self, who: Presence, now: float) -> None:
        """This player says something to the whole zone."""
        own, all_ = self._shares(who)
        self._zone_shouts.rate, self._zone_shouts.burst = part(all_, *self._zone_rate)
        pay(self._tabs.of(who.account, now), "shout", part(own, *self._shouts), self._zone_shouts, now)

    def _shared(self, rate: Rate, place: Place, now: float) -> Bucket:
        bucket = self._together.get(place)
        if bucket is None:
            bucket = self._together[place] = Bucket(rate.all_per_s, rate.all_burst, now)
        return bucket
