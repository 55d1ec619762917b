"""What players say about parties, and who hears of it: members, their scenes, a center that starts anew."""

import msgspec

from mesh.errors import Code
from mesh.node import Caller
from mesh.protocol.cluster import ToClients
from mesh.protocol.placement import MemberAt, MembersSeen, PartyChanged
from mesh.protocol.sessions import PartyAt
from mesh.protocol.social import (
    AcceptParty,
    Block,
    InviteParty,
    KickFromParty,
    LeadParty,
    LeaveParty,
    MemberSpot,
    Party,
    PartyInvited,
    PartyMember,
    PartyRefused,
    PartySpots,
    RefuseParty,
    ShareLoot,
    SocialDenied,
)
from nodes.center.rates import Rate
from tests.center.parlour import Parlour

FIRST = 1 << 32 | 1


def parlour_with(*accounts: int) -> Parlour:
    """These are in the zone, each on a scene of its own map."""
    parlour = Parlour()
    for account in accounts:
        parlour.come(account, scene=f"s{account}", map_=f"m{account}")
    parlour.hush()
    return parlour


def party_of(*accounts: int) -> Parlour:
    """They are in one party that the first one leads."""
    parlour = parlour_with(*accounts)
    for account in accounts[1:]:
        parlour.say(accounts[0], InviteParty(f"P{account}"))
        parlour.say(account, AcceptParty(FIRST))
    parlour.hush()
    return parlour


def row(account: int, online: bool = True, map_: str | None = None, line: int = 1) -> PartyMember:
    return PartyMember(f"P{account}", online, f"m{account}" if map_ is None else map_, line if map_ != "" else 0)


def gone(account: int) -> PartyMember:
    return PartyMember(f"P{account}", False, "", 0)


def denied(parlour: Parlour, account: int) -> list[tuple[str, str]]:
    return [(m.code, m.text) for m in parlour.heard(account) if isinstance(m, SocialDenied)]


def test_from_the_question_to_a_party() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, InviteParty("p2"))
    assert parlour.heard(1) == [Party(FIRST, "P1", False, [row(1)])]
    assert parlour.heard(2) == [PartyInvited(FIRST, "P1")]
    assert parlour.scene("s1") == [], "scenes do not hear of a party of one"
    parlour.say(2, AcceptParty(FIRST))
    assert parlour.heard(1) == parlour.heard(2) == [Party(FIRST, "P1", False, [row(1), row(2)])]
    told = [PartyChanged(PartyAt(FIRST, 1, False, [1, 2]))]
    assert parlour.scene("s1") == parlour.scene("s2") == told
    assert parlour.society.party_of(2) == PartyAt(FIRST, 1, False, [1, 2])
    assert parlour.society.names_of_party(2) == ["P1", "P2"]
    assert parlour.node.journal.kinds == ["party_invite", "party_join"]


def test_a_refusal_is_told_and_the_founder_is_alone_again() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, InviteParty("P2"))
    parlour.hush()
    parlour.say(2, RefuseParty(FIRST))
    assert parlour.heard(1) == [PartyRefused("P2"), Party(0)]
    assert parlour.heard(2) == []
    parlour.say(2, RefuseParty(FIRST), AcceptParty(FIRST))
    assert denied(parlour, 2) == [(Code.NOT_FOUND, "the invitation is over")] * 2


def test_who_does_not_answer_has_refused_after_a_minute() -> None:
    parlour = party_of(1, 2)
    parlour.come(3, scene="s1")
    parlour.say(1, InviteParty("P3"))
    parlour.hush()
    parlour.wait(59)
    assert parlour.heard(1) == []
    parlour.wait(1)
    assert parlour.heard(1) == [PartyRefused("P3")]
    assert parlour.scene("s1") == [], "the party is as it was"


