"""One owner among several zones: before a session comes into this one, the others end what they have of its account.

The DC's row of the account's session is what makes it safe: LoadStatus opens a session and voids the older ones, so
that nothing which an older one does in another zone is stored any more. A claim makes it true in the worlds, too: the
other center ends the older connection, has the character taken out, and only then answers. A center that cannot be
reached is not waited for, since the whole point of zones is that one goes on without the other: there the older
session stays visible for as long as its center is away, without effect. It ends when the two meet again: the claims
that could not be made are made then (`settle`), and what each says of its players does the same (`zones.py`).

Two logins of one account at the same moment in two zones claim each other while both hold their account's lock. The
older one is refused at once, without the lock, so that nobody waits in a circle: whoever waits has the newer session.
For that a session is on the list of those that are coming before it waits for the lock (`coming`).

A ban ends what the account has open, in whichever zone that is, and what is still on its way in: the sessions up to
the one that the ban opened in the DC are over, so that a login which had passed the DC before is refused here. A
center that is away hears of it as of a claim, with that session.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import KickAccount
from mesh.protocol.control import Done
from mesh.protocol.sessions import account_of
from mesh.protocol.zones import Claim, EndAccount
from nodes.center.courier import Courier
from nodes.center.departures import Departures
from nodes.center.directory import Directory
from nodes.center.finish import finish
from nodes.center.locks import AccountLocks
from nodes.center.neighbours import Neighbours
from nodes.center.queue import Queue

OWED_MAX = 10_000  # claims that are kept for a center that is away; beyond that the oldest is forgotten
CLAIM_S = 4.0  # for another center, which may have to wait for a scene; the login that waits for it has 5 s


class Claims:
    """See the module. `whole` is set when the directory knows whom the scenes have."""

    def __init__(
        self,
        node: Node,
        directory: Directory,
        queue: Queue,
        locks: AccountLocks,
        courier: Courier,
        departures: Departures,
        neighbours: Neighbours,
        whole: asyncio.Event,
    ) -> None:
        self.made = 0
        self.ended = 0  # sessions that went on in another zone
        self._node, self._directory, self._queue, self._locks = node, directory, queue, locks
        self._courier, self._departures, self._neighbours, self._whole = courier, departures, neighbours, whole
        self._owed: dict[str, OrderedDict[int, int]] = {}  # by center: account -> session
        self._coming: dict[int, Counter[int]] = {}  # account -> sessions

    @on(KickAccount)
    async def on_kick_account(self, said: KickAccount, _caller: Caller) -> Done:
        """An account was banned: whatever it has open ends, here and in the other zones."""
        for zone in self._neighbours.all():
            if zone.is_linked:
                self._node.tell(zone.center, EndAccount(said.account, said.code, said.text, said.session))
            elif said.session:
                self._owe(zone.center, said.session)
        await finish(self._node, self._end(said))
        return Done()

    @on(EndAccount)
    async def on_end_account(self, said: EndAccount, _caller: Caller) -> None:
        """The same, said by the center where it was banned."""
        await finish(self._node, self._end(said))

    async def _end(self, said: KickAccount | EndAccount) -> None:
        await self._whole.wait()
        last = said.session or self._newest(said.account)
        await self._departures.end_up_to(last, said.account, said.code, said.text)

    def _newest(self, account: int) -> int:
        """Of all sessions of an account that are here or on their way."""
        waiting, present = self._queue.of_account(account), self._directory.of_account(account)
        known = [*self._coming.get(account, ())]
        known += [waiting.online.session] if waiting is not None else []
        known += [present.session] if present is not None else []
        return max(known, default=0)

    @asynccontextmanager
    async def coming(self, session: int) -> AsyncIterator[None]:
        """This session is coming into a zone, until the block ends."""
        account = account_of(session)
        sessions = self._coming.setdefault(account, Counter())
        sessions[session] += 1
        try:
            yield
        finally:
            sessions[session] -= 1
            if not sessions[session]:
                del sessions[session]
            if not sessions:
                del self._coming[account]

    async def claim(self, session: int) -> None:
        """Inside `coming`, and holding the account's lock. Refused when a newer session is coming somewhere, or when
        another zone does not get the older one out of its world."""
        others = [zone.center for zone in self._neighbours.linked()]
        for zone in self._neighbours.all():
            if not zone.is_linked:
                self._owe(zone.center, session)
        if not others:
            return
        self.made += 1
        answers = await asyncio.gather(*(self._claim_at(center, session) for center in others))
        refused = [answer for answer in answers if answer is not None]
        if refused or self._is_old(session):
            raise refused[0] if refused else _taken_over()

    async def settle(self, center: str) -> None:
        """This center is back: claim what came in without it. A newer session may have come in there meanwhile, or one
        of its scenes not answer; both are its own business now."""
        owed = self._owed.pop(center, OrderedDict[int, int]())
        while owed and self._neighbours.of_center(center).is_linked:
            _, session = owed.popitem(last=False)
            await self._claim_at(center, session)
        for session in owed.values():
            self._owe(center, session)

    async def end_older(self, session: int) -> None:
        """This session is in another zone: whatever the account has here ends, if it is older."""
        account = account_of(session)
        self._leave_queue(session)
        async with self._locks.hold(account):
            self._directory.supersede(session)
            present = self._directory.of_account(account)
            if present is None or present.session > session:
                return
            self._courier.kick_presence(present, Code.TAKEN_OVER)
            if not await self._departures.release_held(present, "travel", discard=True):
                raise RefusedError(Code.UNAVAILABLE, "the other zone has the character still: try again")
            self.ended += 1

    @on(Claim)
    async def on_claim(self, said: Claim, caller: Caller) -> Done:
        """Another zone is about to take a session in."""
        self._neighbours.of_center(caller.peer)
        return await finish(self._node, self._give_up(said.session))

    async def _give_up(self, session: int) -> Done:
        await self._whole.wait()
        if self._is_old(session) or self._directory.is_over(session):
            raise _taken_over()
        async with self.coming(session):
            await self.end_older(session)
            if self._directory.is_over(session):
                raise _taken_over()
        return Done()

    async def _claim_at(self, center: str, session: int) -> RefusedError | None:
        """What keeps us from going on, if anything does."""
        try:
            await self._node.ask(center, Claim(session), CLAIM_S)
        except RefusedError as error:
            return error
        except DeadlineExceeded:
            return RefusedError(Code.UNAVAILABLE, "another zone does not answer: try again")
        except PeerLost:
            self._owe(center, session)
        return None

    def _owe(self, center: str, session: int) -> None:
        owed = self._owed.setdefault(center, OrderedDict())
        account = account_of(session)
        owed[account] = max(session, owed.pop(account, 0))
        if len(owed) > OWED_MAX:
            owed.popitem(last=False)

    def _is_old(self, session: int) -> bool:
        """Is a newer session of the account coming, or waiting in our queue?"""
        account = account_of(session)
        waiting = self._queue.of_account(account)
        newest = max(self._coming.get(account, ()), default=0)
        return newest > session or (waiting is not None and waiting.online.session > session)

    def _leave_queue(self, session: int) -> None:
        account = account_of(session)
        waiting = self._queue.of_account(account)
        if waiting is not None and waiting.online.session < session:
            self._queue.remove(account)
            online = waiting.online
            self._courier.kick(online.gate, online.connection, online.session, Code.TAKEN_OVER)


def _taken_over() -> RefusedError:
    return RefusedError(Code.TAKEN_OVER, "a newer login of the account came first")
