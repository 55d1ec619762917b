"""The roads between nodes: for each connection that one of them opens to another, a proxy of its own.

A process learns by its environment where to dial instead (`mesh/detours.py`), so that each connection can have weather
of its own while all others are fair.
"""

import contextlib
import random
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from mesh import detours
from tools.chaos.proxy import FAIR, ChaosProxy, Direction, Weather

Dial = tuple[str, str]
"""Who opens a connection, and to which socket: the short name of a node, or that of a center with `.pub` behind it."""


class Roads:
    """The proxies, by who dials whom. `environments` is what each process has to be told; after `start`."""

    def __init__(self, chance: random.Random, sockets: Path, dials: Iterable[Dial]) -> None:
        self.environments: dict[str, dict[str, str]] = {}
        self.proxies = {(one, to): ChaosProxy(str(sockets / to), 0, chance) for one, to in dials}

    async def start(self) -> None:
        ways: dict[str, list[str]] = {}
        for (one, _), proxy in self.proxies.items():
            ways.setdefault(one, []).append(f"ipc://{proxy.host}=tcp://127.0.0.1:{await proxy.start()}")
        self.environments = {one: {detours.VARIABLE: ",".join(parts)} for one, parts in ways.items()}

    async def stop(self) -> None:
        for proxy in self.proxies.values():
            await proxy.stop()

    def cut_off(self, name: str, hears: bool, is_heard: bool) -> None:
        """This node, from everybody to whom or from whom there is a road; one direction may go on."""
        for (one, to), proxy in self.proxies.items():
            if name in (one, to):
                outwards, inwards = Direction.UP, Direction.DOWN
                if name == to:
                    outwards, inwards = inwards, outwards
                holes = ([] if hears else [inwards]) + ([] if is_heard else [outwards])
                proxy.change(Weather(holes=frozenset(holes)))

    def holes(self, one: str, to: str) -> frozenset[Direction]:
        """The directions of a road in which nothing arrives; up is towards `to`."""
        return self.proxies[one, to].weather.holes

    def mend(self) -> None:
        for proxy in self.proxies.values():
            proxy.change(FAIR)


@contextlib.asynccontextmanager
async def roads_between(chance: random.Random, sockets: Path, dials: Iterable[Dial]) -> AsyncIterator[Roads]:
    """Open as long as the body runs."""
    roads = Roads(chance, sockets, dials)
    try:
        await roads.start()
        yield roads
    finally:
        await roads.stop()
