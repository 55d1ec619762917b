"""The players of the DC's bench: every operation is one that the DC carries out, and the books are told from others."""

import numpy as np

from mesh.protocol.lanes import STATE
from mesh.protocol.sessions import account_of, session_of
from tools.bench.bookkeeping import A_BATCH, ENTRIES_PER_ACCOUNT, PLAYERS, Town


def town_of(accounts: int) -> Town:
    """One whose players are all logged in."""
    town = Town(accounts)
    for account in town.players:
        town.logged_in(account, session_of(account, 2))
    return town


def test_nobody_gives_what_they_have_not_and_no_id_is_used_twice() -> None:
    town = town_of(50)
    purses = dict.fromkeys(range(51), 0)
    for number in range(5000):
        said = town.operation(number)
        town.acknowledged(said)
        (move,) = said.gold
        purses[move.source] -= move.amount
        purses[move.target] += move.amount
        assert account_of(said.session) == (move.source or move.target)
        assert move.source == 0 or purses[move.source] >= 0
    assert len({(said.session, said.sequence) for said in town.done}) == 5000
    assert purses[0] == -town.minted
    kinds = [said.kind for said in town.done]
    assert 1000 < kinds.count("trade") <= 1250


def test_the_books_are_compared_with_what_was_said() -> None:
    town = town_of(50)
    for number in range(100):
        town.acknowledged(town.operation(number))
    town.operation(100)  # nobody knows of it yet
    books = {"durable_operations": 50 * ENTRIES_PER_ACCOUNT + 50 + 100, "gold": {"wallets": town.minted}}
    assert town.unlike(books) == 0
    assert town.unlike({**books, "durable_operations": 50 * ENTRIES_PER_ACCOUNT + 50 + 99}) == 1
    assert town.unlike({**books, "gold": {"wallets": town.minted + 3}}) == 3


def test_every_batch_is_of_the_next_players_until_all_had_their_turn() -> None:
    town = town_of(2 * PLAYERS)
    seen = [town.states(number) for number in range(PLAYERS // A_BATCH)]
    assert all(len(said.sessions) == A_BATCH * 8 and len(said.states) == A_BATCH * STATE.itemsize for said in seen)
    sessions = [session_of(account, 2) for account in town.players]
    assert b"".join(said.sessions for said in seen) == np.array(sessions, "<u8").tobytes()
    assert town.states(PLAYERS // A_BATCH).sessions == seen[0].sessions
