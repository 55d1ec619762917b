"""A node's half of the registry: tells the center what the node is, and knows from the center who else is there.

Decides from that whom to dial. The other half, which keeps the list, is the center's (`nodes/center`). A node has one
center, that of its zone; one that other zones use, too, is only known to theirs (`abroad.py`). The centers of a cluster
find each other in the topology, and have one link for every two of them.
"""

import asyncio
import os
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any, ClassVar, Protocol

from mesh.abroad import Abroad
from mesh.core.links import Link
from mesh.core.membership import Membership
from mesh.core.publications import KEPT_MAX
from mesh.dispatch import Dispatch
from mesh.errors import Code, MeshError, RefusedError, StorageError
from mesh.metrics import Metrics
from mesh.protocol.catalogue import Message, number_in, number_of
from mesh.protocol.control import GetSnapshot, Load, Member, Pulse, Register, Registered, Renew, Snapshot, State
from mesh.seat import Logger, Seat
from mesh.switchboard import Switchboard
from mesh.topology import Topology

LEASE_S = 3.0  # until the center says another
ASK_S = 2.0
RETRY_S = 0.2
_PULSE = number_of(Pulse)


class Home(Protocol):
    """The node that a registry belongs to."""

    ROLE: ClassVar[str]
    name: str
    incarnation: int
    state: State
    seat: Seat
    topology: Topology
    log: Logger
    metrics: Metrics
    switchboard: Switchboard
    dispatch: Dispatch

    async def ask(self, target: str, message: Message, timeout_s: float = ...) -> Message: ...
    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]: ...
    def own_member(self) -> Member: ...
    def peer_up(self, member: Member) -> None: ...
    def peer_lost(self, member: Member) -> None: ...
    def hear_publication(self, body: bytes) -> None: ...
    def registry_changed(self) -> None: ...


class Registry:
    """See the module. The center's own node uses it, too: it is told of changes by its own publications."""

    def __init__(self, node: Home) -> None:
        self._node = node
        self.membership = Membership()
        self.registered = asyncio.Event()
        self.lease_s = LEASE_S
        self.pid = os.getpid()
        self._changed = asyncio.Event()
        self._asking_snapshot = False
        self._early: deque[tuple[int, int, bytes]] = deque(maxlen=KEPT_MAX)  # publications behind what is not known yet
        self._listed_at = -1  # up to this publication the list of members has it all
        self._gaps = 0  # times that publications were missed
        self._settled = True  # False while the center has just started anew and may not know everybody
        self._register_again = asyncio.Event()
        self._dialled: dict[str, int] = {}  # incarnations of members, as they were when we dialled them last
        own, *others = node.topology.centers_of(node.seat.spec)
        self._center = own.name
        self._abroad = Abroad(node, others)
        text = "Times that publications of the center were missed."
        node.metrics.reads("mesh_gaps_total", text, lambda: self._gaps)

    def addresses(self) -> list[str]:
        """Where this node takes links: its address, and a short way for nodes of the same process."""
        spec = self._node.seat.spec
        shared = len(self._node.topology.process_of(spec).nodes) > 1
        return [spec.address, f"inproc://{spec.name}"] if shared else [spec.address]

    def address_of(self, member: Member) -> str:
        """The shortest way to a member."""
        own, other = self._node.seat.spec, self._node.topology.nodes.get(member.name)
        return f"inproc://{member.name}" if other is not None and other.process == own.process else member.address

    def begin(self) -> None:
        """Dial the center and stay registered."""
        node = self._node
        if node.ROLE == "center":
            self.registered.set()
            self._dial_centers()
            return
        center = node.topology.nodes[self._center]
        member = Member(center.name, 1, "center", center.address, "Starting")
        node.switchboard.dial(center.name, self.address_of(member))
        node.spawn(self._stay_registered())
        self._abroad.dial()
        node.spawn(self._abroad.stay())

    def of_role(self, role: str) -> list[Member]:
        return self.membership.of_role(role)

    def in_charge(self, role: str) -> list[Member]:
        """Without those that only follow another one."""
        return self.membership.in_charge(role)

    async def wait_linked(self, roles: Iterable[str]) -> None:
        """Until at least one node of each role is linked."""
        for role in roles:
            while not any(link.role == role for link in self._node.switchboard.links.up.values()):
                self._changed.clear()
                await self._changed.wait()

    async def announce(self, timeout_s: float = ASK_S) -> None:
        """Tell the center at once that something about this node changed."""
        self._abroad.announce()
        if self._node.ROLE == "center":
            self._node.registry_changed()
        elif self._center not in self._node.switchboard.links.up:
            self._register_again.set()
        elif self.registered.is_set():
            try:
                await self._node.ask(self._center, self._renewal(), timeout_s)
            except MeshError:
                self._register_again.set()

    def facts_changed(self) -> None:
        """What this node tells the others about itself is new. A renewal does not carry that: register again."""
        self._register_again.set()

    # --- what the switchboard tells ---

    def link_up(self, link: Link) -> None:
        self._changed.set()
        if link.peer == self._center and self.registered.is_set():  # before that, somebody waits for it to register
            self._register_again.set()
        elif link.peer in self._abroad:
            self._abroad.link_up(link.peer)
        member = self.membership.members.get(link.peer)
        self._node.dispatch.guard(self._node.peer_up, member or _stranger(link))

    def link_down(self, link: Link) -> None:
        member = self.membership.members.get(link.peer)
        self._node.dispatch.guard(self._node.peer_lost, member or _stranger(link))

    def publication(self, epoch: int, sequence: int, body: bytes) -> None:
        """One frame of the center's stream."""
        if not self.registered.is_set():
            self._early.append((epoch, sequence, body))
            return
        follows = self.membership.follows(epoch, sequence)
        if follows and number_in(body) == _PULSE:
            follows = False  # a pulse only repeats a number: the publication that had it was missed
        if follows:
            self.membership.stand(epoch, sequence)
            self._node.hear_publication(body)
        elif follows is False:
            self._early.append((epoch, sequence, body))
            if not self._asking_snapshot:
                self._gaps += 1
                self._asking_snapshot = True  # until the task begins
                self._node.spawn(self._catch_up())

    def _hear_early(self) -> None:
        early, self._early = self._early, deque(maxlen=KEPT_MAX)
        for publication in early:
            self.publication(*publication)

    def changed(self, member: Member) -> None:
        """A member came, changed or went."""
        if self.membership.sequence <= self._listed_at:
            return  # older than the list
        before = self.membership.apply(member)
        self._changed.set()
        if member.state == "Shutdown":
            if before is not None and before.incarnation == member.incarnation and member.role != "center":
                self._hang_up(member)
        else:
            self._dial(member)

    # --- work ---

    def _dial_centers(self) -> None:
        """Of each two centers the one whose name comes first opens the link."""
        node = self._node
        for center in node.topology.of_role("center"):
            if center.name > node.name:
                try:
                    node.switchboard.dial(center.name, center.address)
                except StorageError as error:
                    node.log.error("another zone's center cannot be dialled", peer=center.name, reason=str(error))

    def _dial(self, member: Member) -> None:
        node = self._node
        if member.name == node.name or member.role == "center" or not node.topology.dials(node.ROLE, member.role):
            return
        if node.topology.dials(member.role, node.ROLE) and member.name < node.name:
            return  # one of the two opens the link, or they would replace each other's without end
        link = node.switchboard.links.up.get(member.name)
        is_new, self._dialled[member.name] = self._dialled.get(member.name) != member.incarnation, member.incarnation
        if link is None or link.incarnation != member.incarnation:
            try:
                node.switchboard.dial(member.name, self.address_of(member), is_new=is_new)
            except StorageError as error:
                node.log.error("a member cannot be dialled", peer=member.name, reason=str(error))

    def _hang_up(self, member: Member) -> None:
        self._dialled.pop(member.name, None)
        self._node.switchboard.hang_up(member.name)

    def _renewal(self) -> Renew:
        return Renew(self._node.incarnation, self._node.state, self._node.own_member().load)

    async def _stay_registered(self) -> None:
        while True:
            try:
                if not self.registered.is_set() or self._register_again.is_set():
                    self._register_again.clear()
                    await self._register()
                else:
                    await self._node.ask(self._center, self._renewal(), ASK_S)
            except RefusedError as error:
                if error.code == Code.NOT_FOUND:
                    self._register_again.set()
                await asyncio.sleep(RETRY_S)
                continue
            except MeshError:
                self._register_again.set()
                await asyncio.sleep(RETRY_S)
                continue
            try:
                async with asyncio.timeout(self.lease_s / 3):
                    await self._register_again.wait()
            except TimeoutError:
                pass

    async def _register(self) -> None:
        answer = await self._node.ask(self._center, Register(self._node.own_member()), ASK_S)
        assert isinstance(answer, Registered)
        self.lease_s = answer.lease_s
        known = self.membership
        if known.epoch == 0:
            known.stand(answer.epoch, answer.sequence)
        elif known.epoch != answer.epoch:
            known.stand(answer.epoch, 0)  # all that this center has said is news: the next publication shows the gap
            self._unsettle(answer.epoch)
        # In the same epoch the place in the stream stays: what is under way there must still be heard. And what was
        # heard already is newer than an answer that took longer.
        if known.sequence <= answer.sequence or known.epoch != answer.epoch:
            self._take(answer.sequence, answer.members)
        self.registered.set()
        self._hear_early()

    def _take(self, sequence: int, members: list[Member]) -> None:
        self._listed_at = sequence
        changed, gone = self.membership.replace(members, whole=self._settled)
        self._changed.set()
        for member in gone:
            self._hang_up(member)
        for member in changed:
            self._dial(member)

    def _unsettle(self, epoch: int) -> None:
        self._settled = False
        self._node.spawn(self._settle(epoch))

    async def _settle(self, epoch: int) -> None:
        """A center started anew: when every lease has run out, whoever has not come back to it is gone."""
        await asyncio.sleep(2 * self.lease_s)
        while self.membership.epoch == epoch and not self._settled:
            self._settled = True
            if self._asking_snapshot or not await self._catch_up():
                self._settled = False
                await asyncio.sleep(RETRY_S)

    async def _catch_up(self) -> bool:
        """Something was missed: take the list as it is, then the publications as far as they are kept."""
        self._asking_snapshot = True
        try:
            known = self.membership
            answer = await self._node.ask(self._center, GetSnapshot(known.epoch, known.sequence), ASK_S)
            assert isinstance(answer, Snapshot)
            if (answer.epoch, answer.sequence) < (known.epoch, known.sequence):
                return False
            heard = known.sequence if answer.epoch == known.epoch else 0
            if known.epoch not in (0, answer.epoch):
                self._unsettle(answer.epoch)
            known.stand(answer.epoch, answer.sequence)
            self._take(answer.sequence, answer.members)
            oldest = answer.sequence - len(answer.missed) + 1
            for body in answer.missed[max(0, heard + 1 - oldest) :]:  # the rest came by itself meanwhile
                self._node.hear_publication(bytes(body))
        except MeshError as error:
            self._node.log.warning("no snapshot yet", reason=str(error))
            return False
        finally:
            self._asking_snapshot = False
        self._hear_early()
        return True


def _stranger(link: Link) -> Member:
    """A peer that the center has not told us about (yet, or any more)."""
    return Member(link.peer, link.incarnation, link.role, link.address, "Starting", Load())
