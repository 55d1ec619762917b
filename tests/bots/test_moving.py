"""The minds of players who move between lines, maps and zones, and how they count what became of their messages."""

from mesh.protocol import play, social
from mesh.protocol.catalogue import number_of
from tests.bots.body import FakeBody
from tools.bots.scenarios.drain import Drain
from tools.bots.scenarios.lines import PATIENCE_S, Lines
from tools.bots.scenarios.portals import Portals
from tools.bots.scenarios.probing import NOBODY, OPEN_MAX, Probing
from tools.bots.scenarios.travel import Travel


def arrive(
    mind: Probing, now: float, map_name: str = "east", line: int = 1, gold: int = 0, resumed: bool = True,
    portals: tuple[play.Portal, ...] = (), x: int = 100, y: int = 100, session: int = 7,
) -> play.Entered:  # fmt: skip
    you = play.Character(1, "bot-000001", 1, 0, 10, 10, {}, gold, [])
    said = play.Entered(
        "scene.1", map_name, line, 200.0, 1.0, 10.0, 50.0, 6.0, x, y, you, [], 0, resumed, list(portals)
    )  # fmt: skip
    body: FakeBody = mind.body  # type: ignore[assignment]
    body.player.session.entered, body.player.session.session = said, session
    body.at = (x, y)
    mind.hear(said, now)
    return said


def no(sequence: int, code: str = "not_found") -> play.PlayDenied:
    return play.PlayDenied(sequence, code)


# --- questions and words ---


def test_each_question_is_answered_once_and_in_order() -> None:
    body = FakeBody()
    mind = Probing(body)
    for at in range(4):
        mind.think(float(at))
    asked = [number + 1 for number, done in enumerate(body.done) if done == ("attack", NOBODY)]
    mind.hear(no(asked[0]), 0.1)
    mind.hear(no(asked[2]), 2.1)  # one was left out
    mind.hear(no(asked[1]), 2.2)  # and comes late
    mind.hear(no(asked[2]), 2.3)  # this one comes again
    mind.hear(no(asked[3], "out_of_order"), 3.1)  # the client says: not sent again elsewhere
    mind.finish(4.0)
    assert body.counts["asked"] == 4
    assert (body.counts["answered"], body.counts["not carried out"]) == (3, 1)
    assert (body.counts["out of order"], body.counts["answered twice"], body.counts["unanswered"]) == (1, 1, 0)
    assert [series for series, _ in body.recorded] == ["question"] * 3


def test_what_nobody_answers_is_counted_at_the_end_and_only_once() -> None:
    body = FakeBody()
    mind = Probing(body)
    mind.think(0.0)
    mind.finish(1.0)
    mind.finish(1.0)
    assert (body.counts["unanswered"], body.counts["unheard"]) == (1, 1)


def test_a_session_that_ends_owes_no_answer() -> None:
    body = FakeBody()
    mind = Probing(body)
    arrive(mind, 0.0, session=7)
    mind.think(0.0)
    arrive(mind, 1.0, session=8, resumed=False)
    mind.finish(2.0)
    assert (body.counts["void"], body.counts["unanswered"], body.counts["unheard"]) == (1, 0, 0)
    body.player.done.clear()
    mind.think(9.0)
    mind.hear(no(1), 9.1)
    assert body.counts["answered"] == 1, "numbers begin anew with a session"


def test_open_questions_are_bounded() -> None:
    body = FakeBody()
    mind = Probing(body)
    for at in range(OPEN_MAX + 3):
        mind.think(float(at))
    assert mind.open_questions == OPEN_MAX
    assert body.counts["unanswered"] == 3


def test_words_that_are_heard_twice_were_carried_out_twice() -> None:
    body = FakeBody()
    body.options["run"] = "tag"
    mind = Probing(body)
    for at in (0.0, 3.0, 6.0):
        mind.think(at)
    assert [done[1] for done in body.done if done[0] == "say"] == ["tag 1", "tag 2", "tag 3"]
    for text in ("tag 1", "tag 3", "tag 3", "tag 2", "other 9", "tag x"):
        mind.hear(play.Said(1, "bot-000001", text), 7.0)
    mind.hear(play.Said(2, "bot-000002", "tag 1"), 7.0)
    mind.finish(8.0)
    assert (body.counts["said"], body.counts["heard"]) == (3, 2)
    assert (body.counts["heard twice"], body.counts["heard out of order"], body.counts["unheard"]) == (1, 1, 1)


# --- portals ---

PORTALS = (play.Portal(100, 100, 3.0, "west"), play.Portal(10, 10, 3.0, "west"))


def test_a_walker_leaves_the_circle_steps_in_and_is_timed_until_it_has_arrived() -> None:
    body = FakeBody()
    mind = Portals(body)
    arrive(mind, 0.0, portals=PORTALS, resumed=False)
    assert body.goal is not None
    away = ((body.goal[0] - 100) ** 2 + (body.goal[1] - 100) ** 2) ** 0.5
    assert 6.0 <= away <= 8.0, "out of the nearest circle first"
    body.at = body.goal
    mind.think(1.0)
    assert (body.goal, body.circle) == ((100, 100), (100, 100, 3.0))
    mind.updated(2.9)
    mind.reached(3.0)
    mind.updated(3.05)
    arrive(mind, 3.25, "west", portals=PORTALS)
    assert body.counts["crossings"] == 1
    assert [pair for pair in body.recorded if pair[0] in ("crossing", "gap")] == [("crossing", 0.25), ("gap", 0.2)]


