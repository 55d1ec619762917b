"""How a process of a scene gives all that it has to the next one, which was started beside it (`mesh restart`).

    heir -> old scene      HandOver      give me what you have           -> Estate, in parts
    old scene -> gates     ChangeOver    keep back what clients say; then: my last word was said
    heir -> old scene      Inherited     I have built all of it: end     -> Done
    old scene -> center    Succeed       fence me, my heir goes on       -> Done

Until `Inherited` is heard the old process is the one that plays, and goes on with it whenever anything fails. From the
answer of the center on it is over, whatever becomes of its heir. The heir has no place in the mesh before that, so it
speaks to the old process as an operator does.
"""

from typing import Literal

from mesh.protocol.catalogue import Message, message
from mesh.protocol.types import U32, U63

Stage = Literal["hold", "yield", "stay"]


@message("ctl -> scene", answers=("Estate",))
class HandOver(Message, frozen=True, tag=145):
    """I am to be you, with this incarnation: stand still, and give me all that you have. Part 0 is asked for first;
    the others are of what was said then."""

    heir: U63
    part: U32 = 0


@message("scene -> ctl")
class Estate(Message, frozen=True, tag=146):
    """One part of everything that a scene knows; the parts one behind the other are a MessagePack map."""

    parts: U32
    body: bytes


@message("ctl -> scene", answers=("Done",))
class Inherited(Message, frozen=True, tag=147):
    """All of it stands here as it stood there. After `Done` nothing that the old process does counts any more;
    refused, it plays on, and this one is nobody."""

    heir: U63


@message("scene -> gate", answers=("Done",))
class ChangeOver(Message, frozen=True, tag=148):
    """hold: keep back what is said to this scene. yield: what came before this was its last word, the process with
    that incarnation goes on with the same players under the same handles. stay: it has come to nothing, play on."""

    stage: Stage
    heir: U63


@message("scene -> center", answers=("Done",))
class Succeed(Message, frozen=True, tag=149):
    """Fence this process: the one with that incarnation has all that it had, and its players are not lost."""

    heir: U63
