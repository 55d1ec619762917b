"""The players of a course: each does what its dice say, through a client that is the real one.

They walk, fight, loot, trade, write mails and take them, go with a party, talk, travel through portals, drop their
connection and come back, log out and in, and log in a second time while they are in. What they wanted and were told is
in their diaries, for the checkers. In calm times they only stay in the world, and come back into it.
"""

import asyncio
import random
from collections.abc import Callable

from mesh.checking.records import Book
from mesh.client.memory import MemoryWire, memory_dial
from mesh.client.player import Player
from mesh.client.wire import OnClosed, OnFrame, Wire
from mesh.errors import LocalProtocolError, MeshError, PeerLost, RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.play import Loot, Mailbox, PlayDenied, TradeInvited, TradeState
from mesh.protocol.social import PartyInvited
from mesh.testing import MemoryClient
from mesh.testing.playing import creatures, step
from mesh.tickets import sign_ticket
from nodes.simulation.diary import Diary
from nodes.simulation.zone import SimulatedZone

GATES = ("gate.1", "gate.2")
JOIN_S = 4.0
PACE_S = 0.2  # between two steps
HUNT_STEPS_MAX = 40
TICKET_S = 3600
MAILS_TAKEN = 2  # at once

WISHES: dict[str, int] = {
    "hunt": 8, "trade": 10, "travel": 3, "write": 4, "read": 3, "party": 3, "talk": 5, "wander": 1, "drop": 2,
    "leave": 1, "come twice": 1, "rest": 1,
}  # fmt: skip


