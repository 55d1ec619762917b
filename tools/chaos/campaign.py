"""One fault after the other while a crowd plays: what faults of scenes and of gates have in common."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from mesh.checking.records import Problem
from tools.chaos.players import Crowd
from tools.chaos.scenario import Arena, Found
from tools.chaos.testimony import attest
from tools.chaos.zone import Shape, Zone, zone


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """`fault` carries out one and says what is known so far; `ended` says what is wrong at the end, while everybody is
    still there. Between two faults is a time from `between_s`. A client that hears nothing for `patience_s` tries
    another gate (0: it waits)."""

    shape: Shape
    players: int
    fault: Callable[[Zone, Crowd, random.Random], Awaitable[str]]
    ended: Callable[[Zone, Crowd], Awaitable[Sequence[Problem]]]
    between_s: tuple[float, float]
    fighters: float
    back_s: float  # for everybody to come into the world
    lives_per_s: float = 2.0
    patience_s: float = 0.0


async def carry_out(arena: Arena, campaign: Campaign) -> Found:
    """The whole of it, without figures of its own."""
    async with zone(arena, campaign.shape, campaign.players) as made:
        crowd = made.crowd(campaign.players, "hero", fighters=campaign.fighters, lives_per_s=campaign.lives_per_s)
        for hero in crowd.heroes:
            hero.patience_s = campaign.patience_s
        await crowd.come_in(campaign.back_s)
        arena.ground.say(f"{campaign.players:,} players play")
        chance = arena.chance("faults")
        for number in range(1, arena.faults + 1):
            await asyncio.sleep(chance.uniform(*campaign.between_s))
            said = await campaign.fault(made, crowd, chance)
            arena.ground.say(f"{number} of {arena.faults}: {said}")
        await made.settle()
        problems = await campaign.ended(made, crowd)
        owed, twice = crowd.owed(), crowd.answered_twice
        return attest(made.book.operations, owed, twice, await made.close(), arena.faults, problems)
