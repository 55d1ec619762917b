"""The checkers that the simulation alone uses: what is right passes, what is wrong is named."""

import random

import numpy as np
import pytest

from mesh.checking.belongings import MAIL, belongings
from mesh.checking.bounds import bounds, copies, one_at_a_time
from mesh.checking.damage import damage
from mesh.checking.epochs import fencing
from mesh.checking.parties import parties
from mesh.checking.records import Coins, Entry, Operation, Thing
from mesh.checking.wishes import wishes
from mesh.protocol.lanes import STATE
from mesh.protocol.records import SaveStates
from mesh.protocol.sessions import session_of
from nodes.dc.records import PURSES as PURSES_TABLE
from nodes.dc.records import SESSIONS, STATES, PurseRow, SessionRow, StateRow
from nodes.simulation.cached import CachedStates
from nodes.simulation.disk import SimulatedStore
from nodes.simulation.harm import served

ANNA, BOB = session_of(1, 1), session_of(2, 1)


def done(session: int, kind: str, ended: str = "ok", answer: object = None) -> Operation:
    return Operation(session, 1, kind, (), 0.0, 1.0, ended, answer)  # type: ignore[arg-type]


def test_what_waits_has_a_limit() -> None:
    assert bounds({"a": (3, 3), "b": (0, 1)}) == []
    assert [problem.text for problem in bounds({"a": (4, 3), "b": (0, 1)})] == ["a: 4 wait, 3 may"]


def test_one_of_two_writes() -> None:
    assert one_at_a_time([]) == one_at_a_time(["dc.1"]) == []
    assert [problem.checker for problem in one_at_a_time(["dc.2", "dc.1"])] == ["one-writer"]


def test_copies_are_the_same() -> None:
    disk = {"purses": {b"1": b"5"}, "names": {}}
    assert copies({"dc.1": disk}) == copies({"dc.1": disk, "dc.2": dict(disk)}) == []
    other = {"purses": {b"1": b"6", b"2": b"1"}}
    assert ["2 rows of purses" in problem.text for problem in copies({"dc.1": disk, "dc.2": other})] == [True]


def test_members_know_of_each_other() -> None:
    both, nobody = frozenset({"anna", "bob"}), frozenset[str]()
    assert parties({"anna": both, "bob": both}, {"anna": both, "cora": nobody}, {"bob": both}) == []
    found = parties({"anna": both}, {"bob": both}, {"anna": nobody})
    assert sorted(problem.text for problem in found) == [
        "anna is with anna, bob by the center, it knows of nobody",
        "bob is with nobody by the center, its scene knows of anna, bob",
    ]


def test_a_message_is_carried_out_once() -> None:
    asked = {(ANNA, 5): [(ANNA, 1), (ANNA, 2)]}
    assert wishes(asked, {(ANNA, 5)}, [(ANNA, 2)]) == wishes(asked, set(), []) == []
    assert len(wishes(asked, set(), [(ANNA, 1), (ANNA, 2)])) == 1
    assert len(wishes(asked, {(ANNA, 5)}, [])) == 1


def test_only_the_newest_session_changes_anything() -> None:
    newer = session_of(1, 2)
    opened = [Entry(ANNA, 0, "session"), Entry(ANNA, 1, "loot"), Entry(newer, 0, "session")]
    assert fencing([*opened, Entry(newer, 1, "loot"), Entry(BOB, 0, "session")]) == []
    assert len(fencing([*opened, Entry(ANNA, 2, "loot")])) == 1


def test_a_process_that_was_given_up_changes_nothing_more() -> None:
    opened = [Entry(ANNA, 0, "session"), Entry(ANNA, 1, "loot", process=0x1F), Entry(0, 0, "fence", note="scene.1 1f")]
    assert fencing([*opened, Entry(ANNA, 2, "loot", process=0x2F), Entry(ANNA, 3, "loot")]) == []
    assert len(fencing([*opened, Entry(ANNA, 2, "loot", process=0x1F)])) == 1


def test_mails_are_written_as_often_as_was_said() -> None:
    rows = [Entry(ANNA, 1, "mail-send", [Coins(1, -2, 5)]), Entry(BOB, 1, "mail-take", [Coins(-2, 2, 5)])]
    sent, taken = done(ANNA, "mail-send"), done(BOB, "mail-take")
    assert belongings([sent, taken], rows, MAIL) == []
    assert belongings([done(ANNA, "mail-send", "unknown"), done(BOB, "mail-take", "unknown")], rows, MAIL) == []
    assert len(belongings([sent], rows, MAIL)) == 1
    assert len(belongings([sent, taken, taken], rows, MAIL)) == 1
    assert belongings([], rows) == [], "who has not written mails down does not look at them"


def test_a_share_of_loot_is_in_the_ledger() -> None:
    rows = [Entry(ANNA, 1, "loot", [Coins(0, 1, 4), Coins(0, 2, 3)], [Thing(9, 0, 2)])]
    told = [done(ANNA, "loot", answer=(4, ())), done(BOB, "share", answer=(3, (9,)))]
    assert belongings(told, rows) == belongings(told[:1], rows) == []
    assert len(belongings([done(ANNA, "loot", answer=(4, (9,)))], rows)) == 2
    assert len(belongings([told[0], done(BOB, "share", answer=(4, ()))], rows)) == 1


def saved(x: float) -> SaveStates:
    states = np.zeros(1, STATE)
    states["x"] = x
    return SaveStates("meadow", np.array([ANNA], "<u8").tobytes(), states.tobytes())


@pytest.mark.parametrize(("stored", "lost"), [(2.0, 0), (1.0, 1), (None, 1)])
def test_a_crash_loses_the_last_moment_and_nothing_older(stored: float | None, lost: int) -> None:
    store, cached = SimulatedStore(), CachedStates()
    key = SESSIONS.keys.pack(1)
    store.damage(SESSIONS.name, key, SESSIONS.pack(key, SessionRow(1, 0)))
    if stored is not None:
        row = StateRow("meadow", stored, 0.0, 0, session=ANNA)
        store.damage(STATES.name, key, STATES.pack(key, row))
    for x, at in ((1.0, 10.0), (2.0, 11.0), (3.0, 12.9)):
        cached.acked(cached.said(saved(x)), at)
    cached.crashed(store, 13.0)
    assert len(cached.problems) == lost
    cached.crashed(store, 20.0)
    assert len(cached.problems) == lost, "what was lost then is not lost again"


def test_damaged_rows_are_not_served() -> None:
    store = SimulatedStore()
    for account in range(50):
        key = PURSES_TABLE.keys.pack(account)
        store.damage(PURSES_TABLE.name, key, PURSES_TABLE.pack(key, PurseRow(7)))
    before = dict(store.scan(PURSES_TABLE.name))
    assert served(store, random.Random(1)) == []
    assert dict(store.scan(PURSES_TABLE.name)) == before, "it is mended"
    assert len(damage(["purses 3"])) == 1
