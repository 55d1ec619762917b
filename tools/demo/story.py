"""The course of a demonstration: log in, make friends, speak to all, drop and resume, party, lines, portals, a drain,
leave. Act by act.

Owns the crowd (all bots in this process) and what was found so far. It never judges: outcome.py does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np

from mesh import keys
from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol import play, social
from mesh.protocol.client import LOGGED_OUT
from mesh.protocol.control import Drain
from mesh.topology import NodeSpec
from tools.bots.bot import Bot
from tools.bots.crowd import Crowd
from tools.bots.increments import Totals
from tools.bots.neighbours import PLACE
from tools.bots.options import Options, Plan
from tools.bots.worker import usage_of_this_process
from tools.demo.cast import ANNOUNCEMENT, Witness, Witnessed, is_walker

LOGIN_GRACE_S = 60.0
SWITCH_TRIES = 20
SWITCH_S = 3.5  # for one try: a scene hears one wish in three seconds
HEARD_S = 20.0  # for anything that must be delivered; so long only where the machine itself is slow
LOOK_S = 0.02
PLAY_S = 8.0  # of undisturbed play at least
PLAY_MORE_S = 45.0  # when too little has happened by then
SHOUTS = 5
FRIEND_PAIRS = 20
COMING_AND_GOING = 10  # of the pairs: one logs out and in again
DROPPED = 20
DROPPED_S = 1.0  # without a connection
STAND_S = 0.4  # so that nobody moves any more
PARTY = 4
SWITCHERS = 10
CROSSERS = 10
DRAIN_S = 20.0
SAME_SPOT = 1  # map units of difference at most
LEAVE_S = 15.0


class Story:
    """One demonstration. Its figures are plain attributes, filled in as it goes on."""

    def __init__(self, options: Options, clock: Clock, say: Callable[[str], None]) -> None:
        self.options, self.clock, self.say = options, clock, say
        self.totals = Totals()
        self.seen = Witnessed()
        self.logged_in = 0
        self.shouts_sent = 0
        self.shouts_expected = 0
        self.shouts_delivered = 0
        self.shout_s: list[float] = []
        self.notices_expected = 0
        self.notices_delivered = 0
        self.dropped = 0
        self.resumed = 0
        self.party = 0  # members who know of each other and have heard each other
        self.switchers: list[Bot] = []
        self.switched = 0
        self.crossers: list[Bot] = []
        self.drained = ""
        self.drain_expected = 0
        self.drain_moved = 0
        self.left = 0
        key = keys.load(Path(options.key_file))
        self.crowd = Crowd(
            Plan(options, 0, ""),
            key,
            np.zeros(options.users, PLACE),
            clock,
            usage_of_this_process(),
            self.totals.add,
            self._witness,
        )

    @contextlib.asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """The bots log in and play while this is open."""
        task = asyncio.create_task(self.crowd.play(self.clock.now() + 0.05))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def log_in(self) -> None:
        """Everybody, at the spawn rate."""
        users = self.options.users
        self.say(f"{users} players log in, {self.options.by_password} of them with a password")
        await self._until(lambda: self._inside() == users, users / self.options.spawn_rate + LOGIN_GRACE_S)
        self.logged_in = self._inside()
        self.crowd.enter_phase("window")

    async def make_friends(self) -> None:
        """Pairs: one asks, the other accepts, both see it."""
        pairs = self._pairs()
        self.say(f"{len(pairs)} pairs of players become friends")
        for one, other in pairs:
            one.player.add_friend(name_of(other))
        await self._until(lambda: all(name_of(a) in self.seen.asked.get(b.number, ()) for a, b in pairs), HEARD_S)
        for one, other in pairs:
            other.player.accept_friend(name_of(one))
        await self._until(lambda: all(self._are_friends(a, b) and self._are_friends(b, a) for a, b in pairs), HEARD_S)

    async def speak_to_all(self) -> None:
        """Some players address the whole zone, one after the other."""
        speakers = [bot for bot in self.crowd.bots if bot.inside and is_walker(bot.number)][-SHOUTS:]
        self.say(f"{len(speakers)} players speak to everybody")
        for at, bot in enumerate(speakers):
            text = f"{ANNOUNCEMENT} {at + 1} of {len(speakers)}"
            attached = self._inside()
            asked = self.clock.now()
            bot.player.shout(text)
            self.shouts_sent += 1
            self.shouts_expected += attached
            await self._until(lambda text=text, n=attached: self.seen.announcements[text] >= n, HEARD_S)  # type: ignore[misc]
            self.shout_s.append(self.clock.now() - asked)
            self.shouts_delivered += self.seen.announcements[text]

    async def come_and_go(self) -> None:
        """One of each pair logs out and in again: the other is told both times."""
        pairs = self._pairs()[:COMING_AND_GOING]
        self.say(f"{len(pairs)} players log out and in again; their friends are told")
        names = [(friend.number, name_of(leaver)) for leaver, friend in pairs]
        offline, online = self.seen.offline.copy(), self.seen.online.copy()
        self.notices_expected += 2 * len(pairs)
        await asyncio.gather(*(leaver.leave(LEAVE_S) for leaver, _ in pairs))
        await self._until(lambda: all(self.seen.offline[key] > offline[key] for key in names), HEARD_S)
        again = [self.crowd.renew(leaver.row) for leaver, _ in pairs]
        await asyncio.gather(*(bot.start(self.crowd.credentials(bot.number), self.clock.now()) for bot in again))
        await self._until(lambda: all(self.seen.online[key] > online[key] for key in names), HEARD_S)
        self.notices_delivered += sum(self.seen.offline[key] - offline[key] for key in names)
        self.notices_delivered += sum(self.seen.online[key] - online[key] for key in names)

    async def drop_and_resume(self) -> None:
        """Connections break; the players come back to the very spot where they stood."""
        bots = [bot for bot in self.crowd.bots if bot.inside and is_walker(bot.number)][:DROPPED]
        self.say(f"the connections of {len(bots)} players break; they resume")
        self.dropped = len(bots)
        for bot in bots:
            self.crowd.columns.walking[bot.row] = False
        await asyncio.sleep(STAND_S)
        await asyncio.gather(*(bot.player.settle() for bot in bots))
        spots = {bot.number: bot.place() for bot in bots}
        for bot in bots:
            bot.drop()
        await asyncio.sleep(DROPPED_S)
        back = await asyncio.gather(*(self._resume(bot) for bot in bots))
        self.resumed = sum(done and self._is_at(bot, spots[bot.number]) for bot, done in zip(bots, back, strict=True))

    async def join_a_party(self) -> None:
        """One asks three others, who accept; then it says something that only they hear."""
        leader, *others = self._free_walkers()[:PARTY]
        self.say(f"{len(others) + 1} players form a party and talk")
        for bot in others:
            leader.player.social(social.InviteParty(name_of(bot)))
        await self._until(lambda: all(bot.number in self.seen.invited for bot in others), HEARD_S)
        for bot in others:
            bot.player.social(social.AcceptParty(self.seen.invited.get(bot.number, 0)))
        await self._until(lambda: all(self._members(bot) == PARTY for bot in (leader, *others)), HEARD_S)
        leader.player.social(social.Speak("party", "over here"))
        members = {bot.number for bot in (leader, *others)}
        await self._until(lambda: members <= self.seen.party_words, HEARD_S)
        self.party = sum(
            self._members(bot) == PARTY and bot.number in self.seen.party_words for bot in (leader, *others)
        )

    async def switch_lines(self) -> None:
        """Some go to the other line of their map, on the connection that they have."""

        def place(bot: Bot) -> tuple[str, int]:
            said = self.seen.entered[bot.number]
            return said.map, said.line

        began = {bot.number: place(bot) for bot in self.crowd.bots if bot.inside}
        wanted = {number: (map_, 3 - line) for number, (map_, line) in began.items()}
        lines = set(began.values())
        chosen = [bot for bot in self._free_walkers()[PARTY:] if wanted[bot.number] in lines][:SWITCHERS]
        self.say(f"{len(chosen)} players go to another line of their map")

        def pending() -> list[Bot]:
            """Without those who have walked through a portal meanwhile: there may be no such line where they are."""
            return [bot for bot in chosen if place(bot) == began[bot.number]]

        for _ in range(SWITCH_TRIES):  # whoever a wolf bites on the way is refused as long as it fights
            for bot in pending():
                bot.player.social(social.SwitchLine(wanted[bot.number][1]))
            await self._until(lambda: not pending(), SWITCH_S)
        there = [bot for bot in chosen if place(bot) == wanted[bot.number]]
        self.switchers, self.switched = there + pending(), len(there)

    async def play_on(self, enough: Callable[[], bool]) -> None:
        """Undisturbed play, longer when too little has happened. Those who are near a portal walk through it."""
        self._send_through_portals()
        self.say(f"they walk, fight, loot, trade and talk; {len(self.crossers)} walk through a portal to another map")
        await asyncio.sleep(PLAY_S)
        await self._until(lambda: enough() and self.crossed == len(self.crossers), PLAY_MORE_S)

    @property
    def crossed(self) -> int:
        """Those who were to cross and are, or have been, on another map."""
        return sum(len(self.seen.maps[bot.number]) > 1 for bot in self.crossers)

    async def drain(self, operator: Operator, scene: NodeSpec) -> None:
        """A scene is emptied while everybody plays: its players play on elsewhere, without noticing much."""
        self.drained = scene.short
        here = [bot for bot in self.crowd.bots if self.seen.entered[bot.number].scene == scene.name]
        self.drain_expected = len(here)
        self.say(f"{scene.short} is emptied: its {len(here)} players go to the other scenes")
        try:
            await operator.ask(scene.name, Drain(), timeout_s=DRAIN_S)
        except MeshError as error:
            self.crowd.measures.error(f"drain: {error}")

        def elsewhere() -> int:
            return sum(bot.inside and self.seen.entered[bot.number].scene != scene.name for bot in here)

        await self._until(lambda: elsewhere() == len(here), HEARD_S)
        self.drain_moved = elsewhere()

    async def leave(self) -> None:
        """Everybody logs out."""
        self.crowd.enter_phase("end")
        here = [bot for bot in self.crowd.bots if bot.inside]
        self.say(f"{len(here)} players leave")
        await self.crowd.leave(LEAVE_S)
        self.left = sum(not bot.inside and said_goodbye(bot) for bot in here)
        self.crowd.send_report(last=True)

    # --- helpers ---

    def _witness(self, bot: Bot) -> Witness:
        return Witness(bot, self.seen)

    def _inside(self) -> int:
        return sum(bot.inside for bot in self.crowd.bots)

    def _pairs(self) -> list[tuple[Bot, Bot]]:
        """The last ones that only walk, two by two."""
        walkers = [bot for bot in self.crowd.bots if is_walker(bot.number)]
        chosen = walkers[: 2 * FRIEND_PAIRS]
        return list(zip(chosen[0::2], chosen[1::2], strict=False))

    def _free_walkers(self) -> list[Bot]:
        """Those that only walk, the last ones first: the first ones have had their part already."""
        return [bot for bot in reversed(self.crowd.bots) if bot.inside and is_walker(bot.number)]

    def _members(self, bot: Bot) -> int:
        party = self.seen.parties.get(bot.number)
        return len(party.members) if party is not None and party.party else 0

    def _send_through_portals(self) -> None:
        """Those who have the shortest way."""
        ways = []
        for bot in self._free_walkers()[PARTY:]:
            if bot in self.switchers:
                continue
            x, y = bot.place()
            for portal in self.seen.entered[bot.number].portals:
                ways.append((bot.metres(((x - portal.x) ** 2 + (y - portal.y) ** 2) ** 0.5), bot.number, portal, bot))
        nearest: dict[int, tuple[play.Portal, Bot]] = {}
        for _, number, portal, bot in sorted(ways, key=lambda way: way[:2]):
            if len(nearest) < CROSSERS:
                nearest.setdefault(number, (portal, bot))
        for portal, bot in nearest.values():
            self.crossers.append(bot)
            bot.seek(portal.x, portal.y)

    def _are_friends(self, one: Bot, other: Bot) -> bool:
        return self.seen.friends.get(one.number, {}).get(name_of(other)) == "friend"

    async def _resume(self, bot: Bot) -> bool:
        try:
            await bot.player.resume()
        except MeshError as error:
            self.crowd.measures.error(f"resume: {error}")
            return False
        return True

    def _is_at(self, bot: Bot, spot: tuple[int, int]) -> bool:
        """Where the server says that it is, against where it stood when the connection broke."""
        entered = self.seen.entered[bot.number]
        return entered.resumed and abs(entered.x - spot[0]) <= SAME_SPOT and abs(entered.y - spot[1]) <= SAME_SPOT

    async def _until(self, test: Callable[[], Any], timeout_s: float) -> None:
        """Wait for a condition; going on without it is fine, the report will say so."""
        until = self.clock.now() + timeout_s
        while True:
            if test() or self.clock.now() >= until:
                return
            await asyncio.sleep(LOOK_S)


def name_of(bot: Bot) -> str:
    """Of its character."""
    return bot.player.session.character


def said_goodbye(bot: Bot) -> bool:
    """Did the gate confirm that it has left?"""
    ended = bot.player.session.ended
    return ended is not None and ended.code == LOGGED_OUT
