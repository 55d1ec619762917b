"""A pair of DCs on virtual time, with somebody who pays and faults of any kind: what the tests of failover share.

Somebody pays without end, asks again under the same number until there is an answer, and notes what was acknowledged;
in the end every coin that was acknowledged is there, none twice, and both disks are the same.
"""

import asyncio
import random
from typing import Any

from mesh.checking.records import Entry
from mesh.checking.tenures import Tenure, one_writer, tenures
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol.cluster import CreateAccount, LoadStatus
from mesh.protocol.records import GoldMove, Operate
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology import load
from nodes.center.node import CenterNode
from nodes.dc.memory_store import MemoryStore
from nodes.dc.node import DcNode
from nodes.dc.records import LEDGER, PURSES, TABLES
from nodes.login.node import LoginNode
from nodes.scene.node import SceneNode

TOPOLOGY = """
[cluster]
name = "pair"
[[process]]
nodes = ["center.1"]
[[process]]
nodes = ["dc.1"]
[[process]]
nodes = ["dc.2"]
[[process]]
nodes = ["login.1"]
[[process]]
nodes = ["scene.1"]
[settings.scene.maps.meadow]
size_m = 60.0
npcs = 0
[settings.login]
argon_memory_kib = 64
argon_passes = 1
[settings.dc]
standby = { "dc.1" = "dc.2" }
"""
ROLES = {"center": CenterNode, "login": LoginNode, "scene": SceneNode}
STARTING_GOLD = 100
RETRY_S = 0.1
NODES = ("dc.1", "dc.2", "center.1")


class Disks:
    """What survives a kill: a database per node."""

    def __init__(self) -> None:
        self.stores: dict[str, MemoryStore] = {}

    def node_class(self) -> type[DcNode]:
        stores = self.stores

        class MemoryDc(DcNode):
            def open_store(self) -> MemoryStore:
                return stores.setdefault(self.seat.spec.short, MemoryStore())

        return MemoryDc


class Payer:
    """Pays one coin after the other into an account."""

    def __init__(self, cluster: Cluster, account: int, session: int, replicated: bool = False) -> None:
        self.cluster, self.account, self.session, self.replicated = cluster, account, session, replicated
        self.acknowledged = 0
        self.sequence = 0
        self.gaps: list[float] = []  # between two acknowledgements

    async def pay(self) -> None:
        """The next coin, until it is acknowledged."""
        self.sequence += 1
        coin = GoldMove(0, self.account, 1)
        said = Operate(self.session, self.sequence, "pay", [], [coin], replicated=self.replicated)
        began = self.cluster.clock.now()
        while True:
            try:
                await self.cluster.node("scene.1").ask("dc", said, 2.0)
            except (PeerLost, DeadlineExceeded):
                await asyncio.sleep(RETRY_S)
            except RefusedError as error:
                if error.code not in (Code.UNAVAILABLE, Code.SHUTDOWN):
                    raise
                await asyncio.sleep(RETRY_S)
            else:
                break
        self.acknowledged += 1
        self.gaps.append(self.cluster.clock.now() - began)

    async def run(self) -> None:
        while True:
            await self.pay()
            await asyncio.sleep(0.005)


class Town:
    """A pair with somebody who pays."""

    def __init__(self, cluster: Cluster, disks: Disks) -> None:
        self.cluster, self.disks = cluster, disks
        self.payers: list[Payer] = []
        self._paying: list[asyncio.Task[None]] = []

    def dc(self, short: str) -> Any:
        return self.cluster.node(short)

    def writers(self) -> list[str]:
        return [s for s in ("dc.1", "dc.2") if s in self.cluster.nodes and self.dc(s).pair.serves]

    async def ask(self, target: str, said: Any) -> Any:
        return await self.cluster.node(target).ask("dc", said)

    async def payer(self, name: str, replicated: bool = False) -> Payer:
        account = (await self.ask("login.1", CreateAccount(name, "hash"))).account
        session = (await self.ask("login.1", LoadStatus(account))).session
        self.payers.append(Payer(self.cluster, account, session, replicated))
        return self.payers[-1]

    async def begin(self, count: int = 3) -> None:
        await wait_until(lambda: self.writers() == ["dc.1"])
        await wait_until(lambda: self.dc("dc.1").pair.in_sync)
        for number in range(count):
            await self.payer(f"payer-{number}")
        self.pay()

    def pay(self) -> None:
        """Have everybody pay from here on."""
        self._paying = [
            asyncio.ensure_future(work) for work in (self._watch(), *(payer.run() for payer in self.payers))
        ]

    def rest(self) -> None:
        """Nobody pays any more."""
        for task in self._paying:
            task.cancel()

    async def _watch(self) -> None:
        """At no moment do two believe that what they have is the truth."""
        while True:
            answering = [s for s in ("dc.1", "dc.2") if s in self.cluster.nodes and self.dc(s).pair.may_answer()]
            assert len(answering) <= 1
            await asyncio.sleep(0.01)

    async def progress(self, coins: int = 5, timeout_s: float = 20.0) -> None:
        """Everybody has paid so many more."""
        goals = [payer.acknowledged + coins for payer in self.payers]
        await wait_until(
            lambda: all(p.acknowledged >= goal for p, goal in zip(self.payers, goals, strict=True)), timeout_s=timeout_s
        )

    async def start(self, short: str) -> None:
        """Not all are there, so nobody waits until it is Ready."""
        cluster = self.cluster
        node = cluster.roles[cluster.topology.node(short).role](cluster.seat(short))
        cluster.nodes[short] = node
        await node.start()

    async def check(self) -> None:
        """End, and compare what was acknowledged with both disks."""
        self.rest()
        ended = await asyncio.gather(*self._paying, return_exceptions=True)
        assert [error for error in ended if not isinstance(error, asyncio.CancelledError)] == []
        await wait_until(lambda: len(self.writers()) == 1, timeout_s=20)
        writer = self.writers()[0]
        await wait_until(lambda: self.dc(writer).pair.in_sync and self.dc(writer).pair.lag == 0, timeout_s=20)
        for payer in self.payers:
            gold = gold_in(self.disks.stores[writer], payer.account) - STARTING_GOLD
            assert payer.acknowledged <= gold <= payer.sequence, (payer.acknowledged, gold, payer.sequence)
        for table in TABLES:
            one, other = (dict(self.disks.stores[s].scan(table)) for s in ("dc.1", "dc.2"))
            assert one == other, table
        assert self.tenures_of(writer) == []

    def tenures_of(self, short: str) -> list[Any]:
        """What is wrong with who wrote, by what was said and by this disk."""
        ledger = ledger_in(self.disks.stores[short])
        names = {one.writer.split()[1]: one.writer for one in tenures(ledger)}
        said = [fields for _, text, fields in self.cluster.log.lines if text == "writes from now on"]
        claims = [Tenure(one["epoch"], names.get(one["incarnation"], one["incarnation"])) for one in said]
        return one_writer(claims, ledger)

    async def stop(self, short: str) -> None:
        """In order, as before a planned restart."""
        await self.dc(short).stop()
        del self.cluster.nodes[short]


