"""The center node: who is where. It is on the control path only; while somebody plays, nothing passes here.

    Register, Renew, GetSnapshot      the registry                     registry.py
    Online, Resume, LeaveQueue        getting in (steps 5, 6)          arrivals.py, placement.py, queue.py
    Dropped, Leave, KickAccount       getting out, the online monitor  departures.py
    FromClient, Publicise             friends, broadcast (step 8)      social.py, friends.py
    links that come and go            becoming whole again             recovery.py

Its state is soft: `directory.py` is rebuilt from the scenes' and gates' lists after a restart (that is also what
happens whenever a link comes back). On disk are the epoch, because it must grow with every start, and the members
(`memory.py`).
Until the scenes of the topology have said whom they host, or `recovery_s` have passed, logins wait: a center that does
not know that an account is in the world would put it there a second time.
"""

import asyncio
from typing import Any

import msgspec

from mesh.errors import Code, MeshError, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import HostedList, ListHosted, ListSessions, SessionAt, Sessions, account_of
from mesh.protocol.control import (
    Done,
    GetSnapshot,
    Load,
    Member,
    MemberChanged,
    Register,
    Registered,
    Renew,
    Snapshot,
)
from mesh.seat import Seat
from nodes.center.arrivals import Arrivals
from nodes.center.courier import Courier
from nodes.center.departures import SWEEP_S, Departures
from nodes.center.directory import Directory
from nodes.center.locks import AccountLocks
from nodes.center.memory import load_members, next_epoch, save_members
from nodes.center.queue import Queue
from nodes.center.recovery import compare_gate, compare_scene
from nodes.center.registry import EXPIRE_S, Registry
from nodes.center.settings import CenterSettings
from nodes.center.social import ClientSocial, Social

COMPARE_RETRY_S = 0.5  # a node that did not say whom it has is asked again after this