def test_the_blocked_are_answered_as_if_the_other_were_not_connected() -> None:
    parlour = parlour_with(1, 2, 3)
    parlour.say(2, Block("P1"))
    parlour.drop(3)
    parlour.begin(4)
    parlour.drop_gate(4)
    parlour.hush()
    parlour.say(1, InviteParty("P2"), InviteParty("P3"), InviteParty("P4"), InviteParty("P9"))
    assert parlour.heard(2) == []
    assert denied(parlour, 1) == [(Code.NOT_FOUND, f"P{n} is not connected") for n in (2, 3, 4, 9)]
    parlour.say(2, InviteParty("P1"), InviteParty("p2"))
    assert denied(parlour, 2) == [(Code.NOT_ALLOWED, "you block P1"), (Code.NOT_ALLOWED, "that is you")]


def test_asking_has_a_rate() -> None:
    parlour = Parlour(channels={"invite": Rate(1.0, 2, 128)})
    for account in (1, 2):
        parlour.come(account)
    parlour.hush()
    for _ in range(3):
        parlour.say(1, InviteParty("P2"))
        parlour.say(2, RefuseParty(parlour.last_invitation(2)))
    assert denied(parlour, 1)[0][0] == Code.TOO_MANY


def test_leaving_kicking_leading_sharing() -> None:
    parlour = party_of(1, 2, 3)
    parlour.say(1, ShareLoot(True))
    assert parlour.heard(3) == [Party(FIRST, "P1", True, [row(1), row(2), row(3)])]
    assert parlour.scene("s3") == [PartyChanged(PartyAt(FIRST, 1, True, [1, 2, 3]))]
    parlour.say(1, LeadParty("P3"))
    assert parlour.heard(2)[-1] == Party(FIRST, "P3", True, [row(1), row(2), row(3)])
    assert parlour.society.names_of_party(1) == ["P3", "P1", "P2"]
    parlour.hush()
    parlour.say(1, KickFromParty("P2"))
    assert denied(parlour, 1) == [(Code.NOT_ALLOWED, "the leader alone may do that")]
    parlour.say(3, KickFromParty("P2"))
    assert parlour.heard(2) == [Party(0)]
    assert parlour.heard(1) == parlour.heard(3) == [Party(FIRST, "P3", True, [row(1), row(3)])]
    now = [PartyChanged(PartyAt(FIRST, 3, True, [1, 3]))]
    assert parlour.scene("s1") == parlour.scene("s2") == parlour.scene("s3") == now, "also where the kicked one is"
    parlour.say(3, LeaveParty())
    assert parlour.heard(1) == parlour.heard(3) == [Party(0)]
    over = [PartyChanged(PartyAt(FIRST, 0, False, []))]
    assert parlour.scene("s1") == parlour.scene("s3") == over
    assert parlour.scene("s2") == []
    parlour.say(1, LeaveParty())
    assert denied(parlour, 1) == [(Code.NOT_FOUND, "you are in no party")]


def test_a_party_is_full_at_five() -> None:
    parlour = party_of(1, 2, 3, 4, 5)
    parlour.come(6)
    parlour.say(1, InviteParty("P6"))
    assert denied(parlour, 1) == [(Code.OUT_OF_RANGE, "a party has at most 5 members")]


def test_members_see_who_lost_the_connection_and_who_is_back() -> None:
    parlour = party_of(1, 2)
    parlour.drop(2)
    assert parlour.heard(1) == [Party(FIRST, "P1", False, [row(1), row(2, online=False)])]
    parlour.resume(2, gate="g2")
    whole = [Party(FIRST, "P1", False, [row(1), row(2)])]
    assert parlour.heard(1) == parlour.heard(2) == whole
    assert parlour.scene("s2") == parlour.scene("s1") == [], "for scenes nothing has changed"


def test_who_is_back_hears_of_its_party_also_when_nobody_has_to_know() -> None:
    parlour = party_of(1, 2)
    parlour.resume(2, gate="g2")  # its old gate has not noticed that it was gone
    assert parlour.heard(2) == [Party(FIRST, "P1", False, [row(1), row(2)])]
    assert parlour.heard(1) == []


