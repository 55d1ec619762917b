"""A client that goes elsewhere, without a network: another place of the zone, another gate, another zone."""

import pytest
from msgspec.structs import replace

from mesh.client.outbox import HELD_MAX, RESEND_MAX
from mesh.client.session import ClientSession, Phase, first_of
from mesh.errors import LocalProtocolError, RemoteProtocolError
from mesh.protocol.catalogue import decoder, encode
from mesh.protocol.client import (
    Denied,
    Goodbye,
    LoggedIn,
    Login,
    MoveGate,
    MoveZone,
    TransferBegun,
    TransferHeard,
    Waiting,
)
from mesh.protocol.lanes import CLIENT_GATE, CLIENT_SOCIAL, PLAY_HEAD
from mesh.protocol.play import (
    AcceptTrade,
    Attack,
    CancelTrade,
    ConfirmTrade,
    Hit,
    InviteTrade,
    Loot,
    Looted,
    MailTaken,
    MailWritten,
    Offer,
    OfferTrade,
    PlayDenied,
    Say,
    TakeMail,
    TradeClosed,
    TradeDone,
    WriteMail,
)
from mesh.protocol.social import Shout, Shouted, Spoken
from tests.client.test_session import LOGGED_IN, entered, entity, event, gate, playing, view

AGAIN = LoggedIn(77, "anna", "token-2", 30.0, ["ws://b"])
ZONE = MoveZone("two", ["ws://x", "ws://y"], "ticket", 60.0)


def there(*, map_="forest", line=1, scene="s2", **how):
    """Entered of another place."""
    return replace(entered(resumed=True, **how), scene=scene, map=map_, line=line)


def numbers(frames):
    return [PLAY_HEAD.unpack_from(frame, 1)[0] for frame in frames]


def begun(session, number=1):
    assert session.receive(gate(TransferBegun(number))) == [TransferBegun(number)]
    return session.take_outgoing()


def test_a_transfer_is_answered_at_once():
    session = playing()
    [frame] = begun(session, 7)
    assert frame == bytes([CLIENT_GATE]) + encode(TransferHeard(7))
    assert session.phase is Phase.TRANSFERRING
    assert begun(session, 8) == [bytes([CLIENT_GATE]) + encode(TransferHeard(8))]
    session.receive(view(there(seen=[entity(3)])))
    assert (session.phase, list(session.view), session.entered.map) == (Phase.PLAYING, [3], "forest")


def test_nothing_is_acknowledged_on_the_way():
    """The next scene would take it for a sign that its Entered was heard."""
    session = playing()
    session.receive(event(1, Hit(1, 2, 3, 4)))
    begun(session)
    assert session.acknowledge() is None
    session.receive(view(there()))
    assert PLAY_HEAD.unpack_from(session.acknowledge(), 1) == (0, 1)


def test_what_is_said_on_the_way_waits_for_entered():
    session = playing()
    session.play(Say("one"))
    session.play(Say("two"))
    begun(session)
    assert session.play(Say("three")) == b""
    assert session.sent == 3
    assert session.social(Shout("the center is where it was"))[0] == CLIENT_SOCIAL
    session.receive(event(1, Hit(1, 2, 3, 4)))
    assert session.receive(view(there(processed=1)))
    frames = session.take_outgoing()
    assert numbers(frames) == [2, 3]
    assert [PLAY_HEAD.unpack_from(frame, 1)[1] for frame in frames] == [1, 1], "they acknowledge as all do"
    assert numbers([session.play(Say("four"))]) == [4]


@pytest.mark.parametrize(
    "bound",
    [
        Attack(1),
        Loot(1),
        InviteTrade(1),
        AcceptTrade(1),
        OfferTrade(1, Offer(1, [])),
        ConfirmTrade(1, 1),
        CancelTrade(1),
    ],
    ids=lambda said: type(said).__name__,
)
@pytest.mark.parametrize("place", [{"map_": "x"}, {"line": 2}, {"scene": "other"}], ids=lambda place: next(iter(place)))
def test_what_names_something_of_the_old_place_is_not_said_at_the_new_one(bound, place):
    session = playing()
    session.play(bound)
    session.play(Say("kept"))
    begun(session)
    session.play(bound)
    here = {"map_": "meadow", "scene": "s"}
    heard = session.receive(view(there(**(here | place))) + event(1, PlayDenied(9, "not_found")))
    assert numbers(session.take_outgoing()) == [2]
    denied = [said for said in heard if isinstance(said, PlayDenied)]
    assert [(said.sequence, said.code) for said in denied] == [
        (9, "not_found"),
        (1, "out_of_order"),
        (3, "out_of_order"),
    ], "behind what the old place had answered"
    assert numbers([session.play(bound)]) == [4]
    session.receive(view(there(processed=0, **(here | place))))
    assert numbers(session.take_outgoing()) == [2, 4], "what was given up is not sent by a later Entered either"