class CenterNode(Node):
    """See the module."""

    ROLE = "center"
    SETTINGS = CenterSettings

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self._told: CenterSettings = self.settings
        self.roster = Registry(self._told.lease_s)
        self.directory = Directory()
        self.queue = Queue(self._told.queue_max)
        locks = AccountLocks()
        self._courier = Courier(self, self.directory)
        self.departures = Departures(self, self._told, self.directory, self.queue, locks, self._courier)
        self.arrivals = Arrivals(
            self, self._told, self.directory, self.roster, self.queue, locks, self._courier, self.departures
        )
        self._client = ClientSocial(self, self._told, self.directory, self._courier, self.arrivals)
        self.serve_parts(self.departures, self.arrivals, Social(self, self.directory, self._courier, self._client))
        self._unheard = {spec.name for spec in self.topology.of_role("scene")}  # scenes not compared since the start
        self._measure()

    # --- life ---

    async def open(self) -> None:
        self.publications.epoch = next_epoch(self.seat.data)
        known = load_members(self.seat.data)
        self.roster.restore(known, self.clock.now())
        for member in known:
            self.registry.changed(member)
        self.roster.register(self.own_member(), self.clock.now())
        self.every(EXPIRE_S, self._expire_leases)
        self.every(SWEEP_S, self.departures.sweep)
        self.every(self._told.audit_s, self._audit_gates)
        self.spawn(self.arrivals.move_queue())
        self.spawn(self._stop_waiting())

    def load(self) -> Load:
        return Load(players=len(self.directory), capacity=self._told.capacity)

    def describe(self) -> dict[str, Any]:
        return {
            "epoch": self.publications.epoch,
            "players": len(self.directory),
            "queued": len(self.queue),
            "whole": self.arrivals.whole.is_set(),
            "members": [msgspec.to_builtins(member) for member in self.roster.members.values()],
            **self.directory.count(),
        }

    # --- the registry ---

    @on(Register)
    def on_register(self, said: Register, caller: Caller) -> Registered:
        """A node enters, or is back after a restart of either side."""
        member = said.member
        if (member.name, member.role, member.incarnation) != (caller.peer, caller.role, caller.incarnation):
            raise RefusedError(Code.NOT_ALLOWED, "a node registers itself and nobody else")
        if self.roster.register(member, self.clock.now()):
            self._tell_everybody(member)
        listed = list(self.roster.members.values())
        return Registered(self.publications.epoch, self.publications.sequence, self._told.lease_s, listed)

    @on(Renew)
    def on_renew(self, said: Renew, caller: Caller) -> Done:
        """A node is still there."""
        if not self.roster.knows(caller.peer, said.incarnation):
            raise RefusedError(Code.NOT_FOUND, "not registered (any more): register again")
        if self.roster.renew(caller.peer, said.state, said.load, self.clock.now()):
            self._tell_everybody(self.roster.members[caller.peer])
        return Done()

    @on(GetSnapshot)
    def on_get_snapshot(self, said: GetSnapshot, _caller: Caller) -> Snapshot:
        """A node noticed a gap in the stream."""
        missed = [msgspec.Raw(body) for body in self.publications.since(said.epoch, said.sequence)]
        listed = list(self.roster.members.values())
        return Snapshot(self.publications.epoch, self.publications.sequence, listed, missed)

    def registry_changed(self) -> None:
        """The center's own state changed; it is in its registry like everybody else."""
        if self.roster.register(self.own_member(), self.clock.now()):
            self._tell_everybody(self.roster.members[self.name])

    def _expire_leases(self) -> None:
        self.roster.renew(self.name, self.state, self.load(), self.clock.now())
        for gone in self.roster.expire(self.clock.now(), keep=self.name):
            self.log.warning("a lease ended", peer=gone.name)
            self._tell_everybody(gone)

    def _tell_everybody(self, member: Member) -> None:
        self.publish(MemberChanged(member))
        others = [known for known in self.roster.members.values() if known.name != self.name]
        if not save_members(self.seat.data, others):
            self.log.warning("the list of members was not written", folder=str(self.seat.data))

    # --- links ---

    def peer_up(self, member: Member) -> None:
        """A link is up: what does this node have?"""
        if member.role == "scene":
            self.spawn(self._compare_scene(member.name))
        elif member.role == "gate":
            self.spawn(self._compare_gate(member.name))

    def peer_lost(self, member: Member) -> None:
        """A link is down. The registry waits for the end of the lease, unless the node said that it would go."""
        known = self.roster.members.get(member.name)
        if known is not None and known.state == "Draining":
            gone = self.roster.remove(member.name)
            assert gone is not None
            self._tell_everybody(gone)
        if member.role == "gate":
            self.departures.lose_gate(member.name)
        elif member.role == "scene":
            self.spawn(self._lose_scene(member.name))

    async def _lose_scene(self, scene: str) -> None:
        """Its players are lost when it does not come back soon; when it does, its own list tells."""
        await asyncio.sleep(self._told.scene_grace_s)
        if scene not in self.switchboard.links.up:
            lost = self.departures.lose_scene(scene)
            self.log.warning("a scene is gone", scene=scene, players=lost)

    # --- becoming whole ---

    async def _stop_waiting(self) -> None:
        await asyncio.sleep(self._told.recovery_s)
        if self._unheard:
            self.log.info("logins go on without having heard all scenes", scenes=sorted(self._unheard))
        self._become_whole()

    def _become_whole(self) -> None:
        if not self.arrivals.whole.is_set():
            self.arrivals.whole.set()
            self.spawn(self._audit_gates())

    async def _compare_scene(self, scene: str) -> None:
        link = self.switchboard.links.up.get(scene)
        while link is not None and self.switchboard.links.up.get(scene) is link:
            asked = self.clock.now()
            try:
                said = await self.ask(scene, ListHosted())
            except MeshError as error:
                self.log.warning("a scene did not say whom it has", scene=scene, reason=str(error))
                await asyncio.sleep(COMPARE_RETRY_S)
                continue
            assert isinstance(said, HostedList)
            self._heard_scene(scene, said, asked)
            return

    def _heard_scene(self, scene: str, said: HostedList, asked: float) -> None:
        found = compare_scene(self.directory, scene, said.hosted, asked, self.clock.now(), self._told.linkdead_s)
        for where, session in found.stale:
            self.departures.discard(where, session)
        for presence in found.lost:
            self.departures.lose(presence)
        if found.adopted or found.lost or found.stale:
            counts = {"adopted": len(found.adopted), "lost": len(found.lost), "stale": len(found.stale)}
            self.log.info("a scene said whom it has", scene=scene, **counts)
        self._unheard.discard(scene)
        if self.arrivals.whole.is_set():
            for gate in self.peers("gate"):
                if found.adopted:
                    self.spawn(self._compare_gate(gate.name))
        elif not self._unheard:
            self._become_whole()

    async def _audit_gates(self) -> None:
        for gate in self.peers("gate"):
            await self._compare_gate(gate.name)

    async def _compare_gate(self, gate: str) -> None:
        asked = self.clock.now()
        try:
            said = await self.ask(gate, ListSessions())
        except MeshError as error:
            self.log.warning("a gate did not say whom it has", gate=gate, reason=str(error))
            return
        assert isinstance(said, Sessions)
        found = compare_gate(self.directory, gate, said.sessions, asked, self.clock.now(), self._told.linkdead_s)
        for at in found.superseded:
            self._courier.kick(gate, at.connection, at.session, Code.TAKEN_OVER)
        if self.arrivals.whole.is_set():
            for at in found.strangers:
                self._courier.kick(gate, at.connection, at.session, self._why_stranger(at))

    def _why_stranger(self, at: SessionAt) -> Code:
        newer = self.directory.of_account(account_of(at.session)) is not None
        return Code.TAKEN_OVER if newer else Code.UNAVAILABLE

    # --- figures ---

    def _measure(self) -> None:
        reads, arrivals, social = self.metrics.reads, self.arrivals.counts, self._client.counts
        reads("center_players", "Characters in the zone.", self._players_by_stage, "stage")
        reads("center_queue", "Logins that wait for a place.", lambda: len(self.queue))
        reads("center_members", "Nodes in the registry.", lambda: len(self.roster.members))
        reads("center_placed_total", "Sessions that came in.", lambda: arrivals.placed)
        reads("center_taken_over_total", "Sessions that a newer login ended.", lambda: arrivals.taken_over)
        reads("center_resumed_total", "Sessions that went on after a broken connection.", lambda: arrivals.resumed)
        reads("center_resumes_refused_total", "Used or late resume tokens.", lambda: arrivals.resumes_refused)
        reads("center_queued_total", "Logins that had to wait.", lambda: arrivals.queued)
        reads("center_admitted_total", "Of these, let in.", lambda: arrivals.admitted)
        reads(
            "center_enters_failed_total", "Times that a scene did not take a character.", lambda: arrivals.enters_failed
        )
        reads("center_expired_total", "Sessions that did not come back in time.", lambda: self.departures.expired)
        reads("center_lost_total", "Sessions that were lost with their scene.", lambda: self.departures.lost)
        reads("center_kicks_total", "Connections ended from here.", lambda: self._courier.kicks)
        reads("center_friend_notices_total", "Friends told of a coming or going.", lambda: self._courier.friend_notices)
        reads("center_shouts_total", "Public broadcasts of players.", lambda: social.shouts)
        reads("center_whispers_total", "Whispers passed on.", lambda: social.whispers)
        reads("center_social_denied_total", "Social messages refused.", lambda: social.denied)
        reads("center_strays_total", "Social messages of sessions that the gate does not have.", lambda: social.strays)

    def _players_by_stage(self) -> dict[tuple[str, ...], float]:
        return {(stage,): number for stage, number in self.directory.count().items()}
