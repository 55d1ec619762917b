"""Who guessed wrong lately at the console's door: what slows down somebody who tries passwords.

A guess at a name is charged before it is checked and given back when it was right, so that a thousand guesses at once
are no way around. An address is charged for wrong guesses only. The table is bounded: when it is full the entry that
was untouched for longest is forgotten. Pure: the time is an argument.
"""

from collections import OrderedDict

from mesh.core.bucket import Bucket
from nodes.ops.console.settings import ConsoleSettings


class Guesses:
    """Wrong guesses by name and by address."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def begin(self, name: str, address: str, now: float) -> float:
        """0 when this guess may be checked, and the name is charged; else how many seconds to wait."""
        by_address, by_name = self._address(address, now), self._name(name, now)
        if not by_address.holds(now):
            return by_address.wait_s(now)
        return 0.0 if by_name.take(now) else by_name.wait_s(now)

    def right(self, name: str, now: float) -> None:
        """The guess was right: it does not count."""
        self._name(name, now).give_back()

    def wrong(self, address: str, now: float) -> None:
        """The guess was wrong: the address is charged, too."""
        self._address(address, now).take(now)

    def _name(self, name: str, now: float) -> Bucket:
        told = self._settings
        return self._bucket("name", name.casefold(), told.account_failures_per_s, told.account_failures_max, now)

    def _address(self, address: str, now: float) -> Bucket:
        told = self._settings
        return self._bucket("address", address, told.address_failures_per_s, told.address_failures_max, now)

    def _bucket(self, kind: str, name: str, per_s: float, burst: int, now: float) -> Bucket:
        bucket = self._buckets.get((kind, name))
        if bucket is None:
            bucket = self._buckets[(kind, name)] = Bucket(per_s, burst, now)
            if len(self._buckets) > self._settings.failures_kept_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end((kind, name))
        return bucket
