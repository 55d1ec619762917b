"""What is kept of a session that was handed over, until the center says that it arrived.

Owns the keepsakes. Pure. One is the only copy of what its client has not acknowledged, so it is not thrown away by
itself: it goes when the center has it released, when the session comes back, or when a newer session of the account
comes here; and of a center that never speaks again at the latest when the scene stops. The character itself was saved
before it was handed over, so a keepsake never needs to be. Bounded: of more than KEEPSAKES_MAX the oldest goes, whose
unacknowledged pieces are older than a resume could ask for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mesh.protocol.placement import Departed
from mesh.protocol.sessions import PartyAt, account_of

KEEPSAKES_MAX = 10_000


@dataclass(slots=True)
class Keepsake:
    session: int
    departed: Departed
    line: int  # the number of the line of `departed.status.map` that it left
    party: PartyAt | None

    @property
    def account(self) -> int:
        return account_of(self.session)


class Keepsakes:
    """One per account, oldest first."""

    def __init__(self, keepsakes_max: int = KEEPSAKES_MAX) -> None:
        self._max = keepsakes_max
        self._by_account: dict[int, Keepsake] = {}
        self.overflown = 0

    def __len__(self) -> int:
        return len(self._by_account)

    def __iter__(self) -> Iterator[Keepsake]:
        return iter(list(self._by_account.values()))

    def keep(self, keepsake: Keepsake) -> None:
        self._by_account.pop(keepsake.account, None)
        self._by_account[keepsake.account] = keepsake
        if len(self._by_account) > self._max:
            del self._by_account[next(iter(self._by_account))]
            self.overflown += 1

    def find(self, session: int) -> Keepsake | None:
        keepsake = self._by_account.get(account_of(session))
        return keepsake if keepsake is not None and keepsake.session == session else None

    def of_account(self, account: int) -> Keepsake | None:
        return self._by_account.get(account)

    def drop(self, account: int) -> None:
        """It is not needed any more."""
        self._by_account.pop(account, None)
