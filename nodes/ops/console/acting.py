"""What operators can have done from the console. Every action is written into the audit trail before it is begun.

What cannot be taken back easily has to be confirmed by the name of what it is done to: the page has the operator type
it, and without it nothing is done.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec

from mesh.errors import Code, DeadlineExceeded, MeshError, PeerLost, RefusedError
from nodes.ops.console.answers import Done
from nodes.ops.console.asked import Asked
from nodes.ops.console.sources import FOR_EVER_S
from nodes.ops.console.ways import Way

LENGTH_S_MAX = 10 * 365 * 86_400.0  # of a ban, a mute, a silence
SCALE_MAX = 99  # nodes of one role
Chat = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"\S")]
Reason = Annotated[str, msgspec.Meta(max_length=256)]
Named = Annotated[str, msgspec.Meta(max_length=64)]
Length = Annotated[float, msgspec.Meta(ge=0, le=LENGTH_S_MAX)]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """{}"""


class Telling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Chat


class Kicking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason = ""


class Muting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    for_s: Length  # 0 lifts it
    reason: Reason = ""


class Banning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    for_s: Annotated[float, msgspec.Meta(ge=FOR_EVER_S, le=LENGTH_S_MAX)]  # 0 lifts it, -1 has no end
    reason: Reason = ""
    confirm: Named = ""


class Confirming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    confirm: Named = ""


class Restarting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cold: bool = False
    confirm: Named = ""


class Pinning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    level: Annotated[int, msgspec.Meta(ge=0, le=9)] | None  # None: as the pressure says


class Scaling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Named
    zone: Named
    count: Annotated[int, msgspec.Meta(ge=0, le=SCALE_MAX)]
    confirm: Named = ""


class Broadcasting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Chat
    zone: Named = ""


class Acknowledging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: Reason = ""


class Silencing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    for_s: Annotated[float, msgspec.Meta(gt=0, le=LENGTH_S_MAX)]
    rule: Named = ""
    node: Named = ""
    reason: Reason = ""


async def message(asked: Asked) -> Any:
    said, player = await asked.body(Telling), asked.path("player")
    return await _act(asked, "message", player, said, asked.desk.sources.message, player, said.text)


async def kick(asked: Asked) -> Any:
    said, player = await asked.body(Kicking), asked.path("player")
    return await _act(asked, "kick", player, said, asked.desk.sources.kick, player, said.reason)


async def mute(asked: Asked) -> Any:
    said, player = await asked.body(Muting), asked.path("player")
    action = "mute" if said.for_s else "unmute"
    return await _act(asked, action, player, said, asked.desk.sources.mute, player, said.for_s, said.reason)


async def ban(asked: Asked) -> Any:
    said, player = await asked.body(Banning), asked.path("player")
    if FOR_EVER_S < said.for_s < 0:
        raise RefusedError(Code.BAD_MESSAGE, f"for_s is 0, {FOR_EVER_S:g} (for ever) or a number of seconds")
    if said.for_s:
        _check_confirmed(said.confirm, player)
    action = "ban" if said.for_s else "unban"
    return await _act(asked, action, player, said, asked.desk.sources.ban, player, said.for_s, said.reason)


async def drain(asked: Asked) -> Any:
    said, node = await asked.body(Confirming), asked.path("node")
    _check_confirmed(said.confirm, node)
    return await _act(asked, "drain", node, said, asked.desk.sources.drain, node)


async def restart(asked: Asked) -> Any:
    said, node = await asked.body(Restarting), asked.path("node")
    _check_confirmed(said.confirm, node)
    return await _act(asked, "restart", node, said, asked.desk.sources.restart, node, said.cold)


async def pin(asked: Asked) -> Any:
    said, node = await asked.body(Pinning), asked.path("node")
    action = "pin" if said.level is not None else "unpin"
    return await _act(asked, action, node, said, asked.desk.sources.pin, node, said.level)


async def scale(asked: Asked) -> Any:
    said = await asked.body(Scaling)
    _check_confirmed(said.confirm, said.role)
    target, scale_to = f"{said.role} in {said.zone}", asked.desk.sources.scale
    return await _act(asked, "scale", target, said, scale_to, said.role, said.zone, said.count)


async def broadcast(asked: Asked) -> Any:
    said = await asked.body(Broadcasting)
    target = said.zone or "all zones"
    return await _act(asked, "broadcast", target, said, asked.desk.sources.broadcast, said.zone, said.text)


async def acknowledge(asked: Asked) -> Any:
    said, incident = await asked.body(Acknowledging), asked.path("incident")
    return await _act(asked, "acknowledge", incident, said, asked.desk.sources.acknowledge, incident, said.note)


async def silence(asked: Asked) -> Any:
    said = await asked.body(Silencing)
    if not said.rule and not said.node:
        raise RefusedError(Code.BAD_MESSAGE, "say which rule or which node: nobody silences everything")
    target = " on ".join(word for word in (said.rule, said.node) if word)
    arguments = (said.rule, said.node, said.for_s, said.reason)
    return await _act(asked, "silence", target, said, asked.desk.sources.silence, *arguments)


async def end_silence(asked: Asked) -> Any:
    said, silence = await asked.body(Nothing), asked.path("silence")
    return await _act(asked, "end silence", silence, said, asked.desk.sources.end_silence, silence)


def _check_confirmed(said: str, meant: str) -> None:
    if said != meant:
        raise RefusedError(Code.BAD_MESSAGE, f"confirm has to be {meant!r}: this cannot be taken back easily")


async def _act(
    asked: Asked, action: str, target: str, said: msgspec.Struct, do: Callable[..., Awaitable[Done]], *arguments: Any
) -> Done:
    """Do it, in the name of whoever asks, with a line in the audit trail before and one after it."""
    audit = asked.desk.audit
    details = {key: value for key, value in msgspec.structs.asdict(said).items() if key != "confirm"}
    asked.check_rate()
    entry = await audit.begin(asked.by.name, asked.address, action, target, details)
    try:
        done = await do(*arguments, asked.by.name)
    except RefusedError as error:
        await audit.end(entry, "refused", error.text or str(error))
        raise
    except (PeerLost, DeadlineExceeded) as error:
        await audit.end(entry, "unknown", str(error))
        raise
    except MeshError as error:
        await audit.end(entry, "failed", str(error))
        raise
    except Exception:
        await audit.end(entry, "failed", "a mistake of the console; it was logged")
        raise
    finally:
        asked.desk.shared.forget()  # the page asks again at once, and is to see what has changed
    await audit.end(entry, "done", done.text)
    return done


WAYS = (
    Way("POST", "/api/players/{player}/message", message, "operator"),
    Way("POST", "/api/players/{player}/kick", kick, "operator"),
    Way("POST", "/api/players/{player}/mute", mute, "operator"),
    Way("POST", "/api/players/{player}/ban", ban, "operator"),
    Way("POST", "/api/nodes/{node}/drain", drain, "operator"),
    Way("POST", "/api/nodes/{node}/restart", restart, "operator"),
    Way("POST", "/api/nodes/{node}/pin", pin, "operator"),
    Way("POST", "/api/scale", scale, "operator"),
    Way("POST", "/api/broadcast", broadcast, "operator"),
    Way("POST", "/api/incidents/{incident}/acknowledge", acknowledge, "operator"),
    Way("POST", "/api/silences", silence, "operator"),
    Way("POST", "/api/silences/{silence}/end", end_silence, "operator"),
)
