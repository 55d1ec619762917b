"""Mail at a scene whose DC does not answer: how much may wait."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from mesh.errors import RefusedError
from mesh.protocol import play
from mesh.protocol.catalogue import Message
from nodes.scene.ledger import Ledger
from nodes.scene.mailing import UNDER_WAY_MAX, Mailing


def test_no_more_waits_than_a_client_may_say_again() -> None:
    begun: set[asyncio.Task[Any]] = set()

    async def ask(_node: str, _said: Message, _timeout_s: float) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    def spawn(work: Any) -> None:
        begun.add(asyncio.ensure_future(work))

    async def story() -> None:
        nothing: Any = None
        ledger = Ledger(ask, spawn, 3)
        mailing = Mailing(nothing, ledger, ask, nothing, nothing, nothing, 10, nothing)
        session: Any = SimpleNamespace(number=1, busy=0, next_operation=lambda: 1)
        for number in range(UNDER_WAY_MAX):
            mailing.on_write(nothing, session, play.WriteMail("bob", "word"), number, 0.0)
        for said, handler in ((play.WriteMail("bob", "word"), mailing.on_write), (play.TakeMail(7), mailing.on_take)):
            with pytest.raises(RefusedError) as refused:
                handler(nothing, session, said, UNDER_WAY_MAX, 0.0)  # type: ignore[operator]
            assert refused.value.code == "too_many"
        assert session.busy == len(begun) == UNDER_WAY_MAX
        await asyncio.sleep(0)
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        assert session.busy == 0
        mailing.on_take(nothing, session, play.TakeMail(7), 1, 0.0)
        assert session.busy == 1

    asyncio.run(story())
