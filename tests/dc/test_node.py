"""The DC as other nodes see it, over the network in memory: every message of the catalogue, durability, fencing."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from mesh.errors import Code, PeerLost, RefusedError, StorageError, TopologyError
from mesh.metrics import page
from mesh.node import Caller, Node, on, settings_of
from mesh.operator import Operator
from mesh.protocol.cluster import (
    Account,
    CreateAccount,
    FindAccount,
    LoadStatus,
    StatusLoaded,
)
from mesh.protocol.control import (
    Describe,
    Done,
    GetSnapshot,
    Member,
    MemberChanged,
    Register,
    Registered,
    Renew,
    Snapshot,
)
from mesh.protocol.lanes import STATE_STRUCT
from mesh.protocol.records import (
    BackUpDb,
    ChangeFriendship,
    DbStat,
    FriendshipChanged,
    GoldMove,
    Operate,
    Operated,
    ReadRecords,
    Records,
    SaveStates,
    SetBan,
    SetPriority,
    StatDb,
)
from mesh.testing import Cluster, run, wait_until
from mesh.topology import Topology, load
from nodes.dc import wrecks
from nodes.dc.audit import Audit
from nodes.dc.memory_store import MemoryStore
from nodes.dc.node import DcNode
from nodes.dc.settings import DcSettings
from nodes.dc.store import DiskFull, LmdbStore, Store

from .conftest import MIB
from .desk import pay
from .test_accounts import refused

ZONE = """
[[process]]
nodes = ["center.1", "dc.1", "login.1", "scene.1"]
[settings.dc]
map_bytes = 1048576
"""
DC = "local.one.dc.1"


class CenterStub(Node):
    """The smallest registry."""

    ROLE = "center"

    async def open(self) -> None:
        self.publications.epoch = 1
        self.members: dict[str, Member] = {}

    @on(Register)
    def on_register(self, said: Register, caller: Caller) -> Registered:
        self.members[said.member.name] = said.member
        self.publish(MemberChanged(said.member))
        return Registered(1, self.publications.sequence, 3.0, list(self.members.values()))

    @on(Renew)
    def on_renew(self, said: Renew, caller: Caller) -> Done:
        member = self.members.get(caller.peer)
        if member is None:
            raise RefusedError(Code.NOT_FOUND)
        if member.state != said.state:
            self.members[caller.peer] = msgspec.structs.replace(member, state=said.state)
            self.publish(MemberChanged(self.members[caller.peer]))
        return Done()

    @on(GetSnapshot)
    def on_get_snapshot(self, said: GetSnapshot, caller: Caller) -> Snapshot:
        return Snapshot(1, self.publications.sequence, list(self.members.values()), [])


class LoginStub(Node):
    ROLE = "login"


class SceneStub(Node):
    ROLE = "scene"


class MemoryDc(DcNode):
    """On a disk that can be told to fail."""

    def open_store(self) -> Store:
        return MemoryStore()


Story = Callable[[Cluster], Awaitable[None]]


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    file = tmp_path / "local.toml"
    file.write_text(ZONE)
    return load(file, runtime=tmp_path / "run")


@pytest.fixture
def play(topology: Topology, tmp_path: Path) -> Callable[..., None]:
    """Runs a story in a zone whose only real node is the DC."""

    def play_story(story: Story, dc: type[DcNode] = DcNode) -> None:
        async def whole() -> None:
            roles: dict[str, type[Node]] = {"center": CenterStub, "dc": dc, "login": LoginStub, "scene": SceneStub}
            cluster = Cluster(topology, roles, tmp_path / "data")
            await cluster.start()
            try:
                await story(cluster)
            finally:
                await cluster.stop()

        run(whole())

    return play_story


async def start_dc(cluster: Cluster) -> None:
    """Start it again and wait until the others have found it."""
    await cluster.start("dc.1")
    await wait_until(lambda: all(cluster.node(other).peers("dc") for other in ("login.1", "scene.1")))


async def login(cluster: Cluster, name: str) -> StatusLoaded:
    """Make the account if it is not there yet and open a session."""
    node = cluster.node("login.1")
    try:
        account = await node.ask("dc", FindAccount(name))
    except RefusedError:
        account = await node.ask("dc", CreateAccount(name, "hash", "north"))
    loaded = await node.ask("dc", LoadStatus(account.account))
    assert isinstance(loaded, StatusLoaded)
    return loaded


async def save(cluster: Cluster, session: int, x: float, to: str = "dc") -> None:
    states = STATE_STRUCT.pack(x, 2.0, 80, 3, 1, 500)
    said = SaveStates("meadow", struct.pack("<Q", session), states)
    assert await cluster.node("scene.1").ask(to, said) == Done()


def metric(cluster: Cluster, name: str) -> float:
    text = page([cluster.node("dc.1").metrics]).decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + "{"))


def test_an_account_is_found_by_its_name_and_counted_as_step_4(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        node = cluster.node("login.1")
        made = await node.ask("dc", CreateAccount("Anna", "hash", "north"))
        assert isinstance(made, Account)
        with refused(Code.EXISTS):
            await node.ask("dc", CreateAccount("ANNA", "other"))
        assert await node.ask("dc", FindAccount("anna")) == made
        with refused(Code.NOT_FOUND):
            await node.ask("dc", FindAccount("bert"))
        text = page([cluster.node("dc.1").metrics]).decode()
        for step in (3, 4):
            assert f'step="{step}"}} 2.0' in text

    play(story)


def test_a_new_character_is_as_agreed(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        status = (await login(cluster, "anna")).status
        assert (status.level, status.hp, status.gold, status.map, status.region) == (1, 100, 100, "", "north")
        assert status.attributes == {"strength": 10, "agility": 10, "stamina": 10}

    play(story)


def test_the_newest_state_is_loaded_although_it_is_only_in_memory(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        first = await login(cluster, "anna")
        await save(cluster, first.session, 7.0)
        assert len(cluster.node("dc.1").states) == 1
        status = (await login(cluster, "anna")).status
        assert (status.map, status.x, status.hp, status.heading, status.xp) == ("meadow", 7.0, 80, 3, 500)

    play(story)


def test_states_of_an_ended_session_are_ignored_and_counted(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        old = await login(cluster, "anna")
        new = await login(cluster, "anna")
        await save(cluster, new.session, 5.0)
        await save(cluster, old.session, 99.0)
        assert (await login(cluster, "anna")).status.x == 5.0
        assert metric(cluster, "dc_states_fenced_total") == 1
        assert metric(cluster, "dc_states_saved_total") == 1

    play(story)


def test_a_state_is_on_disk_within_a_second(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        loaded = await login(cluster, "anna")
        await save(cluster, loaded.session, 7.0)
        await asyncio.sleep(0.1)
        await save(cluster, loaded.session, 8.0)
        assert 0 < metric(cluster, "dc_oldest_unflushed_seconds") < 0.2
        await asyncio.sleep(0.9)
        assert metric(cluster, "dc_oldest_unflushed_seconds") == 0
        await cluster.kill("dc.1")
        await start_dc(cluster)
        assert (await login(cluster, "anna")).status.x == 8.0

    play(story)


def test_states_are_not_acknowledged_while_older_ones_wait_for_more_than_two_seconds(
    play: Callable[..., None],
) -> None:
    async def story(cluster: Cluster) -> None:
        loaded, dc = await login(cluster, "anna"), cluster.node("dc.1")
        dc.writer.closed = True  # nothing is written
        await save(cluster, loaded.session, 7.0)
        await asyncio.sleep(1.9)
        await save(cluster, loaded.session, 8.0)
        await asyncio.sleep(0.2)
        with refused(Code.UNAVAILABLE):
            await save(cluster, loaded.session, 9.0)
        dc.writer.closed = False
        await asyncio.sleep(1)
        await save(cluster, loaded.session, 10.0)
        await cluster.kill("dc.1")
        await start_dc(cluster)
        assert (await login(cluster, "anna")).status.x == 9.0, "kept in memory, though it was not acknowledged"

    play(story)


def test_a_kill_costs_no_durable_operation_and_at_most_a_second_of_states(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        loaded = await login(cluster, "anna")
        account = loaded.status.account
        scene = cluster.node("scene.1")
        said = pay(loaded.session, 1, (0, account, 50))
        first = await scene.ask("dc", said)
        await save(cluster, loaded.session, 7.0)
        await cluster.kill("dc.1")
        await start_dc(cluster)
        assert await scene.ask("dc", said) == first  # repeated: answered, not carried out again
        status = (await login(cluster, "anna")).status
        assert (status.gold, status.x) == (150, 0.0)

    play(story)


def test_a_stop_in_order_loses_nothing(play: Callable[..., None], tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        loaded = await login(cluster, "anna")
        await save(cluster, loaded.session, 7.0)
        await cluster.nodes["dc.1"].stop()
        await start_dc(cluster)
        assert (await login(cluster, "anna")).status.x == 7.0

    play(story)
    store = LmdbStore(tmp_path / "data" / "dc.1", MIB, MIB, create=False)
    assert Audit(store).run()["problems"] == []
    store.close()


def test_who_still_has_something_to_save_is_waited_for(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        loaded = await login(cluster, "anna")
        stopping = asyncio.ensure_future(cluster.nodes["dc.1"].stop())
        await asyncio.sleep(0.2)
        await save(cluster, loaded.session, 7.0, to=DC)
        began = cluster.clock.now()
        await cluster.nodes["scene.1"].stop()
        await cluster.nodes["login.1"].stop()
        await stopping
        assert cluster.clock.now() - began < 1.0
        await cluster.start("dc.1", "login.1", "scene.1")
        assert (await login(cluster, "anna")).status.x == 7.0

    play(story)


def test_operations_friendships_and_bans(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        anna, bert = await login(cluster, "Anna"), await login(cluster, "Bert")
        scene, center = cluster.node("scene.1"), cluster.node("center.1")
        a, b = anna.status.account, bert.status.account
        done = await scene.ask("dc", pay(anna.session, 1, (a, b, 40), parties=(anna.session, bert.session)))
        assert isinstance(done, Operated)
        assert [(h.account, h.gold) for h in done.holdings] == [(a, 60), (b, 140)]
        with refused(Code.INSUFFICIENT):
            await scene.ask("dc", pay(anna.session, 2, (a, b, 61)))
        with refused(Code.OP_CONFLICT):
            await scene.ask("dc", pay(anna.session, 1, (a, b, 41)))
        asked = await center.ask(DC, ChangeFriendship("ask", a, "bert"))
        assert isinstance(asked, FriendshipChanged)
        assert asked.other_friends[0].state == "asked"
        assert (await login(cluster, "anna")).status.friends == asked.friends
        banned = await cluster.node("login.1").ask("dc", SetBan("anna", -1, "cheating"))
        assert isinstance(banned, Account)
        assert banned.session > anna.session
        with refused(Code.BANNED):
            await login(cluster, "anna")
        favoured = await cluster.node("login.1").ask("dc", SetPriority("bert", 2))
        assert favoured == await cluster.node("login.1").ask("dc", FindAccount("Bert"))
        assert isinstance(favoured, Account)
        assert favoured.priority == 2
        blocking = await center.ask(DC, ChangeFriendship("block", b, "anna"))
        assert isinstance(blocking, FriendshipChanged)
        assert ([f.state for f in blocking.friends], blocking.other_friends) == (["blocked"], [])
        with refused(Code.STALE_EPOCH):
            await scene.ask("dc", Operate(anna.session, 3, "pay", [], [GoldMove(0, a, 1)]))
        assert metric(cluster, "dc_durable_acked_total") == 10
        assert cluster.node("dc.1").store.count("ledger") == 11  # a ban opens a session, too

    play(story)


def test_a_malformed_batch_of_states_is_refused(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        with refused(Code.BAD_MESSAGE):
            await cluster.node("scene.1").ask("dc", SaveStates("meadow", b"abc", b""))

    play(story)


def test_a_backup_is_made_while_others_write(play: Callable[..., None], topology: Topology, tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        loaded = await login(cluster, "Anna")
        account, folder = loaded.status.account, tmp_path / "backups" / "one"
        scene = cluster.node("scene.1")
        async with Operator(topology, cluster.network, cluster.clock) as operator:
            asked = asyncio.ensure_future(operator.ask("dc.1", BackUpDb(str(folder), 10_000), 60.0))
            await asyncio.sleep(0.5)
            with refused(Code.OUT_OF_ORDER):
                await operator.ask("dc.1", BackUpDb(str(tmp_path / "second")))
            await scene.ask("dc", pay(loaded.session, 1, (0, account, 50)))
            assert not asked.done()
            answer = await asked
            assert isinstance(answer, DbStat)
            assert answer.facts["rows"]["ledger"] == 2  # without what came later
            assert metric(cluster, "dc_last_backup_timestamp_seconds") == answer.facts["made_s"]
            with refused(Code.BAD_MESSAGE):
                await operator.ask("dc.1", BackUpDb("here"))
            with refused(Code.UNAVAILABLE):
                await operator.ask("dc.1", BackUpDb(str(folder)))
            copy = await operator.ask("dc.1", BackUpDb(str(tmp_path / "copy"), kept=False))
            assert isinstance(copy, DbStat)
            assert copy.facts["rows"]["ledger"] == 3
        await cluster.kill("dc.1")
        await start_dc(cluster)
        assert metric(cluster, "dc_last_backup_timestamp_seconds") == answer.facts["made_s"]

    play(story)
    assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == ["one"]


def test_a_dc_that_stops_gives_up_its_backup(play: Callable[..., None], topology: Topology, tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        await login(cluster, "Anna")
        async with Operator(topology, cluster.network, cluster.clock) as operator:
            asked = asyncio.ensure_future(operator.ask("dc.1", BackUpDb(str(tmp_path / "never"), 100), 600.0))
            await asyncio.sleep(1.0)
            await cluster.nodes["dc.1"].stop()
            with pytest.raises((RefusedError, PeerLost)):
                await asked
        await start_dc(cluster)

    play(story)
    assert not list(tmp_path.glob("never*"))


def test_operators_see_rows_totals_and_no_secrets(play: Callable[..., None], topology: Topology) -> None:
    async def story(cluster: Cluster) -> None:
        loaded = await login(cluster, "Anna")
        await save(cluster, loaded.session, 7.0)
        async with Operator(topology, cluster.network, cluster.clock) as operator:
            records = await operator.ask("dc.1", ReadRecords("accounts"))
            assert isinstance(records, Records)
            assert [(key, row["name"]) for key, row in records.rows] == [("1", "Anna")]
            assert "hash" not in str(records)
            states = await operator.ask("dc.1", ReadRecords("states", "anna"))
            assert isinstance(states, Records)
            assert states.rows[0][1]["x"] == 7.0  # the newest, which is not on disk yet
            with refused(Code.NOT_FOUND):
                await operator.ask("dc.1", ReadRecords("nonsense"))
            answer = await operator.ask("dc.1", StatDb())
            assert isinstance(answer, DbStat)
            facts = answer.facts
            assert facts["durable_operations"] == facts["durable_acked"] == 2
            assert facts["gold"] == {"wallets": 100, "mails": 0, "minted": 100, "burned": 0}
            assert facts["waiting"]["states"] == 1
            described = await operator.ask("dc.1", Describe())
            assert described.facts["durable_acked"] == 2  # type: ignore[attr-defined]

    play(story)


def test_a_full_disk_refuses_changes_serves_reads_and_comes_back(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        loaded = await login(cluster, "anna")
        node, store = cluster.node("login.1"), cluster.node("dc.1").store
        store.fail = DiskFull("no room left")
        with refused(Code.DISK_FULL):
            await node.ask("dc", CreateAccount("bert", ""))
        assert (await node.ask("dc", FindAccount("anna"))).account == loaded.status.account
        with refused(Code.DISK_FULL):
            await save(cluster, loaded.session, 7.0)
        await asyncio.sleep(3)
        assert metric(cluster, "dc_disk_full") == 1
        store.fail = None
        await asyncio.sleep(1)
        assert metric(cluster, "dc_disk_full") == 0
        assert metric(cluster, "dc_states_waiting") == 0
        assert (await login(cluster, "anna")).status.x == 7.0
        assert [line[1] for line in cluster.log.lines if "disk" in line[1]] == [
            "the disk is full: changes are refused, reads go on",
            "there is room on the disk again",
        ]

    play(story, MemoryDc)


def test_after_a_failed_commit_the_process_ends_and_the_next_one_looks_at_the_file(play: Callable[..., None]) -> None:
    folders: list[Path] = []

    async def story(cluster: Cluster) -> None:
        dc = cluster.node("dc.1")
        dc.seat.data.mkdir(parents=True, exist_ok=True)
        folders.append(dc.seat.data)
        dc.store.fail = StorageError("the disk is broken")
        with pytest.raises(PeerLost):
            await cluster.node("login.1").ask("dc", CreateAccount("anna", ""))

    with pytest.raises(SystemExit, match=r"dc\.1: .*the disk is broken"):
        play(story, MemoryDc)
    assert "the disk is broken" in (folders[0] / wrecks.FILE).read_text()


def test_a_damaged_row_is_refused_and_never_served(play: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        anna, bert = await login(cluster, "anna"), await login(cluster, "bert")
        dc = cluster.node("dc.1")
        for table in ("accounts", "sessions"):
            key = anna.status.account.to_bytes(8, "big")
            dc.store.damage(table, key, dc.store.get(table, key)[:-1] + b"\x7f")
        dc.rows.forget()
        with refused(Code.INTERNAL):
            await cluster.node("login.1").ask("dc", FindAccount("anna"))
        both = struct.pack("<2Q", anna.session, bert.session)
        states = STATE_STRUCT.pack(9.0, 2.0, 80, 3, 1, 500) * 2
        await cluster.node("scene.1").ask("dc", SaveStates("meadow", both, states))
        assert (await login(cluster, "bert")).status.x == 9.0
        assert metric(cluster, "dc_damaged_reads_total") == 2

    play(story, MemoryDc)


def test_a_folder_in_use_ends_the_start_with_its_reason(play: Callable[..., None], tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "data" / "dc.1", MIB, MIB)

    async def story(cluster: Cluster) -> None:
        raise AssertionError("the zone must not start")

    with pytest.raises(StorageError, match="in use by process"):
        play(story)
    store.close()


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(TopologyError, match=r"zone\.toml: settings\.dc: map_bytes_max .* less than map_bytes"):
        settings_of(DcSettings, "dc", {"dc": {"map_bytes_max": 2 * MIB}}, "zone.toml")
    with pytest.raises(TopologyError, match=r"settings\.dc\.map_size: unknown key"):
        settings_of(DcSettings, "dc", {"dc": {"map_size": 2 * MIB}}, "zone.toml")