def test_at_the_same_place_everything_is_said_again():
    session = playing()
    session.play(Attack(1))
    begun(session)
    session.receive(view(entered(resumed=True)))
    assert numbers(session.take_outgoing()) == [1]


def test_a_game_says_which_of_its_messages_are_bound(monkeypatch):
    session = playing()
    session.bound = frozenset({411})
    session.play(Say("you there"))
    session.play(Attack(1))
    assert [type(said) for said in session.receive(view(there()))][1:] == [PlayDenied]
    assert numbers(session.take_outgoing()) == [2]


def test_a_resume_at_another_place_is_the_same():
    session = playing()
    session.play(Attack(1))
    session.disconnected()
    session.resume()
    session.receive(gate(AGAIN))
    assert session.play(Attack(2)) == b"", "said too early, and kept"
    heard = session.receive(view(there()))
    assert [said.sequence for said in heard if isinstance(said, PlayDenied)] == [1, 2]


def test_what_is_said_while_a_login_is_joining_waits():
    session = ClientSession()
    session.login("password", "anna", "secret")
    with pytest.raises(LocalProtocolError):
        session.play(Say("much too early"))
    session.receive(gate(LOGGED_IN))
    assert session.play(Say("one")) == b""
    assert session.social(Shout("hi")) == b""
    session.receive(view(entered()))
    play, social = session.take_outgoing()
    assert numbers([play]) == [1]
    assert social == bytes([CLIENT_SOCIAL]) + encode(Shout("hi"))


def test_only_so_much_waits():
    session = playing()
    begun(session)
    for number in range(RESEND_MAX):
        session.play(Attack(number))
    with pytest.raises(LocalProtocolError):
        session.play(Attack(0))
    assert session.sent == RESEND_MAX
    session.hold()
    for _ in range(HELD_MAX):
        session.social(Shout("x"))
    with pytest.raises(LocalProtocolError):
        session.social(Shout("x"))
    session.second()
    session.receive(gate(LOGGED_IN))
    session.receive(view(entered(resumed=True)))
    assert len(session.take_outgoing()) == RESEND_MAX + HELD_MAX
    assert session.play(Attack(0))
    assert session.social(Shout("x"))


def test_two_connections_of_one_session():
    session = playing()
    session.receive(event(1, Hit(1, 2, 3, 4)))
    session.hold()
    assert session.social(Shout("later")) == b""
    login = decoder([Login])(session.second("p")[1:])
    assert (login.method, login.secret, login.received, login.client) == ("resume", "token-1", 1, "p")
    assert session.phase is Phase.PLAYING
    assert numbers([session.play(Say("here"))]) == [1], "the first connection goes on"
    session.receive(event(2, Hit(1, 2, 3, 4)))
    session.receive(gate(AGAIN))
    assert (session.phase, session.token) == (Phase.JOINING, "token-2")
    assert session.play(Say("between")) == b""
    session.receive(event(3, Hit(1, 2, 3, 4)))
    session.receive(view(entered(processed=1, resumed=True)) + event(2, Hit(1, 2, 3, 4)) + event(4, Hit(1, 2, 3, 4)))
    play, social = session.take_outgoing()
    assert (numbers([play]), social[0]) == ([2], CLIENT_SOCIAL)
    assert (session.received, session.duplicates, session.gaps) == (4, 1, 0)


def test_a_second_connection_that_came_to_nothing():
    session = playing()
    session.hold()
    session.social(Shout("later"))
    session.second()
    session.stay()
    assert session.take_outgoing() == [bytes([CLIENT_SOCIAL]) + encode(Shout("later"))]
    assert session.social(Shout("now"))
    session.receive(gate(Goodbye("taken_over")))
    assert session.social(Shout("it waits")) == b""
    with pytest.raises(LocalProtocolError):
        session.second()


def test_a_goodbye_of_the_first_connection_means_nothing_once_the_second_is_let_in():
    session = playing()
    session.hold()
    session.second()
    session.receive(gate(Goodbye("taken_over")))
    assert session.play(Say("x")) == b"", "it waits, as everything does in this moment"
    session.receive(gate(AGAIN))
    session.receive(view(entered(resumed=True)))
    assert (session.phase, session.ended) == (Phase.PLAYING, None)
    assert numbers(session.take_outgoing()) == [1]


def test_the_first_message_on_a_connection():
    assert first_of(gate(AGAIN) + view(entered())) == AGAIN
    assert first_of(gate(Denied("resume_gone"))) == Denied("resume_gone")
    assert first_of(gate([999])) is None
    with pytest.raises(RemoteProtocolError):
        first_of(b"\x00")


