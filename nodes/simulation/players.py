"""The players of a course: each does what its dice say, through a client that is the real one.

They walk, fight, loot, trade, travel through portals, drop their connection and come back, log out and in, and log in
a second time while they are in. What they wanted and were told is written into a book, for the checkers. In calm times
they only stay in the world, and come back into it.
"""

import asyncio
import random
from collections.abc import Callable

from mesh.checking.records import Book
from mesh.client.memory import memory_dial
from mesh.client.player import Player
from mesh.client.wire import OnClosed, OnFrame, Wire
from mesh.errors import LocalProtocolError, MeshError, PeerLost, RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.play import (
    Entered,
    Loot,
    Looted,
    PlayDenied,
    TradeClosed,
    TradeDone,
    TradeInvited,
    TradeState,
)
from mesh.testing.playing import creatures, step
from mesh.tickets import sign_ticket
from nodes.simulation.zone import SimulatedZone

GATES = ("gate.1", "gate.2")
JOIN_S = 4.0
PACE_S = 0.2  # between two steps
HUNT_STEPS_MAX = 40
TICKET_S = 3600
UNCERTAIN = ("unavailable", "internal", "out_of_order")
"""Codes of a refusal after which nobody knows whether it was done: the scene was lost, or the player was elsewhere."""

WISHES: dict[str, int] = {
    "hunt": 8, "trade": 10, "travel": 3, "wander": 1, "drop": 2, "leave": 1, "come twice": 1, "rest": 1,
}  # fmt: skip


class SimulatedPlayer:
    """See the module."""

    def __init__(self, zone: SimulatedZone, name: str, key: bytes, seed: int, book: Book) -> None:
        self.name, self.calm = name, False
        self._zone, self._key, self._book = zone, key, book
        self._rolls = random.Random(seed)
        self.player: Player | None = None
        self._others: list[Player] = []  # connections that were taken over by a newer login
        self._loots: dict[int, int] = {}  # corpse -> line of the book
        self._said: dict[int, int] = {}  # play sequence -> line
        self._trades: dict[int, int] = {}
        self._offered: set[int] = set()

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
        player = self._made()
        ticket = sign_ticket(self._key, self.name, self._zone.clock.wall() + TICKET_S)
        await player.join(gate, "", ticket, method="ticket", timeout_s=JOIN_S)
        if self.player is not None:
            self._others.append(self.player)
        self.player = player
        self._forget()

    def _made(self) -> Player:
        made: list[Player] = []

        def hear(said: Message) -> None:
            if made[0] is self.player or self.player is None or not self.player.connected:
                self._hear(made[0], said)

        made.append(Player(dial=self._dial, clock=self._zone.clock, on_event=hear))
        return made[0]

    async def _dial(self, url: str, on_frame: OnFrame, on_closed: OnClosed) -> Wire:
        """A gate that stands still lets nobody in, and does not say so."""
        gates = [short for short in GATES if url in (short, self._url(short))]
        while any(self._zone.lives[short].stands for short in gates):  # noqa: ASYNC110 - nobody sets it
            await asyncio.sleep(0.05)
        return await memory_dial(self._zone)(url, on_frame, on_closed)

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
        bodies = [e for e in player.session.view.values() if e.kind == "corpse" and e.id not in self._loots]
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
        session = player.session
        line = self._book.call(session.session, session.sent + 1, "loot", (corpse,), self._zone.clock.now())
        self._loots[corpse] = line
        self._said[player.loot(corpse)] = line

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
        now = self._zone.clock.now()
        match said:
            case Entered(resumed=False):
                self._forget()
            case Looted(corpse=corpse, gold=gold, items=items) if corpse in self._loots:
                self._book.end(self._loots[corpse], now, "ok", (gold, tuple(item.id for item in items)))
            case PlayDenied(sequence=sequence, code=code) if sequence in self._said:
                self._book.end(self._said.pop(sequence), now, "unknown" if code in UNCERTAIN else "refused", code)
            case TradeDone(trade=trade) if trade in self._trades:
                self._book.end(self._trades.pop(trade), now, "ok")
            case TradeClosed(trade=trade, code=code) if trade in self._trades:
                self._book.end(self._trades.pop(trade), now, "unknown" if code in UNCERTAIN else "refused", code)
            case TradeInvited() | TradeState():
                try:
                    self._answer_trade(player, said)
                except (PeerLost, LocalProtocolError):
                    return

    def _answer_trade(self, player: Player, said: TradeInvited | TradeState) -> None:
        if self.calm:
            player.cancel_trade(said.trade)
        elif isinstance(said, TradeInvited):
            if self._rolls.random() < 0.9:
                player.accept_trade(said.trade)
        elif said.trade not in self._offered:
            self._offered.add(said.trade)
            player.offer_trade(said.trade, self._rolls.randint(1, 5))
        elif not said.you_confirmed and said.theirs.gold:
            if said.trade not in self._trades:
                session = player.session
                args = (said.other, said.yours.gold, said.theirs.gold)
                self._trades[said.trade] = self._book.call(
                    session.session, session.sent + 1, "trade", args, self._zone.clock.now()
                )
            player.confirm_trade(said.trade, said.version)

    def _forget(self) -> None:
        """Numbers of corpses and trades mean something else from now on; what is open stays unknown."""
        self._loots.clear()
        self._said.clear()
        self._trades.clear()
        self._offered.clear()
