"""What keeps the DC of use when more comes than it can carry, and how a surge is judged."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from mesh.checking.records import Operation
from mesh.core.admission import INTERVAL_S
from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.client import Login
from mesh.protocol.cluster import Account, FindAccount
from mesh.seat import Seat
from mesh.testing import Cluster, run, with_cluster
from mesh.topology import Topology
from mesh.transport.loop import READS_S, Reader
from nodes.dc.memory_store import MemoryStore
from nodes.dc.writer import OPERATION_S
from nodes.gate.sessions import Client, State
from nodes.gate.turns import LATE_S, Turn, Turns
from tests.dc.desk import writing
from tests.mesh.test_node import ROLES, Dc
from tools.chaos.scenario import Arena, Spoilt
from tools.chaos.scenarios.overload import Load
from tools.chaos.surges import BUCKET_S, Surge, goodput, normal_after, share_of_peak

# --- the loop goes round while messages come without end ---


class Descriptor:
    """As much of a socket as a reader needs."""

    def __init__(self, number: int) -> None:
        self.number = number

    def get(self, _what: int) -> int:
        return self.number


def test_a_socket_that_is_never_empty_takes_no_more_than_its_part_of_a_turn() -> None:
    now, read = [0.0], [0]

    def one() -> bool:
        now[0] += READS_S / 4
        read[0] += 1
        return read[0] < 20

    async def story() -> None:
        end, other = os.pipe()
        reader, turns = Reader(Descriptor(end), one, lambda: now[0]), list[int]()
        while read[0] < 20:
            before = read[0]
            await asyncio.sleep(0)
            turns.append(read[0] - before)
        reader.close()
        os.close(end)
        os.close(other)
        assert max(turns) <= 5, "what is read must be worked on, too"
        assert sum(turns) == 20

    asyncio.run(story())


# --- operations that have waited for too long ---


def test_operations_are_refused_only_while_all_of_them_have_waited_for_too_long() -> None:
    async def story() -> None:
        async with writing(MemoryStore()) as book:
            writer = book.writer
            for _ in range(3):  # a pause: everything that has gathered is late at once, and is carried out
                writer.admit_operations(3 * OPERATION_S)
            await asyncio.sleep(INTERVAL_S)
            with pytest.raises(RefusedError) as refused:
                writer.admit_operations(3 * OPERATION_S)
            assert refused.value.code == Code.UNAVAILABLE
            writer.admit_operations(OPERATION_S)  # in time, and so is what comes after it
            writer.admit_operations(3 * OPERATION_S)
            assert writer.counts.refused == {Code.UNAVAILABLE: 1}

    run(story())


class Patient(Dc):
    """Keeps how long each question was on its way."""

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self.waited: list[float] = []

    @on(FindAccount)
    async def on_find(self, said: FindAccount, caller: Caller) -> Account:
        self.waited.append(round(self.dispatch.waited_s, 3))
        return Account(7, said.name, "")


def test_a_handler_is_told_how_long_what_is_said_was_on_its_way(zone: Topology, tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        login, dc = cluster.node("login.1"), cluster.node("dc.1")
        await login.ask("dc", FindAccount("bob"))
        cluster.network.pause(dc.name)
        later = asyncio.ensure_future(login.ask("dc", FindAccount("ann")))
        await asyncio.sleep(0.6)
        cluster.network.pause(dc.name, False)
        await later
        await login.ask("dc", FindAccount("eve"))
        assert dc.waited == [0.0, 0.6, 0.0]

    run(with_cluster(zone, {**ROLES, "dc": Patient}, tmp_path, story))


# --- logins that wait for their turn ---


def test_when_those_in_front_have_waited_for_too_long_the_newest_come_first() -> None:
    def come(turns: Turns, at: float) -> Client:
        client = cast(Client, SimpleNamespace(state=State.AUTHENTICATING, at=at))
        turns.wait(Turn(client, Login("ticket", "", "x"), at))
        return client

    def taken(turns: Turns) -> list[float]:
        return [turn.at for turn in turns.take("ticket")]

    turns = Turns(2)
    for at in (0.0, 0.1, 0.2):
        come(turns, at)
    assert taken(turns) == [0.0, 0.1]
    turns = Turns(2)
    for at in (0.0, 0.1, LATE_S, LATE_S + 0.3):
        come(turns, at)
    assert taken(turns) == [LATE_S + 0.3, 0.0], "and when that is over, the order is the usual one"


# --- judging ---


def asked(called: float, took_s: float, ended: str = "ok") -> Operation:
    return Operation(1, 1, "gold", (), called, called + took_s, ended)  # type: ignore[arg-type]


def test_what_counts_is_what_came_while_somebody_waited() -> None:
    done = [asked(0.0, 0.5), asked(0.0, 9.0), asked(5.0, 0.1, "refused"), asked(6.0, 1.0), asked(9.5, 1.0)]
    assert goodput(done, 0.0, 10.0, useful_s=5.0) == 0.2
    surge = Surge(2.0, began=0.0, fell_at=10.0, ended=20.0)
    assert round(share_of_peak(done, surge, peak=0.2, useful_s=5.0), 1) == round(100 * (1 / 9) / 0.2, 1)


def test_it_is_as_ever_when_those_who_ask_are_served_soon_and_stay_so() -> None:
    surge = Surge(4.0, began=0.0, fell_at=10.0, ended=20.0)
    every = [10.0 + 0.1 * n for n in range(100)]
    assert normal_after([asked(at, 0.1) for at in every], surge, normal_s=0.25) == 0.0
    late = [asked(at, 3.0 if at < 13.0 else 0.1) for at in every]
    assert normal_after(late, surge, normal_s=0.25) == 3.0
    refused = [asked(at, 0.0, "refused" if 15.0 <= at < 15.2 else "ok") for at in every]
    assert normal_after(refused, surge, normal_s=0.25) == pytest.approx(5.0 + BUCKET_S)
    one_in_ten = [asked(10.0 + 0.02 * n, 9.0 if n % 25 == 0 else 0.1) for n in range(500)]
    assert normal_after(one_in_ten, surge, normal_s=0.25) == 0.0


def test_where_nothing_is_carried_nothing_is_a_multiple_of_it() -> None:
    """A machine may be so slow that nobody gets in within the first second."""

    async def nothing(*_: float) -> None:
        pass

    clock = SimpleNamespace(now=lambda: 0.0)
    arena = SimpleNamespace(quick=True, ground=SimpleNamespace(clock=clock, say=lambda _text: None))
    load = Load("login", nothing, nothing, list, 1.0, 1.0, lambda: 1.0)
    with pytest.raises(Spoilt, match="not one login was carried"):
        asyncio.run(load.run(cast(Arena, arena), [4.0]))
