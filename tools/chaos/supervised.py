"""A zone under the real supervisor, started and stopped by `mesh` itself, and another installation of the code for it.

For scenarios about what operators do. The others have a household (`zone.py`), whose processes can be killed and armed
one by one. Owns the second installation: a copy of the code that says it is another version, and a Python for it.
"""

import asyncio
import contextlib
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import mesh
from mesh.checking.records import Book
from mesh.operator import Operator
from tools.chaos.books import Books, read_books
from tools.chaos.players import Realm
from tools.chaos.roads import Roads
from tools.chaos.scenario import Arena
from tools.chaos.zone import CLIENTS_SPARE, Shape, Zone, gates_of, signer
from tools.demo.cluster import run_mesh

CODE = ("mesh", "nodes")  # what a node imports
STOP_S = 40.0


@contextlib.asynccontextmanager
async def supervised(arena: Arena, shape: Shape, clients: int) -> AsyncIterator[Zone]:
    """Started and Ready; stopped at the end, whatever happens. Nobody is `kept`: the supervisor does that."""
    ground = arena.ground
    ground.need_clients(clients + CLIENTS_SPARE)
    file = ground.folder / "chaos.toml"
    file.write_text(shape.text(), encoding="utf-8")
    async with ground.cluster(str(file), shape.overrides()) as cluster:
        topology = cluster.topology
        realm = Realm(gates_of(topology), signer(topology, ground.clock.wall), ground.clock, Book())
        async with Operator(topology) as operator:
            ground.say(f"{len(topology.processes)} processes are Ready under their supervisor")
            yield Zone(arena, topology, {}, realm, operator, Roads(arena.chance("network"), topology.sockets, ()))


async def close(made: Zone) -> Books:
    """Everybody leaves, `mesh down`; what is stored then."""
    await asyncio.gather(*(crowd.leave() for crowd in made.crowds))
    ground, topology = made.arena.ground, made.topology
    words: list[str] = []
    await run_mesh(["down", str(topology.runtime)], STOP_S, words.append)
    return await read_books(topology.data(topology.node("dc.1")), ground.say)


def copy_code(folder: Path, version: str) -> str:
    """A second installation that says it is this version; its Python. What the code needs besides it has from ours."""
    source = Path(mesh.__file__).parents[1]
    for package in CODE:
        shutil.copytree(source / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "mesh" / "version.py").write_text(f'"""Of a copy."""\n\nVERSION = "{version}"\n', encoding="utf-8")
    python = folder / "python"
    path = f"{shlex.quote(str(folder))}${{PYTHONPATH:+:$PYTHONPATH}}"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return str(python)
