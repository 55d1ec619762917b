"""What goes down: what everybody is told, what is left out first, and what a slow network is spared."""

import asyncio

import numpy as np
import pytest

from mesh import metrics
from mesh.protocol.catalogue import encode
from mesh.protocol.lanes import Lane, PieceClass, PieceLane, piece
from mesh.protocol.play import Hit, Said
from mesh.protocol.social import Shouted
from mesh.topology.policy import FULL, Level
from nodes.gate.bandwidth import UNLIMITED
from nodes.gate.lanes import ANNOUNCE_FLUSHES
from tests.gate.zone import announce, play, updates
from tools.bots.scrape import pick

SHOUT = Shouted(1, 1, "everybody", "x")


def chat(cls=PieceClass.CHAT, text="x"):
    return piece(PieceLane.BULK, cls, encode(Said(1, "bob", text)))


def sends(s, players):
    """Counts the frames that each player's connection is given from now on."""
    counts = dict.fromkeys(players, 0)
    for player in players:
        connection = s.gate.clients.by_session[player.session.session].connection

        def counted(frame, player=player, send=connection.send):
            counts[player] += 1
            send(frame)

        connection.send = counted
    return counts


def test_an_announcement_goes_out_with_the_next_movement(zone, tmp_path):
    async def story(s):
        players = [await s.player(f"user-{n}") for n in range(40)]
        await asyncio.sleep(0.5)
        counts = sends(s, players)
        s.center.publish(announce(SHOUT))
        await asyncio.sleep(0.01)
        s.scene.send(Lane.UPDATES, {s.handle_of(p): updates(1) for p in players})
        await asyncio.sleep(0.3)
        assert set(counts.values()) == {1}
        assert all([await p.wait(Shouted) for p in players])
        assert s.gate.lanes.counts.coalesced == 40

    play(zone, tmp_path, story)


def test_without_movement_everybody_is_told_in_a_moment_and_not_all_at_once(zone, tmp_path):
    async def story(s):
        players = [await s.player(f"user-{n}") for n in range(40)]
        await asyncio.sleep(0.5)
        counts = sends(s, players)
        s.center.publish(announce(SHOUT))
        seen = []
        for _ in range(ANNOUNCE_FLUSHES + 2):
            await asyncio.sleep(s.gate.settings.flush_ms / 1000)
            seen.append(sum(counts.values()))
        assert seen[-1] == 40
        assert max(b - a for a, b in zip([0, *seen], seen, strict=False)) <= 40 / ANNOUNCE_FLUSHES + 1
        assert set(counts.values()) == {1}

    play(zone, tmp_path, story)


def test_a_fight_does_not_wait_for_an_announcement_nor_change_places_with_it(zone, tmp_path):
    async def story(s):
        order = []
        anna = await s.player(
            on_event=lambda said: order.append(type(said)) if isinstance(said, Shouted | Hit) else None
        )
        await asyncio.sleep(0.5)
        s.center.publish(announce(SHOUT))
        await asyncio.sleep(0.001)
        s.scene.say(s.handle_of(anna), Hit(1, 2, 3, 4), sequence=1)
        await asyncio.sleep(s.gate.settings.flush_ms / 1000 + 0.005)
        assert order == [Shouted, Hit]

    play(zone, tmp_path, story)


@pytest.mark.parametrize(
    ("level", "cosmetic"),
    [(FULL, 8), (Level("busy", cosmetics=False), 0), (Level("slow", cosmetics=False, chat=0.25), 0)],
)
def test_under_pressure_cosmetic_things_go_and_what_was_said_and_fights_do_not(zone, tmp_path, level, cosmetic):
    async def story(s):
        texts, hits = [], []

        def keep(said):
            if isinstance(said, Said):
                texts.append(said.text)
            elif isinstance(said, Hit):
                hits.append(said)

        anna = await s.player(on_event=keep)
        s.gate.lanes.level = level
        handle = s.handle_of(anna)
        for _ in range(8):
            s.scene.send(Lane.CHATS, {handle: chat(PieceClass.COSMETIC, "dance")})
            s.scene.send(Lane.CHATS, {handle: chat(text="talk")})
            s.scene.say(handle, Hit(1, 2, 3, 4), PieceClass.VIEW)
            await asyncio.sleep(0.05)
        assert (texts.count("dance"), texts.count("talk"), len(hits)) == (cosmetic, 8, 8)
        counts = s.gate.lanes.counts
        assert (counts.cosmetic_dropped, counts.chat_dropped) == (8 - cosmetic, 0)

    play(zone, tmp_path, story)


