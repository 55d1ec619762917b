"""The center node: who is where. It is on the control path only; while somebody plays, nothing passes here.

    Register, Renew, GetSnapshot      the registry                     registry.py
    Online, Resume, LeaveQueue        getting in (steps 5, 6)          arrivals.py, queue.py
    Dropped, Leave                    getting out, the online monitor  departures.py
    Cross, SwitchLine                 to another map or line           transfers.py, line_wishes.py
    Evacuate, OrderLine               which lines there are            evacuation.py, keeper.py, lines.py, placement.py
    FromClient, Publicise             friends, chat (step 8), parties  society.py
    AccountMuted                      who may not speak                mutes.py
    Claim, Expect, Travel, bans       the other zones                  border.py
    FindPlayer(s), KickPlayer         operators                        operators.py
    AskLease                          which DC of a pair writes        lease_desk.py, leases.py
    links that come and go            becoming whole again             wholeness.py, recovery.py
    scenes that are lost, Succeed     their players go on elsewhere    rehoming.py

Its state is soft: `directory.py` is rebuilt from the scenes' and gates' lists after a restart (that is also what
happens whenever a link comes back). On disk are the epoch, because it must grow with every start, the members, and who
waits in the queue (`memory.py`).
Until the scenes of the topology have said whom they host, or `recovery_s` have passed, logins wait: a center that does
not know that an account is in the world would put it there a second time.
"""

import asyncio
from typing import Any

import msgspec

from mesh.errors import Code, RefusedError
from mesh.node import Caller, Node, on
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
from nodes.center.border import Border
from nodes.center.courier import Courier
from nodes.center.departures import SWEEP_S, Departures
from nodes.center.directory import Directory
from nodes.center.evacuation import Evacuation
from nodes.center.keeper import TEND_S, Keeper
from nodes.center.lease_desk import LeaseDesk
from nodes.center.line_wishes import LineWishes
from nodes.center.lines import Line, Lines
from nodes.center.locks import AccountLocks
from nodes.center.memory import load_members, load_queue, next_epoch, save_members, save_queue
from nodes.center.operators import PlayerOrders
from nodes.center.placement import Companions
from nodes.center.queue import Queue
from nodes.center.registry import EXPIRE_S, Registry
from nodes.center.rehoming import Rehoming
from nodes.center.settings import CenterSettings
from nodes.center.society import Society
from nodes.center.transfers import Transfers
from nodes.center.travel import Reception
from nodes.center.watchers import Watcher
from nodes.center.wholeness import Wholeness

REMEMBER_S = 1.0  # who waits is written at most so often


