"""The load generator against a gate that the test plays: what it says, what it counts, and what it notices. Both
programs, the one in C and the one for machines without a compiler, have to say the same."""

import asyncio
import contextlib
import itertools
import math
import os

import pytest

from mesh.protocol.client import Denied, Goodbye, TransferBegun, TransferHeard
from mesh.protocol.lanes import TICK_HEAD, UPDATE_STRUCT, PieceClass, PieceLane, piece
from mesh.protocol.play import Appeared, Attack, EntityState, Hit, PlayDenied, Quality, Said, Vanished
from mesh.protocol.social import Shout, Shouted
from mesh.testing import wait_until as until
from tests.bench.fakegate import SIZE_M, SPEED_MPS, UNIT_M, FakeGate
from tools.bench import build as building
from tools.bench.generator import Generator, LoadSpec
from tools.ctl.exits import CommandError

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Built once, and not into the cache of whoever runs the tests."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(params=["C", "Python"], autouse=True)
def program(request, cache, monkeypatch, tmp_path):
    if request.param == "Python":
        monkeypatch.setenv("CC", "no-such-compiler")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
        return request.param
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    try:
        building.build_generator(os.environ)
    except building.NoCompilerError as error:
        pytest.skip(str(error))
    return request.param


def play(folder, work, clients=3, hz=20.0):
    """`work(gate, load)` with a gate and a generator for so many clients."""

    async def whole():
        gate = FakeGate()
        tickets = folder / "tickets"
        tickets.write_text("".join(f"ticket-{number}\n" for number in range(clients)))
        spec = LoadSpec(gates=[await gate.start()], tickets=tickets, hz=hz, login_s=5.0)
        try:
            async with Generator(spec) as load:
                await work(gate, load)
        finally:
            await gate.stop()

    asyncio.run(whole())


async def begin(load, seconds):
    """A window that is open; commands are carried out in order, so that the answer to the second one says so."""
    measuring = asyncio.ensure_future(load.measure(seconds))
    await asyncio.sleep(0)
    await load.do("circle 0")
    return measuring


def faults(window):
    """Why the window says nothing, but for the machine that was busy with something else."""
    return [text for text in window.invalid if "moves were" not in text]


def updates(*entities, tick=1, stamp=0, x=5000):
    records = b"".join(UPDATE_STRUCT.pack(entity, x, 5000, 0, 0, stamp) for entity in entities)
    return piece(PieceLane.MOVEMENT, PieceClass.UPDATES, TICK_HEAD.pack(tick) + records)


def state(entity):
    return EntityState(entity, "player", f"p{entity}", 5000, 5000, 0, 0, 1, 100, 100)


def test_clients_log_in_each_with_its_ticket(tmp_path):
    async def work(gate, load):
        wave = await load.clients(3)
        assert (wave.asked, wave.inside, wave.failed, wave.retries) == (3, 3, 0, 0)
        assert sorted(guest.ticket for guest in gate.guests) == ["ticket-0", "ticket-1", "ticket-2"]
        assert wave.all.count == wave.login.count == wave.enter.count == 3

    play(tmp_path, work)


def test_they_walk_no_faster_than_the_map_allows_and_stay_on_it(tmp_path):
    async def work(gate, load):
        await load.clients(3)
        await until(lambda: all(len(guest.moves) >= 12 for guest in gate.guests))
        for guest in gate.guests:
            for (earlier, x, y), (later, to_x, to_y) in itertools.pairwise(guest.moves):
                way_m = math.hypot(to_x - x, to_y - y) * UNIT_M
                assert 0 < way_m <= SPEED_MPS * ((later - earlier & 0xFFFF) + 2) / 1000  # both stamps were cut to ms
                assert 0 <= to_x <= SIZE_M / UNIT_M

    play(tmp_path, work)


