"""Accounts with passwords for the bots that log in with one. A ticket needs none: it makes its account by itself."""

import asyncio
from pathlib import Path

from mesh import keys
from mesh.errors import RefusedError
from mesh.operator import Operator
from mesh.protocol.records import AddAccount
from mesh.topology import Topology
from tools.bots.crowd import password_of

AT_ONCE = 8  # a login node hashes two at a time, and refuses what waits too long
ASK_S = 10.0


async def create_accounts(topology: Topology, key_file: Path, names: list[str]) -> None:
    """Those that exist already are left as they are. RefusedError or PeerLost when it cannot be done."""
    key = keys.load(key_file)
    logins = topology.of_role("login")
    turn = asyncio.Semaphore(AT_ONCE)
    async with Operator(topology) as operator:

        async def create(at: int, name: str) -> None:
            async with turn:
                try:
                    said = AddAccount(name, password_of(key, name))
                    await operator.ask(logins[at % len(logins)].name, said, timeout_s=ASK_S)
                except RefusedError as error:
                    if error.code != "exists":
                        raise

        await asyncio.gather(*(create(at, name) for at, name in enumerate(names)))