def test_who_is_back_hears_that_its_party_is_over() -> None:
    parlour = party_of(1, 2)
    parlour.drop(2)
    parlour.say(1, LeaveParty())
    parlour.hush()
    parlour.resume(2, gate="g2")
    assert parlour.heard(2) == [Party(0)]


def test_a_new_login_within_two_minutes_finds_its_party_again() -> None:
    parlour = party_of(1, 2)
    parlour.go(2)
    assert parlour.heard(1) == [Party(FIRST, "P1", False, [row(1), gone(2)])]
    parlour.wait(119)
    assert parlour.heard(1) == []
    assert parlour.society.party_of(2) == PartyAt(FIRST, 1, False, [1, 2]), "what its new scene is told"
    parlour.come(2, scene="s7", map_="m7")
    whole = [Party(FIRST, "P1", False, [row(1), row(2, map_="m7")])]
    assert parlour.heard(1) == parlour.heard(2) == whole
    parlour.wait(200)
    assert parlour.society.party_of(1) is not None


def test_who_came_while_its_gate_could_not_be_told_hears_of_its_party_as_soon_as_it_can() -> None:
    parlour = party_of(1, 2)
    parlour.go(2)
    for account in (2, 3):
        parlour.come(account, gate="g2")
    parlour.hush()  # nothing of that has arrived: the gate had no link
    parlour.society.gate_up("g2")
    assert parlour.heard(2) == [Party(FIRST, "P1", False, [row(1), row(2, map_="meadow")])]
    assert parlour.heard(3) == [Party(0)]
    assert parlour.heard(1) == []


def test_who_does_not_come_back_is_out_after_two_minutes() -> None:
    parlour = party_of(1, 2, 3)
    parlour.go(1, "expired")
    parlour.hush()
    parlour.wait(119)
    assert parlour.node.told == []
    parlour.wait(1)
    assert parlour.heard(2) == parlour.heard(3) == [Party(FIRST, "P2", False, [row(2), row(3)])]
    assert parlour.scene("s2") == [PartyChanged(PartyAt(FIRST, 2, False, [2, 3]))]
    parlour.come(1)
    assert parlour.heard(1) == []
    parlour.go(3, "lost")
    parlour.wait(120)
    assert parlour.heard(2)[-1] == Party(0)


def test_who_travels_to_another_zone_leaves() -> None:
    parlour = party_of(1, 2, 3)
    parlour.go(3, "travel")
    assert parlour.heard(1) == [Party(FIRST, "P1", False, [row(1), row(2)])]
    assert parlour.scene("s1") == [PartyChanged(PartyAt(FIRST, 1, False, [1, 2]))]
    parlour.go(2, "travel")
    assert parlour.heard(1) == [Party(0)]
    parlour.come(4)
    parlour.go(4, "travel")
    assert parlour.society.party_of(4) is None


def test_a_founder_who_goes_or_is_gone_takes_the_invitation_along() -> None:
    parlour = parlour_with(1, 2)
    parlour.say(1, InviteParty("P2"))
    parlour.go(1)
    parlour.hush()
    parlour.say(2, AcceptParty(FIRST))
    assert denied(parlour, 2) == [(Code.NOT_FOUND, "the invitation is over")]


def test_scenes_and_members_hear_of_a_transfer() -> None:
    parlour = party_of(1, 2)
    parlour.move(2, "s9", "m9", 4)
    moved = [Party(FIRST, "P1", False, [row(1), row(2, map_="m9", line=4)])]
    assert parlour.heard(1) == parlour.heard(2) == moved
    assert parlour.scene("s9") == [PartyChanged(PartyAt(FIRST, 1, False, [1, 2]))]
    assert parlour.scene("s1") == []