def test_who_waits_in_the_queue_may_be_sent_to_another_gate():
    session = ClientSession()
    session.login("password", "anna", "secret")
    session.receive(gate(Waiting(5, 9.0)))
    assert session.receive(gate(MoveGate("ws://b"))) == [MoveGate("ws://b")]
    assert session.disconnected() is False
    assert decoder([Login])(session.login("password", "anna", "secret")[1:]).secret == "secret"


def test_a_player_who_is_asked_to_move_plays_on():
    session = playing()
    assert session.receive(gate(MoveGate("ws://b"))) == [MoveGate("ws://b")]
    assert session.phase is Phase.PLAYING


def test_another_zone_is_another_session():
    session = playing()
    session.receive(event(1, Hit(1, 2, 3, 4)) + gate(Shouted(9, 9, "bob", "x")))
    session.play(Attack(1))
    session.play(WriteMail("bob", "one"))
    heard = session.receive(gate(ZONE))
    assert heard[0] == ZONE
    assert [(said.sequence, said.code) for said in heard[1:]] == [(1, "unavailable"), (2, "unavailable")]
    assert session.phase is Phase.ENDED
    assert session.disconnected() is False, "there is nothing to resume"
    login = decoder([Login])(session.enter_zone(ZONE.ticket, "p")[1:])
    assert (login.method, login.secret, login.received) == ("ticket", "ticket", 0)
    session.receive(gate(LoggedIn(990, "anna", "token-9", 30.0, ["ws://x"])))
    heard = session.receive(view(there()) + event(1, Hit(1, 2, 3, 4)) + gate(Shouted(1, 1, "bob", "hello")))
    assert [type(said).__name__ for said in heard] == ["Entered", "Hit", "Shouted"]
    assert session.take_outgoing() == ()
    assert numbers([session.play(Attack(2))]) == [1]


def test_what_everybody_is_told_counts_once():
    session = playing()
    first, second = Shouted(2, 5, "bob", "x"), Shouted(2, 6, "bob", "x")
    assert session.receive(gate(first) + gate(second) + gate(second) + gate(first)) == [first, second]
    assert session.duplicates == 2
    newer = Shouted(3, 1, "bob", "the center was started again")
    assert session.receive(gate(newer) + gate(Shouted(2, 7, "bob", "too late"))) == [newer]
    plain = Spoken("party", "bob", "z")
    assert session.receive(gate(plain) + gate(plain)) == [plain, plain], "what has no number is not compared"


# --- a scene that was lost ---


def lost(session, once=False, **how):
    """The gate says that it is on its way, and the next scene, which knows nothing of the conversation, where it is."""
    begun(session)
    return session.receive(view(replace(there(**how), anew=True, once=once, resumed=False)))


def test_events_are_numbered_anew_and_own_messages_go_on():
    session = playing()
    session.receive(event(1, Hit(1, 2, 3, 4)) + event(2, Hit(1, 2, 3, 4)))
    session.play(Say("one"))
    lost(session)
    assert session.received == 0
    assert session.receive(event(1, Hit(5, 6, 7, 8))) == [Hit(5, 6, 7, 8)]
    assert (session.duplicates, session.gaps) == (0, 0)
    frame = session.play(Say("two"))
    assert PLAY_HEAD.unpack_from(frame, 1) == (2, 1)


def test_what_was_sent_to_it_is_reported_and_not_sent_again():
    session = playing()
    for text in ("one", "two", "three"):
        session.play(Say(text))
    heard = lost(session, scene="s", map_="meadow")
    assert numbers(session.take_outgoing()) == [0], "what the new scene numbers is acknowledged at once"
    assert [(said.sequence, said.code) for said in heard[1:]] == [(n, "unavailable") for n in (1, 2, 3)]
    assert lost(session)[1:] == [], "once"


def test_what_was_answered_is_not_unknown_and_neither_is_what_came_before_it():
    session = playing()
    for text in ("one", "two", "three"):
        session.play(Say(text))
    session.receive(event(1, PlayDenied(2, "too_many")))
    heard = lost(session)
    assert [said.sequence for said in heard[1:]] == [3]


def test_what_is_answered_when_it_is_on_disk_is_unknown_though_something_later_was_answered():
    session = playing()
    for said in (Loot(7), Loot(8), Say("carried out"), ConfirmTrade(3, 1), Loot(9), WriteMail("bob", "one")):
        session.play(said)
    session.receive(event(1, Looted(8, 5, [], 105)) + event(2, PlayDenied(5, "not_found")))
    session.receive(event(3, MailWritten("bob", 1, [], 6)))
    heard = lost(session, once=True)
    assert [(said.sequence, said.code) for said in heard[1:]] == [(n, "unavailable") for n in (1, 4)]
    assert lost(session, once=True)[1:] == [], "once"


