"""A player over a wire: the convenient form of the client, for bots, tests and the SDK.

    player = await Player.login("ws://127.0.0.1:7700", "anna", "secret")
    player.move(120, 80, heading=64)
    player.attack(next(iter(player.session.view)))
    looted = await player.wait(Looted, timeout_s=10)
    await player.switch_line(2)
    async for said in player:            # every message, until the connection ends
        ...
    await player.resume()                # after a broken connection, on the same or another gate
    await player.logout()

Where the servers send it, a player goes by itself: to another line or map, to another gate (MoveGate: nothing is lost,
nothing is reported), to another zone (MoveZone: a new session). Only after a broken connection it does nothing until
`resume` is called.

Made to be many (see `contact.py`); movement updates never become Python objects (see `session.py` for `on_updates`). A
program with thousands of players gives `on_event`, which is called for each message as it comes, and keeps little for
`wait`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from itertools import cycle
from typing import Any, TypeVar

from mesh.client.contact import Connection, Second
from mesh.client.session import RESUMABLE, ClientSession, Phase
from mesh.client.verbs import Verbs
from mesh.errors import (
    Code,
    DeadlineExceeded,
    LocalProtocolError,
    MeshError,
    PeerLost,
    RefusedError,
)
from mesh.protocol import social
from mesh.protocol.catalogue import Message, number_of
from mesh.protocol.client import Denied, MoveGate, MoveZone
from mesh.protocol.play import Entered
from mesh.protocol.types import LoginMethod

__all__ = ["Player"]

MOVE_S = 10.0
"""How long each step of the way to another gate may take."""
HEARD_S = 2.0
"""For a gate to have heard what was said; what is still under way then may be lost."""
TRAVEL_S = 30.0
TRAVEL_PAUSE_S = 0.5  # between two gates of the other zone, of which none let us in yet
RESUME_PAUSE_S = 0.5  # before a gate that could not let us in is asked again
_AGAIN = (Code.UNAVAILABLE, Code.SHUTDOWN, Code.TOO_MANY)

M = TypeVar("M", bound=Message)


class Player(Verbs):
    """See the module, and `Contact` for what can be read and for the callbacks."""

    # --- in and out ---

    @classmethod
    async def login(
        cls,
        url: str,
        account: str = "",
        secret: str = "",
        *,
        method: LoginMethod = "password",
        timeout_s: float = 10.0,
        **how: Any,
    ) -> "Player":
        """Connect, log in, and return when the world is entered. `how` is what the constructor takes.

        RefusedError with the gate's code, PeerLost when there is no connection, DeadlineExceeded after `timeout_s`
        (a queue of a full zone counts: give it time).
        """
        player = cls(**how)
        await player.join(url, account, secret, method=method, timeout_s=timeout_s)
        return player

    async def join(
        self, url: str, account: str, secret: str, *, method: LoginMethod = "password", timeout_s: float = 10.0
    ) -> None:
        """`login` for a player that was made before: to have the callbacks see everything from the start."""
        if self.connected:
            raise LocalProtocolError("still connected")
        self.session = ClientSession(self.session.on_updates)
        await self._get_in(url, lambda: self.session.login(method, account, secret, self._program), timeout_s)

    async def resume(self, url: str = "", timeout_s: float = 10.0) -> None:
        """Go on after the connection broke: on this gate, or on the last one and then the others that are known.

        RefusedError when the session is gone, PeerLost when no gate can be reached. `timeout_s` is for each gate; for
        so long those that cannot let it in at the moment are asked again, then it is RefusedError with their code, one
        of RESUMABLE: the token is still good.
        """
        if self.connected:
            raise LocalProtocolError("still connected")
        await self._resume(url, timeout_s)

    async def logout(self, timeout_s: float = 10.0) -> None:
        """Leave the world: returns when the character is saved and the connection has ended."""
        await self._until(lambda: True if self._following is None else None, timeout_s)
        if self._connection is not None:
            self._connection.send(self.session.logout())
            await self._until(lambda: True if self._connection is None else None, timeout_s)

    def drop(self) -> None:
        """Cut the connection without a word, as a broken network does; `resume` may follow."""
        self._end("cut", gently=False)

    def close(self) -> None:
        """End the connection; the character stays in the world for `linkdead_s`."""
        self._end("closed", gently=True)

    # --- going elsewhere ---

    async def switch_line(self, number: int, timeout_s: float = 10.0) -> Entered:
        """Go to that line of this map. RefusedError when it may not be."""
        before = self.session.entered

        def arrived() -> Entered | None:
            now = self.session.entered
            return now if now is not before and now is not None and now.line == number else None

        return await self._go(social.SwitchLine(number), arrived, timeout_s)

    async def travel(self, zone: str, timeout_s: float = TRAVEL_S) -> Entered:
        """Go to that zone: returns when it is entered, with another session. RefusedError when it may not be."""
        before = self.session.session

        def arrived() -> Entered | None:
            return self.session.entered if self.session.session != before else None

        return await self._go(social.Travel(zone), arrived, timeout_s)

    async def settle(self) -> None:
        """Until the gate has passed on what was said so far, or the connection has ended, or for HEARD_S at most."""
        if self._connection is not None:
            await self._was_heard(self._connection)

    async def _go(self, said: Message, arrived: Callable[[], Entered | None], timeout_s: float) -> Entered:
        number = number_of(said)
        while self._take_refusal(number) is not None:
            pass  # of an earlier time
        self.social(said)

        def test() -> Entered | None:
            refusal = self._take_refusal(number)
            if refusal is not None:
                raise RefusedError(refusal.code, refusal.text)
            if not self.connected:
                raise PeerLost(f"the connection ended: {self.closed_reason}")
            return arrived() if self.playing else None

        entered = await self._until(test, timeout_s)
        self._take(entered)
        return entered

    def _take_refusal(self, number: int) -> Denied | social.SocialDenied | None:
        for said in self._events:
            if isinstance(said, Denied | social.SocialDenied) and said.number == number:
                self._take(said)
                return said
        return None

    def _take(self, wanted: Message) -> None:
        for place, said in enumerate(self._events):
            if said is wanted:
                del self._events[place]
                return

    # --- hearing ---

    async def wait(self, kind: type[M], timeout_s: float = 10.0, where: Callable[[M], bool] | None = None) -> M:
        """The next message of this kind, taken out of those that were kept; others stay. DeadlineExceeded, or
        PeerLost when the connection has ended without it."""

        def find() -> M | None:
            for said in self._events:
                if isinstance(said, kind) and (where is None or where(said)):
                    self._take(said)
                    return said
            if not self.connected:
                raise PeerLost(f"the connection ended: {self.closed_reason}")
            return None

        return await self._until(find, timeout_s)

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            while self._events:
                yield self._events.popleft()
            if not self.connected:
                return
            await self._wake_up()

    # --- where the servers send it ---

    def _sent_elsewhere(self, said: Message) -> None:
        if isinstance(said, MoveZone):
            self._follow(self._move_zone(said))
        elif isinstance(said, MoveGate) and self.session.phase is not Phase.CONNECTED:
            if self._following is None:
                self._follow(self._move_gate(said.url))
        else:
            super()._sent_elsewhere(said)

    def _follow(self, way: Coroutine[Any, Any, None]) -> None:
        if self._following is not None:
            self._following.cancel()
        self._following = asyncio.get_running_loop().create_task(self._followed(way))
        self._following.add_done_callback(lambda _: way.close())  # also when it was cancelled before it had begun

    async def _followed(self, way: Coroutine[Any, Any, None]) -> None:
        try:
            await way
        finally:
            if self._following is asyncio.current_task():
                self._following = None
                if self._connection is None or self._connection.ended:
                    self._gone(self.closed_reason)
                self.wake()

    async def _move_gate(self, url: str) -> None:
        """To another gate while this one goes on. When that fails the player stays, or, when this gate has let it go
        already, resumes wherever it can."""
        first, second = self._connection, Second(self, url)
        assert first is not None
        try:
            await self._open(second, MOVE_S)
            self.session.hold()
            await self._was_heard(first)
            second.send(self.session.second(self._program))
            await self._until(lambda: self._has_moved(first, second), MOVE_S)
        except MeshError as error:
            second.give_up()
            self._silent_gate = url
            if first.ended or second.admitted:
                await self._fall_back(error)
            else:
                self.session.stay()
                for frame in self.session.take_outgoing():
                    first.send(frame)
        finally:
            if self._connection is not second:
                second.give_up()

    async def _was_heard(self, first: Connection) -> None:
        """A gate answers in order: with this Pong it has passed on what was said before."""
        stamp = max(int(self._clock.now() * 1e6), self._ponged + 1)
        first.send(self.session.ping(stamp))
        try:
            await self._until(lambda: True if first.ended or self._ponged >= stamp else None, HEARD_S)
        except DeadlineExceeded:
            return

    def _has_moved(self, first: Connection, second: Second) -> bool | None:
        if second.failure is not None:
            raise second.failure
        if self._connection is second:
            return True
        if first.ended and not second.admitted:  # a resume is in time now, and may not be later
            raise PeerLost(f"{second.url} has said nothing")
        return None

    async def _fall_back(self, error: MeshError) -> None:
        self._let_go()
        self.closed_reason = str(error)
        try:
            await self._resume("", MOVE_S)
        except MeshError as failure:
            self.closed_reason = str(failure)

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.give_up()
            self._connection = None

    async def _move_zone(self, said: MoveZone) -> None:
        """The session here is over. A gate of the other zone that is not there, or not now, is tried again."""
        self._let_go()
        try:
            async with asyncio.timeout(min(said.valid_s, TRAVEL_S)):
                await self._arrive(said)
        except (TimeoutError, RefusedError) as error:
            self._let_go()
            self.closed_reason = str(error) or f"no gate of {said.zone} let us in"

    async def _arrive(self, said: MoveZone) -> None:
        for gate in cycle(said.gates):
            try:
                await self._get_in(gate, lambda: self.session.enter_zone(said.ticket, self._program), MOVE_S)
                return
            except RefusedError as error:
                if error.code not in _AGAIN:
                    raise
            except (PeerLost, DeadlineExceeded):
                pass
            await asyncio.sleep(TRAVEL_PAUSE_S)

    # --- inside ---

    async def _resume(self, url: str, timeout_s: float) -> None:
        until = self._clock.now() + timeout_s
        while True:
            try:
                await self._resume_once(url, timeout_s)
            except RefusedError as error:
                if error.code not in RESUMABLE or self._clock.now() >= until:
                    raise
            else:
                return
            await asyncio.sleep(RESUME_PAUSE_S)

    async def _resume_once(self, url: str, timeout_s: float) -> None:
        failure: MeshError = RefusedError(Code.RESUME_GONE, "there is no session to go on with")
        known = [gate for gate in dict.fromkeys((self.url, *self.session.gates)) if gate != self._silent_gate]
        for gate in [url] if url else [*known, *filter(None, [self._silent_gate])]:
            if not self.session.disconnected():
                break
            try:
                await self._get_in(gate, lambda: self.session.resume(self._program), timeout_s)
                return
            except (PeerLost, DeadlineExceeded, RefusedError) as error:
                failure = error
        raise failure

    def _end(self, reason: str, gently: bool) -> None:
        self._stop_following()
        connection = self._connection
        if connection is None or connection.wire is None or connection.ended:
            self._gone(reason)
        elif gently:
            connection.wire.close()
        else:
            connection.wire.abort()