def test_what_changes_during_a_transfer_or_a_login_is_told_where_it_ends() -> None:
    parlour = party_of(1, 2, 3)
    parlour.of(3).moving = True
    parlour.say(1, KickFromParty("P3"), ShareLoot(True))
    parlour.hush()
    parlour.of(3).moving = False
    parlour.move(3, "s3", "m3", 1)  # back to where it was
    assert parlour.scene("s3") == [PartyChanged(PartyAt(FIRST, 1, True, [1, 2]))], "it is not in it any more"
    parlour.go(2)
    presence = parlour.begin(2, scene="s2", map_="m2")
    at = parlour.society.party_of(2)
    parlour.say(1, ShareLoot(False))
    parlour.hush()
    parlour.arrive(presence)
    assert at != parlour.society.party_of(2)
    assert parlour.scene("s2") == [PartyChanged(PartyAt(FIRST, 1, False, [1, 2]))]


def test_a_takeover_is_no_change_of_the_party() -> None:
    parlour = party_of(1, 2)
    parlour.come(2, gate="g5", scene="s2", map_="m2")
    assert parlour.heard(2) == [Party(FIRST, "P1", False, [row(1), row(2)])]
    assert parlour.heard(1) == []


# --- where they are ---


def seen(parlour: Parlour, account: int, x: float, scene: str = "") -> None:
    at = MemberAt(parlour.of(account).session, x, 2.0, 50, 100)
    parlour.society._news.on_members_seen(MembersSeen([at]), Caller(scene or f"s{account}", "scene", 1))


def spot(account: int, x: float, map_: str = "", line: int = 1) -> MemberSpot:
    return MemberSpot(f"P{account}", map_ or f"m{account}", line, x, 2.0, 50, 100)


def test_members_hear_where_those_are_whom_they_cannot_see() -> None:
    parlour = party_of(1, 2, 3)
    parlour.move(3, "s2", "m2", 1)
    parlour.wait(1)
    parlour.hush()
    for account, x in ((1, 1.0), (2, 5.0), (2, 6.0)):
        seen(parlour, account, x)
    assert parlour.node.told == [], "once a second"
    parlour.wait(1)
    bulk = [message.bulk for _, message in parlour.node.told if isinstance(message, ToClients)]
    assert bulk == [True] * 3
    assert parlour.heard(1) == [PartySpots([spot(2, 6.0)])]
    assert parlour.heard(2) == parlour.heard(3) == [PartySpots([spot(1, 1.0)])]
    parlour.wait(5)
    assert parlour.node.told_to_clients() == [], "nobody moved"


def test_members_on_one_line_see_each_other_and_hear_nothing() -> None:
    parlour = party_of(1, 2)
    parlour.move(2, "s1", "m1", 1)
    parlour.wait(1)
    parlour.hush()
    seen(parlour, 1, 1.0)
    seen(parlour, 2, 1.0, "s1")
    parlour.wait(1)
    assert parlour.node.told_to_clients() == []


def test_spots_of_those_who_went_on_or_are_in_no_party_are_not_kept() -> None:
    parlour = party_of(1, 2)
    seen(parlour, 2, 5.0)
    parlour.move(2, "s9", "m9", 1)
    seen(parlour, 2, 6.0, "s2")  # said by the old scene before it heard of that
    parlour.come(3)
    seen(parlour, 3, 1.0, "s1")
    parlour.society._news.on_members_seen(MembersSeen([MemberAt(99, 0.0, 0.0, 1, 1)]), Caller("s1", "scene", 1))
    parlour.hush()
    parlour.wait(1)
    assert parlour.node.told_to_clients() == []
    seen(parlour, 2, 7.0, "s9")
    parlour.wait(1)
    assert parlour.heard(1) == [PartySpots([spot(2, 7.0, "m9")])]
    parlour.go(2)
    parlour.say(1, LeaveParty())
    seen(parlour, 1, 7.0)
    parlour.hush()
    parlour.wait(1)
    assert parlour.node.told_to_clients() == []
    assert parlour.society._news._spots == {}