class SimulatedPlayer:
    """See the module."""

    def __init__(
        self, zone: SimulatedZone, name: str, others: tuple[str, ...], key: bytes, seed: int, book: Book
    ) -> None:
        self.name, self.calm = name, False
        self.diary = Diary(book, zone.clock.now)
        self._zone, self._key = zone, key
        self._friends = [other for other in others if other != name]
        self._rolls = random.Random(seed)
        self.player: Player | None = None
        self._client: MemoryClient | None = None  # the newest end of a connection
        self._others: list[Player] = []  # connections that were taken over by a newer login
        self._session = 0
        self._mails: list[int] = []  # that wait, as it was told
        self._offered: set[int] = set()  # trades

    @property
    def playing(self) -> bool:
        return self.player is not None and self.player.playing

    async def live(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if self.player is None or not self.player.connected:
                    await self._come_in()
                elif self.calm or not self.player.playing:
                    await asyncio.sleep(PACE_S)
                else:
                    await self._act(self.player)
            except MeshError as error:
                if isinstance(error, RefusedError):
                    self._zone.tell(f"{self.name} refused: {error.code} {error.text}")
                await asyncio.sleep(self._rolls.uniform(0.05, 0.3))

    async def prove_alive(self) -> bool:
        """Says something that is refused, and hears so: the whole way to the scene and back works."""
        player = self.player
        assert player is not None, "only who is in the world is asked"
        try:
            number = player.play(Loot(0))
            await player.wait(PlayDenied, timeout_s=5.0, where=lambda said: said.sequence == number)
        except MeshError:
            return False
        return True

    def gap_count(self) -> int:
        """Numbered messages that never came, of all its connections."""
        return sum(player.session.gaps for player in (self.player, *self._others) if player is not None)

    # --- in and out ---

    async def _come_in(self) -> None:
        gate = self._rolls.choice(GATES)
        if self.player is not None and self.player.session.token and self._rolls.random() < 0.8:
            try:
                await self.player.resume(gate, JOIN_S)
                return
            except RefusedError as error:
                self._zone.tell(f"{self.name} cannot resume: {error.code}")
        await self._log_in(gate)

    async def _log_in(self, gate: str) -> None:
        """What a new connection hears counts from when it is in, and all of it does."""
        heard: list[Message] = []

        def hear(said: Message) -> None:
            if player is self.player:
                self._hear(player, said)
            else:
                heard.append(said)

        player = Player(dial=self._dial, clock=self._zone.clock, on_event=hear)
        ticket = sign_ticket(self._key, self.name, self._zone.clock.wall() + TICKET_S)
        await player.join(gate, "", ticket, method="ticket", timeout_s=JOIN_S)
        if self.player is not None:
            self._others.append(self.player)
        self.player = player
        self._offered.clear()
        for said in heard:
            self._hear(player, said)

    async def _dial(self, url: str, on_frame: OnFrame, on_closed: OnClosed) -> Wire:
        """A gate that stands still lets nobody in, and does not say so."""
        gates = [short for short in GATES if url in (short, self._url(short))]
        while any(self._zone.lives[short].stands for short in gates):  # noqa: ASYNC110 - nobody sets it
            await asyncio.sleep(0.05)
        wire = await memory_dial(self._zone)(url, on_frame, on_closed)
        assert isinstance(wire, MemoryWire)
        self._client = wire.client
        return wire

    def read(self, reads: bool) -> None:
        """Does the program of this player read what comes? A new connection is read in any case."""
        if self._client is not None:
            self._client.stop_reading(not reads)

    def _url(self, short: str) -> str:
        node = self._zone.nodes.get(short)
        return node.facts()["ws"] if node is not None else ""

    # --- what it does ---

    async def _act(self, player: Player) -> None:
        wish = self._rolls.choices(tuple(WISHES), tuple(WISHES.values()))[0]
        match wish:
            case "hunt":
                await self._hunt(player)
            case "trade":
                await self._trade(player)
            case "travel":
                await self._travel(player)
            case "write":
                self._write(player)
                await asyncio.sleep(PACE_S)
            case "read":
                await self._read(player)
            case "talk":
                (player.say if self._rolls.random() < 0.7 else player.shout)("so much to say " * 8)
                await asyncio.sleep(PACE_S)
            case "party":
                self._accompany(player)
                await asyncio.sleep(PACE_S)
            case "wander":
                await self._walk(player, self._rolls.randint(300, 1200), self._rolls.randint(300, 1200), 10)
            case "drop":
                player.drop()
                await asyncio.sleep(self._rolls.choice((0.0, 0.1, 1.0, 2.5)))
            case "leave":
                await player.logout(JOIN_S)
                self.player = None
            case "come twice":
                await self._log_in(self._rolls.choice(GATES))
            case _:
                await asyncio.sleep(0.5)

    async def _walk(
        self, player: Player, x: int, y: int, steps: int, stop: Callable[[], object] = lambda: False
    ) -> None:
        for _ in range(steps):
            if not player.playing or stop() or step(player, x, y, PACE_S) < 1:
                return
            await asyncio.sleep(PACE_S)

    async def _hunt(self, player: Player) -> None:
        """Loot what lies there, or go to a creature and fight it."""
        bodies = [e for e in player.session.view.values() if e.kind == "corpse" and not self.diary.has_looted(e.id)]
        if bodies:
            body = bodies[0]
            await self._walk(player, body.x, body.y, 15)
            if player.playing and body.id in player.session.view:
                self._loot(player, body.id)
            await asyncio.sleep(PACE_S)
            return
        targets = creatures(player)
        if not targets:
            await asyncio.sleep(0.5)
            return
        await self._fight(player, targets[0])

    async def _fight(self, player: Player, target: int) -> None:
        attack_at = 0.0
        for _ in range(HUNT_STEPS_MAX):
            seen = player.session.view.get(target)
            if seen is None or not player.playing:
                return
            step(player, seen.x, seen.y, PACE_S)
            now = self._zone.clock.now()
            if now >= attack_at:
                player.attack(target)
                attack_at = now + 1.0
            await asyncio.sleep(PACE_S)

    def _loot(self, player: Player, corpse: int) -> None:
        self.diary.loots(player.session, corpse)
        player.loot(corpse)

    def _write(self, player: Player) -> None:
        """A mail to somebody, with some gold, or a thing that it believes to have, or only words."""
        to, gold = self._rolls.choice(self._friends), self._rolls.randint(0, 3)
        things = self.diary.items[:1] if self._rolls.random() < 0.5 else []
        self.diary.writes(player.session, to, gold, things)
        player.write_mail(to, "for you", gold, things)

    async def _read(self, player: Player) -> None:
        player.read_mails()
        await asyncio.sleep(PACE_S)
        for mail in [mail for mail in self._mails if not self.diary.has_taken(mail)][:MAILS_TAKEN]:
            self.diary.takes(player.session, mail)
            player.take_mail(mail)

    def _accompany(self, player: Player) -> None:
        dice = self._rolls.random()
        if not self.diary.with_whom or dice < 0.4:
            player.invite_party(self._rolls.choice(self._friends))
        elif dice < 0.8:
            player.share_loot(self._rolls.random() < 0.7)
        else:
            player.leave_party()

    async def _trade(self, player: Player) -> None:
        others = [e.id for e in player.session.view.values() if e.kind == "player"]
        if others:
            player.invite_trade(self._rolls.choice(others))
        await asyncio.sleep(self._rolls.uniform(0.1, 0.5))

    async def _travel(self, player: Player) -> None:
        entered = player.session.entered
        assert entered is not None, "it is in the world"
        if entered.portals:
            portal, here = entered.portals[0], entered.map
            session = player.session
            await self._walk(
                player, portal.x, portal.y, 30, lambda: session.entered is None or session.entered.map != here
            )
            await asyncio.sleep(PACE_S)

    # --- what it hears ---

    def _hear(self, player: Player, said: Message) -> None:
        if player.session.session != self._session:
            self._session = player.session.session
            self.diary.begin()
        self.diary.hear(player.session, said)
        if isinstance(said, Mailbox):
            self._mails = [mail.number for mail in said.mails]
        elif isinstance(said, TradeInvited | TradeState | PartyInvited):
            try:
                self._answer(player, said)
            except (PeerLost, LocalProtocolError):
                return

    def _answer(self, player: Player, said: TradeInvited | TradeState | PartyInvited) -> None:
        if isinstance(said, PartyInvited):
            if not self.calm and self._rolls.random() < 0.8:
                player.accept_party(said.party)
        elif self.calm:
            player.cancel_trade(said.trade)
        elif isinstance(said, TradeInvited):
            if self._rolls.random() < 0.9:
                player.accept_trade(said.trade)
        elif said.trade not in self._offered:
            self._offered.add(said.trade)
            player.offer_trade(said.trade, self._rolls.randint(1, 5))
        elif not said.you_confirmed and said.theirs.gold:
            if not self.diary.is_trading(said.trade):
                self.diary.trades(player.session, said.trade, said.other, said.yours.gold, said.theirs.gold)
            player.confirm_trade(said.trade, said.version)
