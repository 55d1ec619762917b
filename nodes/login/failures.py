"""Who guessed wrong lately: what slows down somebody who tries passwords.

A guess at an account is charged before it is checked and given back when it was right, so that a thousand guesses at
once are no way around. A client address is charged for wrong guesses only, because a school or a test machine logs in
from one address with many right passwords at the same moment; guesses that are being checked are bounded by the hash
queue. Tickets and resume tokens are never slowed down: nobody guesses them, and so somebody who locks an account by
wrong passwords does not lock out a player who has a ticket.

The table is bounded; when it is full the entry that was untouched for longest is forgotten. One who floods it gets
some of his own guesses back, but each of them still cost a hash.
"""

from collections import OrderedDict

from mesh.core.bucket import Bucket
from nodes.login.settings import LoginSettings


class Failures:
    """Wrong guesses by account and by address. Pure: the time is an argument."""

    def __init__(self, settings: LoginSettings) -> None:
        self._settings = settings
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def begin(self, account: str, address: str, now: float) -> bool:
        """May this guess be checked? Charges the account."""
        known = self._buckets.get(("address", address)) if address else None
        if known is not None and not known.holds(now):
            return False
        return self._account(account, now).take(now) > 0

    def right(self, account: str, now: float) -> None:
        """The guess was right: it does not count."""
        self._account(account, now).give_back()

    def wrong(self, address: str, now: float) -> None:
        """The guess was wrong: the address is charged, too. "" is none: nobody is charged."""
        if address:
            told = self._settings
            self._bucket("address", address, told.address_failures_per_s, told.address_failures_max, now).take(now)

    def _account(self, name: str, now: float) -> Bucket:
        told = self._settings
        return self._bucket("account", name, told.account_failures_per_s, told.account_failures_max, now)

    def _bucket(self, kind: str, name: str, per_s: float, burst: int, now: float) -> Bucket:
        key = (kind, name.lower())
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(per_s, burst, now)
            if len(self._buckets) > self._settings.failures_kept_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket
