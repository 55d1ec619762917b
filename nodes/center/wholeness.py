"""How a center becomes whole, and stays so: asks scenes and gates whom they have, and does what follows from it.

Scenes are asked whenever their link comes up, gates then and every `audit_s`. What follows is decided in `recovery.py`;
here are the questions, the order, and the words to the others. A center that has just started lets nobody in before it
has heard every scene that there should be, or `recovery_s` are over.

Characters that departed from a scene when the center before died are settled last: only when all scenes have spoken it
is known that they arrived nowhere.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mesh.errors import Code, MeshError
from mesh.node import Node
from mesh.protocol.cluster import HostedAt, HostedList, ListHosted, ListSessions, SessionAt, Sessions
from mesh.protocol.sessions import account_of
from nodes.center.arrivals import Arrivals
from nodes.center.courier import Courier
from nodes.center.departures import Departures
from nodes.center.directory import Directory, Presence
from nodes.center.lines import Lines
from nodes.center.recovery import adopt, compare_gate, compare_scene
from nodes.center.rehoming import Rehoming
from nodes.center.settings import CenterSettings
from nodes.center.transfers import Transfers
from nodes.center.watchers import Watcher

RETRY_S = 0.5  # a node that did not say whom it has is asked again after this


@dataclass(slots=True)
class Wholeness:
    """See the module. `hears` are told what a scene has said, after the directory knows it."""

    node: Node
    told: CenterSettings
    directory: Directory
    lines: Lines
    courier: Courier
    departures: Departures
    arrivals: Arrivals
    transfers: Transfers
    rehoming: Rehoming
    watchers: list[Watcher]
    hears: list[Callable[[str, HostedList], None]] = field(default_factory=list)
    unheard: set[str] = field(default_factory=set)  # scenes that have not spoken since the start
    _departed: list[tuple[str, HostedAt]] = field(default_factory=list)  # to be settled when all have spoken

    async def begin(self, scenes: Iterable[str]) -> None:
        """Wait for these scenes, not too long."""
        self.unheard |= set(scenes)
        await asyncio.sleep(self.told.recovery_s)
        if self.unheard:
            self.node.log.info("logins go on without having heard all scenes", scenes=sorted(self.unheard))
        self._become_whole()

    def _become_whole(self) -> None:
        if not self.arrivals.whole.is_set():
            departed, self._departed = self._departed, []
            for scene, at in departed:
                self._settle(scene, at)
            self.arrivals.whole.set()
            self.node.spawn(self.audit_gates())

    # --- scenes ---

    async def compare_scene(self, scene: str) -> None:
        """Hear it, as long as its link is up."""
        link = self.node.switchboard.links.up.get(scene)
        while link is not None and self.node.switchboard.links.up.get(scene) is link:
            asked = self.node.clock.now()
            try:
                said = await self.node.ask(scene, ListHosted())
            except MeshError as error:
                self.node.log.warning("a scene did not say whom it has", scene=scene, reason=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            assert isinstance(said, HostedList)
            self._heard_scene(scene, said, asked)
            return

    def _heard_scene(self, scene: str, said: HostedList, asked: float) -> None:
        self.lines.heard(scene, said)
        self.rehoming.heard(scene)
        now = self.node.clock.now()
        found = compare_scene(self.directory, scene, said.hosted, asked, now, self.told.linkdead_s)
        for presence in found.adopted:
            self._came(presence)
        for where, session in found.stale:
            self.departures.discard(where, session)
        self.rehoming.strand(found.lost)
        for presence, at in found.moved:
            self.directory.move(presence, scene, at.map, at.line, now)
            self.transfers.tell_gate(presence)
            for watcher in self.watchers:
                watcher.moved(presence)
        for presence in found.departed:
            self.node.spawn(self.transfers.take_back(presence, scene))
        for at in found.unknown:
            self._departed.append((scene, at))
        counts = {
            name: len(getattr(found, name)) for name in ("adopted", "lost", "stale", "moved", "departed", "unknown")
        }
        if any(counts.values()):
            self.node.log.info("a scene said whom it has", scene=scene, **counts)
        for hear in self.hears:
            hear(scene, said)
        self.departures.room.set()
        self._has_spoken(scene, bool(found.adopted))

    def _has_spoken(self, scene: str, adopted: bool) -> None:
        is_late = scene in self.unheard and self.arrivals.whole.is_set()  # gates have named some of whom it may have
        self.unheard.discard(scene)
        if self.arrivals.whole.is_set():
            departed, self._departed = self._departed, []
            for where, at in departed:
                self._settle(where, at)
            if adopted or departed or is_late:
                self.node.spawn(self.audit_gates())
        elif not self.unheard:
            self._become_whole()

    def _settle(self, scene: str, at: HostedAt) -> None:
        """It departed from there, and the center that knew where to is no more."""
        if self.directory.of_account(account_of(at.session)) is not None or self.directory.is_over(at.session):
            self.departures.discard(scene, at.session)
            return
        presence = adopt(self.directory, scene, at, self.node.clock.now(), self.told.linkdead_s)
        self._came(presence)
        self.node.spawn(self.transfers.take_back(presence, scene))

    def _came(self, presence: Presence) -> None:
        self.arrivals.queue.arrived(presence.account)
        for watcher in self.watchers:
            watcher.came(presence)

    # --- gates ---

    async def audit_gates(self) -> None:
        """Hear all of them."""
        for gate in self.node.peers("gate"):
            await self.compare_gate(gate.name)

    async def compare_gate(self, gate: str) -> None:
        """Hear it once; the next audit comes."""
        asked = self.node.clock.now()
        try:
            said = await self.node.ask(gate, ListSessions())
        except MeshError as error:
            self.node.log.warning("a gate did not say whom it has", gate=gate, reason=str(error))
            return
        assert isinstance(said, Sessions)
        now = self.node.clock.now()
        found = compare_gate(self.directory, gate, said.sessions, asked, now, self.told.linkdead_s)
        for presence in found.elsewhere:
            self.transfers.tell_gate(presence)
        for presence in (*found.found, *found.dropped):
            for watcher in self.watchers:
                watcher.moved(presence)
        for at in found.superseded:
            self.courier.kick(gate, at.connection, at.session, Code.TAKEN_OVER)
        if self.arrivals.whole.is_set():
            for at in self.rehoming.take_in(gate, found.strangers):
                self.courier.kick(gate, at.connection, at.session, self._why_stranger(at))

    def _why_stranger(self, at: SessionAt) -> Code:
        newer = self.directory.of_account(account_of(at.session)) is not None
        return Code.TAKEN_OVER if newer else Code.UNAVAILABLE
