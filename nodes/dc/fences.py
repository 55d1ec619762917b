"""Scenes that were given up: which of their processes are over, and what the DC knows of the sessions that they had.

A process that stood still, or was cut off, does not know that its players are somewhere else now. So the center has it
fenced here before it takes them away: from that commit on nothing that this process says is carried out. Operations
look for the fence inside their transaction, so one that waits in the queue behind it is refused, too; and what was in
the queue before it is on disk when it is acknowledged, which is what `last_operation` relies on.

Rejected: a lease that a scene must renew to be heard. Every scene would then stop when the center is away, and play is
to go on without it.
"""

from mesh.errors import Code, RefusedError
from mesh.protocol.records import FenceScene
from mesh.protocol.sessions import account_of
from nodes.dc.ledger import enter
from nodes.dc.records import FENCES, OPERATIONS, FenceRow, LedgerRow
from nodes.dc.store import Store
from nodes.dc.view import Readable, View

KIND = "fence"  # of the row in the ledger
KEPT_MAX = 16  # processes of one scene that are remembered; of an older one nothing can be under way any more


def fence_scene(view: View, said: FenceScene, at_ms: int) -> None:
    """From now on this process is over. What is so already changes nothing."""
    row = view.get(FENCES, said.scene) or FenceRow()
    if said.incarnation not in row.incarnations:
        view.put(FENCES, said.scene, FenceRow((*row.incarnations, said.incarnation)[-KEPT_MAX:]))
        enter(view, LedgerRow(at_ms, KIND, 0, note=f"{said.scene} {said.incarnation:x}"))


def process_fenced(row: LedgerRow) -> int:
    """Which process this row of the ledger ends; 0 when it is about something else."""
    return int(row.note.rpartition(" ")[2], 16) if row.kind == KIND else 0


def refuse_fenced(view: Readable, scene: str, incarnation: int) -> None:
    """`stale_epoch` when this process is over."""
    row = view.get(FENCES, scene)
    if row is not None and incarnation in row.incarnations:
        raise RefusedError(Code.STALE_EPOCH, f"this process of {scene} was given up, its players are elsewhere")


def last_operation(store: Store, session: int) -> int:
    """The highest number of the session's operations, 0 when it has none. The ring keeps the last ones of an account,
    so a session that is its newest has its highest one in there."""
    prefix = OPERATIONS.keys.pack((account_of(session), 0))[:8]
    rows = (OPERATIONS.unpack(key, value) for key, value in store.scan(OPERATIONS.name, prefix))
    return max((row.sequence for row in rows if row.session == session), default=0)
