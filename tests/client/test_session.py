"""The client's half of the protocol, without a network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.client.outbox import RESEND_MAX
from mesh.client.session import ACK_EVERY, ClientSession, Phase
from mesh.errors import LocalProtocolError, RemoteProtocolError
from mesh.protocol.catalogue import decoder, encode
from mesh.protocol.client import Denied, Goodbye, LoggedIn, Login, Pong, TransferBegun, Waiting
from mesh.protocol.lanes import (
    CLIENT_GATE,
    CLIENT_MOVE,
    CLIENT_PLAY,
    CLIENT_SOCIAL,
    MOVE_SIZE,
    MOVE_STRUCT,
    PLAY_HEAD,
    TICK_HEAD,
    UPDATE_SIZE,
    UPDATE_STRUCT,
    PieceClass,
    PieceLane,
    piece,
)
from mesh.protocol.play import Appeared, Attack, Character, Corrected, Entered, EntityState, Hit, Said, Say, Vanished
from mesh.protocol.social import Shout, Shouted

LOGGED_IN = LoggedIn(77, "anna", "token-1", 30.0, ["ws://a", "ws://b"])


def gate(said):
    return piece(PieceLane.CONTROL, PieceClass.GATE, encode(said))


def view(said):
    return piece(PieceLane.CONTROL, PieceClass.VIEW, encode(said))


def event(sequence, said):
    return piece(PieceLane.CONTROL, PieceClass.EVENT, encode(said), sequence)


def updates(tick, *records):
    body = TICK_HEAD.pack(tick) + b"".join(UPDATE_STRUCT.pack(*record) for record in records)
    return piece(PieceLane.MOVEMENT, PieceClass.UPDATES, body)


def entity(number):
    return EntityState(number, "player", f"p{number}", 1, 2, 3, 0, 1, 50, 60)


def entered(*, processed=0, resumed=False, seen=()):
    you = Character(5, "anna", 1, 0, 50, 60, {}, 0, [])
    return Entered("s", "meadow", 1, 256.0, 0.02, 10.0, 30.0, 6.0, 10, 20, you, list(seen), processed, resumed)


def playing(**how):
    session = ClientSession(**how)
    session.login("password", "anna", "secret", "test")
    session.receive(gate(LOGGED_IN))
    session.receive(view(entered(seen=[entity(9)])))
    return session


def test_login_goes_through_its_phases():
    session = ClientSession()
    frame = session.login("password", "anna", "secret", "test 1")
    assert frame[0] == CLIENT_GATE
    assert decoder([Login])(frame[1:]) == Login("password", "anna", "secret", 0, "test 1")
    assert session.phase is Phase.AUTHENTICATING
    assert session.receive(gate(Waiting(3, 9.0))) == [Waiting(3, 9.0)]
    assert session.phase is Phase.WAITING
    session.receive(gate(LOGGED_IN))
    assert (session.phase, session.session, session.token) == (Phase.JOINING, 77, "token-1")
    session.receive(view(entered(seen=[entity(9)])))
    assert session.phase is Phase.PLAYING
    assert list(session.view) == [9]
    assert (session.x, session.y) == (10, 20)


def test_denied_ends_a_login_but_not_a_game():
    refused = ClientSession()
    refused.login("password", "anna", "wrong")
    refused.receive(gate(Denied("bad_credentials")))
    assert refused.phase is Phase.ENDED
    assert refused.ended == Denied("bad_credentials")
    assert not refused.disconnected()
    session = playing()
    assert session.receive(gate(Denied("too_many", "", 340))) == [Denied("too_many", "", 340)]
    assert session.phase is Phase.PLAYING


def test_nothing_is_said_out_of_order():
    session = ClientSession()
    with pytest.raises(LocalProtocolError):
        session.play(Attack(1))
    with pytest.raises(LocalProtocolError):
        session.social(Shout("hi"))
    session.login("password", "anna", "secret")
    with pytest.raises(LocalProtocolError):
        session.login("password", "anna", "secret")
    with pytest.raises(LocalProtocolError):
        playing().play(Shout("not for the scene"))
    with pytest.raises(LocalProtocolError):
        playing().social(Attack(1))


def test_a_move_is_one_record():
    frame = playing().move(100, 200, 64, 0x12345, state=1)
    assert len(frame) == MOVE_SIZE
    assert MOVE_STRUCT.unpack(frame) == (CLIENT_MOVE, 1, 64, 0, 0x2345, 100, 200)


def test_play_messages_are_numbered_and_carry_the_acknowledgement():
    session = playing()
    session.receive(event(1, Hit(1, 2, 3, 4)) + event(2, Hit(1, 2, 3, 1)))
    frame = session.play(Attack(9))
    assert frame[0] == CLIENT_PLAY
    assert PLAY_HEAD.unpack_from(frame, 1) == (1, 2)
    assert decoder([Attack])(frame[1 + PLAY_HEAD.size :]) == Attack(9)
    assert PLAY_HEAD.unpack_from(session.play(Say("x")), 1) == (2, 2)
    assert session.acknowledge() is None


def test_acknowledgements_come_by_themselves_when_nothing_is_said():
    session = playing()
    for sequence in range(1, ACK_EVERY):
        session.receive(event(sequence, Hit(1, 2, 3, 4)))
        assert session.take_outgoing() == ()
    session.receive(event(ACK_EVERY, Hit(1, 2, 3, 4)))
    [frame] = session.take_outgoing()
    assert PLAY_HEAD.unpack_from(frame, 1) == (0, ACK_EVERY)
    session.receive(event(ACK_EVERY + 1, Hit(1, 2, 3, 4)))
    assert PLAY_HEAD.unpack_from(session.acknowledge(), 1) == (0, ACK_EVERY + 1)
    assert session.acknowledge() is None


def test_a_control_piece_counts_once():
    session = playing()
    assert session.receive(event(1, Hit(1, 2, 3, 4)) + event(1, Hit(1, 2, 3, 4))) == [Hit(1, 2, 3, 4)]
    assert session.duplicates == 1
    session.receive(event(4, Hit(1, 2, 3, 4)))
    assert (session.gaps, session.received) == (2, 4)


def test_view_follows_what_appears_and_vanishes():
    session = playing()
    session.receive(view(Appeared([entity(1), entity(2)])) + view(Vanished([9, 1])))
    assert list(session.view) == [2]
    session.receive(view(Corrected(500, 600, 1)))
    assert (session.x, session.y) == (500, 600)


def test_updates_are_counted_and_handed_on_raw():
    heard = []
    session = playing(on_updates=lambda tick, records: heard.append((tick, bytes(records))))
    frame = updates(7, (9, 1, 2, 3, 4, 5), (10, 1, 2, 3, 4, 5))
    assert session.receive(frame) == ()
    assert session.receive(view(Vanished([9])) + frame + view(Vanished([10]))) == [Vanished([9]), Vanished([10])]
    assert session.updates == 4
    assert [tick for tick, _ in heard] == [7, 7]
    assert len(heard[0][1]) == 2 * UPDATE_SIZE
    assert heard[0] == heard[1]


def test_social_and_chat_come_through_whatever_their_class():
    session = playing()
    chat = piece(PieceLane.BULK, PieceClass.CHAT, encode(Said(1, "bob", "hello")))
    assert session.receive(gate(Shouted(1, 2, "bob", "hey")) + chat) == [
        Shouted(1, 2, "bob", "hey"),
        Said(1, "bob", "hello"),
    ]
    assert session.social(Shout("hi")) == bytes([CLIENT_SOCIAL]) + encode(Shout("hi"))


def test_a_word_to_one_player_comes_through_whatever_was_heard_before_it():
    session = playing()
    alone = Shouted(1, 3, "the crew", "come here", alone=True)
    everybody = Shouted(1, 2, "bob", "hey")
    assert session.receive(gate(alone)) == [alone]
    assert session.receive(gate(everybody)) == [everybody], "that it was overtaken is no reason to ignore it"
    assert session.receive(gate(everybody)) == []
    older = Shouted(1, 1, "the crew", "are you there?", alone=True)
    assert session.receive(gate(older)) == [older]
    assert session.duplicates == 1


def test_resume_names_what_was_received_and_sends_again_what_was_not_processed():
    session = playing()
    session.receive(event(1, Hit(1, 2, 3, 4)) + event(2, Hit(1, 2, 3, 4)))
    frames = [session.play(Attack(n)) for n in range(1, 6)]
    assert session.disconnected()
    login = decoder([Login])(session.resume()[1:])
    assert (login.method, login.secret, login.received) == ("resume", "token-1", 2)
    session.receive(gate(LoggedIn(77, "anna", "token-2", 30.0, [])))
    assert session.receive(view(entered(processed=3, resumed=True)) + event(2, Hit(1, 2, 3, 4)))
    assert list(session.take_outgoing()) == frames[3:]
    assert (session.token, session.received, session.duplicates) == ("token-2", 2, 1)
    assert PLAY_HEAD.unpack_from(session.play(Attack(6)), 1)[0] == 6


def test_another_session_starts_its_numbers_anew():
    session = playing()
    session.receive(event(1, Hit(1, 2, 3, 4)))
    session.play(Attack(1))
    session.disconnected()
    session.resume()
    session.receive(gate(LoggedIn(78, "anna", "token-2", 30.0, [])))
    session.receive(view(entered()))
    assert session.take_outgoing() == ()
    assert PLAY_HEAD.unpack_from(session.play(Attack(2)), 1) == (1, 0)


def test_only_so_much_is_kept_for_a_resume():
    session = playing()
    for number in range(RESEND_MAX + 10):
        session.play(Attack(number))
    session.disconnected()
    session.resume()
    session.receive(gate(LoggedIn(77, "anna", "token-2", 30.0, [])))
    session.receive(view(entered(processed=0, resumed=True)))
    assert len(session.take_outgoing()) == RESEND_MAX


@pytest.mark.parametrize(("code", "resumable"), [("shutdown", True), ("idle", True), ("taken_over", False)])
def test_goodbye_says_whether_a_resume_makes_sense(code, resumable):
    session = playing()
    session.receive(gate(Goodbye(code)))
    assert session.phase is Phase.ENDED
    assert session.disconnected() is resumable


def test_messages_of_a_newer_server_are_skipped():
    session = playing()
    unknown = piece(PieceLane.CONTROL, PieceClass.GATE, b"\x92\xcd\x03\xe6\x01")
    assert session.receive(unknown + gate(Pong(4))) == [Pong(4)]
    assert session.unknown == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x01",
        view(Vanished([1]))[:-1],
        view(Vanished([1])) + b"\x01\x00",
        piece(PieceLane.CONTROL, PieceClass.GATE, b"\x92\xcd\x01\x2d\x01"),
        piece(PieceLane.MOVEMENT, PieceClass.UPDATES, b"abc"),
        piece(PieceLane.MOVEMENT, PieceClass.UPDATES, b"tick" + b"x" * 13),
    ],
)
def test_what_no_server_says_is_an_error(frame):
    with pytest.raises(RemoteProtocolError):
        playing(on_updates=lambda tick, records: None).receive(frame)


@given(st.binary(max_size=200), st.integers(0, 5), st.booleans())
def test_garbage_is_an_error_or_nothing(data, cls, framed):
    session = playing(on_updates=lambda tick, records: None)
    try:
        session.receive(piece(PieceLane.CONTROL, cls, data) if framed else data)
    except RemoteProtocolError:
        return
    assert session.phase is Phase.PLAYING or session.ended


def test_a_goodbye_of_the_connection_before_is_none_of_the_session() -> None:
    """It moves to another gate: the first one says Goodbye before the other one has it in the world."""
    session = ClientSession()
    session.login("password", "anna", "x")
    session.receive(gate(LOGGED_IN))
    session.receive(view(entered()))
    session.hold()
    session.second()
    session.receive(gate(LoggedIn(LOGGED_IN.session, "anna", "token-2", 30.0, ["ws://b"])))
    session.receive(gate(Goodbye("taken_over", "")))
    session.receive(view(entered(resumed=True)))
    assert session.phase is Phase.PLAYING
    assert session.disconnected(), "when that connection breaks it may come back"


def test_a_goodbye_of_the_connection_before_does_not_end_a_session_whose_second_one_breaks() -> None:
    session = playing()
    session.hold()
    session.second()
    session.receive(gate(LoggedIn(LOGGED_IN.session, "anna", "token-2", 30.0, ["ws://b"])))
    session.receive(gate(Goodbye("taken_over", "")))
    assert session.ended is None
    assert session.disconnected(), "the second one breaks before Entered: the session waits in the world"
    session.resume()
    session.receive(gate(LoggedIn(LOGGED_IN.session, "anna", "token-3", 30.0, ["ws://b"])))
    session.receive(gate(Goodbye("taken_over", "")))
    assert not session.disconnected(), "with one connection it is for that one"


def test_a_second_connection_that_failed_may_have_been_let_in() -> None:
    """Nobody has heard the answer to its login, and by the first one comes that the session was taken over."""
    session = playing()
    session.hold()
    session.second()
    session.stay()
    session.receive(gate(Goodbye("taken_over", "")))
    assert session.disconnected(), "one resume tells"
    session = playing()
    session.hold()
    session.stay()  # before it was asked
    session.receive(gate(Goodbye("taken_over", "")))
    assert not session.disconnected()


def test_what_is_held_for_the_second_connection_is_not_said_on_the_first() -> None:
    """It is on its way to another line when it is asked to go to another gate, and arrives before it has gone."""
    session = playing()
    session.receive(gate(TransferBegun(1)))
    session.take_outgoing()
    session.hold()
    assert session.social(Shout("one")) == b""
    session.second()
    session.receive(view(entered(resumed=True)))  # of the transfer
    assert session.take_outgoing() == ()
    assert session.social(Shout("two")) == b""
    session.receive(gate(LoggedIn(LOGGED_IN.session, "anna", "token-2", 30.0, ["ws://b"])))
    session.receive(view(entered(resumed=True)))
    said = [bytes([CLIENT_SOCIAL]) + encode(Shout(text)) for text in ("one", "two")]
    assert list(session.take_outgoing()) == said


def test_what_is_held_for_a_second_connection_that_is_not_let_in_is_said_when_the_session_is_resumed() -> None:
    session = playing()
    session.hold()
    assert session.social(Shout("one")) == b""
    session.second()
    assert session.disconnected()  # both break
    session.resume()
    session.receive(gate(LoggedIn(LOGGED_IN.session, "anna", "token-2", 30.0, ["ws://b"])))
    session.receive(view(entered(resumed=True)))
    assert list(session.take_outgoing()) == [bytes([CLIENT_SOCIAL]) + encode(Shout("one"))]
