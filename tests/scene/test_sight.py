"""What clients know after everything they were sent: who is in view, where, how old that is, and what it cost."""

import contextlib
import math
import random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import RefusedError
from mesh.protocol import play
from mesh.protocol.lanes import UPDATE_SIZE, Lane
from mesh.protocol.sessions import Friendship, PartyAt
from mesh.topology.policy import FULL, Level
from nodes.scene import interest as interest_module
from nodes.scene import sight as sight_module
from nodes.scene.budgets import TOGETHER_BITS
from nodes.scene.sessions import Session
from nodes.scene.settings import MapSettings
from tests.scene.building import Client, Stage, seen_by

SQUARE = MapSettings(size_m=200.0, aoi_m=40.0, npcs=0, players_max=200, view_max=60, budget_bytes_s=2_000)
STARVED_TICKS = 20  # at 10 ticks a second
LEVELS = (
    FULL,
    Level("busy", budget=0.75),
    Level("crowded", view=0.6, budget=0.5),
    Level("strained", view=0.4, budget=0.35, every=2),
    Level("slow", view=0.3, budget=0.25, every=3),
)


class Theatre(Stage):
    """A stage that remembers where everybody was, and what movement each client got in this tick."""

    def __init__(self, settings: MapSettings = SQUARE, seed: int = 1, **scene: Any) -> None:
        super().__init__(settings, seed, **scene)
        self.players: list[Session] = []
        self.past: dict[int, list[tuple[int, int]]] = {}  # by entity, one place a tick
        self.got: dict[int, int] = {}  # bytes by handle

    def come(self, account: int, x_m: float, y_m: float, gate: str = "eu.one.gate.1", **status: Any) -> Session:
        session = self.join(account, x_m, y_m, attach=False, **status)
        self.players.append(session)
        self.connect(session, gate)
        return session

    def connect(self, session: Session, gate: str = "eu.one.gate.1") -> Client:
        session.attach(gate, 1, 0, True)
        self.line.attach(session)
        self.clients[session.handle] = Client()
        return self.clients[session.handle]

    def go(self, session: Session) -> None:
        self.players.remove(session)
        self.line.leave(session)

    def tick(self, seconds: float = 0.1) -> None:
        self.got = {}
        super().tick(seconds)
        world = self.line.world
        for session in self.players:
            place = int(world.x[session.slot]), int(world.y[session.slot])
            self.past.setdefault(session.handle, []).append(place)

    def deliver(self, gate: str, lane: Lane, handles: bytes, lengths: bytes, body: bytes) -> bool:
        begin = 0
        for handle, length in zip(np.frombuffer(handles, "<u4"), np.frombuffer(lengths, "<u4"), strict=True):
            self.clients[int(handle)].take(body[begin : begin + int(length)])
            if lane == Lane.UPDATES:
                self.got[int(handle)] = self.got.get(int(handle), 0) + int(length)
            begin += int(length)
        return True

    def wander(self, chance: random.Random, share: float = 1.0, step_m: float = 0.5) -> None:
        world, unit = self.line.world, self.settings.unit_m
        for session in self.players:
            if chance.random() < share:
                x, y = (
                    min(max(float(value) * unit + chance.uniform(-step_m, step_m), 0), self.settings.size_m)
                    for value in (world.x[session.slot], world.y[session.slot])
                )
                self.move(session, x, y, heading=chance.randrange(256))

    def age(self, observer: Session, other: int) -> int:
        """How many ticks ago an entity was where the observer's client thinks that it is."""
        known = self.client(observer).view[other]
        return next((age for age, place in enumerate(reversed(self.past[other])) if place == known), 1_000)

    def check_views(self) -> None:
        """Every client sees exactly those that the line thinks it sees, and perhaps some that have left since the last
        time that somebody looked around."""
        world = self.line.world
        gone = {world.number(slot) for slot in world.resting.tolist()}
        for session in self.players:
            if session.attached:
                seen = {world.number(slot) for slot in seen_by(self.line.sight.interest, session.slot)}
                assert set(self.client(session).view) - gone == seen - gone

    def oldest(self) -> int:
        return max(
            (self.age(one, other) for one in self.players if one.attached for other in self.client(one).view), default=0
        )

    def check_budget(self, allowed: Any) -> None:
        for session in self.players:
            if session.attached:
                assert self.got.get(session.handle, 0) <= allowed(session) + UPDATE_SIZE


