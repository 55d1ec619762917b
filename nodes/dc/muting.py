"""The part of the DC that hears who may not speak. Owns nothing: what is kept is in the account's row (accounts.py)."""

from collections.abc import Awaitable, Callable

from mesh.node import Caller, on
from mesh.protocol.cluster import Account
from mesh.protocol.records import SetMute
from nodes.dc.accounts import set_mute
from nodes.dc.view import View

Do = Callable[[Callable[[View], Account]], Awaitable[Account]]
"""Carries out a durable operation."""


class Muting:
    """See the module. `wall_ms` is the wall clock."""

    def __init__(self, do: Do, wall_ms: Callable[[], int]) -> None:
        self._do, self._wall_ms = do, wall_ms

    @on(SetMute)
    async def on_set_mute(self, said: SetMute, _caller: Caller) -> Account:
        at_ms = self._wall_ms()
        return await self._do(lambda view: set_mute(view, said, at_ms))
