"""A zone for scenarios about players: its topology as a text, its processes, its players, and its state at the end.

Owns the processes while the body of `zone(...)` runs. They are a household: each is killed, paused or held by name and
starts again at once.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mesh import keys, tickets
from mesh import topology as topologies
from mesh.checking.records import Book
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.control import Describe, Description
from mesh.topology import Topology
from tools.bots.roll import Roll, call_roll
from tools.chaos.books import Books, read_books
from tools.chaos.household import Kept, household
from tools.chaos.players import Crowd, Hero, Realm
from tools.chaos.roads import Dial, Roads, roads_between
from tools.chaos.scenario import Arena
from tools.ctl.exits import CommandError

TICKET_LIFE_S = 7200.0
READY_S = 40.0
SETTLE_S = 8.0  # for what is under way when everybody rests
POLL_S = 0.05
CLIENTS_SPARE = 500  # descriptors besides those of the clients

WILDS = "{wilds={size_m=120.0,unit_m=0.02,spawn_m=60.0,speed_mps=30.0,npcs=60,npc_respawn_s=2.0,respawn_s=1.0}}"
"""A small map full of beasts, with quick players: there is something to gain at once."""
PLAIN = "{wilds={size_m=627.0,spawn_m=0.0,npcs=250,npc_respawn_s=2.0}}"
"""1,000 players on it have about 20 others in view."""


@dataclass(frozen=True)
class Shape:
    """How many nodes of which role, and what is on the scenes."""

    gates: int = 1
    scenes: int = 2
    maps: str = WILDS
    settings: Mapping[str, str] = field(default_factory=dict)
    logs: int = 1
    standby: bool = False  # dc.2 has a copy of dc.1
    dials: Sequence[Dial] = ()  # connections between nodes that have a proxy
    events_kept: int = 0  # by each node while no log node takes them; 0: the usual

    def names(self) -> list[str]:
        """One node a process, in the order in which they are started."""
        counts = {"dc": 1 + self.standby, "log": self.logs, "login": 1, "scene": self.scenes, "gate": self.gates}
        return ["center.1", *(f"{role}.{n + 1}" for role, count in counts.items() for n in range(count))]

    def text(self) -> str:
        """As a topology file."""
        processes = "".join(f'[[process]]\nnodes = ["{name}"]\n' for name in self.names())
        kept = f"events_kept = {self.events_kept}\n" if self.events_kept else ""
        return f'[cluster]\nname = "chaos"\nregion = "eu"\nzone = "one"\nbase_port = 14700\n{kept}{processes}'

    def overrides(self) -> dict[str, str]:
        """As `--set` would have them."""
        weak = {"scene.npc_level": "0"}  # beasts that fall after three blows
        pair = {"dc.standby": '{"dc.1"="dc.2"}'} if self.standby else {}
        return {"scene.maps": self.maps, "center.default_map": '"wilds"', **weak, **pair, **self.settings}


@dataclass
class Zone:
    """One that is up. `realm` is what heroes need."""

    arena: Arena
    topology: Topology
    kept: dict[str, Kept]
    realm: Realm
    operator: Operator
    roads: Roads
    crowds: list[Crowd] = field(default_factory=list)

    @property
    def now(self) -> Callable[[], float]:
        return self.arena.ground.clock.now

    @property
    def book(self) -> Book:
        return self.realm.book

    def full(self, short: str) -> str:
        """The full name of a node."""
        return self.topology.node(short).name

    def of_role(self, role: str) -> list[str]:
        return [name for name in self.kept if name.startswith(f"{role}.")]

    def crowd(
        self, size: int, prefix: str, *, fighters: float = 0.0, asks_s: float = 1.0, lives_per_s: float = 2.0
    ) -> Crowd:
        """So many heroes, dealt out to the gates in turn; this share of them fights."""
        chance = self.arena.chance(f"crowd {prefix}")
        heroes = [
            Hero(f"{prefix}-{n}", self.realm, n, chance.getrandbits(48), asks_s, chance.random() < fighters)
            for n in range(size)
        ]
        crowd = Crowd(self.realm, heroes, lives_per_s)
        self.crowds.append(crowd)
        return crowd

    async def ready(self, *names: str) -> None:
        """Until these processes serve (all of them without an argument); CommandError when one does not."""
        for name in names or list(self.kept):
            if not await self.kept[name].wait_ready(READY_S):
                raise CommandError("\n".join([f"{name} is not Ready", *self.kept[name].words()]))

    async def describe(self, short: str, timeout_s: float = 2.0) -> Description | None:
        """What a node says about itself; None when it does not."""
        try:
            said = await self.operator.ask(short, Describe(), timeout_s)
        except MeshError:
            return None
        assert isinstance(said, Description)
        return said

    async def roll(self, expected: set[str]) -> Roll:
        """Who is where, by the scenes."""
        return await call_roll(self.operator, self.topology, expected)

    async def settle(self) -> None:
        """Everybody rests, and what is under way may end."""
        await asyncio.gather(*(crowd.rest() for crowd in self.crowds))
        end = self.now() + SETTLE_S
        while any(crowd.owed() for crowd in self.crowds) and self.now() < end:  # noqa: ASYNC110 - it has an end
            await asyncio.sleep(POLL_S)

    async def close(self) -> Books:
        """Everybody leaves, everything is stopped in order; what is stored then."""
        await asyncio.gather(*(crowd.leave() for crowd in self.crowds))
        for name in reversed(self.kept):
            await self.kept[name].stop()
        return await read_books(self.topology.data(self.topology.node("dc.1")), self.arena.ground.say)


@contextlib.asynccontextmanager
async def zone(
    arena: Arena, shape: Shape, clients: int, environments: Mapping[str, Mapping[str, str]] | None = None
) -> AsyncIterator[Zone]:
    """Started and Ready; stopped at the end, whatever happens. `environments`: see `household`."""
    ground = arena.ground
    ground.need_clients(clients + CLIENTS_SPARE)
    file = ground.folder / "chaos.toml"
    file.write_text(shape.text(), encoding="utf-8")
    overrides = shape.overrides()
    topology = topologies.load(file, base_port=ground.base_port, runtime=ground.folder / "c", overrides=overrides)
    async with (
        roads_between(arena.chance("network"), topology.sockets, shape.dials) as roads,
        household(ground, topology, shape.names(), overrides, {**roads.environments, **(environments or {})}) as kept,
    ):
        realm = Realm(gates_of(topology), signer(topology, ground.clock.wall), ground.clock, Book())
        async with Operator(topology) as operator:
            made = Zone(arena, topology, kept, realm, operator, roads)
            await made.ready()
            ground.say(f"{len(kept)} processes are Ready")
            yield made


def gates_of(topology: Topology) -> Sequence[str]:
    """Where the gates take players."""
    return [f"ws://127.0.0.1:{topology.base_port + gate.number - 1}" for gate in topology.of_role("gate")]


def signer(topology: Topology, wall: Callable[[], float]) -> Callable[[str], str]:
    """Makes tickets; the key is there when the first login node is."""

    def sign(account: str) -> str:
        key = keys.load(topology.keys / keys.TICKETS)
        return tickets.sign_ticket(key, account, wall() + TICKET_LIFE_S)

    return sign


def most_loaded(chance: random.Random, names: Sequence[str], load: Mapping[str, int]) -> str:
    """The one with the most players; among equals by chance."""
    most = max(load.get(name, 0) for name in names)
    return chance.choice([name for name in names if load.get(name, 0) == most])


def gate_of(made: Zone, hero: Hero) -> str:
    """The short name of the gate that a hero is connected to, or was at last."""
    port = int(hero.player.url.rpartition(":")[2] or 0)
    return f"gate.{port - made.topology.base_port + 1}"


async def stop_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel them and wait for their ends; a mistake that one of them has met is raised."""
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
