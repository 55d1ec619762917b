"""Processes of scenes that are over: what they say is not carried out, and their players are known completely."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh.errors import Code, RefusedError, StorageError
from mesh.protocol.cluster import LoadStatus
from mesh.protocol.lanes import STATE_STRUCT
from mesh.protocol.records import FenceScene, Operated, ReadStatuses, SaveStates, StatusesRead
from mesh.testing import Cluster, run, with_cluster
from mesh.topology import Topology, load
from nodes.dc.cache import Rows
from nodes.dc.fences import KEPT_MAX, fence_scene, last_operation, refuse_fenced
from nodes.dc.memory_store import MemoryStore
from nodes.dc.records import FENCES, LEDGER, OPERATIONS, STATES
from tests.dc.desk import AT_MS, Desk, pay
from tests.dc.test_accounts import refused
from tests.dc.test_node import ZONE, CenterStub, DcNode, LoginStub, SceneStub, login

SCENE = "local.one.scene.1"


def fence(desk: Desk, incarnation: int, scene: str = SCENE) -> None:
    desk.do(lambda view: fence_scene(view, FenceScene(scene, incarnation), AT_MS))


def test_a_fence_is_for_one_process_of_one_scene() -> None:
    desk = Desk()
    fence(desk, 7)
    with refused(Code.STALE_EPOCH):
        refuse_fenced(desk.rows, SCENE, 7)
    refuse_fenced(desk.rows, SCENE, 8)
    refuse_fenced(desk.rows, "local.one.scene.2", 7)


def test_a_second_fence_changes_nothing_and_the_oldest_is_forgotten() -> None:
    desk = Desk()
    for incarnation in (1, 1, *range(2, KEPT_MAX + 2), KEPT_MAX + 1):
        fence(desk, incarnation)
    row = desk.rows.get(FENCES, SCENE)
    assert row is not None
    assert row.incarnations == tuple(range(2, KEPT_MAX + 2))
    assert desk.store.count(LEDGER.name) == KEPT_MAX + 1, "each that changed something"


def test_a_fence_is_looked_for_in_memory_whether_there_is_one_or_not() -> None:
    class Counting(MemoryStore):
        reads = 0

        def get(self, table: str, key: bytes) -> bytes | None:
            self.reads += 1
            return super().get(table, key)

    store = Counting()
    desk = Desk(store)
    before = store.reads
    for _ in range(100):
        refuse_fenced(desk.rows, SCENE, 7)
    assert store.reads == before + 1
    fence(desk, 7)
    assert store.reads == before + 1
    with refused(Code.STALE_EPOCH):
        refuse_fenced(desk.rows, SCENE, 7)
    with refused(Code.STALE_EPOCH):
        refuse_fenced(Rows(store, 100, 10_000), SCENE, 7)


def test_the_last_operation_is_the_highest_of_the_session_however_often_the_ring_went_round() -> None:
    desk = Desk(ring=16)
    anna, older = desk.player("anna")
    berta, hers = desk.player("berta")
    desk.operate(pay(older, 900, (anna, berta, 1)))
    session = desk.session(anna)
    assert last_operation(desk.store, session) == 0
    for sequence in range(40, 40 + 50):
        desk.operate(pay(session, sequence, (anna, berta, 1)))
        assert last_operation(desk.store, session) == sequence
    assert last_operation(desk.store, hers) == 0


# --- over the network ---


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., None]:
    def tell(story: Callable[[Cluster], Awaitable[None]], scene: type[SceneStub] = SceneStub) -> None:
        file = tmp_path / "zone.toml"
        file.write_text(ZONE)
        topology: Topology = load(file, runtime=tmp_path / "run")
        roles = {"center": CenterStub, "dc": DcNode, "login": LoginStub, "scene": scene}

        async def whole(cluster: Cluster) -> None:
            await story(cluster)
            assert cluster.internal_errors() == []

        run(with_cluster(topology, roles, tmp_path / "data", whole))

    return tell


async def save(cluster: Cluster, session: int, x: float) -> None:
    state = STATE_STRUCT.pack(x, 0.0, 100, 0, 0, 0)
    await cluster.node("scene.1").ask("dc", SaveStates("meadow", session.to_bytes(8, "little"), state))


async def give_up(cluster: Cluster) -> None:
    scene = cluster.node("scene.1")
    await cluster.node("center.1").ask("dc", FenceScene(scene.name, scene.incarnation))


def test_a_scene_that_was_given_up_writes_nothing_and_its_next_process_does(told: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        session = (await login(cluster, "anna")).session
        account = session >> 24
        await save(cluster, session, 5.0)
        await give_up(cluster)
        await give_up(cluster)
        with pytest.raises(RefusedError, match="stale_epoch"):
            await save(cluster, session, 6.0)
        with pytest.raises(RefusedError, match="stale_epoch"):
            await cluster.node("scene.1").ask("dc", SaveStates("", b"", b""))
        with pytest.raises(RefusedError, match="stale_epoch"):
            await cluster.node("scene.1").ask("dc", pay(session, 1, (account, -1, 1)))
        dc = cluster.node("dc.1")
        state = dc.states.get(account)
        assert (state.x, dc.states_fenced) == (5.0, 1)
        await cluster.kill("dc.1")
        await cluster.start("dc.1")
        with pytest.raises(RefusedError, match="stale_epoch"):
            await cluster.node("scene.1").ask("dc", pay(session, 1, (account, -1, 1)))
        await cluster.kill("scene.1")
        await cluster.start("scene.1")
        await save(cluster, session, 7.0)
        scene = cluster.node("scene.1")
        assert isinstance(await scene.ask("dc", pay(session, 1, (account, -1, 1))), Operated)
        written = [LEDGER.unpack(key, value) for key, value in cluster.node("dc.1").store.scan(LEDGER.name)]
        assert [row.process for row in written if row.sequence] == [scene.incarnation]

    told(story)


def test_what_waits_behind_the_fence_is_refused_and_what_was_before_it_is_known(told: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        session = (await login(cluster, "anna")).session
        account, scene = session >> 24, cluster.node("scene.1")

        def operate(sequence: int) -> "asyncio.Task[object]":
            return asyncio.ensure_future(scene.ask("dc", pay(session, sequence, (account, -1, 1))))

        before = [operate(sequence) for sequence in range(1, 6)]
        fenced = asyncio.ensure_future(give_up(cluster))
        await asyncio.sleep(0)
        behind = [operate(sequence) for sequence in range(6, 11)]
        done = await asyncio.gather(*before, fenced, *behind, return_exceptions=True)
        carried_out = [
            number for number, answer in enumerate([*done[:5], *done[6:]], 1) if isinstance(answer, Operated)
        ]
        assert carried_out == list(range(1, len(carried_out) + 1))
        assert len(carried_out) < 10
        answer = await cluster.node("center.1").ask("dc", ReadStatuses([session]))
        assert isinstance(answer, StatusesRead)
        [at] = answer.found
        assert (at.operation, at.status.gold) == (len(carried_out), 100 - len(carried_out))

    told(story)


def test_statuses_are_the_newest_and_open_no_session(told: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        anna, berta = await login(cluster, "anna"), await login(cluster, "berta")
        again = await cluster.node("login.1").ask("dc", LoadStatus(berta.session >> 24))
        await save(cluster, anna.session, 12.5)
        asked = ReadStatuses([anna.session, berta.session, 999 << 24 | 1])
        for _ in range(2):
            answer = await cluster.node("center.1").ask("dc", asked)
            assert isinstance(answer, StatusesRead)
            [at] = answer.found
            assert (at.session, at.status.name, at.status.map, at.status.x) == (anna.session, "anna", "meadow", 12.5)
        assert again.session > berta.session
        newest = await cluster.node("center.1").ask("dc", ReadStatuses([again.session]))
        assert isinstance(newest, StatusesRead)
        assert [at.session for at in newest.found] == [again.session]

    told(story)


def test_a_character_that_cannot_be_read_is_left_out(told: Callable[..., None]) -> None:
    async def story(cluster: Cluster) -> None:
        anna, berta = await login(cluster, "anna"), await login(cluster, "berta")
        dc = cluster.node("dc.1")
        read = dc.rows.get

        def damaged(table: object, key: object) -> object:
            if table is STATES and key == anna.session >> 24:
                raise StorageError("damaged")
            return read(table, key)

        dc.rows.get = damaged
        answer = await cluster.node("center.1").ask("dc", ReadStatuses([anna.session, berta.session]))
        assert isinstance(answer, StatusesRead)
        assert [at.session for at in answer.found] == [berta.session]
        dc.rows.get = read
        cluster.log.lines.clear()  # that it cannot be read was said

    told(story)


def test_operations_are_kept_by_account() -> None:
    """What `last_operation` goes through begins with the account, and with nothing else."""
    assert OPERATIONS.keys.pack((5, 3))[:8] == OPERATIONS.keys.pack((5, 0))[:8] != OPERATIONS.keys.pack((6, 0))[:8]
