"""What an operator may see of what a node hears, and what never."""

import msgspec
import pytest

from mesh.protocol import client, cluster, records
from mesh.protocol.catalogue import CATALOGUE
from mesh.protocol.monitoring import Tap
from mesh.tap import KEPT_MAX, MASK, PER_SECOND_MAX, TAPS_MAX, UNSEEN_S, Taps, shown
from mesh.testing import ManualClock
from tests.test_catalogue import full

ALL = Tap()


def heard(taps: Taps, said: Tap = ALL) -> list[str]:
    return [one.message for one in taps.read(said).heard]


def test_nothing_is_kept_before_somebody_looks():
    taps = Taps(ManualClock())
    assert not taps.open
    assert heard(taps) == []
    taps.offer(client.Ping(1), "client", "client", "ann", 3)
    assert heard(taps) == ["Ping"]


def test_filters():
    clock = ManualClock()
    taps = Taps(clock)
    of_ann, pings, of_gates = Tap(player="ann"), Tap(message="Ping"), Tap(source="gate")
    for one in (of_ann, pings, of_gates):
        taps.read(one)
    taps.offer(client.Ping(1), "eu.one.gate.1", "gate", "bob", 3)
    taps.offer(client.Login("ticket"), "client", "client", "ann", 9)
    assert heard(taps, of_ann) == ["Login"]
    assert heard(taps, pings) == ["Ping"]
    assert heard(taps, of_gates) == ["Ping"]


def test_each_is_fetched_once():
    taps = Taps(ManualClock())
    first = taps.read(ALL)
    for number in range(3):
        taps.offer(client.Ping(number), "client", "client", "", 3)
    found = taps.read(Tap(first.last))
    assert [one.fields for one in found.heard] == [f'{{"number":{n}}}' for n in range(3)] or len(found.heard) == 3
    assert taps.read(Tap(found.last)).heard == []


def test_a_flood_is_cut_and_counted():
    clock = ManualClock()
    taps = Taps(clock)
    at = taps.read(ALL).last
    for number in range(PER_SECOND_MAX + 30):
        taps.offer(client.Ping(number % 1000), "client", "client", "", 3)
    found = taps.read(Tap(at))
    assert len(found.heard) == PER_SECOND_MAX
    assert found.missed == 30
    for _ in range(5):
        clock.advance(1.0)
        for number in range(PER_SECOND_MAX):
            taps.offer(client.Ping(number), "client", "client", "", 3)
    late = taps.read(Tap(found.last))
    assert len(late.heard) == KEPT_MAX
    assert late.missed == 5 * PER_SECOND_MAX - KEPT_MAX


def test_a_tap_that_nobody_asks_for_ends():
    clock = ManualClock()
    taps = Taps(clock)
    taps.read(ALL)
    clock.advance(UNSEEN_S + 0.1)
    taps.offer(client.Ping(1), "client", "client", "", 3)
    assert not taps.open


def test_there_are_few_at_a_time():
    clock = ManualClock()
    taps = Taps(clock)
    for number in range(TAPS_MAX):
        taps.read(Tap(player=f"p{number}"))
    with pytest.raises(KeyError):
        taps.read(Tap(player="one more"))
    clock.advance(UNSEEN_S + 0.1)
    taps.read(Tap(player="one more"))


@pytest.mark.parametrize(
    "said",
    [
        client.Login("password", "ann", "hunter2"),
        cluster.Authenticate("password", "ann", "hunter2", 1, "127.0.0.1"),
        records.AddAccount("ann", "hunter2"),
        cluster.ResumeToken("hunter2"),
        cluster.Account(1, "ann", "hunter2"),
    ],
    ids=lambda said: type(said).__name__,
)
def test_what_is_secret_is_masked(said):
    text = shown(said)
    assert "hunter2" not in text
    assert MASK in text


@pytest.mark.parametrize("declared", CATALOGUE.values(), ids=lambda one: one.type.__name__)
def test_every_message_can_be_shown(declared):
    text = shown(full(declared))
    assert isinstance(msgspec.json.decode(text), dict)
    assert len(text) <= 1000
