"""Who concerns whom."""

from mesh.core.bucket import Bucket
from mesh.protocol.sessions import Friendship, PartyAt, session_of
from nodes.scene.relevance import CONCERNS_MAX, FIGHT_S, Relevance
from nodes.scene.sessions import Session
from nodes.scene.settings import LINE_BITS, LINE_SLOTS


def of(relevance: Relevance, observer: int) -> list[int]:
    keys = relevance.keys([observer])
    assert (keys >> LINE_BITS == observer).all()
    return (keys & (LINE_SLOTS - 1)).tolist()


def player(relevance: Relevance, players: dict[int, Session], account: int, slot: int) -> Session:
    session = Session(session_of(account, 1), f"p{account}", 0, slot, slot, 0, Bucket(1.0, 1, 0.0))
    players[slot] = session
    relevance.came(session)
    return session


def test_fights_concern_both_for_a_while() -> None:
    relevance = Relevance({})
    assert relevance.fought(1, 2, 10.0)
    assert not relevance.fought(2, 1, 12.0)
    assert relevance.fought(1, 3, 13.0)
    assert (of(relevance, 1), of(relevance, 2), of(relevance, 3)) == ([2, 3], [1], [1])
    relevance.pass_by(12.0 + FIGHT_S)
    assert (of(relevance, 1), of(relevance, 2)) == ([3], [])
    relevance.pass_by(13.0 + FIGHT_S)
    assert of(relevance, 1) == []


def test_a_slot_that_is_used_again_inherits_no_fight() -> None:
    relevance = Relevance({})
    relevance.fought(1, 2, 10.0)
    relevance.forget(1)
    assert of(relevance, 2) == []
    relevance.fought(1, 2, 14.0)
    relevance.pass_by(10.0 + FIGHT_S)
    assert of(relevance, 2) == [1]


def test_party_and_friends_who_are_on_the_line() -> None:
    players: dict[int, Session] = {}
    relevance = Relevance(players)
    me = player(relevance, players, 1, 11)
    friend, member = player(relevance, players, 2, 12), player(relevance, players, 3, 13)
    player(relevance, players, 4, 14)
    me.befriend([Friendship(2, "p2", "friend"), Friendship(4, "p4", "blocked"), Friendship(9, "p9", "friend")])
    me.party = PartyAt(7, 1, False, [1, 3, 8])
    assert of(relevance, 11) == [11, 12, 13]
    assert of(relevance, 12) == []
    relevance.went(friend)
    relevance.went(member)
    assert of(relevance, 11) == [11]


def test_they_are_a_handful_and_fights_come_first() -> None:
    players: dict[int, Session] = {}
    relevance = Relevance(players)
    me = player(relevance, players, 1, 1)
    for account in range(100, 200):
        player(relevance, players, account, account)
    me.befriend([Friendship(account, "p", "friend") for account in range(100, 200)])
    for foe in range(900, 910):
        relevance.fought(1, foe, 1.0)
    found = of(relevance, 1)
    assert len(found) == CONCERNS_MAX
    assert set(range(900, 910)) <= set(found)
