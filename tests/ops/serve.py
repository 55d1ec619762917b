"""Shows the console of a cluster that does not exist, to look at: python -m tests.ops.serve [PORT] [FOLDER]."""

import asyncio
import sys
import tempfile
from pathlib import Path

from mesh.clock import SystemClock
from mesh.seat import ThreadWorkers
from mesh.testing.virtual import SilentLog
from nodes.ops.console.console import Console
from nodes.ops.console.settings import ConsoleSettings
from tests.ops.fake_sources import FakeSources


async def serve(port: int, folder: Path) -> None:
    clock = SystemClock()
    settings = ConsoleSettings(port=port)
    console = Console(FakeSources(clock, delay_s=0.4), settings, clock, SilentLog(), ThreadWorkers, folder)
    password = await console.open()
    print(console.url, f"admin {password}" if password else "", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await console.close()


if __name__ == "__main__":
    asked = sys.argv[1:]
    where = Path(asked[1]) if len(asked) > 1 else Path(tempfile.mkdtemp())
    asyncio.run(serve(int(asked[0]) if asked else 7990, where))
