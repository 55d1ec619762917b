"""A scene's process gives way to another one: the gate keeps back and goes on under the same handles, or loses it."""

import asyncio

import pytest

from mesh.errors import RefusedError
from mesh.protocol.client import TransferBegun
from mesh.protocol.cluster import Attach, Detach
from mesh.protocol.lanes import Lane
from mesh.protocol.play import Hit
from mesh.protocol.succession import ChangeOver
from nodes.gate import heirs
from nodes.scene import inheriting
from tests.gate.test_transfers import hit, plays_at
from tests.gate.zone import GATE, Scene, play


class Succession:
    """The scene of a story, and the one that is to come after it."""

    def __init__(self, story):
        self.story, self.old = story, story.scene
        self.heir = Scene(story.cluster.seat("scene.1"))
        self.heir.handles, self.heir.gate_of = self.old.handles, self.old.gate_of

    async def say(self, stage):
        await self.old.ask(GATE, ChangeOver(stage, self.heir.incarnation))

    async def end_old(self):
        cluster, old = self.story.cluster, self.old
        del cluster.nodes["scene.1"]
        cluster.network.kill(old.name, old.incarnation)
        await old.abandon()

    async def begin_heir(self):
        self.story.cluster.nodes["scene.1"] = self.heir
        await self.heir.start()


def test_the_heir_hears_what_was_said_and_nobody_is_told_anything(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        heard = []
        anna.on_event = heard.append
        change, handle = Succession(s), s.handle_of(anna)
        anna.attack(1)
        await s.until(lambda: plays_at(s.scene, handle) == [1])
        await change.say("hold")
        anna.attack(2)
        anna.move(5, 5)
        await asyncio.sleep(0.2)
        s.scene.send(Lane.FRAMES, {handle: hit(7)})
        await s.until(lambda: [said.target for said in heard if isinstance(said, Hit)] == [7])
        await change.say("yield")
        await change.end_old()
        anna.attack(3)
        await asyncio.sleep(0.3)
        await change.begin_heir()
        await s.until(lambda: plays_at(change.heir, handle) == [2, 3])
        assert plays_at(s.scene, handle) == [1]
        assert change.heir.of(Lane.MOVES)
        change.heir.send(Lane.FRAMES, {handle: hit(8)})
        await s.until(lambda: [said.target for said in heard if isinstance(said, Hit)] == [7, 8])
        assert not [said for said in heard if isinstance(said, TransferBegun)]
        assert s.gate.heirs.changed == 1

    play(zone, tmp_path, story)


def test_nothing_becomes_of_it_and_the_old_one_hears_it_all(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        change, handle = Succession(s), s.handle_of(anna)
        await change.say("hold")
        await change.say("yield")
        anna.attack(1)
        await asyncio.sleep(0.2)
        assert plays_at(s.scene, handle) == []
        await change.say("stay")
        await s.until(lambda: plays_at(s.scene, handle) == [1])
        assert anna.playing

    play(zone, tmp_path, story)


def test_a_scene_that_says_no_more_is_told_again_what_clients_say(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        change, handle = Succession(s), s.handle_of(anna)
        await change.say("hold")
        anna.attack(1)
        await s.until(lambda: plays_at(s.scene, handle) == [1])
        with pytest.raises(RefusedError):
            await change.say("yield")  # what was said meanwhile would be lost

    play(zone, tmp_path, story)


def test_who_leaves_meanwhile_is_told_to_the_heir(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        change = Succession(s)
        await change.say("hold")
        await change.say("yield")
        anna.drop()
        await asyncio.sleep(0.1)
        await change.end_old()
        await change.begin_heir()
        await s.until(lambda: change.heir.told.of(Detach))
        assert [said.session for said in change.heir.told.of(Detach)] == [anna.session.session]
        assert s.scene.told.of(Detach) == []
        assert bob.playing

    play(zone, tmp_path, story)


def test_a_scene_that_dies_before_its_last_word_is_lost(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        change = Succession(s)
        await change.say("hold")
        await change.end_old()
        await anna.wait(TransferBegun)

    play(zone, tmp_path, story)


def test_an_heir_that_does_not_come_is_not_waited_for_for_ever(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        change = Succession(s)
        await change.say("hold")
        await change.say("yield")
        await change.end_old()
        await anna.wait(TransferBegun, 10.0)

    play(zone, tmp_path, story)


def test_another_process_than_the_heir_has_none_of_the_players(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        change = Succession(s)
        await change.say("hold")
        await change.say("yield")
        await change.end_old()
        await s.cluster.start("scene.1")
        await anna.wait(TransferBegun, 2.0)

    play(zone, tmp_path, story)


def test_an_heir_that_may_have_given_them_up_by_now_is_asked_to_take_them_again(zone, tmp_path):
    """A gate that stood still is linked late, and its players are attached to nothing."""

    async def story(s):
        anna = await s.player()
        change = Succession(s)
        await change.say("hold")
        await change.say("yield")
        await asyncio.sleep(1.0)
        await change.end_old()
        await asyncio.sleep(1.7)
        await change.begin_heir()
        await anna.wait(TransferBegun, 1.0)
        await s.until(lambda: change.heir.told.of(Attach))
        await s.until(lambda: anna.playing)
        anna.attack(1)
        await s.until(lambda: plays_at(change.heir, s.handle_of(anna)) == [1])
        assert s.gate.heirs.changed == 0

    play(zone, tmp_path, story)


def test_the_heir_is_surely_asked_before_it_gives_them_up():
    assert heirs.SURE_S < inheriting.LINKS_S + inheriting.GATE_S