def test_updates_are_counted_with_their_bytes_and_their_age(tmp_path):
    async def work(gate, load):
        await load.clients(3)
        first, second, third = sorted(gate.guests, key=lambda guest: guest.ticket)

        measuring = await begin(load, 1.0)
        said = len(second.moves)
        await until(lambda: len(second.moves) > said)
        first.send(updates(second.entity, third.entity, stamp=second.moves[-1][0]))
        third.send(updates(second.entity, stamp=second.moves[-1][0]))
        window = await measuring
        assert window.updates_s * window.seconds == pytest.approx(3, abs=0.2)
        assert window.bytes_per_update == pytest.approx(((2 + 8 + 4 + 24) + (2 + 8 + 4 + 12)) / 3, abs=0.01)
        assert window.latency.count == 3
        assert window.in_view == 2  # all three are within the radius of each other, whatever the gate says
        assert (window.closed, faults(window)) == (0, [])

    play(tmp_path, work)


def test_only_those_near_on_the_same_line_are_expected(tmp_path):
    """Two of four see each other; one is too far away, and one in the same place is on another line."""
    places = [(5000, 5000, 1), (5100, 5000, 1), (9999, 9999, 1), (5000, 5000, 2)]

    async def work(gate, load):
        gate.on_login = lambda guest: (gate.let_in(guest), guest.enter(*places[guest.number]))
        await load.clients(4)
        window = await load.measure(0.2)
        assert (window.in_view, window.in_view_most) == (0.5, 1)

    play(tmp_path, work, clients=4, hz=0.0)


def test_events_are_acknowledged_after_sixteen(tmp_path):
    async def work(gate, load):
        await load.clients(1)
        guest = gate.guests[0]
        for sequence in range(1, 17):
            guest.say(Said(1, "x", "y"), PieceClass.EVENT, sequence)
        await until(lambda: guest.plays)
        assert guest.plays == [(0, 16, None)]

    play(tmp_path, work, clients=1)


def test_a_transfer_is_answered_and_play_goes_on(tmp_path):
    async def work(gate, load):
        await load.clients(1)
        guest = gate.guests[0]
        guest.say(TransferBegun(41))
        await until(lambda: TransferHeard(41) in guest.heard)
        guest.enter(2000, 2000)
        said = len(guest.moves)
        await until(lambda: any(abs(x - 2000) < 200 for _, x, _ in guest.moves[said:]))
        assert guest.heard.count(TransferHeard(41)) == 1

    play(tmp_path, work, clients=1)


def test_who_is_told_to_come_later_does(tmp_path):
    async def work(gate, load):
        def once_no(guest):
            if len(gate.guests) == 1:
                guest.say(Denied("unavailable"))
                guest.writer.close()
            else:
                gate.let_in(guest)

        gate.on_login = once_no
        wave = await load.clients(1)
        assert (wave.inside, wave.retries, wave.codes) == (1, 1, {"unavailable": 1})

    play(tmp_path, work, clients=1)


def test_who_is_refused_for_good_has_failed(tmp_path):
    async def work(gate, load):
        gate.on_login = lambda guest: guest.say(Denied("banned"))
        wave = await load.clients(1)
        assert (wave.inside, wave.failed, wave.retries) == (0, 1, 0)

    play(tmp_path, work, clients=1)


def test_a_connection_that_ends_in_play_is_counted(tmp_path):
    async def work(gate, load):
        await load.clients(3)
        measuring = await begin(load, 1.0)
        gate.guests[1].say(Goodbye("slow_reader"))
        gate.guests[2].writer.close()
        window = await measuring
        assert (window.closed, window.inside, window.codes) == (2, 1, {"slow_reader": 1})

    play(tmp_path, work)


