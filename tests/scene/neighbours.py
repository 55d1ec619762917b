"""The nodes around a scene, as small as they can be: a registry, a bank, a gate that remembers what it got."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np

from mesh.errors import RefusedError
from mesh.node import Caller, Node, on, on_batch
from mesh.protocol.catalogue import Message, encode
from mesh.protocol.cluster import (
    Attach,
    Attached,
    Detach,
    Kick,
)
from mesh.protocol.control import Done, GetSnapshot, Member, MemberChanged, Register, Registered, Renew, Snapshot
from mesh.protocol.journal import EventsStored, StoreEvents
from mesh.protocol.lanes import MOVE, PLAY_HEAD, Lane
from mesh.protocol.placement import Cross, Evacuate, Evacuated, MemberAt, MembersSeen
from mesh.protocol.records import (
    Operate,
    Operated,
    SaveStates,
)
from tests.scene.bank import Bank
from tests.scene.building import Client


class CenterNode(Node):
    """`way` answers Cross and `emptied` Evacuate: they are replaced by what a test wants to happen then."""

    ROLE = "center"

    async def open(self) -> None:
        self.publications.epoch = 1
        self.members: dict[str, Member] = {}
        self.crosses: list[Cross] = []
        self.seen: list[MemberAt] = []
        self.way: Callable[[Cross], Awaitable[Any]] = self._nowhere
        self.emptied: Callable[[], Awaitable[Evacuated]] = self._not_at_all

    async def _nowhere(self, said: Cross) -> Done:
        raise RefusedError("zone_full", "no room there")

    async def _not_at_all(self) -> Evacuated:
        return Evacuated(0, 0)

    @on(Cross)
    async def on_cross(self, said: Cross, caller: Caller) -> Done:
        self.crosses.append(said)
        await self.way(said)
        return Done()

    @on(Evacuate)
    async def on_evacuate(self, said: Evacuate, caller: Caller) -> Evacuated:
        return await self.emptied()

    @on(MembersSeen)
    def on_members_seen(self, said: MembersSeen, caller: Caller) -> None:
        self.seen += said.members

    @on(Register)
    def on_register(self, said: Register, caller: Caller) -> Registered:
        self.members[said.member.name] = said.member
        self.publish(MemberChanged(said.member))
        return Registered(1, self.publications.sequence, 3.0, self.listed())

    def listed(self) -> list[Member]:
        return [msgspec.structs.replace(self.own_member(), state="Ready"), *self.members.values()]

    @on(Renew)
    def on_renew(self, said: Renew, caller: Caller) -> Done:
        member = self.members.get(caller.peer)
        if member is None:
            raise RefusedError("not_found")
        if member.state != said.state:
            self.members[caller.peer] = msgspec.structs.replace(member, state=said.state)
            self.publish(MemberChanged(self.members[caller.peer]))
        return Done()

    @on(GetSnapshot)
    def on_get_snapshot(self, said: GetSnapshot, caller: Caller) -> Snapshot:
        return Snapshot(1, self.publications.sequence, self.listed(), [])


class DcNode(Node):
    ROLE = "dc"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.bank = Bank()

    @on(SaveStates)
    async def on_save(self, said: SaveStates, caller: Caller) -> Message:
        return await self.bank.ask("dc", said, 1.0)

    @on(Operate)
    async def on_operate(self, said: Operate, caller: Caller) -> Operated:
        answer = await self.bank.ask("dc", said, 1.0)
        assert isinstance(answer, Operated)
        return answer


class LogNode(Node):
    ROLE = "log"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.events = 0

    @on(StoreEvents)
    def on_store(self, said: StoreEvents, caller: Caller) -> EventsStored:
        self.events += said.count
        return EventsStored(said.first + said.count)


class LoginNode(Node):
    ROLE = "login"


class GateNode(Node):
    ROLE = "gate"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.clients: dict[int, Client] = {}
        self.lanes: list[Lane] = []
        self.kicks: list[Kick] = []

    async def attach(self, scene: str, session: int, **fields: Any) -> int:
        """The handle; its client remembers from now on."""
        answer = await self.ask(scene, Attach(session, fields.pop("connection", 1), **fields))
        assert isinstance(answer, Attached)
        self.clients[answer.handle] = Client()
        return answer.handle

    def detach(self, scene: str, session: int, connection: int) -> None:
        self.tell(scene, Detach(session, connection))

    def play(self, scene: str, handle: int, sequence: int, said: Message | bytes, received: int = 0) -> None:
        body = said if isinstance(said, bytes) else encode(said)
        frame = PLAY_HEAD.pack(sequence, received) + body
        self.batch(scene, Lane.PLAYS, np.array([handle], "<u4"), np.array([len(frame)], "<u4"), frame)

    def move(self, scene: str, handle: int, x: int, y: int) -> None:
        self.batch(scene, Lane.MOVES, np.array([handle], "<u4"), np.array([(3, 1, 0, 0, 7, x, y)], MOVE))

    def take(self, lane: Lane, blobs: list[bytes]) -> None:
        self.lanes.append(lane)
        begin = 0
        for handle, length in zip(np.frombuffer(blobs[0], "<u4"), np.frombuffer(blobs[1], "<u4"), strict=True):
            self.clients[int(handle)].take(blobs[2][begin : begin + int(length)])
            begin += int(length)

    @on(Kick)
    def on_kick(self, said: Kick, _caller: Caller) -> None:
        self.kicks.append(said)

    @on_batch(Lane.FRAMES)
    def on_frames(self, blobs: list[bytes], caller: Caller) -> None:
        self.take(Lane.FRAMES, blobs)

    @on_batch(Lane.UPDATES)
    def on_updates(self, blobs: list[bytes], caller: Caller) -> None:
        self.take(Lane.UPDATES, blobs)

    @on_batch(Lane.CHATS)
    def on_chats(self, blobs: list[bytes], caller: Caller) -> None:
        self.take(Lane.CHATS, blobs)
