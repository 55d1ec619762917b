"""The social parts of a center without the rest of it: players come, speak and go, and what everybody hears is kept.

The node around them only writes down what it is given to say; behind friendships is what the DC really does.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

from mesh.core.publications import Publications
from mesh.errors import MeshError
from mesh.node import Caller
from mesh.protocol.catalogue import Message, decoder, encode
from mesh.protocol.cluster import Announce, FromClient, HostedAt, HostedList, ToClients
from mesh.protocol.codec import heard_by
from mesh.protocol.records import ChangeFriendship
from mesh.protocol.sessions import Friendship, Mute, PartyAt, Status, account_of, session_of
from mesh.protocol.social import PartyInvited
from mesh.protocol.zones import Relay
from mesh.testing import ManualClock
from mesh.topology.policy import DEFAULT
from nodes.center.courier import Courier
from nodes.center.directory import Directory, Presence
from nodes.center.party_news import TICK_S
from nodes.center.queue import Queue
from nodes.center.settings import CenterSettings
from nodes.center.society import Society
from nodes.dc import friendships
from tests.dc.desk import AT_MS, Desk

LINKDEAD_S = 60.0

hear = decoder(heard_by("client", ["center"]))


class Figures:
    """Metrics that nobody reads."""

    def reads(self, *_: Any) -> None:
        pass


class Journal:
    """Events, by kind."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def record(self, kind: str, _account: int, **_fields: Any) -> None:
        self.kinds.append(kind)


class Levels:
    """Of the policy: the center's and those of gates."""

    def __init__(self) -> None:
        self.number = 0
        self.gates: dict[str, int] = {}

    def of(self, peer: str) -> int:
        return self.gates.get(peer, 0)


class Speaker:
    """What the parts see of their node."""

    def __init__(self, desk: Desk) -> None:
        self.clock = ManualClock()
        self.publications = Publications()
        self.publications.epoch = 1
        self.metrics, self.journal = Figures(), Journal()
        self.pressure, self.topology = Levels(), SimpleNamespace(policy=DEFAULT)
        self.told: list[tuple[str, Message]] = []
        self.announced: list[Announce] = []
        self.steps: list[int] = []
        self.failure: MeshError | None = None  # what the DC does
        self._desk = desk

    def peers(self, _role: str) -> list[Any]:
        return [SimpleNamespace(name=name) for name in self.pressure.gates]

    def tell(self, target: str, message: Message) -> bool:
        self.told.append((target, message))
        return True

    def told_to_clients(self) -> list[Message]:
        return [message for _, message in self.told if isinstance(message, ToClients) and message.sessions]

    def publish(self, message: Message) -> int:
        assert isinstance(message, Announce)
        self.announced.append(message)
        return len(self.announced)

    def step(self, number: int) -> None:
        self.steps.append(number)

    async def ask(self, target: str, said: Message) -> Message:
        assert target == "dc"
        assert isinstance(said, ChangeFriendship)
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return self._desk.do(lambda view: friendships.change_friendship(view, said, AT_MS))


