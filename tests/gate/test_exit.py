"""Players whom the center sends to another zone."""

import asyncio

import pytest

from mesh.client.session import ClientSession
from mesh.protocol.client import Goodbye, MoveZone
from mesh.protocol.cluster import Dropped
from mesh.protocol.zones import SendAway
from tests.gate.zone import login_frame, play, session_of

GATES = ["ws://one", "ws://two", "ws://three"]


def last(client):
    return ClientSession().receive(client.frames[-1])[-1]


async def raw(s, account="anna"):
    client = s.raw()
    client.send(login_frame(account))
    await s.until(lambda: s.gate.clients.by_number[client.connection.number].state == "Playing")
    return client


def test_a_ticket_and_the_gates_of_the_other_zone(zone, tmp_path):
    async def story(s):
        clients = [await raw(s, f"user-{n}") for n in range(3)]
        for n, client in enumerate(clients):
            session = session_of(100 + n, 1)
            s.center.tell(s.gate.name, SendAway(session, client.connection.number, "two", GATES))
        await s.until(lambda: not len(s.gate.clients))
        said = [last(client) for client in clients]
        assert [(one.zone, one.ticket, one.valid_s) for one in said] == [
            ("two", f"user-{n} may travel", 60.0) for n in range(3)
        ]
        assert {one.gates[0] for one in said} == set(GATES), "they do not all come to the same gate"
        assert all(set(one.gates) == set(GATES) for one in said)
        assert s.center.told.of(Dropped) == [], "the center has decided it"

    play(zone, tmp_path, story)


def test_an_order_that_overtakes_the_answer_to_the_login_is_carried_out(zone, tmp_path):
    async def story(s):
        s.login_node.delay_s = 0.2
        client = s.raw()
        client.send(login_frame("anna"))
        await s.until(lambda: s.login_node.logins["anna"])
        session = session_of(1, s.login_node.logins["anna"])
        s.center.tell(s.gate.name, SendAway(session, client.connection.number, "two", GATES))
        await s.until(lambda: client.closed is not None)
        assert isinstance(last(client), MoveZone)
        assert s.gate.exit.strays == 0
        assert s.gate.early.orders == {}

    play(zone, tmp_path, story)


def test_a_login_node_that_is_started_again_is_waited_for(zone, tmp_path):
    async def story(s):
        client = await raw(s)
        s.login_node.signs = False
        s.center.tell(s.gate.name, SendAway(session_of(1, 1), 1, "two", GATES))
        await asyncio.sleep(1.2)
        s.login_node.signs = True
        await s.until(lambda: client.closed is not None)
        assert isinstance(last(client), MoveZone)

    play(zone, tmp_path, story)


def test_without_a_ticket_it_is_told_to_log_in_again(zone, tmp_path):
    async def story(s):
        client = await raw(s)
        s.login_node.signs = False
        s.center.tell(s.gate.name, SendAway(session_of(1, 1), 1, "two", GATES))
        await s.until(lambda: client.closed is not None)
        assert last(client) == Goodbye("unavailable", "you are saved, but there is no ticket: log in again")

    play(zone, tmp_path, story)


@pytest.mark.parametrize(("session", "connection"), [(session_of(1, 1), 9), (session_of(2, 1), 1)])
def test_who_has_gone_is_not_sent_away(zone, tmp_path, session, connection):
    async def story(s):
        client = await raw(s)
        s.center.tell(s.gate.name, SendAway(session, connection, "two", GATES))
        await s.until(lambda: s.gate.exit.strays == 1)
        assert client.closed is None

    play(zone, tmp_path, story)


def test_who_goes_away_while_its_ticket_is_signed_is_forgotten(zone, tmp_path):
    async def story(s):
        client = await raw(s)
        s.login_node.signs = False
        s.center.tell(s.gate.name, SendAway(session_of(1, 1), 1, "two", GATES))
        await s.until(lambda: s.gate.clients.counts()["Leaving"])
        client.close()
        await s.until(lambda: not len(s.gate.clients))
        await asyncio.sleep(5)
        assert s.center.told.of(Dropped) == []

    play(zone, tmp_path, story)
