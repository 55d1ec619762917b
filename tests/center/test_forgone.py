"""Logins of which a gate has heard no answer: nobody is left in the world, or in the queue, by one of them."""

import asyncio
from pathlib import Path

import pytest

from mesh.errors import RefusedError
from mesh.protocol.cluster import Dropped, Online, Placed, Queued, Resume
from mesh.testing import wait_until
from nodes.center.forgone import FORGONE_MAX, KEEP_S, Forgone
from tests.center.peers import Neighbourhood, status, tell


def test_what_a_gate_has_given_up_is_known_for_a_while() -> None:
    forgone = Forgone()
    forgone.add("g1", 1, 0.0)
    forgone.add("g2", 1, 0.0)
    assert forgone.has("g1", 1, KEEP_S - 0.1)
    assert not forgone.has("g1", 2, 0.0)
    assert not forgone.has("g1", 1, KEEP_S)
    forgone.lose_gate("g1")
    assert not forgone.has("g1", 1, 0.0)
    assert forgone.has("g2", 1, 0.0)
    for connection in range(FORGONE_MAX):
        forgone.add("g3", connection, 0.0)
    assert not forgone.has("g2", 1, 0.0), "the oldest goes"
    assert forgone.has("g3", 0, 0.0)


def forgo(zone: Neighbourhood, *, gate: int = 1) -> None:
    """The last connection's login has not been answered."""
    there = zone.gate(gate).sessions
    for session in [session for session, connection in there.items() if connection == zone.connections]:
        del there[session]
    zone.gate(gate).tell("eu.one.center.1", Dropped(0, zone.connections))


def test_who_was_let_in_without_hearing_of_it_is_linkdead_and_its_token_good(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.drop(anna.session)
        await zone.resume(anna)
        forgo(zone)
        await wait_until(lambda: zone.stage(1) == "linkdead")
        await asyncio.sleep(30)  # longer than a used token may be repeated
        assert isinstance(await zone.resume(anna), Placed)
        assert zone.stage(1) == "online"

    tell(tmp_path, story)


def test_a_new_login_that_nobody_heard_of_ends_after_linkdead_s(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1)
        forgo(zone)
        await wait_until(lambda: zone.stage(1) == "linkdead")
        await asyncio.sleep(62)
        assert zone.stage(1) is None
        assert zone.worlds(1) == []

    tell(tmp_path, story)


def test_a_login_that_comes_after_its_gate_gave_it_up_is_carried_out_and_a_resume_is_not(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.connections += 1
        forgo(zone)
        await asyncio.sleep(1)
        zone.connections -= 1
        anna = await zone.online(1)
        assert zone.worlds(1) == [anna.session], "the DC knows of no older session any more"
        assert zone.stage(1) == "linkdead"
        zone.connections += 1
        forgo(zone)
        await asyncio.sleep(1)
        zone.connections -= 1
        with pytest.raises(RefusedError, match="unavailable"):
            await zone.resume(anna)
        assert isinstance(await zone.resume(anna), Placed)

    tell(tmp_path, story)


def test_over_a_gate_that_is_gone_nobody_stays_in_the_world(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.drop(anna.session)
        gone = zone.gate(2).name
        await zone.cluster.kill("gate.2")
        await asyncio.sleep(1)
        with pytest.raises(RefusedError, match="unavailable"):
            await zone.login.ask("eu.one.center.1", Resume(anna.session, anna.nonce, gone, 8))
        late = await zone.login.ask("eu.one.center.1", Online(zone.session(2), status(2), gone, 9))
        assert isinstance(late, Placed)
        assert (zone.stage(1), zone.stage(2)) == ("linkdead", "linkdead")
        assert isinstance(await zone.resume(late), Placed)
        await asyncio.sleep(65)
        assert (zone.stage(1), zone.stage(2)) == (None, "online")

    tell(tmp_path, story)


def test_a_place_in_the_queue_that_nobody_heard_of_is_kept_for_the_next_login(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1)
        assert isinstance(await zone.online(2), Queued)
        forgo(zone)
        await wait_until(lambda: len(zone.center.queue) == 0)
        assert zone.center.queue.held == 1
        assert isinstance(await zone.online(3), Queued)
        again = await zone.online(2)
        assert isinstance(again, Queued)
        assert again.position == 1

    tell(tmp_path, story, "capacity = 1")