def test_who_reads_slowly_is_spared_cosmetic_things_before_chat(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        handle = s.handle_of(anna)
        anna._wire.client.stop_reading()
        s.scene.say(handle, Said(1, "bob", "y" * 100), PieceClass.VIEW)
        row = piece(PieceLane.CONTROL, PieceClass.VIEW, b"x" * 10_000)  # more than half, less than all
        s.scene.send(Lane.FRAMES, {handle: row})
        await asyncio.sleep(0.1)
        s.scene.send(Lane.CHATS, {handle: chat(PieceClass.COSMETIC)})
        s.scene.send(Lane.CHATS, {handle: chat()})
        await asyncio.sleep(0.1)
        counts = s.gate.lanes.counts
        assert (counts.cosmetic_dropped, counts.chat_dropped) == (1, 0)
        [unsent] = pick(metrics.page([s.gate.metrics]).decode(), "gate_unsent_bytes").values()
        assert 10_000 < unsent < 11_000, "what is for her, and the heads of frames"
        anna._wire.client.stop_reading(False)
        await asyncio.sleep(0.1)
        [unsent] = pick(metrics.page([s.gate.metrics]).decode(), "gate_unsent_bytes").values()
        assert unsent == 0

    play(zone, tmp_path, story)


def budgets_at(scene):
    """The newest budget of each handle."""
    found = {}
    for handles, values in scene.of(Lane.BUDGETS):
        found |= zip(np.frombuffer(handles, "<u4").tolist(), np.frombuffer(values, "<u4").tolist(), strict=True)
    return found


async def feed(s, players, seconds, count=30):
    for tick in range(round(seconds * 10)):
        s.scene.send(Lane.UPDATES, {s.handle_of(p): updates(tick, count) for p in players})
        await asyncio.sleep(0.1)


def test_a_slow_reader_is_told_less_and_more_again_when_it_reads(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        await feed(s, [anna, bob], 4.0)
        assert budgets_at(s.scene) == {}
        anna._wire.client.stop_reading()
        await feed(s, [anna, bob], 3.0)
        assert budgets_at(s.scene)[s.handle_of(anna)] < 2000, "of 3,700 bytes a second"
        assert s.handle_of(bob) not in budgets_at(s.scene)
        assert s.gate.lanes.counts.movement_dropped == 0, "before anything is dropped"
        assert s.gate.budgets.hindered == 1
        anna._wire.client.stop_reading(False)
        await feed(s, [anna, bob], 12.0)
        assert budgets_at(s.scene)[s.handle_of(anna)] == UNLIMITED
        assert s.gate.budgets.hindered == 0

    play(zone, tmp_path, story)


def test_a_bandwidth_that_does_not_suffice_is_shared_and_given_back(zone, tmp_path):
    async def story(s):
        players = [await s.player(f"user-{n}") for n in range(4)]
        await feed(s, players, 6.0)
        told = budgets_at(s.scene)
        assert set(told) == {s.handle_of(p) for p in players}
        assert all(1500 < value < 2100 for value in told.values()), "a quarter of 8,000 each, less what else is said"
        await feed(s, players, 8.0, count=2)
        assert set(budgets_at(s.scene).values()) == {UNLIMITED}

    play(zone, tmp_path, story, bandwidth_bytes_s=8000)


def test_traffic_is_counted_by_line_and_lane(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        before = s.gate.clients.lines.messages()
        s.scene.send(Lane.UPDATES, {s.handle_of(anna): updates(1, 3), s.handle_of(bob): updates(1, 2)})
        s.scene.send(Lane.CHATS, {s.handle_of(anna): chat()})
        anna.attack(1)
        await asyncio.sleep(0.1)
        after = s.gate.clients.lines.messages()
        grown = {lane: after[key] - before[key] for key in after for lane in [key[2]] if after[key] != before[key]}
        assert grown == {"updates": 2, "bulk": 1, "plays": 1}
        assert s.gate.clients.lines.bytes()[s.scene.name, "meadow:1", "updates"] == len(updates(1, 3) + updates(1, 2))

    play(zone, tmp_path, story)
