"""New logins wait while the scenes where they could go are under pressure; everybody else passes; chat slows down."""

import asyncio
from pathlib import Path

from mesh.core.pressure import OPERATOR
from mesh.node import Caller, Node
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import Leave, Placed, Queued
from mesh.protocol.control import PinLevel, PressureChanged
from mesh.protocol.social import InviteParty, PartyInvited, Shout, SocialDenied, Speak, Spoken
from mesh.testing import wait_until
from mesh.topology.policy import DEFAULT
from tests.center.parlour import Parlour
from tests.center.peers import Neighbourhood, tell

HOLDS = next(number for number, level in enumerate(DEFAULT) if not level.logins)


async def press(zone: Neighbourhood, level: int, *scenes: int) -> None:
    """These scenes work at that level."""
    for scene in scenes:
        node: Node = zone.scene(scene)
        node.pressure.on_pin_level(PinLevel(level), Caller("eu.one.ctl.1", "ctl", 1))
    await wait_until(lambda: all(zone.center.pressure.of(zone.scene(scene).name) == level for scene in scenes))


def names(zone: Neighbourhood) -> list[str]:
    return [admit.placed.character for gate in (1, 2) for admit in zone.gate(gate).admitted]


def test_a_new_login_waits_while_all_scenes_are_under_pressure_and_goes_on_after_it(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await press(zone, HOLDS, 1, 2)
        waiting = await zone.online(1)
        assert isinstance(waiting, Queued)
        assert (await zone.online(2)).position == 2
        await asyncio.sleep(20)
        assert names(zone) == []
        await press(zone, HOLDS - 1, 2)
        await wait_until(lambda: names(zone) == ["P1", "P2"], timeout_s=3)
        assert {at[0] for account in (1, 2) for at in zone.homes(account)} == {zone.scene(2).name}

    tell(tmp_path, story)


def test_while_one_scene_has_time_they_go_there_even_away_from_friends(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await press(zone, HOLDS, 1)
        for account in range(1, 6):
            placed = await zone.online(account)
            assert placed.placement.scene == zone.scene(2).name
        await press(zone, HOLDS - 1, 1)
        assert (await zone.online(9)).placement.scene == zone.scene(1).name

    tell(tmp_path, story)


def test_who_is_here_already_passes(tmp_path: Path) -> None:
    """A resume, a second login of somebody who is in the world, a traveller who was promised a place."""

    async def story(zone: Neighbourhood) -> None:
        anna, berta = await zone.online(1), await zone.online(2)
        await press(zone, HOLDS, 1, 2)
        assert isinstance(await zone.online(3), Queued)
        zone.drop(anna.session)
        await asyncio.sleep(1)
        await zone.resume(anna, gate=2)
        assert isinstance(await zone.online(2), Placed)
        assert zone.homes(2)[0][0] == berta.placement.scene
        zone.center.arrivals.expect(4)
        assert isinstance(await zone.online(4), Placed)
        await asyncio.sleep(5)
        assert names(zone) == []

    tell(tmp_path, story)


def test_who_lost_its_place_comes_back_whatever_the_pressure(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        victim = await zone.online(1)
        scene = int(victim.placement.scene[-1])
        await press(zone, HOLDS, 3 - scene)
        zone.dc.forgotten.add(victim.session)  # it cannot go on elsewhere by itself
        await zone.cluster.kill(f"scene.{scene}")
        await wait_until(lambda: zone.center.directory.of_account(1) is None, timeout_s=10)
        assert isinstance(await zone.online(7), Queued)
        again = await zone.online(1)
        if isinstance(again, Queued):  # behind others that wait, and before all of them
            assert again.position == 1
            await wait_until(lambda: names(zone) == ["P1"], timeout_s=3)
        await asyncio.sleep(5)
        assert zone.worlds(7) == []

    tell(tmp_path, story)


def test_somebody_who_leaves_does_not_let_others_in(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        inside = await zone.online(1)
        await press(zone, HOLDS, 1, 2)
        assert isinstance(await zone.online(2), Queued)
        await zone.gate(1).ask("center", Leave(inside.session))
        await asyncio.sleep(5)
        assert names(zone) == []

    tell(tmp_path, story)


def test_a_scene_that_is_gone_holds_nobody(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await press(zone, HOLDS, 1, 2)
        assert isinstance(await zone.online(1), Queued)
        await zone.cluster.kill("scene.1")
        await zone.cluster.start("scene.1")
        await wait_until(lambda: names(zone) == ["P1"], timeout_s=10)

    tell(tmp_path, story)


def test_a_scene_with_few_players_lets_new_ones_in_whatever_makes_it_late(tmp_path: Path) -> None:
    """But not where an operator holds it at its level, be it the one at which it was already."""

    async def story(zone: Neighbourhood) -> None:
        for scene in (1, 2):
            zone.scene(scene).tell("center", PressureChanged(HOLDS, 1.5, "loop lag"))
        await wait_until(lambda: all(zone.center.pressure.of(zone.scene(n).name) == HOLDS for n in (1, 2)))
        placed = [await zone.online(account) for account in (1, 2, 3, 4)]  # two on each
        assert zone.center.describe()["shut"] == [zone.scene(1).name, zone.scene(2).name]
        assert isinstance(await zone.online(5), Queued)
        await zone.gate(1).ask("center", Leave(placed[3].session))
        await wait_until(lambda: names(zone) == ["P5"], timeout_s=3)
        await zone.gate(1).ask("center", Leave(placed[0].session))
        for scene in (1, 2):
            zone.scene(scene).pressure.core.level = HOLDS
        await press(zone, HOLDS, 1, 2)
        await wait_until(lambda: len(zone.center.keeper.shut()) == 2)
        assert isinstance(await zone.online(6), Queued)

    tell(tmp_path, story, "never_shut_below = 2")


def test_a_level_that_the_policy_does_not_know_is_its_highest(tmp_path: Path) -> None:
    """A node of another version, or with another file."""

    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).tell("center", PressureChanged(9, 2.0, OPERATOR))
        await wait_until(lambda: zone.center.pressure.of(zone.scene(1).name) == len(DEFAULT) - 1)
        assert (await zone.online(1)).placement.scene == zone.scene(2).name

    tell(tmp_path, story)


def refusals(heard: list[Message]) -> list[str]:
    return [said.text for said in heard if isinstance(said, SocialDenied)]


def flood(parlour: Parlour) -> tuple[int, list[str]]:
    """Say something on the line twice a second for a minute: how often that was heard, and what was refused."""
    parlour.heard(1)
    for _ in range(120):
        parlour.say(1, Speak("line", "hello"))
        parlour.node.clock.advance(0.5)
    heard = parlour.heard(1)
    return sum(isinstance(said, Spoken) for said in heard), refusals(heard)


def test_chat_slows_down_with_the_center_and_with_the_gate_and_says_when_to_try_again() -> None:
    parlour = Parlour()
    parlour.come(1)
    free, _ = flood(parlour)
    parlour.node.pressure.number = 3  # a quarter
    slow, refused = flood(parlour)
    assert 0.2 <= slow / free <= 0.35
    assert refused[-1].startswith("not so often: again in ")
    parlour.node.pressure.number = 0
    parlour.node.pressure.gates = {parlour.of(1).gate: 4}
    assert flood(parlour)[0] / free <= 0.2
    parlour.node.pressure.gates = {}
    parlour.node.clock.advance(30)
    assert flood(parlour)[0] >= free - 1


def test_any_gate_under_pressure_slows_down_what_everybody_hears() -> None:
    """The rate of all together; one speaker of another gate keeps its own."""
    parlour = Parlour(zone_shouts_per_s=2.0, zone_shouts_burst=4)
    for account in (1, 2, 3):
        parlour.come(account)
    parlour.node.pressure.gates = {"elsewhere": 5}
    for account in (1, 2, 3):
        parlour.say(account, Shout("hello"))
    assert len(parlour.node.announced) == 1
    assert refusals(parlour.heard(2)) == ["too many are talking: again in 5.0 s"]


def test_an_invitation_is_not_chat() -> None:
    parlour = Parlour()
    parlour.come(1)
    parlour.come(2)
    parlour.node.pressure.number = 5
    parlour.say(1, InviteParty("P2"))
    assert [type(said) for said in parlour.heard(2)] == [PartyInvited]