def crowd(theatre: Theatre, chance: random.Random, count: int, spread_m: float = 15.0) -> None:
    for account in range(1, count + 1):
        theatre.come(account, 100 + chance.uniform(-spread_m, spread_m), 100 + chance.uniform(-spread_m, spread_m))


@given(st.integers(0, 2**32), st.integers(600, 6_000), st.sampled_from([500, 2_000, 100_000]))
@settings(max_examples=12, deadline=None)
def test_in_a_crowd_budgets_hold_and_nobody_in_view_is_forgotten(seed: int, budget: int, candidates: int) -> None:
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interest_module, "CANDIDATES_TICK", candidates)
        theatre = Theatre(msgspec.structs.replace(SQUARE, budget_bytes_s=budget))
        crowd(theatre, chance, 50)
        for _ in range(60):
            theatre.wander(chance)
            theatre.tick()
            theatre.check_views()
            theatre.check_budget(lambda _: budget / 10)
            assert theatre.oldest() < STARVED_TICKS
        fits = min(49, 60, max(1, int(budget / 120 - 1)) * 16)
        seen = [len(theatre.client(one).view) for one in theatre.players]
        assert fits * 0.8 <= min(seen), (seen, fits)
        assert max(seen) <= fits


def disturb(theatre: Theatre, chance: random.Random, account: int) -> None:
    """One of the things that happen."""
    line, one = theatre.line, chance.choice(theatre.players)
    gate = chance.choice(["eu.one.gate.1", "eu.one.gate.2"])
    event = chance.randrange(7)
    if event == 0 and len(theatre.players) > 20:
        theatre.go(one)
    elif event == 1 and not line.full:
        theatre.come(account, chance.uniform(70, 130), chance.uniform(70, 130), gate)
    elif event == 2:
        theatre.connect(one, gate)
    elif event == 3:
        line.world.budget[one.slot] = chance.choice([500, 1_000, 5_000])
    elif event == 4:
        line.degrade(chance.choice(LEVELS))
    elif event == 5:
        line.degrade_gate(chance.randrange(2), chance.choice(LEVELS))
    else:
        line.world.refresh[one.slot] = True
        theatre.client(one).view = dict.fromkeys(theatre.client(one).view, (0, 0))


class Busy(Theatre):
    """Something happens also between the two halves of a tick."""

    chance = random.Random(0)
    still = False

    def between(self) -> None:
        if self.still:
            return
        self.wander(self.chance, 0.5)
        for more in range(self.chance.randrange(2)):
            disturb(self, self.chance, 100_000 + 2 * self.ticks + more)


@given(st.integers(0, 2**32), st.sampled_from([300, 3_000, 100_000]), st.sampled_from([2, 10_000]))
@settings(max_examples=24, deadline=None)
def test_whatever_happens_every_picture_becomes_right(seed: int, candidates: int, halved: int) -> None:
    """Levels of scene and gates change, budgets change, players come, go, resume and lose movement; slots are used
    again. Views are right all the time; when everybody stands still, all places are right within two seconds."""
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interest_module, "CANDIDATES_TICK", candidates)
        patch.setattr(sight_module, "HALVED_MIN", halved)
        theatre = Busy(msgspec.structs.replace(SQUARE, players_max=60))
        theatre.chance = random.Random(seed + 1)
        crowd(theatre, chance, 40, 40.0)
        for number in range(80):
            theatre.wander(chance, 0.7)
            for more in range(chance.randrange(3)):
                disturb(theatre, chance, 1_000 + 3 * number + more)
            theatre.tick()
            theatre.check_views()
        theatre.still = True
        for _ in range(STARVED_TICKS * 2):
            theatre.tick()
        theatre.check_views()
        for one in theatre.players:
            for other, place in theatre.client(one).view.items():
                assert place == theatre.past[other][-1]
        before = {one.handle: theatre.client(one).updates for one in theatre.players}
        for _ in range(STARVED_TICKS):
            theatre.tick()
        assert before == {one.handle: theatre.client(one).updates for one in theatre.players}, "nothing has changed"


