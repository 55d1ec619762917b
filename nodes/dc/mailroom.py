"""The part of the DC about mail that is no operation: who asks what waits for it, and mails that are over.

Mails are sent and taken by `Operate`. One that nobody took is ended here, in order of their numbers, a few at a time:
`mails.py` has the rules.
"""

from collections.abc import Callable
from functools import partial

from mesh.errors import Code, RefusedError, StorageError
from mesh.node import Caller, Node, on
from mesh.protocol.records import ListMails, Mails
from mesh.protocol.sessions import account_of
from nodes.dc import mails
from nodes.dc.accounts import is_newest
from nodes.dc.cache import Rows
from nodes.dc.store import Store
from nodes.dc.writer import Writer

SWEEP_S = 10.0
LOOKED_AT_MAX = 500  # mails in one sweep: that many changes are no burden for the writer


class Mailroom:
    """See the module. `wall_ms` is the wall clock."""

    def __init__(self, node: Node, store: Store, rows: Rows, writer: Writer, wall_ms: Callable[[], int]) -> None:
        self.damaged = 0
        self._node, self._store, self._rows, self._writer, self._wall_ms = node, store, rows, writer, wall_ms
        self._begin = 0  # no mail before this one can end
        node.every(SWEEP_S, self.sweep)

    @on(ListMails)
    def on_list_mails(self, said: ListMails, _caller: Caller) -> Mails:
        try:
            if not is_newest(self._rows, said.session):
                raise RefusedError(Code.STALE_EPOCH, f"session {said.session} is not the newest of its account")
            return mails.waiting(self._rows, account_of(said.session), said.above)
        except StorageError as error:
            self.damaged += 1
            self._node.log.error("a row cannot be read", reason=str(error))
            raise RefusedError(Code.INTERNAL, str(error)) from None

    async def sweep(self) -> None:
        """End those that nobody took in time. A standby is told what its writer did."""
        if self._writer.closed:
            return
        try:
            at_ms = self._wall_ms()
            for number, is_over in list(mails.overdue(self._store, self._begin, at_ms, LOOKED_AT_MAX)):
                if is_over:
                    await self._writer.submit(partial(mails.end, number=number, at_ms=at_ms))
                self._begin = number + 1
        except (RefusedError, StorageError) as error:  # the disk is full, it stops ...: this one is tried again
            self._node.log.warning("mails that are over wait on", reason=str(error))