def test_who_is_new_hears_where_the_others_stand() -> None:
    parlour = party_of(1, 2)
    seen(parlour, 1, 1.0)
    parlour.wait(1)
    parlour.come(3, scene="s3", map_="m3")
    parlour.say(1, InviteParty("P3"))
    parlour.say(3, AcceptParty(FIRST))
    parlour.hush()
    parlour.wait(1)
    assert parlour.heard(3) == [PartySpots([spot(1, 1.0)])]


# --- a center that starts anew ---


def test_a_new_center_learns_parties_from_the_scenes() -> None:
    parlour = Parlour(epoch=2)
    at = PartyAt(FIRST, 2, True, [1, 2, 3])
    for account, scene in ((1, "s1"), (2, "s2")):
        hosted = msgspec.structs.replace(parlour.adopt(account, scene), party=at)
        parlour.hosted(scene, hosted)
    assert parlour.scene("s1") == [], "it knows"
    parlour.resume(1)
    parlour.resume(2)
    members = [row(1, map_="meadow"), row(2, map_="meadow")]
    assert parlour.heard(1)[-1] == parlour.heard(2)[-1] == Party(FIRST, "P2", True, members)
    parlour.hush()
    parlour.wait(120)
    assert parlour.heard(1) == [Party(FIRST, "P2", True, members)], "who never came was never shown"
    assert parlour.scene("s1") == [PartyChanged(PartyAt(FIRST, 2, True, [1, 2]))]
    parlour.come(4)
    parlour.say(2, InviteParty("P4"))
    parlour.say(4, AcceptParty(FIRST))
    assert parlour.society.names_of_party(4) == ["P2", "P1", "P4"]
    parlour.come(5)
    parlour.come(6)
    parlour.say(5, InviteParty("P6"))
    assert parlour.heard(6) == [PartyInvited(2 << 32 | 1, "P5")], "numbers of another epoch"


def test_a_scene_that_missed_something_is_told() -> None:
    parlour = party_of(1, 2, 3)
    session = parlour.of(3).session
    known = PartyAt(FIRST, 1, False, [1, 2, 3])
    parlour.say(1, KickFromParty("P3"))
    parlour.hush()
    parlour.hosted("s3", parlour.listed(3, known))
    assert parlour.scene("s3") == [PartyChanged(PartyAt(FIRST, 1, False, [1, 2]))]
    assert parlour.heard(1) == []
    parlour.hosted("s2", parlour.listed(2, None))
    assert parlour.scene("s2") == [PartyChanged(PartyAt(FIRST, 1, False, [1, 2]))]
    parlour.hush()
    parlour.hosted("s2", parlour.listed(2, PartyAt(FIRST, 1, False, [1, 2])))
    parlour.hosted("s1", parlour.listed(3, known), parlour.listed(2, None))  # not theirs (any more)
    parlour.hosted("s2", msgspec.structs.replace(parlour.listed(2, known), departed=True))  # a keepsake
    assert parlour.node.told == []
    assert parlour.of(3).session == session


def test_a_scene_to_which_one_on_the_way_comes_back_is_told_that_its_party_is_over() -> None:
    """A center that has just started: one scene has not heard of the party, and the other one only keeps who went."""
    parlour = Parlour(epoch=2)
    parlour.adopt(1, "s1")
    of_another_life = msgspec.structs.replace(
        parlour.adopt(2, "s1"), departed=True, party=PartyAt(FIRST, 1, False, [1, 2])
    )
    parlour.hosted("s1", of_another_life)
    assert parlour.scene("s1") == []
    parlour.resume(2)
    assert parlour.scene("s1") == [PartyChanged(PartyAt(FIRST, 0, False, []))]
    assert parlour.society.party_of(2) is None
