"""A player's contact with the servers: its connection, now and then a second one, and what is heard on them.

Owns the connections, the timer that keeps them from falling silent, and the messages that nobody has taken yet. What a
connection still says after it was given up reaches nobody. Made to be many: one object for a player, one for its
connection, one timer, no task.

A gate that hangs ends no connection. So whoever hears nothing for LOOK_S asks it for a sign, and when nothing comes
for SILENT_LOOKS in all, the connection is over as if it had broken: the session waits in the world for a resume, and
what the gate may still say when it goes on reaches nobody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from mesh.client import wire
from mesh.client.session import ClientSession, OnUpdates, Phase, first_of
from mesh.clock import Clock, SystemClock
from mesh.errors import DeadlineExceeded, MeshError, PeerLost, RefusedError, RemoteProtocolError
from mesh.protocol.catalogue import Message
from mesh.protocol.client import Denied, Goodbye, LoggedIn, MoveGate, Pong
from mesh.protocol.play import Entered

__all__ = ["Connection", "Contact", "OnEvent", "Second"]

KEEP_ALIVE_S = 10.0
"""How often something is said at least; a gate ends a connection that is silent for 30 s."""
LOOK_S = 1.5
"""How often it is looked whether anything came."""
SILENT_LOOKS = 3
"""So often in a row nothing has: 4.5 s. A gate under pressure is late by less than one."""
EVENTS_MAX = 1024
"""Messages kept for `wait` and `async for`; the oldest are lost first, counted in `events_lost`."""
EVENTS_WITH_CALLBACK_MAX = 32
"""The same for a player whose messages go to `on_event` anyway."""
REDIRECTS_MAX = 5
"""Gates that may send a waiting client on, one after the other."""

T = TypeVar("T")
OnEvent = Callable[[Message], object]


class Connection:
    """One connection of a player. `ended`: it says nothing any more, and what it says is not heard."""

    __slots__ = ("contact", "ended", "reason", "url", "wire")

    def __init__(self, contact: "Contact", url: str) -> None:
        self.contact, self.url = contact, url
        self.wire: wire.Wire | None = None
        self.ended = False
        self.reason = ""

    def on_frame(self, frame: bytes) -> None:
        if not self.ended:
            self.contact.heard(self, frame)

    def on_closed(self, reason: str) -> None:
        if not self.ended:
            self.ended, self.reason = True, reason
            self.contact.lost(self)

    def send(self, frame: bytes) -> None:
        if self.wire is not None and not self.ended:
            self.wire.send(frame)

    def give_up(self) -> None:
        """End it; nobody hears of that."""
        self.ended = True
        if self.wire is not None:
            self.wire.close()


class Second(Connection):
    """Beside the first one, to another gate, until it takes the session over. `failure`: it will not."""

    __slots__ = ("admitted", "failure")

    def __init__(self, contact: "Contact", url: str) -> None:
        super().__init__(contact, url)
        self.admitted = False
        self.failure: MeshError | None = None

    def on_frame(self, frame: bytes) -> None:
        if self.ended:
            return
        if not self.admitted:
            try:
                first = first_of(frame)
            except RemoteProtocolError as error:
                self.fail(error)
                return
            if not isinstance(first, LoggedIn):
                said = first if isinstance(first, Denied | Goodbye) else Denied("out_of_order")
                self.fail(RefusedError(said.code, said.text))
                return
            self.admitted = True
        super().on_frame(frame)

    def on_closed(self, reason: str) -> None:
        if self.contact.is_current(self):
            super().on_closed(reason)
        elif not self.ended:
            self.fail(PeerLost(f"{self.url} ended the connection: {reason}"))

    def fail(self, error: MeshError) -> None:
        self.failure = error
        self.give_up()
        self.contact.wake()


class Contact:
    """See the module. Read freely: `session` (ClientSession), `url`, `connected`, `playing`, `closed_reason`,
    `events_lost`, `round_trip_s` (of the last ping). Callbacks must not raise; they are called from the loop."""

    def __init__(
        self,
        *,
        dial: wire.Dial = wire.dial,
        clock: Clock | None = None,
        on_event: OnEvent | None = None,
        on_updates: OnUpdates | None = None,
        on_closed: Callable[[], object] | None = None,
        program: str = "",
    ) -> None:
        self.session = ClientSession(on_updates)
        self.url = ""
        self.closed_reason = ""
        self.events_lost = 0
        self.round_trip_s = 0.0
        self.on_event = on_event
        self.on_closed = on_closed
        self._dial = dial
        self._clock = clock or SystemClock()
        self._program = program
        self._events: deque[Message] = deque(maxlen=EVENTS_WITH_CALLBACK_MAX if on_event else EVENTS_MAX)
        self._waiters: list[asyncio.Future[None]] = []
        self._connection: Connection | None = None
        self._following: asyncio.Task[None] | None = None  # the servers have sent it somewhere else
        self._timer: asyncio.TimerHandle | None = None
        self._has_heard = False  # since the last look
        self._silent_looks = 0
        self._quiet_s = 0.0  # since something was said to keep the connection alive
        self._silent_gate = ""  # the address of one that hung or took no second connection: the last one to try again
        self._was_in = False  # in the world, and its end was not reported
        self._ponged = 0  # the stamp of the last Pong
        self._elsewhere = ""  # the gate to which a waiting client was sent

    @property
    def connected(self) -> bool:
        """There is a connection, or it is being replaced because the servers wished so."""
        return self._connection is not None or self._following is not None

    @property
    def playing(self) -> bool:
        """In the world, with a connection."""
        return self.connected and self.session.phase is Phase.PLAYING

    @property
    def _wire(self) -> wire.Wire | None:
        return self._connection.wire if self._connection is not None else None

    def send_raw(self, frame: bytes) -> None:
        """Any bytes: what the session wants sent, and tests of what a gate does about garbage."""
        if self._connection is not None:
            self._connection.send(frame)

    # --- getting in ---

    async def _get_in(self, url: str, first: Callable[[], bytes], timeout_s: float) -> None:
        """Connect, say `first`, and return when the world is entered, here or where the gate sends us."""
        for _ in range(REDIRECTS_MAX):
            url = await self._try(url, first, timeout_s)
            if not url:
                self._was_in = True
                self._keep_alive()
                return
        raise PeerLost("sent from gate to gate")

    async def _try(self, url: str, first: Callable[[], bytes], timeout_s: float) -> str:
        """At one gate. Returns the address of another one when it sends us there."""
        self.url, self.closed_reason, self._elsewhere = url, "", ""
        is_wish = self._following is not asyncio.current_task()  # of the program, not of the servers
        connection = self._connection = await self._open(Connection(self, url), timeout_s)
        try:
            connection.send(first())
            self._keep_alive(at_once=False)
            elsewhere = await self._until(self._joined, timeout_s)
        except (MeshError, asyncio.CancelledError) as error:
            if is_wish:
                self._stop_following()  # where the gate has sent it on to, since nobody waits for that any more
            if is_wish or self._connection is connection:
                self._gone(str(error) or "given up")
            raise
        if elsewhere:
            self._connection = None
        return elsewhere

    async def _open(self, connection: Connection, timeout_s: float) -> Connection:
        url = connection.url
        try:
            async with asyncio.timeout(timeout_s):
                connection.wire = await self._dial(url, connection.on_frame, connection.on_closed)
        except TimeoutError:
            connection.ended = True
            raise DeadlineExceeded(f"no connection to {url} within {timeout_s} s") from None
        if connection.ended:
            raise PeerLost(f"{url} ended the connection: {connection.reason}")
        return connection

    def _joined(self) -> str | None:
        """ "" in the world; the address of another gate when we are sent there; None: not yet."""
        ended = self.session.ended
        if ended is not None:
            raise RefusedError(ended.code, ended.text)
        if self.session.phase is Phase.PLAYING or self._elsewhere:
            return self._elsewhere
        if (self._connection is None or self._connection.ended) and not self._is_followed_by_others():
            raise PeerLost(f"{self.url} ended the connection: {self.closed_reason}")
        return None

    def _is_followed_by_others(self) -> bool:
        """Is it being brought elsewhere, by another task than this one?"""
        return self._following is not None and self._following is not asyncio.current_task()

    def _stop_following(self) -> None:
        if self._following is not None:
            self._following.cancel()
            self._following = None

    # --- called by connections ---

    def is_current(self, connection: Connection) -> bool:
        return connection is self._connection

    def heard(self, connection: Connection, frame: bytes) -> None:
        self._has_heard = True
        try:
            said = self.session.receive(frame)
        except RemoteProtocolError as error:
            self.closed_reason = str(error)
            if connection.wire is not None:
                connection.wire.abort()
            return
        is_second = connection is not self._connection and isinstance(connection, Second)
        if is_second and any(isinstance(one, Entered) for one in said):
            self._adopt(connection)
        for answer in self.session.take_outgoing():
            connection.send(answer)
        if said:
            self._tell(said)

    def lost(self, connection: Connection) -> None:
        """It ended, and not because we gave it up."""
        self.closed_reason = self.closed_reason or connection.reason
        if connection is self._connection and self._following is None:
            self._gone(connection.reason)
        else:
            self.wake()  # whoever brings the player elsewhere knows what to do about it

    def wake(self) -> None:
        """Something happened: whoever waits for it looks again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- inside ---

    def _adopt(self, second: Connection) -> None:
        """The session goes on there."""
        first, self._connection, self.url = self._connection, second, second.url
        if first is not None:
            first.give_up()

    def _sent_elsewhere(self, said: Message) -> None:
        """The servers want the player to go somewhere else."""
        if isinstance(said, MoveGate) and self.session.phase is Phase.CONNECTED and self._connection is not None:
            self._elsewhere = said.url  # it waited in the queue: this connection ends
            self._connection.give_up()

    def _tell(self, heard: Sequence[Message]) -> None:
        events = self._events
        for said in heard:
            if type(said) is Pong:
                self.round_trip_s, self._ponged = self._clock.now() - said.stamp / 1e6, said.stamp
                continue
            if self.on_event is not None:
                self.on_event(said)
            else:
                self.events_lost += len(events) == events.maxlen
            events.append(said)
            self._sent_elsewhere(said)
        self.wake()

    def _gone(self, reason: str) -> None:
        """There is no connection any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.ended = True
            if connection.wire is not None:
                connection.wire.abort()
        self.closed_reason = self.closed_reason or reason
        if self.session.ended is None:
            self.session.disconnected()
        self.wake()
        if self._following is None:
            self._report()

    def _report(self) -> None:
        """Once for each time in the world: a login that fails is told by its exception."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._was_in:
            self._was_in = False
            if self.on_closed is not None:
                self.on_closed()

    def _keep_alive(self, at_once: bool = True) -> None:
        """Look after the connection from now on. `at_once`: beginning with a word."""
        if self._timer is not None:
            self._timer.cancel()
        self._has_heard, self._silent_looks, self._quiet_s = True, 0, KEEP_ALIVE_S if at_once else 0.0
        self._look()

    def _look(self) -> None:
        """Acknowledge what is not acknowledged, or ask whether the gate is there, when it is time to."""
        self._timer = None
        if self._connection is None and self._following is None:
            return
        waits = self.session.phase is Phase.WAITING  # in a queue a gate has little to say, and is asked for less
        if self._has_heard:
            self._silent_looks = 0
        elif not waits or self._silent_looks or self._quiet_s >= KEEP_ALIVE_S:
            self._silent_looks += 1
        self._has_heard = False
        if self._connection is not None:
            if self._silent_looks >= SILENT_LOOKS:
                self._fell_silent(self._connection)
                return
            if self._silent_looks == 1:
                self._quiet_s = 0.0 if waits else self._quiet_s
                self._connection.send(self.session.ping(int(self._clock.now() * 1e6)))
            elif self._quiet_s >= KEEP_ALIVE_S:
                self._quiet_s = 0.0
                stamp = int(self._clock.now() * 1e6)
                self._connection.send(self.session.acknowledge() or self.session.ping(stamp))
        self._quiet_s += LOOK_S
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _fell_silent(self, connection: Connection) -> None:
        self._silent_gate = connection.url
        connection.on_closed(f"{connection.url} has said nothing for {LOOK_S * SILENT_LOOKS:g} s")
        if self._following is not None:  # it is being brought elsewhere, and that goes on
            if connection.wire is not None:
                connection.wire.abort()
            self._keep_alive(at_once=False)

    async def _until(self, test: Callable[[], T | None], timeout_s: float) -> T:
        try:
            async with asyncio.timeout(timeout_s):
                while (found := test()) is None:
                    await self._wake_up()
        except TimeoutError:
            raise DeadlineExceeded(f"{self.url} did not say what was waited for within {timeout_s} s") from None
        return found

    async def _wake_up(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter
