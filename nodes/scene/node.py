"""The scene node: a piece of the world that players are in.

It hears, in this order of a player's life (the steps are those of the architecture):

    6  Enter     center  reserve a place and build the character     -> Hosted
    7  Attach    gate    this connection carries the session         -> Attached, then Entered to the client
       MOVES     gate    positions of many players, checked at the next tick
       PLAYS     gate    play messages, carried out at once
       DROPS     gate    movement of these was dropped: send everything in view again
       BUDGETS   gate    how much movement these may get
       PACE      gate    it has more movement than it can send, or not any more
       Detach    gate    the connection is gone, the character stays
       Depart    center  save, hand over to another line or scene    -> Departed
       TakeBack  center  it arrived nowhere: put it back             -> Hosted
       Release   center  save, take out of the world                 -> Done
       ListHosted center who is here, and on which lines             -> HostedList
       OpenLine, CloseLine, PartyChanged, FriendsChanged             center
       MuteChanged  center  this player may not speak, or may again
       ReadLine, ReadPlayers  a line from above, for operators (above.py)
       Replaced  center  its players are elsewhere: end
       HandOver, Inherited  its heir, another process of this scene: give it everything, and end (handing.py)
    9  says SaveStates and Operate to the DC, and records behaviour
       says Cross (somebody walked into a portal), MembersSeen and, to become empty, Evacuate to the center
       says Kick to the gate of a player who goes on with bad messages

This file is the shell: handlers, the tick, what is sent where. What a scene knows is in the files beside it. It must
never die of what a client or a gate sends: such things are refused and counted.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from mesh.core.links import Link
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError, ReplacedError
from mesh.node import Caller, Node, on, on_batch
from mesh.protocol.cluster import Kick, Replaced
from mesh.protocol.control import Drained, Load, Member
from mesh.protocol.envelope import Envelope
from mesh.protocol.lanes import MOVE_SIZE, PLAY_HEAD, Handle, Lane
from mesh.protocol.placement import Evacuate, Evacuated
from mesh.seat import Seat
from nodes.scene.above import Above
from nodes.scene.degradation import Degradation
from nodes.scene.departures import Departures
from nodes.scene.gameclock import GameClock
from nodes.scene.handing import Handing
from nodes.scene.inheriting import inherit, play_on
from nodes.scene.keepsakes import Keepsakes
from nodes.scene.ledger import Ledger
from nodes.scene.line import Line
from nodes.scene.lines import Lines
from nodes.scene.meters import Counts, meter
from nodes.scene.movement import Incoming
from nodes.scene.outbound import Outbound
from nodes.scene.parties import Parties
from nodes.scene.play import Play
from nodes.scene.portals import CENTER, Crossings
from nodes.scene.residents import Residents
from nodes.scene.saves import Saves
from nodes.scene.sessions import Session, Sessions
from nodes.scene.settings import BUDGET_MIN, LINE_BITS, SceneSettings
from nodes.scene.shared import Shared
from nodes.scene.ticker import Ticker
from nodes.scene.ticking import Ticking
from nodes.scene.world import Array

SAVE_AGAIN_S = 0.3  # while stopping, when the DC did not take everything
INCOMING_MAX = 64  # batches of moves that wait for the tick; a gate says one every `flush_ms`
TICK_SHARE = 0.8  # of its period that a tick may take: the rest is for what comes between two ticks
EVACUATE_S = 120.0  # how long the center may take to move everybody; asked again it goes on


class SceneNode(Node):
    """See the module."""

    ROLE = "scene"
    SETTINGS = SceneSettings
    settings: SceneSettings

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        said, now = self.settings, self.clock.now
        self.sessions, self.keepsakes = Sessions(), Keepsakes()
        self.out = Outbound(self._arm_flush)
        self._incoming = Incoming()
        self.saves = Saves(self.ask, self.spawn, said.saves_in_flight, self.replaced)
        asking = self.ask, self.spawn, said.operation_tries, self.saves.check
        self.ledger = Ledger(*asking, seat.failpoints, seat.random, said.replicated, self.sampling)
        self.ticker, self.game = Ticker(said.tick_hz), GameClock(now)
        self.degradation = Degradation(self.topology.policy, self.game, self.ticker, self.sessions, self.out)
        self.counts = Counts()
        self.crossings = Crossings(self.ask, self.spawn, self.sessions, self.out, now)
        self.lines = Lines(self._make_line, self.random, list(said.maps), said.lines_max, self._lines_changed)
        self.degradation.lines = self.lines
        self.parties = Parties(self.sessions, self.lines, self.keepsakes)
        self.play = Play(
            self.lines, self.sessions, self.parties, self.out, self.ledger, self.journal.record, now, self.game.now,
            said, self._expel, self.ask, self.tell, self.dispatch.taps, self.clock.wall,
        )  # fmt: skip
        self.shared = Shared(
            said, self.name, self.random, self.out, self.journal.record, self.play.looting.advance,
            self.crossings.begin, now, self.degradation.entered,
        )  # fmt: skip
        self.awake = asyncio.Event()  # somebody is here
        self.residents = Residents(
            said, self.lines, self.sessions, self.keepsakes, self.parties, self.play.trading, self.clock,
            self.game.now, self.awake.set, seat.failpoints,
        )  # fmt: skip
        self.departures = Departures(
            self.residents, self.keepsakes, self.saves, self.clock, self.game.now, self.spawn, said.combat_s,
            seat.failpoints,
        )  # fmt: skip
        for name, number in said.lines_of(seat.spec.short, seat.spec.number):
            self.lines.open(name, number, fixed=True)
        self.handing, self.ticking = Handing(self), Ticking(self)
        above = Above(self.lines, self.ticker)
        self.serve_parts(
            self.residents, self.departures, self.lines, self.parties, self.handing, self.play.muting, above
        )
        meter(self)

    # --- life ---

    async def inherit(self) -> None:
        await inherit(self)

    async def open(self) -> None:
        self.spawn(self.ticking.run(self.awake))
        if self.handing.frozen:
            self.spawn(play_on(self))

    async def drain(self) -> None:
        """Everybody's state is with the DC before the scene stops. Those who have departed were saved then."""
        self.residents.closed = self.residents.stopping = self.lines.closed = True
        while self.failure is None:
            saved = True
            for line in list(self.lines):
                if len(slots := line.unsaved()):  # now: somebody may have left while another line was saved
                    saved = await self.saves.save(line, slots) and saved
            if saved:
                return
            await asyncio.sleep(SAVE_AGAIN_S)

    @on(Replaced)
    def on_replaced(self, _said: Replaced, _caller: Caller) -> None:
        self.replaced("the center has given this process up, its players are elsewhere")

    def replaced(self, why: str) -> None:
        """Nothing that this scene does counts any more: its process ends, unsaved, and is started anew."""
        if self.failure is None:
            self.log.warning("this scene was replaced", reason=why)
            self.failure = ReplacedError(why)
            self.residents.closed = self.residents.stopping = self.lines.closed = True
            self.failed.set()

    async def hand_over(self) -> Drained:
        """The center takes everybody elsewhere. Only who departed and found no other place comes back."""
        self.residents.closed = self.lines.closed = True
        before = len(self.sessions)
        try:
            answer = await self.ask(CENTER, Evacuate(), EVACUATE_S)
        except (RefusedError, PeerLost, DeadlineExceeded) as error:
            left = len(self.sessions)
            return Drained(max(0, before - left), left, str(error) if left else "")
        assert isinstance(answer, Evacuated), "the catalogue names the only answer"
        return Drained(answer.moved, len(self.sessions), answer.text)

    def load(self) -> Load:
        capacity = sum(line.map.players_max for line in self.lines)
        return Load(len(self.sessions), capacity, min(1.0, self.ticker.pressure))

    def facts(self) -> dict[str, str]:
        return {"maps": ",".join(f"{line.name}:{line.number}" for line in self.lines)}

    def describe(self) -> dict[str, Any]:
        tick_ms = {"p50": self.ticker.percentile_ms(50), "p99": self.ticker.percentile_ms(99)}
        lines = [line.describe() for line in self.lines]
        kept, skipped = len(self.keepsakes), self.ticker.skipped
        found = {"lines": lines, "keepsakes": kept, "tick_ms": tick_ms, "skipped": skipped}
        return found | ({"dilation": self.game.rate} if self.game.rate < 1 else {})

    def signals(self) -> dict[str, float]:
        return {"tick time": self.ticker.share() / TICK_SHARE if len(self.sessions) else 0.0}

    def busy(self) -> bool:
        """Is anything under way that another process could not go on with? One of the handlers gives it all away."""
        waits = any(one.busy or one.saving or one.leaving for one in self.sessions)
        return waits or self.saves.under_way > 0 or self.departures.under_way > 0 or self.dispatch.under_way > 1

    def level_changed(self) -> None:
        if not self.handing.frozen:
            self.degradation.scene_at(self.pressure.number)

    def peer_level_changed(self, peer: str) -> None:
        if peer.split(".")[2] == "gate":
            self.degradation.gate_at(peer, self.pressure.of(peer))

    def heard(self, link: Link, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            hear = partial(super().heard, link, (envelope,))
            if not self.handing.keeps_back(link, hear, envelope):
                hear()

    def batch_arrived(self, link: Link, lane: int, blobs: list[bytes]) -> None:
        hear = super().batch_arrived
        if not self.handing.keeps_back(link, lambda: hear(link, lane, blobs)):
            hear(link, lane, blobs)

    def peer_up(self, member: Member) -> None:
        if member.role == "gate":
            self.handing.gate_up(member.name, self.switchboard.links.up[member.name].incarnation)

    def peer_lost(self, member: Member) -> None:
        self.handing.peer_lost(member.name)
        if member.role == "gate" and not self.handing.later(lambda: self._gate_lost(member)):
            self._gate_lost(member)

    def _gate_lost(self, member: Member) -> None:
        if self.handing.is_back(member.name):
            return
        self.out.forget(member.name)
        self.degradation.pace(member.name, False)
        self.residents.gate_lost(member.name)

    # --- the hot lanes ---

    @on_batch(Lane.MOVES)
    def on_moves(self, blobs: list[bytes], caller: Caller) -> None:
        if len(blobs) != 2 or len(blobs[0]) % 4 or len(blobs[1]) != len(blobs[0]) // 4 * MOVE_SIZE:
            self.counts.malformed += 1
            return
        self._incoming.add(caller.peer, blobs[0], blobs[1])
        self.ticking.moved()
        if self._incoming.count >= INCOMING_MAX:
            self.sort_moves()

    def sort_moves(self) -> None:
        """Give the lines what they are to move next."""
        for gate, handles, records in self._incoming.take():
            for line, slots, at in self._by_line(handles, gate):
                line.moves.add(slots, records.take(at))

    @on_batch(Lane.DROPS)
    def on_drops(self, blobs: list[bytes], caller: Caller) -> None:
        if len(blobs) != 1 or len(blobs[0]) % 4:
            self.counts.malformed += 1
            return
        for line, slots, _ in self._by_line(np.frombuffer(blobs[0], "<u4"), caller.peer):
            line.world.refresh[slots] = True

    @on_batch(Lane.BUDGETS)
    def on_budgets(self, blobs: list[bytes], caller: Caller) -> None:
        """What its gate says that a client can bear; never more than the map grants to one."""
        if len(blobs) != 2 or len(blobs[0]) % 4 or len(blobs[0]) != len(blobs[1]):
            self.counts.malformed += 1
            return
        budgets = np.frombuffer(blobs[1], "<u4")
        for line, slots, at in self._by_line(np.frombuffer(blobs[0], "<u4"), caller.peer):
            line.world.budget[slots] = np.clip(budgets[at], BUDGET_MIN, line.map.budget_bytes_s)

    @on_batch(Lane.PACE)
    def on_pace(self, blobs: list[bytes], caller: Caller) -> None:
        if len(blobs) != 1 or blobs[0] not in (b"0", b"1"):
            self.counts.malformed += 1
            return
        self.degradation.pace(caller.peer, blobs[0] == b"1")

    @on_batch(Lane.PLAYS)
    def on_plays(self, blobs: list[bytes], caller: Caller) -> None:
        if len(blobs) != 3 or len(blobs[0]) % 4 or len(blobs[0]) != len(blobs[1]):
            self.counts.malformed += 1
            return
        handles, lengths = np.frombuffer(blobs[0], "<u4"), np.frombuffer(blobs[1], "<u4")
        ends = np.cumsum(lengths, dtype=np.int64)
        if len(ends) and ends[-1] != len(blobs[2]):
            self.counts.malformed += 1
            return
        begin = 0
        for handle, end in zip(handles.tolist(), ends.tolist(), strict=True):
            self._play(handle, blobs[2][begin:end], caller.peer)
            begin = end

    def _play(self, handle: int, frame: bytes, gate: str) -> None:
        session = self.sessions.of_handle(handle)
        if session is None or session.gate != gate:
            self.counts.stale += 1
            return
        if len(frame) < PLAY_HEAD.size:
            self.play.bad(session, 0, Code.BAD_MESSAGE, "a play message starts with 8 bytes")
            return
        sequence, received = PLAY_HEAD.unpack_from(frame)
        session.anew &= received > session.sent  # else it has heard Entered, and counts as we do
        session.acknowledge(min(received, session.sent))
        if not sequence:
            return  # a bare acknowledgement
        if session.accept(sequence):
            self.play.hear(session, sequence, frame[PLAY_HEAD.size :])
        else:
            self.counts.repeated += 1

    def _expel(self, session: Session) -> None:
        self.tell(session.gate, Kick(session.connection, session.number, Code.BAD_MESSAGE, "too many bad messages"))

    def _by_line(self, handles: Array, gate: str) -> list[tuple[Line, Array, Array]]:
        """(line, slots, where in `handles`) of those that name players of this gate."""
        index = self.out.index(gate)
        of_line = (handles & np.uint32(Handle.SLOT_MASK)) >> np.uint32(LINE_BITS)
        found = []
        for number in np.flatnonzero(np.bincount(of_line)).tolist():
            line = self.lines.at(number)
            if line is None:
                continue
            mine = np.flatnonzero(of_line == number)
            slots, at = line.world.players_of(handles[mine], index)
            found.append((line, slots, mine[at]))
        self.counts.stale += len(handles) - sum(len(slots) for _, slots, _ in found)
        return found

    # --- to the gates ---

    def _arm_flush(self) -> None:
        asyncio.get_running_loop().call_later(self.settings.flush_ms / 1000, self.flush)

    def flush(self) -> None:
        """What is collected for the gates is sent."""
        for refusal in self.out.flush(self.batch):
            if refusal.lane == Lane.CHATS:
                self.counts.bulk_dropped += len(refusal.handles)
                continue
            for handle in set(refusal.handles):
                session = self.sessions.of_handle(handle)
                if session is not None and session.gate == refusal.gate and session.attached:
                    self._view_again(session)

    def _view_again(self, session: Session) -> None:
        """Control pieces were lost on the way to the gate: start over, as after a resume."""
        self.counts.views_again += 1
        session.attach(session.gate, session.connection, 0, not session.anew)
        self.lines.of(session).show(session)

    # --- building ---

    def _make_line(self, index: int, name: str, number: int, generation: Array, fixed: bool) -> Line:
        made = Line(index, name, number, self.settings.maps[name], self.shared, generation, fixed)
        return self.degradation.opened(made)

    def _lines_changed(self) -> None:
        """The registry shows which lines are here."""
        self.registry.facts_changed()