class Halved(Theatre):
    """Everybody walks on between the two halves of a tick."""

    def between(self) -> None:
        self.early = {one.handle for one in self.players if self.got.get(one.handle)}
        self.wander(random.Random(self.ticks), step_m=1.0)


def test_half_of_them_are_told_later_of_what_has_moved_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight_module, "HALVED_MIN", 8)
    theatre, chance = Halved(msgspec.structs.replace(SQUARE, budget_bytes_s=100_000)), random.Random(7)
    crowd(theatre, chance, 20, 5.0)
    for number in range(5):
        theatre.wander(chance, step_m=1.0)
        before = {one.handle: len(theatre.client(one).ticks) for one in theatre.players}
        theatre.tick()
        if not number:
            continue  # they have just arrived
        assert len(theatre.early) == 10
        assert set(theatre.got) == {one.handle for one in theatre.players}, "each once in every tick"
        assert all(theatre.client(one).ticks[before[one.handle] :] == [theatre.ticks] for one in theatre.players)
        for one in theatre.players:
            ages = {theatre.age(one, other) for other in theatre.client(one).view}
            assert (ages == {0}) == (one.handle not in theatre.early), "what they see is newer"
    theatre.line.degrade(LEVELS[3])
    theatre.early.clear()
    theatre.tick()
    assert not theatre.early, "who is told every second tick is told in whole ones"


class Brief(Theatre):
    """Somebody comes, and has left before the second half of the tick; another one's connection is a new one then."""

    def between(self) -> None:
        if self.guest in self.players:
            self.go(self.guest)
            self.connect(self.anew)


def test_of_somebody_who_has_left_before_their_half_comes_nobody_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight_module, "HALVED_MIN", 2)
    theatre = Brief(msgspec.structs.replace(SQUARE, budget_bytes_s=100_000))
    crowd(theatre, random.Random(7), 10, 5.0)
    theatre.guest = None
    theatre.tick()
    theatre.anew = theatre.players[-1]
    theatre.guest = theatre.come(99, 100, 100)
    number = theatre.line.world.number(theatre.guest.slot)
    theatre.tick()
    half = theatre.players[5:-1]
    assert all(number not in theatre.client(one).states for one in half)
    assert not theatre.client(theatre.anew).messages, "its view comes first, and whole"
    theatre.tick()
    theatre.check_views()
    assert theatre.client(theatre.anew).of(play.Entered)
    assert all(number not in said.ids for one in half for said in theatre.client(one).of(play.Vanished))
    assert any(number in said.ids for one in theatre.players[:5] for said in theatre.client(one).of(play.Vanished))


def test_few_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight_module, "HALVED_MIN", 8)
    theatre = Halved()
    crowd(theatre, random.Random(7), 7, 5.0)
    theatre.tick()
    assert not theatre.line.sight.is_halved
    assert not hasattr(theatre, "early")


@pytest.mark.parametrize(("of_the_first", "halved"), [(7, False), (8, True), (13, True), (6, True)])
def test_as_many_over_several_gates_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, of_the_first: int, halved: bool
) -> None:
    monkeypatch.setattr(sight_module, "HALVED_MIN", 8)
    theatre, chance = Theatre(), random.Random(7)
    for account in range(1, 15):
        gate = 1 if account <= of_the_first else 2
        theatre.come(account, 100 + account, 100, f"eu.one.gate.{gate}")
    theatre.tick()
    theatre.wander(chance)
    theatre.now += 0.1
    theatre._show(theatre.line.tick(theatre.now, theatre.ticks + 1, lambda part: None))
    assert theatre.line.sight.is_halved == halved
    assert len(theatre.got) == (7 if halved else 14)


