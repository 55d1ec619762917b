"""A pair of DCs in a zone: who writes, whether the other one has everything, and a kill after which it takes over.

Owns nothing; asks the nodes for what they say about themselves.
"""

import asyncio

from tools.chaos.zone import Zone

TAKEN_OVER_S = 15.0  # at most, until the other one writes, or has everything again
POLL_S = 0.05


async def take_over(made: Zone) -> None:
    """The DC that writes is lost, and is not back before the other one writes."""
    if not await in_sync(made):
        return  # nobody may take over: it would be another exploit
    writer, other = await writer_of(made), await writer_of(made, which="standby")
    made.kept[writer].hold()
    made.kept[writer].kill()
    await until(made, other, "writer")
    made.kept[writer].release()
    await made.ready(writer)


async def writer_of(made: Zone, which: str = "writer") -> str:
    """The DC with this part in the pair; the first one when none says so."""
    parts = {name: await part_of(made, name) for name in made.of_role("dc")}
    return next((name for name, part in parts.items() if part == which), made.of_role("dc")[0])


async def part_of(made: Zone, name: str) -> str:
    """What a DC says that it is: `writer`, `standby` ...; "" when it says nothing."""
    said = await made.describe(name)
    return str(said.facts.get("pair", "")) if said is not None else ""


async def until(made: Zone, name: str, part: str) -> bool:
    """Until a DC has this part; False when that takes too long."""
    end = made.now() + TAKEN_OVER_S
    while await part_of(made, name) != part:
        if made.now() >= end:
            return False
        await asyncio.sleep(POLL_S)
    return True


async def in_sync(made: Zone) -> bool:
    """Until the DC that does not write has everything; False when that takes too long."""
    end = made.now() + TAKEN_OVER_S
    while made.now() < end:
        said = await made.describe(await writer_of(made))
        if said is not None and said.facts.get("standby") == "paired" and not said.facts.get("lag_batches"):
            return True
        await asyncio.sleep(POLL_S)
    return False