def test_what_the_scene_has_begun_before_a_resume_is_unknown_when_it_is_lost_after_it():
    """It is processed when it is taken, and answered when it is on disk."""
    session = playing()
    for said in (Loot(7), Say("carried out")):
        session.play(said)
    assert session.disconnected()
    session.resume()
    session.receive(gate(LoggedIn(session.session, "anna", "token-2", 30.0, [])))
    session.receive(view(replace(session.entered, resumed=True, processed=2)))
    heard = lost(session)
    assert [(said.sequence, said.code) for said in heard[1:]] == [(1, "unavailable")]


@pytest.mark.parametrize(
    "how", [TradeDone(3, 90, []), TradeClosed(3, "not_allowed")], ids=lambda said: type(said).__name__
)
def test_what_was_on_disk_later_is_not_unknown(how):
    session = playing()
    for said in (Loot(7), ConfirmTrade(3, 1), WriteMail("bob", "one")):
        session.play(said)
    session.receive(event(1, MailWritten("bob", 1, [], 3)) + event(2, Looted(7, 5, [], 105)) + event(3, how))
    assert lost(session)[1:] == []


def test_what_was_kept_on_the_way_is_sent_unless_it_means_something_of_the_old_place():
    session = playing()
    session.play(Say("lost"))
    begun(session)
    for said in (Say("kept"), Attack(7), Say("kept, too")):
        assert session.play(said) == b""
    heard = session.receive(view(replace(there(scene="s", map_="meadow"), anew=True, resumed=False)))
    assert numbers(session.take_outgoing()) == [2, 4]
    assert [(said.sequence, said.code) for said in heard[1:]] == [(1, "unavailable"), (3, "out_of_order")]


def test_mail_that_nobody_answered_is_said_again_under_its_number_and_before_all_else():
    session = playing()
    for said in (WriteMail("bob", "one"), Say("lost"), WriteMail("bob", "two"), TakeMail(7), WriteMail("bob", "three")):
        session.play(said)
    session.receive(event(1, MailWritten("bob", 1, [], 1)) + event(2, PlayDenied(5, "too_many")))
    begun(session)
    assert session.play(Say("kept")) == b""
    heard = session.receive(view(replace(there(), anew=True, once=True, resumed=False)))
    assert heard[1:] == [], "the others were carried out, or are under way, since a later one was answered"
    assert numbers(session.take_outgoing()) == [3, 4, 6]
    session.receive(event(1, MailTaken(7, 1, [], 4)))
    heard = lost(session, once=True)
    assert [said.sequence for said in heard[1:]] == [6]
    assert numbers(session.take_outgoing()) == [3]


def test_mail_that_there_is_no_room_to_say_again_is_reported():
    """What was said on the way is newer."""
    session = playing()
    for number in range(5):
        session.play(WriteMail("bob", str(number)))
    begun(session)
    for _ in range(RESEND_MAX - 2):
        session.play(Say("kept"))
    heard = session.receive(view(replace(there(), anew=True, once=True, resumed=False)))
    assert [(said.sequence, said.code) for said in heard[1:]] == [(n, "unavailable") for n in (1, 2, 3)]
    assert numbers(session.take_outgoing()) == list(range(4, RESEND_MAX + 4))


def test_mail_is_as_any_other_message_to_a_scene_that_does_not_know_it_once():
    session = playing()
    session.play(WriteMail("bob", "one"))
    heard = lost(session)
    assert [(said.sequence, said.code) for said in heard[1:]] == [(1, "unavailable")]
    assert numbers(session.take_outgoing()) == [0]
    lost(session, once=True)
    assert numbers(session.take_outgoing()) == [0], "what was given up stays so"


def test_mail_on_the_way_to_another_place_is_said_there():
    session = playing()
    session.play(WriteMail("bob", "one"))
    begun(session)
    session.receive(view(there(processed=0)))
    assert numbers(session.take_outgoing()) == [1]


def test_another_session_has_no_mail_of_the_old_one():
    session = playing()
    session.play(WriteMail("bob", "one"))
    session.receive(gate(replace(LOGGED_IN, session=LOGGED_IN.session + 1)))
    lost(session, once=True)
    assert numbers(session.take_outgoing()) == [0]


def test_a_scene_that_is_lost_before_the_first_entered_costs_nothing():
    session = ClientSession()
    session.login("password", "anna", "secret")
    session.receive(gate(LOGGED_IN))
    session.play(Say("early"))
    assert len(lost(session)) == 1
    assert numbers(session.take_outgoing()) == [1]


def test_a_resume_after_it_says_what_was_received_since():
    session = playing()
    session.receive(event(1, Hit(1, 2, 3, 4)) + event(2, Hit(1, 2, 3, 4)) + event(3, Hit(1, 2, 3, 4)))
    lost(session)
    session.receive(event(1, Hit(1, 2, 3, 4)))
    assert session.disconnected()
    login = decoder([Login])(session.resume()[1:])
    assert login.received == 1
