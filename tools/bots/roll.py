"""The roll call: is everybody in the world exactly once, and was everything that was said carried out exactly once?

Asks the scenes whom they have and the log nodes what was said; decides nothing about what that means.
"""

import asyncio
import contextlib
from collections import Counter, defaultdict

import msgspec

from mesh.core.log_group import once
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.cluster import HostedList, ListHosted
from mesh.protocol.journal import Event, Events, QueryEvents
from mesh.topology import Topology

ASK_S = 10.0
TRIES = 5  # who is on the way between two scenes may be on none or, for a moment, on both lists
PAUSE_S = 1.0
PAGE = 20_000  # events of one question
SLICE_MIN_MS = 2


class Roll(msgspec.Struct, frozen=True):
    """Who is where. Names of characters."""

    expected: int
    present: int  # of those, exactly once
    lost: list[str]  # expected, and nowhere
    doubled: list[str]  # alive on more than one scene, or twice on one
    strangers: int  # alive and not expected
    silent: list[str]  # scenes that did not answer


class Words(msgspec.Struct, frozen=True):
    """What the behaviour log knows of the words with one tag."""

    carried_out: int  # different ones
    twice: int
    out_of_order: int


async def call_roll(operator: Operator, topology: Topology, expected: set[str]) -> Roll:
    """Again, when somebody seems to be missing or doubled: that may be a transfer under way."""
    for _ in range(TRIES - 1):
        roll = await _call(operator, topology, expected)
        if not (roll.lost or roll.doubled or roll.silent):
            return roll
        await asyncio.sleep(PAUSE_S)
    return await _call(operator, topology, expected)


async def _call(operator: Operator, topology: Topology, expected: set[str]) -> Roll:
    alive: Counter[str] = Counter()
    silent: list[str] = []

    async def ask(name: str, short: str) -> None:
        try:
            said = await operator.ask(name, ListHosted(), timeout_s=ASK_S)
        except MeshError:
            silent.append(short)
            return
        assert isinstance(said, HostedList)
        alive.update(one.status.name for one in said.hosted if not one.departed)

    await asyncio.gather(*(ask(scene.name, scene.short) for scene in topology.of_role("scene")))
    return Roll(
        expected=len(expected),
        present=sum(alive[name] == 1 for name in expected),
        lost=sorted(name for name in expected if not alive[name]),
        doubled=sorted(name for name, times in alive.items() if times > 1),
        strangers=sum(name not in expected for name in alive),
        silent=sorted(silent),
    )


async def read_words(operator: Operator, topology: Topology, tag: str, since_ms: int, until_ms: int) -> Words:
    """All words with this tag, from all log nodes."""
    parts: list[list[Event]] = []
    for log in topology.of_role("log"):
        with contextlib.suppress(MeshError):
            parts.append(await _read_events(operator, log.name, since_ms, until_ms))
    return count_words(once(parts), tag)


async def _read_events(operator: Operator, log: str, since_ms: int, until_ms: int) -> list[Event]:
    """In slices that fit into an answer."""
    said = await operator.ask(log, QueryEvents(kinds=["say"], since_ms=since_ms, until_ms=until_ms, limit=PAGE), ASK_S)
    assert isinstance(said, Events)
    if not said.more or until_ms - since_ms < SLICE_MIN_MS:
        return said.events
    middle = (since_ms + until_ms) // 2
    first = await _read_events(operator, log, since_ms, middle)
    return first + await _read_events(operator, log, middle + 1, until_ms)


def count_words(events: list[Event], tag: str) -> Words:
    """Numbers of one player must be different and grow. The clocks of two scenes on one machine are the same."""
    numbers: dict[int, list[int]] = defaultdict(list)
    for event in sorted(events, key=lambda e: e.at_ms):
        mine, _, number = str(event.fields.get("text", "")).rpartition(" ")
        if mine == tag and number.isdigit():
            numbers[event.player].append(int(number))
    carried_out = twice = out_of_order = 0
    for row in numbers.values():
        carried_out += len(set(row))
        twice += len(row) - len(set(row))
        highest = 0
        for each in row:
            out_of_order += each < highest
            highest = max(highest, each)
    return Words(carried_out, twice, out_of_order)
