"""Where the DC takes operations, of which a scene says many in one go: class D, and class R, which wait for a standby.

Whatever one message brought of a class is taken as a whole: it is carried out in its order, each operation for itself,
and answered as a whole when the last of them is on disk, which is when all are, and for class R on two disks.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, cast

from mesh.clock import Clock
from mesh.dispatch import Dispatch
from mesh.node import Caller, on_together
from mesh.promise import Promise
from mesh.protocol.records import Operate, Operated
from nodes.dc import fences, operations
from nodes.dc.group import Waiting
from nodes.dc.latest import Latest
from nodes.dc.pair import Pair
from nodes.dc.settings import DcSettings
from nodes.dc.view import View
from nodes.dc.writer import Writer


class House(Protocol):
    """The DC."""

    clock: Clock
    dispatch: Dispatch
    settings: DcSettings
    writer: Writer
    latest: Latest
    pair: Pair | None


class Intake:
    """See the module."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._mail_ms = round(house.settings.mail_lifetime_s * 1000)

    @on_together(Operate, alike="replicated")
    def on_operations(self, said: Sequence[Operate], caller: Caller) -> Promise[Sequence[Operated | Exception]]:
        house = self._house
        house.writer.admit_operations(house.dispatch.waited_s, len(said))
        operation = self._operation(caller)
        if said[0].replicated and house.pair is not None:
            return house.pair.take(said, operation)
        promise: Promise[Sequence[Operated | Exception]] = Promise()
        house.writer.take(Waiting(operation, said, promise))
        return promise

    def _operation(self, caller: Caller) -> Callable[[View, Operate], Operated]:
        """What somebody who is heard now can have done. Inside the transaction: not for a scene that is over then."""
        house, admitted = self._house, cast(View | None, None)
        at_ms, mail_ms, latest = round(house.clock.wall() * 1000), self._mail_ms, house.latest

        def operation(view: View, said: Operate) -> Operated:
            nonlocal admitted
            if admitted is not view:  # nothing comes between operations that were taken as a whole
                fences.refuse_fenced(view, caller.peer, caller.incarnation)
                admitted = view
            return operations.operate(view, said, at_ms, mail_ms, latest, caller.incarnation)

        return operation