class CenterNode(Node):
    """See the module."""

    ROLE = "center"
    SETTINGS = CenterSettings

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self._told: CenterSettings = self.settings
        self.roster = Registry(self._told.lease_s)
        self.directory = Directory()
        self.queue = Queue(self._told.queue_max, self._told.queue_hold_s)
        self.lines = Lines(self.directory.count_on, self.directory.count_at)
        self.watchers: list[Watcher] = []  # told of everybody who comes, moves and goes
        self._build()
        self._measure()

    def _build(self) -> None:
        """The parts, each from those that it needs."""
        told, directory, queue, lines, watchers = self._told, self.directory, self.queue, self.lines, self.watchers
        locks, whole = AccountLocks(), asyncio.Event()
        self._courier = courier = Courier(self)
        self.society = Society(self, told, directory, courier, queue)
        self.departures = Departures(self, told, directory, queue, locks, courier, watchers)
        self.keeper = Keeper(self, told, lines, self._compare_scene, self.departures.room)
        companions = Companions(directory, self.society.party_of)
        self.border = Border(self, told, directory, queue, locks, courier, self.departures, self.society, whole)
        self.arrivals = Arrivals(
            self, told, directory, queue, locks, courier, self.departures, self.keeper, companions, watchers,
            self.border.claims, self.society.mutes, whole,
        )  # fmt: skip
        self.transfers = Transfers(self, told, directory, locks, self.departures, self.keeper, companions, watchers)
        self.rehoming = Rehoming(self, told, directory, locks, self.departures, self.transfers, self.keeper, companions)
        self.transfers.strand, self.keeper.is_over = self.rehoming.strand, self.rehoming.is_over
        self.evacuation = Evacuation(self, told, directory, self.keeper, self.transfers)
        self.wholeness = Wholeness(
            self, told, directory, lines, courier, self.departures, self.arrivals, self.transfers, self.rehoming,
            watchers,
        )  # fmt: skip
        self.serve_parts(self.departures, self.arrivals, self.transfers, self.evacuation, self.rehoming)
        self.serve_parts(PlayerOrders(directory, queue, self.departures, self.society.names_of_party))
        self.society.social.add(LineWishes(self, told, courier, self.transfers, self.society.tabs))
        self.wholeness.hears.append(self.society.hosted)
        self.society.join(self.border.zones)
        self.society.social.add(self.border.travels(self.transfers.depart_for_travel))
        watchers += [*self.society.watchers, self.border.zones]
        self.leases = LeaseDesk(self)
        self.serve_parts(
            *self.society.handlers, *self.border.handlers, Reception(self, self.arrivals.expect), self.leases
        )

    async def _compare_scene(self, scene: str) -> None:
        await self.wholeness.compare_scene(scene)

    # --- life ---

    async def open(self) -> None:
        self.publications.epoch = next_epoch(self.seat.data)
        known = load_members(self.seat.data)
        self.roster.restore(known, self.clock.now())
        self.rehoming.remember(known)
        for member in known:
            self.registry.changed(member)
        self.roster.register(self.own_member(), self.clock.now())
        self.society.open()
        self.border.open()
        self.leases.open()
        self.every(EXPIRE_S, self._expire_leases)
        self.every(SWEEP_S, self.departures.sweep)
        self.every(self._told.audit_s, self.wholeness.audit_gates)
        self.every(TEND_S, self.keeper.tend)
        self.queue.restore(load_queue(self.seat.data), self.clock.now())
        self.every(REMEMBER_S, self._remember_queue)
        self.spawn(self.arrivals.move_queue())
        known_scenes = [member.name for member in known if member.role == "scene"]
        own = [spec.name for spec in self.topology.of_role("scene", self.seat.spec.zone)]
        self.spawn(self.wholeness.begin([*own, *known_scenes]))

    async def close(self) -> None:
        self._remember_queue()

    def load(self) -> Load:
        return Load(players=len(self.directory), capacity=self._told.capacity)

    def describe(self) -> dict[str, Any]:
        return {
            "epoch": self.publications.epoch,
            "players": len(self.directory),
            "queued": len(self.queue),
            "shut": sorted(self.keeper.shut()),
            "whole": self.arrivals.whole.is_set(),
            "lines": [self._describe_line(line) for line in self.lines.all()],
            "members": [msgspec.to_builtins(member) for member in self.roster.members.values()],
            **self.directory.count(),
            **self.leases.describe(),
        }

    def _describe_line(self, line: Line) -> dict[str, Any]:
        facts = {"map": line.map, "line": line.number, "scene": line.scene, "players": self.lines.players(line)}
        state = "closing" if line.closing else self.lines.state(line) if line.scene in self.keeper.scenes() else "away"
        return facts | {"soft": line.soft, "max": line.max, "state": state, "fixed": line.fixed}

    def _remember_queue(self) -> None:
        if self.queue.changed and not save_queue(self.seat.data, self.queue.kept(self.clock.now())):
            self.log.warning("the queue was not written", folder=str(self.seat.data))

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
        """Who is under pressure renews late: its link tells whether it lives."""
        self.roster.renew(self.name, self.state, self.own_member().load, self.clock.now())
        up = self.switchboard.links.up
        late = {name for name in self.roster.members if name in up and self.pressure.of(name)}
        for gone in self.roster.expire(self.clock.now(), {self.name} | late):
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
            if self.rehoming.scene_up(member.name, self.switchboard.links.up[member.name].incarnation):
                self.spawn(self.wholeness.compare_scene(member.name))
        elif member.role == "gate":
            self.society.gate_up(member.name)
            self.spawn(self.wholeness.compare_gate(member.name))
        elif member.role == "center":
            self.border.zones.peer_up(member.name)
            self.society.center_up(member.name)

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
            self.spawn(self.rehoming.scene_lost(member.name))
        elif member.role == "center":
            self.border.zones.peer_lost(member.name)

    def peer_level_changed(self, _peer: str) -> None:
        """It may be a scene that takes new players again."""
        self.departures.room.set()

    # --- figures ---

    def _measure(self) -> None:
        reads, arrivals = self.metrics.reads, self.arrivals.counts
        reads("center_players", "Characters in the zone.", self._players_by_stage, "stage")
        reads("center_queue", "Logins that wait for a place.", lambda: len(self.queue))
        reads("center_members", "Nodes in the registry.", lambda: len(self.roster.members))
        reads("center_placed_total", "Sessions that came in.", lambda: arrivals.placed)
        reads("center_taken_over_total", "Sessions that a newer login ended.", lambda: arrivals.taken_over)
        reads("center_resumed_total", "Sessions that went on after a broken connection.", lambda: arrivals.resumed)
        reads("center_resumes_refused_total", "Used or late resume tokens.", lambda: arrivals.resumes_refused)
        reads("center_queued_total", "Logins that had to wait.", lambda: arrivals.queued)
        reads("center_queue_held", "Positions of logins that lost the connection.", lambda: self.queue.held)
        reads("center_admitted_total", "Logins that waited and were let in.", lambda: arrivals.admitted)
        reads("center_lines", "Lines by map.", self._lines_by_map, "map")
        reads("center_lines_opened_total", "Lines opened from here.", lambda: self.keeper.counts.opened)
        reads("center_lines_closed_total", "Lines closed from here.", lambda: self.keeper.counts.closed)
        reads("center_lines_failed_total", "Lines that a scene did not open.", lambda: self.keeper.counts.failed)
        reads("center_evacuated_total", "Players moved away from what was emptied.", lambda: self.evacuation.moved)
        reads(
            "center_enters_failed_total", "Times that a scene did not take a character.", lambda: arrivals.enters_failed
        )
        reads("center_expired_total", "Sessions that did not come back in time.", lambda: self.departures.expired)
        reads("center_lost_total", "Sessions that could not go on elsewhere.", lambda: self.departures.lost)
        reads("center_kicks_total", "Connections ended from here.", lambda: self._courier.kicks)
        reads("center_friend_notices_total", "Friends told of a coming or going.", lambda: self._courier.friend_notices)

    def _players_by_stage(self) -> dict[tuple[str, ...], float]:
        return {(stage,): number for stage, number in self.directory.count().items()}

    def _lines_by_map(self) -> dict[tuple[str, ...], float]:
        maps = [line.map for line in self.lines.all()]
        return {(name,): maps.count(name) for name in set(maps)}