@pytest.mark.parametrize("candidates", [300, 100_000])
def test_a_budget_that_becomes_smaller_holds_at_once_and_a_larger_one_soon(
    candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interest_module, "CANDIDATES_TICK", candidates)
    theatre, chance = Theatre(msgspec.structs.replace(SQUARE, budget_bytes_s=10_000)), random.Random(3)
    crowd(theatre, chance, 50)
    for budget in (10_000, 800, 10_000):
        theatre.line.world.budget[:] = budget
        for _ in range(30):
            theatre.wander(chance)
            theatre.tick()
            theatre.check_budget(lambda _, budget=budget: budget / 10)
            theatre.check_views()
        assert theatre.oldest() < STARVED_TICKS
    assert theatre.oldest() == 0, "there is enough for all in every tick"


def test_whoever_has_just_appeared_is_not_told_of_twice() -> None:
    theatre = Theatre()
    one, other = theatre.come(1, 100, 100), theatre.come(2, 101, 100)
    theatre.move(one, 100.3, 100)
    theatre.move(other, 101.3, 100)
    theatre.tick()
    assert len(theatre.client(one).view) == len(theatre.client(other).view) == 1
    assert theatre.got == {}


def test_at_the_cut_of_a_crowd_nobody_flickers() -> None:
    theatre, chance = Theatre(msgspec.structs.replace(SQUARE, view_max=10)), random.Random(3)
    places = [(100 + 10 * math.cos(math.tau * n / 40), 100 + 10 * math.sin(math.tau * n / 40)) for n in range(40)]
    ring = [theatre.come(account, x, y) for account, (x, y) in enumerate(places, 1)]
    me = theatre.come(99, 100, 100)
    theatre.tick()
    for _ in range(20):
        for one, (x, y) in zip(ring, places, strict=True):
            theatre.move(one, x + chance.uniform(-0.3, 0.3), y + chance.uniform(-0.3, 0.3))
        theatre.tick()
    assert len(theatre.client(me).view) == 10
    assert theatre.client(me).of(play.Appeared) == []


def test_levels_of_the_scene_and_of_a_gate() -> None:
    theatre, chance = Theatre(msgspec.structs.replace(SQUARE, budget_bytes_s=10_000)), random.Random(3)
    for account in range(1, 41):
        gate = f"eu.one.gate.{1 + account % 2}"
        theatre.come(account, 100 + chance.uniform(-9, 9), 100 + chance.uniform(-9, 9), gate)
    mine, others = theatre.players[1::2], theatre.players[0::2]

    def told_in(ticks: int) -> tuple[float, float]:
        before = {one.handle: len(theatre.client(one).ticks) for one in theatre.players}
        for _ in range(ticks):
            theatre.wander(chance)
            theatre.tick()
        new = {one.handle: len(theatre.client(one).ticks) - before[one.handle] for one in theatre.players}
        return sum(new[one.handle] for one in mine) / len(mine), sum(new[one.handle] for one in others) / len(others)

    told_in(5)
    assert told_in(12) == (12, 12)
    theatre.line.degrade_gate(theatre.out.index(mine[0].gate), Level("half", view=0.5, every=2))
    told_in(5)
    assert told_in(12) == (6, 12)
    assert {len(theatre.client(one).view) for one in mine} == {30}
    assert {len(theatre.client(one).view) for one in others} == {39}
    theatre.line.degrade(Level("third", view=0.25, every=3))
    told_in(8)
    assert told_in(12) == (4, 4)
    assert {len(theatre.client(one).view) for one in theatre.players} == {15}
    theatre.line.degrade(FULL)
    theatre.line.degrade_gate(theatre.out.index(mine[0].gate), FULL)
    told_in(30)
    assert told_in(12) == (12, 12)
    assert {len(theatre.client(one).view) for one in theatre.players} == {39}


def test_clients_that_are_told_every_other_tick_are_spread_over_the_ticks() -> None:
    theatre, chance = Theatre(), random.Random(3)
    crowd(theatre, chance, 2 << TOGETHER_BITS)
    theatre.line.degrade(Level("half", every=2))
    for _ in range(10):
        theatre.wander(chance)
        theatre.tick()
        assert len(theatre.got) in (0, 1 << TOGETHER_BITS)


