"""A player over a wire: the convenient form of the client, for bots, tests and the SDK.

    player = await Player.login("ws://127.0.0.1:7700", "anna", "secret")
    player.move(120, 80, heading=64)
    player.attack(next(iter(player.session.view)))
    looted = await player.wait(Looted, timeout_s=10)
    async for said in player:            # every message, until the connection ends
        ...
    await player.resume()                # after a broken connection, on the same or another gate
    await player.logout()

Made to be many: one object, one timer and no task for each player; movement updates never become Python objects (see
`session.py` for `on_updates`). A program with thousands of players gives `on_event`, which is called for each message
as it comes, and keeps little for `wait`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from mesh.client import wire
from mesh.client.session import ClientSession, OnUpdates, Phase
from mesh.clock import Clock, SystemClock
from mesh.errors import (
    Code,
    DeadlineExceeded,
    LocalProtocolError,
    MeshError,
    PeerLost,
    RefusedError,
    RemoteProtocolError,
)
from mesh.protocol import play, social
from mesh.protocol.catalogue import Message
from mesh.protocol.client import Pong
from mesh.protocol.types import LoginMethod

__all__ = ["Player"]

KEEP_ALIVE_S = 10.0
"""How often something is said at least; a gate ends a connection that is silent for 30 s."""
EVENTS_MAX = 1024
"""Messages kept for `wait` and `async for`; the oldest are lost first, counted in `events_lost`."""
EVENTS_WITH_CALLBACK_MAX = 32
"""The same for a player whose messages go to `on_event` anyway."""

T = TypeVar("T")
M = TypeVar("M", bound=Message)
OnEvent = Callable[[Message], object]


class Player:
    """See the module. Read freely: `session` (ClientSession), `url`, `connected`, `closed_reason`, `events_lost`,
    `round_trip_s` (of the last ping). Callbacks must not raise; they are called from the loop."""

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
        self._wire: wire.Wire | None = None
        self._timer: asyncio.TimerHandle | None = None

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

        RefusedError when the session is gone, PeerLost when no gate can be reached. `timeout_s` is for each gate.
        """
        if self.connected:
            raise LocalProtocolError("still connected")
        failure: MeshError = RefusedError(Code.RESUME_GONE, "there is no session to go on with")
        for gate in [url] if url else list(dict.fromkeys((self.url, *self.session.gates))):
            if not self.session.disconnected():
                break
            try:
                await self._get_in(gate, lambda: self.session.resume(self._program), timeout_s)
                return
            except (PeerLost, DeadlineExceeded, RefusedError) as error:
                failure = error
        raise failure

    async def logout(self, timeout_s: float = 10.0) -> None:
        """Leave the world: returns when the character is saved and the connection has ended."""
        if self._wire is not None:
            self._wire.send(self.session.logout())
            await self._until(lambda: True if self._wire is None else None, timeout_s)

    def drop(self) -> None:
        """Cut the connection without a word, as a broken network does; `resume` may follow."""
        if self._wire is not None:
            self._wire.abort()

    def close(self) -> None:
        """End the connection; the character stays in the world for `linkdead_s`."""
        if self._wire is not None:
            self._wire.close()

    @property
    def connected(self) -> bool:
        return self._wire is not None

    @property
    def playing(self) -> bool:
        """In the world, with a connection."""
        return self._wire is not None and self.session.phase is Phase.PLAYING

    # --- doing ---

    def move(self, x: int, y: int, heading: int = 0, state: int = 0, stamp: int | None = None) -> None:
        """Be there now, in map units. Nothing happens without a connection: the next position counts anyway."""
        if self._wire is not None:
            if stamp is None:
                stamp = int(self._clock.now() * 1000)
            self._wire.send(self.session.move(x, y, heading, stamp, state))

    def play(self, said: Message) -> int:
        """Say something of play.py to the scene; its sequence, which a PlayDenied would name."""
        if self._wire is None:
            raise PeerLost("not connected")
        self._wire.send(self.session.play(said))
        return self.session.sent

    def social(self, said: Message) -> None:
        """Say something of social.py to the center."""
        if self._wire is None:
            raise PeerLost("not connected")
        self._wire.send(self.session.social(said))

    def attack(self, target: int) -> int:
        return self.play(play.Attack(target))

    def loot(self, corpse: int) -> int:
        return self.play(play.Loot(corpse))

    def say(self, text: str) -> int:
        return self.play(play.Say(text))

    def invite_trade(self, to: int) -> int:
        return self.play(play.InviteTrade(to))

    def accept_trade(self, trade: int) -> int:
        return self.play(play.AcceptTrade(trade))

    def offer_trade(self, trade: int, gold: int = 0, items: list[int] | None = None) -> int:
        return self.play(play.OfferTrade(trade, play.Offer(gold, items or [])))

    def confirm_trade(self, trade: int, version: int) -> int:
        return self.play(play.ConfirmTrade(trade, version))

    def cancel_trade(self, trade: int) -> int:
        return self.play(play.CancelTrade(trade))

    def shout(self, text: str) -> None:
        self.social(social.Shout(text))

    def whisper(self, to: str, text: str) -> None:
        self.social(social.Whisper(to, text))

    def add_friend(self, name: str) -> None:
        self.social(social.AddFriend(name))

    def accept_friend(self, name: str) -> None:
        self.social(social.AcceptFriend(name))

    def remove_friend(self, name: str) -> None:
        self.social(social.RemoveFriend(name))

    def list_friends(self) -> None:
        self.social(social.ListFriends())

    def send_raw(self, frame: bytes) -> None:
        """Any bytes: what the session wants sent, and tests of what a gate does about garbage."""
        if self._wire is not None:
            self._wire.send(frame)

    # --- hearing ---

    async def wait(self, kind: type[M], timeout_s: float = 10.0, where: Callable[[M], bool] | None = None) -> M:
        """The next message of this kind, taken out of those that were kept; others stay. DeadlineExceeded, or
        PeerLost when the connection has ended without it."""

        def find() -> M | None:
            for said in self._events:
                if isinstance(said, kind) and (where is None or where(said)):
                    self._events.remove(said)
                    return said
            if self._wire is None:
                raise PeerLost(f"the connection ended: {self.closed_reason}")
            return None

        return await self._until(find, timeout_s)

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            while self._events:
                yield self._events.popleft()
            if self._wire is None:
                return
            await self._wake_up()

    # --- inside ---

    async def _get_in(self, url: str, first: Callable[[], bytes], timeout_s: float) -> None:
        self.url, self.closed_reason = url, ""
        connection = Attempt(self)
        try:
            async with asyncio.timeout(timeout_s):
                self._wire = await self._dial(url, connection.on_frame, connection.on_closed)
        except TimeoutError:
            raise DeadlineExceeded(f"no connection to {url} within {timeout_s} s") from None
        try:
            if connection.ended:
                raise PeerLost(f"{url} ended the connection: {self.closed_reason}")
            self._wire.send(first())
            await self._until(self._joined, timeout_s)
        except MeshError as error:
            connection.ended = True
            self._gone(str(error))
            raise
        self._keep_alive()

    def _joined(self) -> bool | None:
        ended = self.session.ended
        if ended is not None:
            raise RefusedError(ended.code, ended.text)
        if self.session.phase is Phase.PLAYING:
            return True
        if self._wire is None:
            raise PeerLost(f"{self.url} ended the connection: {self.closed_reason}")
        return None

    def _heard(self, frame: bytes) -> None:
        try:
            heard = self.session.receive(frame)
        except RemoteProtocolError as error:
            self.closed_reason = str(error)
            self.drop()
            return
        for answer in self.session.take_outgoing():
            self.send_raw(answer)
        if heard:
            self._tell(heard)

    def _tell(self, heard: Sequence[Message]) -> None:
        events = self._events
        for said in heard:
            if type(said) is Pong:
                self.round_trip_s = self._clock.now() - said.stamp / 1e6
                continue
            if self.on_event is not None:
                self.on_event(said)
            else:
                self.events_lost += len(events) == events.maxlen
            events.append(said)
        self._wake()

    def _gone(self, reason: str) -> None:
        wire_, self._wire = self._wire, None
        if wire_ is not None:
            wire_.abort()
        self.closed_reason = self.closed_reason or reason
        if self.session.ended is None:
            self.session.disconnected()
        self._wake()
        if self._timer is not None:  # it was in the world: a login that fails is told by its exception
            self._timer.cancel()
            self._timer = None
            if self.on_closed is not None:
                self.on_closed()

    def _keep_alive(self) -> None:
        """Acknowledge what is not acknowledged, or ask whether the gate is there; again and again."""
        if self._wire is not None:
            stamp = int(self._clock.now() * 1e6)
            self._wire.send(self.session.acknowledge() or self.session.ping(stamp))
            self._timer = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._keep_alive)

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

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Attempt:
    """One connection of a player: what an old one still says must not reach the player on its new one."""

    __slots__ = ("ended", "player")

    def __init__(self, player: Player) -> None:
        self.player = player
        self.ended = False

    def on_frame(self, frame: bytes) -> None:
        if not self.ended:
            self.player._heard(frame)

    def on_closed(self, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self.player._gone(reason)
