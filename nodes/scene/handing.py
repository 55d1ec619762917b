"""How this process gives everything to its heir, and plays on when that comes to nothing.

    1  the gates keep back what clients say          while the scene plays on
    2  after a tick it stands still                  until nothing is under way; else it plays on and tries again
    3  it is written down (heritage.py), and given   the gates hear that this was its last word
    4  Inherited comes: the center fences this process, and it ends

Owns whether the scene stands still, and what it hears meanwhile. Until the center has answered in step 4 every failure
ends in playing on: of the heir, whose link breaks, of the center, of the time that all this may take. From then on this
process does nothing any more, and if its heir dies, too, the players are re-homed as from any scene that is lost.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.core.links import Link
from mesh.errors import Code, DeadlineExceeded, HandedOverError, MeshError, PeerLost, RefusedError
from mesh.node import Caller, on, to_the_end
from mesh.protocol.catalogue import number_in, number_of
from mesh.protocol.cluster import Replaced
from mesh.protocol.control import Done
from mesh.protocol.envelope import Envelope
from mesh.protocol.succession import ChangeOver, Estate, HandOver, Inherited, Stage, Succeed
from nodes.scene.heritage import written
from nodes.scene.portals import CENTER

if TYPE_CHECKING:
    from nodes.scene.node import SceneNode

HOLD_S = 0.5  # for a gate to say that it keeps back what clients say
TICK_S = 0.5  # until the tick after which the scene stands still; two of its periods when those are longer
IDLE_S = 0.12  # for what is under way then: a few commits of the DC
TRIES = 6
PAUSE_S = 0.5  # between two tries
TAKEN_S = 4.0  # for the heir to build it, and say so
SUCCEED_S = 2.0  # for the center to fence this process
END_S = 0.5  # for the heir to hang up, when it is over
LOOK_S = 0.003
PART_BYTES = 8 << 20  # of an estate in one message
HELD_MAX = 20_000  # messages while it stands still; more are dropped, as by a scene that is lost
_HELD_OF = ("gate", "center")
_REPLACED = number_of(Replaced)


class Handing:
    """See the module."""

    def __init__(self, node: "SceneNode") -> None:
        self.frozen = False  # no tick, and nothing that gates or the center say is heard
        self.gates: dict[str, int] = {}  # with which incarnations the players came from the process before
        self.still_since = 0.0  # the machine's clock, when that began, here or in the process before
        self._node = node
        self._heir = 0  # its incarnation; 0: nothing of this is under way
        self._asker = ""  # the peer that speaks for it
        self._deciding = False  # the center is being asked
        self._parts: list[bytes] = []
        self._held: list[Callable[[], None]] = []
        self._ticked, self._moving = asyncio.Event(), asyncio.Event()
        self._moving.set()
        self._timer: asyncio.TimerHandle | None = None

    # --- what the node asks ---

    def stand_still(self) -> None:
        """From now on nothing happens here, and what is said waits."""
        self.frozen, self.still_since = True, self._node.clock.now()
        self._moving.clear()

    def move_on(self) -> None:
        """Everything that was said meanwhile is heard now, in its order."""
        self.frozen = False
        held, self._held = self._held, []
        try:
            for hear in held:
                self._hear(hear)
        finally:
            self._moving.set()

    def _hear(self, hear: Callable[[], None]) -> None:
        """What follows it is heard whatever becomes of it."""
        try:
            hear()
        except Exception as error:  # noqa: BLE001 - see above
            self._node.dispatch.mistake(error, hear)

    async def wait_moving(self) -> None:
        await self._moving.wait()

    def ticked(self) -> None:
        """A tick has ended."""
        self._ticked.set()

    def keeps_back(self, link: Link, hear: Callable[[], None], envelope: Envelope | None = None) -> bool:
        """Is this for later? Then `hear` is called when it may be heard."""
        if not self.frozen or link.role not in _HELD_OF:
            return False
        if envelope is not None and number_in(bytes(envelope.body)) == _REPLACED:
            return False
        return self.later(hear)

    def later(self, work: Callable[[], None]) -> bool:
        """While it stands still: do this when it moves on. Dropped when there is too much of that."""
        if self.frozen and len(self._held) < HELD_MAX:
            self._held.append(work)
        return self.frozen

    def gate_up(self, gate: str, incarnation: int) -> None:
        """Is it another process than the one with which its players came here? That one has none of them."""
        if self.gates.get(gate, incarnation) != incarnation:
            del self.gates[gate]
            self._node.residents.gate_lost(gate)

    def is_back(self, gate: str) -> bool:
        """Of a gate whose link to this heir ended before it played: it is linked again, and may not have seen the first
        link at all. Then its players are still attached; if it has, it attaches them anew."""
        return gate in self.gates and gate in self._node.switchboard.links.up

    def peer_lost(self, peer: str) -> None:
        """If that was the heir: it has died, or has heard that it is the scene now."""
        if peer != self._asker or self._deciding:
            return
        if isinstance(self._node.failure, HandedOverError):
            self._node.failed.set()
        elif self._heir:
            self._play_on("the process that was to go on is gone")

    # --- what the heir says ---

    @on(HandOver)
    @to_the_end
    async def on_hand_over(self, said: HandOver, caller: Caller) -> Estate:
        if said.part:
            return self._part(said, caller)
        self._check()
        self._heir, self._asker = said.heir, caller.peer
        try:
            await self._come_to_rest(said.heir)
            self._node.seat.failpoints.hit("scene.handing-still")
            self._node.flush()
            body = written(self._node)
            await self._tell_gates("yield")
            self._check_heir(said.heir)
        except BaseException as error:
            if self._heir in (0, said.heir):  # not when it is about another one by now
                self._play_on(str(error))
            raise
        self._parts = [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)]
        self._timer = asyncio.get_running_loop().call_later(TAKEN_S, self._play_on, "its heir was too late")
        self._node.seat.failpoints.hit("scene.handing-given")
        return self._part(said, caller)

    @on(Inherited)
    @to_the_end
    async def on_inherited(self, said: Inherited, caller: Caller) -> Done:
        node = self._node
        serves = node.state == "Ready" and node.failure is None
        if not self._is_heir(said.heir, caller) or not self._parts or self._deciding or not serves:
            raise RefusedError(Code.OUT_OF_ORDER, "this scene plays on")
        self._stop_timer()
        self._deciding = True
        try:
            await node.ask(CENTER, Succeed(said.heir), SUCCEED_S)
        except MeshError as error:
            self._deciding = False
            self._play_on(str(error))
            raise RefusedError(Code.UNAVAILABLE, f"the center did not agree: {error}") from None
        self._deciding = False
        node.failure = HandedOverError("another process has all that this one had")
        node.seat.failpoints.hit("scene.handing-fenced")
        asyncio.get_running_loop().call_later(END_S, node.failed.set)
        return Done()

    def _check(self) -> None:
        node = self._node
        if self._heir or node.failure is not None:
            raise RefusedError(Code.OUT_OF_ORDER, "it is being handed over already")
        if node.state != "Ready" or node.residents.closed:
            raise RefusedError(Code.UNAVAILABLE, f"{node.name} is being emptied, or does not serve")

    def _check_heir(self, heir: int) -> None:
        if self._heir != heir:
            raise RefusedError(Code.UNAVAILABLE, "the process that was to go on is gone")

    def _is_heir(self, heir: int, caller: Caller) -> bool:
        return bool(self._heir) and (heir, caller.peer) == (self._heir, self._asker)

    def _part(self, said: HandOver, caller: Caller) -> Estate:
        if not self._is_heir(said.heir, caller) or said.part >= len(self._parts):
            raise RefusedError(Code.OUT_OF_ORDER, "there is no such part, or no more")
        return Estate(len(self._parts), self._parts[said.part])

    # --- coming to rest ---

    async def _come_to_rest(self, heir: int) -> None:
        """Steps 1 and 2. RefusedError when there is always something under way."""
        for _ in range(TRIES):
            await self._tell_gates("hold")
            self._node.seat.failpoints.hit("scene.handing-held")
            await self._wait_tick()
            self._check_heir(heir)
            self.stand_still()
            is_idle = await self._is_idle()
            self._check_heir(heir)
            if is_idle:
                return
            self.move_on()
            self._tell_gates_once("stay")
            await asyncio.sleep(PAUSE_S)
            self._check_heir(heir)
        raise RefusedError(Code.UNAVAILABLE, "durable operations, or ways to other lines, are always under way")

    async def _wait_tick(self) -> None:
        if not len(self._node.sessions):
            return
        self._ticked.clear()
        try:
            async with asyncio.timeout(max(TICK_S, 2 * self._node.ticker.period_s)):
                await self._ticked.wait()
        except TimeoutError:
            raise RefusedError(Code.UNAVAILABLE, "this scene does not tick") from None

    async def _is_idle(self) -> bool:
        until = self._node.clock.now() + IDLE_S
        while self._node.busy():
            if self._node.clock.now() >= until:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    def _play_on(self, why: str) -> None:
        """It has come to nothing."""
        self._stop_timer()
        if self._node.failure is not None:
            return
        if self._heir:
            self._node.log.warning("this scene was not handed over, and plays on", reason=why)
            self._heir, self._asker, self._parts = 0, "", []
            self._tell_gates_once("stay")
        if self.frozen:
            self.move_on()
            self._node.level_changed()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- the gates ---

    def _gates(self) -> list[str]:
        return sorted(link.peer for link in self._node.switchboard.links.up.values() if link.role == "gate")

    async def _tell_gates(self, stage: Stage) -> None:
        """And wait until all have heard it: what they had said before is here then. One that is lost needs not, unless
        it is written down by now as one whose players go on."""
        said = ChangeOver(stage, self._heir)

        async def tell(gate: str) -> None:
            try:
                await self._node.ask(gate, said, HOLD_S)
            except PeerLost:
                if stage == "yield":
                    raise RefusedError(Code.UNAVAILABLE, f"{gate} was lost meanwhile") from None
            except DeadlineExceeded as error:
                raise RefusedError(Code.UNAVAILABLE, str(error)) from None

        for failed in await asyncio.gather(*map(tell, self._gates()), return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed

    def _tell_gates_once(self, stage: Stage) -> None:
        for gate in self._gates():
            self._node.tell(gate, ChangeOver(stage, self._heir))