def test_who_concerns_an_observer_is_seen_and_told_of_in_every_tick_of_a_crowd() -> None:
    """Its foe, its party and its friend stand at the far edge of a crowd that is too large to be shown."""
    theatre = Theatre(msgspec.structs.replace(SQUARE, view_max=20, budget_bytes_s=900))
    chance = random.Random(3)
    me = theatre.come(1, 85, 100, friends=[Friendship(4, "p4", "friend"), Friendship(5, "p5", "blocked")])
    me.party = PartyAt(9, 1, False, [1, 3])
    foe, member, friend, blocked = (theatre.come(n, 115, 100 + n) for n in (2, 3, 4, 5))
    for account in range(6, 80):
        theatre.come(account, 90 + chance.uniform(-4, 4), 100 + chance.uniform(-4, 4))
    theatre.tick()
    theatre.line.sight.fought(foe.slot, me.slot, theatre.now)
    ages: dict[int, list[int]] = {one.handle: [] for one in (foe, member, friend)}
    for _ in range(30):
        theatre.wander(chance, step_m=0.3)
        theatre.tick()
        assert blocked.handle not in theatre.client(me).view
        for handle, found in ages.items():
            found.append(theatre.age(me, handle) if handle in theatre.client(me).view else 99)
    assert all(found[2:] == [0] * 28 for found in ages.values())
    assert me.handle in theatre.client(foe).view
    for _ in range(60):
        theatre.wander(chance, step_m=0.3)
        theatre.tick()
    assert foe.handle not in theatre.client(me).view, "that fight was long ago"
    assert friend.handle in theatre.client(me).view


def test_a_crowd_comes_into_view_bit_by_bit_the_nearest_first() -> None:
    theatre = Theatre(msgspec.structs.replace(SQUARE, view_max=100, budget_bytes_s=1_200))
    me = theatre.come(1, 20, 100)
    crowd_ = [theatre.come(n, 100 + n / 10, 100) for n in range(2, 90)]
    theatre.tick()
    assert theatre.client(me).view == {}
    world = theatre.line.world
    world.x[me.slot] = round(90 / theatre.settings.unit_m)
    sizes = []
    for _ in range(15):
        theatre.tick()
        sizes.append(len(theatre.client(me).view))
        nearest = sorted(crowd_, key=lambda one: int(world.x[one.slot]))[: sizes[-1]]
        assert set(theatre.client(me).view) == {one.handle for one in nearest}
    assert sizes[0] == 8
    assert sizes[-1] == 88
    assert max(np.diff(sizes)) == 8


def test_onlookers_of_a_battle_miss_blows_but_no_death_and_who_fights_misses_nothing() -> None:
    here = msgspec.structs.replace(SQUARE, respawn_s=1.0, view_max=100, spawn_m=2.0, size_m=20.0)
    theatre, chance = Theatre(here), random.Random(3)
    for account in range(1, 61):
        theatre.come(account, 10 + chance.uniform(-1, 1), 10 + chance.uniform(-1, 1))
    theatre.tick()
    deaths = []
    for _ in range(12):
        for one, other in zip(theatre.players, theatre.players[1:], strict=False):
            with contextlib.suppress(RefusedError):
                theatre.line.fights.attack(one, other.handle, theatre.now)
        theatre.tick(1.0)
        deaths = [player for kind, player, _ in theatre.events if kind == "death"]
    theatre.tick(1.0)
    assert len(deaths) > 10
    assert theatre.line.views.notices.dropped > 1_000
    for one in theatre.players:
        client = theatre.client(one)
        assert len(client.of(play.Died)) == len(deaths)
        assert len(client.of(play.Respawned)) == len(deaths)
        blows = [
            said for kind, player, said in theatre.events if kind == "hit" and one.account in (player, said["other"])
        ]
        hits = client.of(play.Hit)
        assert len([hit for hit in hits if one.handle in (hit.attacker, hit.target)]) == len(blows)
        left: dict[int, int] = {}
        for said in client.messages:
            if isinstance(said, play.Respawned):
                left[said.id] = said.hp
            elif isinstance(said, play.Hit):
                assert said.hp < left.get(said.target, 1_000), "in the order in which it happened"
                left[said.target] = said.hp