def test_without_company_no_gap_is_counted() -> None:
    body = FakeBody()
    mind = Portals(body)
    arrive(mind, 0.0, portals=PORTALS)
    body.at = (110, 100)
    mind.think(1.0)
    mind.reached(5.0)
    arrive(mind, 5.2, "west")
    assert [series for series, _ in body.recorded if series == "gap"] == []
    assert body.counts["crossings"] == 1
    assert body.goal is None, "a map without portals: walk about"


def test_a_portal_that_stays_shut_is_tried_again_from_outside() -> None:
    body = FakeBody()
    mind = Portals(body)
    arrive(mind, 0.0, portals=PORTALS)
    body.at = (110, 100)
    mind.think(1.0)
    mind.reached(2.0)
    mind.hear(play.TransferDenied("west", "unavailable"), 2.1)
    assert body.failed == [("crossing", "unavailable")]
    assert body.goal != (100, 100)
    mind.think(3.0)
    assert body.goal == (100, 100)
    mind.reached(4.0)
    mind.think(60.0)
    assert body.failed[-1] == ("crossing", "no answer")


def test_belongings_must_not_get_less() -> None:
    body = FakeBody()
    mind = Portals(body)
    arrive(mind, 0.0, gold=100)
    arrive(mind, 1.0, gold=120)
    assert body.counts["belongings changed"] == 0
    arrive(mind, 2.0, gold=119)
    assert body.counts["belongings changed"] == 1


# --- lines ---


def lines(*rows: tuple[str, int, str]) -> social.Lines:
    return social.Lines([social.Line(name, number, 5, state) for name, number, state in rows])  # type: ignore[arg-type]


def test_a_player_switches_to_another_line_of_its_map_at_its_time() -> None:
    body = FakeBody()
    body.options |= {"users": "10", "rate": "5"}  # each every two seconds
    mind = Lines(body)
    arrive(mind, 0.0)
    mind.begin(10.0)
    mind.think(10.0)
    assert ("social", social.ListLines()) in body.done
    mind.hear(lines(("east", 1, "free"), ("east", 2, "full"), ("east", 3, "busy"), ("west", 4, "free")), 10.1)
    mind.think(12.1)
    assert body.done[-1] == ("social", social.SwitchLine(3))
    arrive(mind, 12.3, line=3)
    assert (body.counts["switches"], body.recorded[-1]) == (1, ("switch", 0.2))


def test_a_switch_that_is_refused_or_not_answered_has_failed() -> None:
    body = FakeBody()
    body.options |= {"users": "1", "rate": "1"}
    mind = Lines(body)
    arrive(mind, 0.0)
    mind.begin(0.0)
    mind._choose_from(lines(("east", 2, "free")).lines)
    mind._listed_at = 1.0
    mind.think(2.0)
    mind.hear(social.SocialDenied("too_many", number_of(social.ListLines)), 2.1)
    assert body.failed == []
    mind.hear(social.SocialDenied("full", number_of(social.SwitchLine)), 2.1)
    assert body.failed == [("switch", "full")]
    mind._listed_at = 3.0
    mind.think(4.0)
    mind.think(4.1 + PATIENCE_S)
    assert body.failed[-1] == ("switch", "no answer")


# --- drain ---


def test_the_longest_pause_is_told_once_at_the_end() -> None:
    body = FakeBody()
    mind = Drain(body)
    mind.updated(1.0)  # before the measuring
    mind.begin(10.0)
    for at in (10.1, 10.2, 10.7, 10.8):
        mind.updated(at)
    arrive(mind, 11.0)
    mind.finish(11.3)
    mind.finish(20.0)
    assert [pair for pair in body.recorded if pair[0] == "pause"] == [("pause", 0.5)]


def test_who_never_hears_anything_has_paused_all_the_time() -> None:
    body = FakeBody()
    mind = Drain(body)
    mind.begin(10.0)
    mind.finish(15.0)
    assert body.recorded == [("pause", 5.0)]


# --- travel ---


def test_a_traveller_falls_silent_leaves_and_arrives_with_another_session() -> None:
    body = FakeBody()
    mind = Travel(body)
    arrive(mind, 0.0)
    mind.begin(0.0)
    mind.think(0.0)
    assert mind.open_questions == 1
    mind.think(50.0)
    assert ("social", social.ListZones()) not in body.done, "an answer is still to come"
    mind.hear(no(1), 50.1)
    mind.think(51.0)
    assert body.done[-1] == ("social", social.ListZones())
    zones = [social.Zone("one", 1, 9, True), social.Zone("two", 1, 9, True), social.Zone("three", 9, 9, False)]
    mind.hear(social.Zones(zones, "one"), 51.1)
    assert body.done[-1] == ("social", social.Travel("two"))
    before = len(body.done)
    mind.think(51.6)
    assert len(body.done) == before, "nothing is asked on the way"
    arrive(mind, 52.1, session=9, resumed=False)
    assert (body.counts["travels"], body.recorded[-1]) == (1, ("travel", 1.0))
    assert body.counts["void"] == 0


def test_a_zone_that_says_no_is_asked_again_later() -> None:
    body = FakeBody()
    mind = Travel(body)
    arrive(mind, 0.0)
    mind.begin(0.0)
    mind.hear(social.Zones([social.Zone("two", 1, 9, True)], "one"), 9.0)
    mind.hear(social.SocialDenied("unavailable", number_of(social.Travel)), 9.1)
    assert body.failed == [("travel", "unavailable")]
    mind.think(9.2)
    assert body.done[-1] != ("social", social.ListZones())
