"""A beat of the kernel's: it comes again and again, and nothing is left of it."""

import asyncio
import os

import pytest

from mesh.testing import run
from tools.bench.beat import beating


def test_it_beats_until_it_is_over() -> None:
    async def story() -> None:
        before, began = len(os.listdir("/proc/self/fd")), asyncio.get_running_loop().time()
        async with beating(0.0002) as step:  # each beat that is waited for is another one, however late we are
            for _ in range(10):
                await step()
            assert asyncio.get_running_loop().time() - began >= 9 * 0.0002
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(story())


def test_it_beats_where_there_is_no_such_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")

    async def story() -> None:
        loop = asyncio.get_running_loop()
        async with beating(0.5) as step:
            began = loop.time()
            await step()
            await step()
            assert loop.time() - began == pytest.approx(1.0)

    run(story())
