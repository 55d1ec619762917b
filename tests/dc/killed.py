"""The process that `test_kill.py` kills: a writer on LMDB with a thread of its own, under load.

Every acknowledged operation is one line on stdout, written after the acknowledgement. Usage: killed.py FOLDER ROUND
"""

import asyncio
import os
import random
import sys
from contextlib import suppress
from pathlib import Path

from mesh.clock import SystemClock
from mesh.errors import RefusedError
from mesh.protocol.cluster import CreateAccount
from mesh.protocol.records import (
    GoldMove,
    ItemMove,
    Operate,
)
from mesh.seat import ThreadWorkers
from nodes.dc import accounts, operations
from nodes.dc.cache import Rows
from nodes.dc.settings import DcSettings
from nodes.dc.states import States
from nodes.dc.store import LmdbStore
from nodes.dc.writer import Writer

PLAYERS = 8
AT_MS = 1


async def player(writer: Writer, name: str, random_: random.Random, everybody: list[int]) -> None:
    with suppress(RefusedError):  # it was made before the last kill
        await writer.submit(lambda view: accounts.create_account(view, CreateAccount(name, ""), 100, AT_MS))
    account = (await writer.submit(lambda view: accounts.find_account(view, name))).account
    session = await writer.submit(lambda view: accounts.open_session(view, account, AT_MS))
    everybody.append(account)
    sequence = 0
    while True:
        sequence += 1
        gold = [GoldMove(0, account, 3), GoldMove(account, random_.choice([*everybody, -1]), 2)]
        gold = [move for move in gold if move.source != move.target]
        items = [ItemMove(0, 0, account, "axe")] if sequence % 5 == 0 else []
        said = Operate(session, sequence, "loot", [], gold, items)
        answer = await writer.submit(lambda view, said=said: operations.operate(view, said, AT_MS))
        made = ",".join(str(item.id) for item in answer.made)
        os.write(1, f"{session} {sequence} {made}\n".encode())


async def main(folder: Path, seed: int) -> None:
    settings, store = DcSettings(), LmdbStore(folder, 1 << 20, 1 << 30)
    rows = Rows(store, 10_000, 10_000_000)
    states = States(rows, 1000)
    writer = Writer(store, rows, states, settings, ThreadWorkers(1), SystemClock(), lambda *_: None)
    await writer.prepare()
    everybody: list[int] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run())
        for number in range(PLAYERS):
            group.create_task(player(writer, f"p{number}", random.Random(seed), everybody))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