def gold_in(store: MemoryStore, account: int) -> int:
    key = PURSES.keys.pack(account)
    value = store.get(PURSES.name, key)
    assert value is not None
    return PURSES.unpack(key, value).gold


def ledger_in(store: MemoryStore) -> list[Entry]:
    rows = [LEDGER.unpack(key, value) for key, value in store.scan(LEDGER.name)]
    return [Entry(row.session, row.sequence, row.kind, note=row.note) for row in rows]


def tell(tmp_path, story, seed: int = 1, settings: str = "") -> None:
    """Run a story in a pair that has just started."""
    file = tmp_path / "pair.toml"
    file.write_text(TOPOLOGY + settings)
    topology = load(file, runtime=tmp_path / "run")
    disks = Disks()

    async def told(cluster: Cluster) -> None:
        cluster.network.latency_s = (0.0005, 0.002)
        await story(Town(cluster, disks))
        assert cluster.internal_errors() == []

    run(with_cluster(topology, {**ROLES, "dc": disks.node_class()}, tmp_path / "data", told, seed=seed))


def cut(town: Town, one: str, other: str, how: str) -> None:
    network, names = town.cluster.network, {short: town.cluster.topology.node(short).name for short in (one, other)}
    if how in ("both", "there"):
        network.cut(names[one], names[other])
    if how in ("both", "back"):
        network.cut(names[other], names[one])


def mend(town: Town) -> None:
    network = town.cluster.network
    for one in town.cluster.topology.nodes:
        for other in town.cluster.topology.nodes:
            network.mend(one, other)


class Fate:
    """Faults of any kind, one after the other, by a seed."""

    def __init__(self, town: Town, seed: int) -> None:
        self.town, self.rolls = town, random.Random(seed)
        self.down: set[str] = set()
        self.paused: set[str] = set()

    async def run(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(self.rolls.choice((0.02, 0.2, 1.0, 3.0)) * self.rolls.random())
            await self.rolls.choice((self.kill, self.stop, self.start, self.start, self.pause, self.part, self.sever))()
        await self.heal()

    async def kill(self) -> None:
        up = [n for n in NODES if n not in self.down]
        if up:
            victim = self.rolls.choice(up)
            if victim in self.paused:
                self._resume(victim)
            self.down.add(victim)
            await self.town.cluster.kill(victim)

    async def stop(self) -> None:
        up = [n for n in NODES if n not in self.down | self.paused]
        if up:
            victim = self.rolls.choice(up)
            self.down.add(victim)
            await self.town.cluster.node(victim).stop()
            del self.town.cluster.nodes[victim]

    async def start(self) -> None:
        if self.down:
            await self._start(self.rolls.choice(sorted(self.down)))
        mend(self.town)

    async def pause(self) -> None:
        up = [n for n in NODES if n not in self.down | self.paused]
        if up and not self.paused:
            victim = self.rolls.choice(up)
            self.paused.add(victim)
            self.town.cluster.network.pause(self.town.cluster.topology.node(victim).name)
        else:
            for victim in list(self.paused):
                self._resume(victim)

    async def part(self) -> None:
        one, other = self.rolls.sample(NODES, 2)
        cut(self.town, one, other, self.rolls.choice(("both", "there", "back")))

    async def sever(self) -> None:
        one, other = self.rolls.sample(NODES, 2)
        network, node = self.town.cluster.network, self.town.cluster.topology.node
        network.sever(node(one).name, node(other).name)

    async def heal(self) -> None:
        mend(self.town)
        for victim in list(self.paused):
            self._resume(victim)
        for victim in sorted(self.down):
            await self._start(victim)

    def _resume(self, short: str) -> None:
        self.paused.discard(short)
        self.town.cluster.network.pause(self.town.cluster.topology.node(short).name, False)

    async def _start(self, short: str) -> None:
        self.down.discard(short)
        await self.town.start(short)