class Parlour:
    """See the module. Players are named by their account."""

    def __init__(self, epoch: int = 1, **settings: Any) -> None:
        self.desk = Desk()
        for number in range(1, 13):
            assert self.desk.account(f"P{number}") == number
        self.restart(epoch, **settings)

    def restart(self, epoch: int, **settings: Any) -> None:
        """Another center, that knows nothing."""
        self.node = Speaker(self.desk)
        self.node.publications.epoch = epoch
        told = CenterSettings(**settings)
        self.directory = Directory()
        self.queue = Queue(10, 60.0)
        self.society = Society(self.node, told, self.directory, Courier(self.node), self.queue)  # type: ignore[arg-type]
        self.society.parties.begin(epoch)
        self.connections = 0

    # --- players ---

    def of(self, account: int) -> Presence:
        found = self.directory.of_account(account)
        assert found is not None
        return found

    def begin(
        self, account: int, *, gate: str = "g1", scene: str = "s1", map_: str = "meadow", line: int = 1
    ) -> Presence:
        """A login is under way."""
        self.connections += 1
        row = friendships._friends(self.desk.rows, account)
        known = self.directory.of_account(account)
        session = (
            known.session + 1 if known is not None else self.directory._ended.get(account, session_of(account, 0)) + 1
        )
        return self.directory.enter(session, f"P{account}", row, scene, gate, self.connections, self.now(), map_, line)

    def come(self, account: int, **where: Any) -> Presence:
        presence = self.begin(account, **where)
        self.arrive(presence)
        return presence

    def arrive(self, presence: Presence) -> None:
        self.directory.hosted(presence, presence.map, presence.line, 7, self.now(), LINKDEAD_S)
        for watcher in self.society.watchers:
            watcher.came(presence)

    def drop(self, account: int) -> None:
        presence = self.of(account)
        assert self.directory.drop(presence.session, presence.gate, presence.connection, self.now(), LINKDEAD_S)
        self._moved(presence)

    def drop_gate(self, account: int) -> None:
        """The connection of one that is not in the world yet breaks."""
        presence = self.of(account)
        assert self.directory.drop(presence.session, presence.gate, presence.connection, self.now(), LINKDEAD_S) is None

    def resume(self, account: int, gate: str = "g1") -> None:
        self.connections += 1
        self.directory.connect(self.of(account), gate, self.connections, self.now())
        self._moved(self.of(account))

    def move(self, account: int, scene: str, map_: str, line: int) -> None:
        self.directory.move(self.of(account), scene, map_, line, self.now())
        self._moved(self.of(account))

    def go(self, account: int, why: str = "logout") -> None:
        presence = self.of(account)
        assert self.directory.gone(presence)
        for watcher in self.society.watchers:
            watcher.went(presence, why)

    def adopt(self, account: int, scene: str = "s1") -> HostedAt:
        """A center that starts anew finds it on a scene; what the scene says of it."""
        status = Status(account, f"P{account}", 1, 0, 100, {}, "meadow", 0.0, 0.0, 0, "eu", 0, [], [])
        session = session_of(account, 1)
        presence = self.directory.adopt(
            session, status.name, [], scene, "meadow", 1, self.now(), self.now() + LINKDEAD_S
        )
        for watcher in self.society.watchers:
            watcher.came(presence)
        return HostedAt(session, status, "meadow", 1)

    def listed(self, account: int, party: PartyAt | None) -> HostedAt:
        """What a scene says of one whom the center knows."""
        status = Status(account, f"P{account}", 1, 0, 100, {}, "meadow", 0.0, 0.0, 0, "eu", 0, [], [])
        return HostedAt(self.of(account).session, status, "meadow", 1, False, party)

    def hosted(self, scene: str, *hosted: HostedAt) -> None:
        self.society.hosted(scene, HostedList(list(hosted)))

    def befriend(self, account: int, other: int) -> None:
        """Before anybody comes."""
        for one, kind, two in ((account, "ask", other), (other, "accept", account)):
            said = ChangeFriendship(kind, one, f"P{two}")  # type: ignore[arg-type]
            self.desk.do(lambda view, said=said: friendships.change_friendship(view, said, AT_MS))

    def block(self, account: int, other: int) -> None:
        """Before anybody comes."""
        said = ChangeFriendship("block", account, f"P{other}")
        self.desk.do(lambda view: friendships.change_friendship(view, said, AT_MS))

    # --- what is said and heard ---

    def now(self) -> float:
        return self.node.clock.now()

    def wait(self, seconds: float) -> None:
        """Time goes by, tick by tick."""
        for _ in range(round(seconds / TICK_S)):
            self.node.clock.advance(TICK_S)
            self.society.tick()

    def say(self, account: int, *messages: Message) -> None:
        """A client speaks, and is answered."""

        async def speak() -> None:
            presence = self.of(account)
            for message in messages:
                said = FromClient(presence.session, encode(message))
                await self.society.social.on_from_client(said, Caller(presence.gate, "gate", 1))

        asyncio.run(speak())

    def heard(self, account: int) -> list[Message]:
        """What a client was told since the last time."""
        mine: list[Message] = []
        for at, (_, message) in enumerate(self.node.told):
            if isinstance(message, ToClients) and any(account_of(s) == account for s in message.sessions):
                mine.append(hear(message.body))
                rest = [s for s in message.sessions if account_of(s) != account]
                self.node.told[at] = ("", ToClients(rest, message.body, message.bulk))
        return mine

    def last_invitation(self, account: int) -> int:
        return next((m.party for m in reversed(self.heard(account)) if isinstance(m, PartyInvited)), 0)

    def scene(self, name: str = "s1") -> list[Message]:
        """What a scene was told since the last time."""
        mine = [message for target, message in self.node.told if target == name]
        self.node.told = [(target, message) for target, message in self.node.told if target != name]
        return mine

    def hush(self) -> None:
        """Forget what was said so far."""
        self.node.told.clear()

    def _moved(self, presence: Presence) -> None:
        for watcher in self.society.watchers:
            watcher.moved(presence)


def blocked(account: int) -> Friendship:
    return Friendship(account, f"P{account}", "blocked")


class Abroad:
    """Other zones, with these accounts in them."""

    def __init__(self, zones: dict[int, str]) -> None:
        self.zones = zones
        self.relayed: list[Relay] = []
        self.lists: list[tuple[int, list[str], str]] = []
        self.mutes: list[tuple[int, Mute]] = []

    def zone_of(self, account: int) -> str:
        return self.zones.get(account, "")

    def relay(self, said: Relay) -> int:
        self.relayed.append(said)
        return sum(account in self.zones for account in said.to)

    def friends_changed(self, account: int, friends: list[Friendship], asked_by: str = "") -> None:
        self.lists.append((account, [f.state for f in friends], asked_by))

    def muted(self, account: int, mute: Mute) -> None:
        self.mutes.append((account, mute))
