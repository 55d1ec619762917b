"""Movement of one scene that came and is not sent yet: a batch as it came, or, where that does not do, row by row.

Most of the time a batch is sent as it is, piece by piece. It is taken apart when something is asked about one client:
what waits for it is to go out with its control, or more movement for it has come. Pure.
"""

from mesh.front import Blob
from nodes.gate.rows import Block

Rows = list[tuple[int, Blob]]


class Unsent:
    """See the module. Which rows are taken first is of no importance for their clients. It is the last ones: so the
    first row of a batch is there for as long as any is."""

    __slots__ = ("_block", "_rows")

    def __init__(self) -> None:
        self._block: Block | None = None  # then there are no rows
        self._rows: dict[int, Blob] = {}  # by handle

    def __len__(self) -> int:
        return len(self._block.handles) if self._block is not None else len(self._rows)

    def __contains__(self, handle: int) -> bool:
        self._take_apart()
        return handle in self._rows

    def add(self, block: Block) -> None:
        """More of it: behind what there is for the same client."""
        if not len(self):
            self._block = block
            return
        self._take_apart()
        self._merge(block)

    def pop(self, handle: int) -> Blob | None:
        """What there is for one client."""
        self._take_apart()
        return self._rows.pop(handle, None)

    def take(self, count: int) -> Block | Rows:
        """So many rows or fewer."""
        block = self._block
        if block is None:
            rows = self._rows
            return [rows.popitem() for _ in range(min(count, len(rows)))]
        rest, last = block.cut(count)
        self._block = rest if len(rest.handles) else None
        return last

    def clear(self) -> None:
        """None of it is of use."""
        self._block = None
        self._rows.clear()

    def _take_apart(self) -> None:
        block, self._block = self._block, None
        if block is not None:
            self._merge(block)

    def _merge(self, block: Block) -> None:
        rows = self._rows
        for handle, row in block.rows():
            before = rows.get(handle)  # of the tick before, or the first piece of who has very much in view
            rows[handle] = row if before is None else b"".join((before, row))