def test_blows_are_looked_for_at_both_ends(tmp_path):
    """The first one is heard by both, the second by the attacker alone, the third is refused."""

    async def work(gate, load):
        attacks = itertools.count(1)

        def strike(guest, sequence, said):
            assert isinstance(said, Attack)
            target = next(one for one in gate.guests if one.entity == said.target)
            which, hit = next(attacks), Hit(guest.entity, said.target, 5, 95)
            if which >= 3:
                guest.say(PlayDenied(sequence, "out_of_range"), PieceClass.EVENT, which)
                return
            guest.say(hit, PieceClass.EVENT, which)
            if which == 1:
                target.say(hit, PieceClass.EVENT, 1)

        gate.on_play = strike
        await load.clients(2)
        await load.do("attack 20")
        window = await load.measure(3.0, then={0.4: "attack 0"})
        combat = window.combat
        assert combat.at_attacker.count == 2
        assert combat.at_target.count == 1
        assert combat.missing_at_target == 1
        assert combat.missing_at_attacker == combat.disordered == 0
        assert combat.denied == combat.attacks - 2 > 0

    play(tmp_path, work, clients=2, hz=0.0)


def test_a_shout_is_over_when_everybody_has_it(tmp_path):
    async def work(gate, load):
        def pass_on(guest, said):
            assert isinstance(said, Shout)
            for one in gate.guests:
                one.say(Shouted(1, 1, "p", said.text), PieceClass.CHAT)

        gate.on_social = pass_on
        await load.clients(3)
        heard = await load.shout()
        assert (heard.asked, heard.delay.count) == (3, 3)

    play(tmp_path, work)


def test_the_longest_gap_of_what_is_in_view(tmp_path):
    async def work(gate, load):
        await load.do("track 1")
        await load.clients(1)
        guest = gate.guests[0]
        guest.say(Appeared([state(70), state(71)]), PieceClass.VIEW)
        guest.send(updates(70, 71))
        await until(lambda: load.seconds)  # it has heard that much
        guest.send(updates(70))
        guest.say(Vanished([71]), PieceClass.VIEW)
        guest.send(updates(71))
        window = await load.measure(0.4)
        views = window.views
        assert views.seen == 1
        assert views.longest.count >= 1
        assert views.starved == 0

    play(tmp_path, work, clients=1)


def test_quality_is_honoured_and_told(tmp_path):
    async def work(gate, load):
        await load.clients(1)
        guest = gate.guests[0]
        guest.say(Quality(4, "slow", 0.5, 0.01, 5.0, 100), PieceClass.VIEW)
        await until(lambda: any(second.level_most == 4 for second in load.seconds))
        said = len(guest.moves)
        window = await load.measure(0.3)
        assert load.seconds[-1].dilation == 0.5
        assert window.moves_s == 0  # one in a hundred seconds
        assert len(guest.moves) == said

    play(tmp_path, work, clients=1)


def test_which_program_it_is_is_told(tmp_path, program):
    said = []

    async def whole():
        tickets = tmp_path / "tickets"
        tickets.write_text("one\n")
        async with Generator(LoadSpec(gates=["127.0.0.1:1"], tickets=tickets), say=said.append) as load:
            await load.do("circle 5")

    asyncio.run(whole())
    assert [("the clients are Python's" in text) for text in said] == ([True] if program == "Python" else [])


def test_what_only_the_c_program_can_is_refused_by_the_other(tmp_path, program):
    if program == "C":
        pytest.skip("it can")

    async def work(_gate, load):
        with pytest.raises(CommandError, match="stall is something that only the C program can do"):
            await load.do("stall 0 1")

    play(tmp_path, work, clients=1)


def test_what_the_generator_refuses_is_an_error(tmp_path):
    async def work(_gate, load):
        with pytest.raises(CommandError, match="no such command"):
            await load.do("dance")

    play(tmp_path, work, clients=1)


def test_an_end_is_told_to_whoever_waits(tmp_path):
    async def work(_gate, load):
        with contextlib.suppress(ProcessLookupError):
            os.kill(load.pid, 9)
        with pytest.raises(CommandError, match="ended"):
            await load.clients(1)

    play(tmp_path, work, clients=1)
