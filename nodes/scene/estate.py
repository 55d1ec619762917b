"""What a scene knows, as one process gives it to the next: which attributes of which part, and their bytes.

Owns the table of them (HANDED) and nothing else. Everything else that a part has is either given to it when it is made
or follows from this; a test holds the table against the parts, so that nobody adds something that is forgotten here.
Arrays are filled in place, since parts share them. A part that the other process does not name keeps what it has, and
what this process does not know is skipped: the two may be of different versions.

Rejected: pickle, which runs what it reads; and to build the characters anew as after a transfer, which is a new view
for every client and forgets who fights whom.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from mesh.core.bucket import Bucket
from mesh.errors import MeshError
from mesh.protocol.lanes import MOVE
from mesh.protocol.play import Item
from mesh.protocol.sessions import Friendship, Mute, PartyAt
from nodes.scene.degradation import Degradation
from nodes.scene.gameclock import GameClock
from nodes.scene.interest import Interest
from nodes.scene.keepsakes import Keepsake, Keepsakes
from nodes.scene.lines import Lines
from nodes.scene.loot import Corpse, Corpses
from nodes.scene.movement import Moves
from nodes.scene.notices import Notice, Notices
from nodes.scene.npcs import Npcs
from nodes.scene.outbound import Outbound
from nodes.scene.pairs import Columns, no_pairs
from nodes.scene.parties import Parties
from nodes.scene.portals import Crossings, Portals
from nodes.scene.relevance import Relevance
from nodes.scene.settings import LINE_SLOTS
from nodes.scene.sight import Sight
from nodes.scene.ticker import Ticker
from nodes.scene.trade import Trade, Trades
from nodes.scene.whereabouts import Whereabouts
from nodes.scene.world import World

FORMAT = 1
"""Another one whenever something that is written means something else than before, such as the unit of a number: that
decodes, and would be wrong. What is only new needs none. Version 0.2.0 says none, and means 1."""


class EstateError(MeshError):
    """It does not fit here: other maps, other sizes, or not an estate at all. The text says what."""


class Kind(NamedTuple):
    """How an attribute travels: the type of what is written, and the ways there and back."""

    type: Any
    pack: Callable[[Any], Any]
    unpack: Callable[[Any, Any], Any]  # (what was written, what is there) -> what is to be there


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, deque) else value


def _take(written: Any, there: Any) -> Any:
    return type(there)(written, there.maxlen) if isinstance(there, deque) else written


def _fill(written: bytes, there: Any) -> Any:
    if len(written) != there.nbytes:
        raise EstateError(f"a column has {len(written)} bytes, and {there.nbytes} are its size here")
    there[...] = np.frombuffer(written, there.dtype).reshape(there.shape)
    return there


def _pairs(written: list[bytes], _there: Columns) -> Columns:
    kinds = [column.dtype for column in no_pairs()]
    return Columns(*(np.frombuffer(column, kind).copy() for column, kind in zip(written, kinds, strict=True)))


def _generations(written: dict[int, bytes], _there: Any) -> dict[int, Any]:
    if any(len(column) != 2 * LINE_SLOTS for column in written.values()):
        raise EstateError("a line has another number of slots")
    return {index: np.frombuffer(column, "<u2").copy() for index, column in written.items()}


def _waiting(written: list[tuple[bytes, bytes]], _there: Any) -> list[tuple[Any, Any]]:
    return [(np.frombuffer(slots, "<i8"), np.frombuffer(records, MOVE)) for slots, records in written]


def plain(kind: Any) -> Kind:
    """What msgspec can write as it is."""
    return Kind(kind, _plain, _take)


COLUMN = Kind(bytes, lambda column: column.tobytes(), _fill)
PAIRS = Kind(list[bytes], lambda rows: [c.astype(k.dtype).tobytes() for c, k in zip(rows, no_pairs(), strict=True)],
             _pairs)  # fmt: skip
GENERATIONS = Kind(dict[int, bytes], lambda found: {index: one.tobytes() for index, one in found.items()}, _generations)
MOVES = Kind(list[tuple[bytes, bytes]], lambda found: [(slots.astype("<i8").tobytes(), records.tobytes())
             for slots, records in found], _waiting)  # fmt: skip
_COLUMNS = (
    "kind", "ids", "generation", "record", "hp", "hp_max", "level", "xp", "gate", "budget", "watching", "changed",
    "refresh", "unsaved", "walked", "slack", "moved_at", "ready_at", "account",
)  # fmt: skip
_FLOAT, _INT, _INTS = plain(float), plain(int), plain(list[int])

HANDED: dict[type, dict[str, Kind]] = {
    # of one line
    World: {
        **dict.fromkeys(_COLUMNS, COLUMN), "names": plain(list[str]), "_free": _INTS, "_resting": _INTS,
        "arrived": plain(bool),
    },
    Npcs: {
        **dict.fromkeys(("home", "at", "goal", "slot", "think_at", "back_at", "foe", "_idle_s"), COLUMN),
        "_index": plain(dict[int, int]), "_stepped_at": _FLOAT, "_reached": _FLOAT,
    },
    Corpses: {"_by_number": plain(dict[int, Corpse])},
    Portals: {"inside": COLUMN},
    Whereabouts: {**dict.fromkeys(("_member", "_told", "_x", "_y", "_hp", "_hp_max"), COLUMN), "members": _INT},
    Moves: {"_waiting": MOVES, "_count": _INT},
    Interest: {
        "_rows": PAIRS, "_count": COLUMN, "_looked": COLUMN, "_cursor": _INT, "cycle": _INT,
        "urgent": plain(dict[int, None]),
    },
    Sight: {"_changed_at": COLUMN, "_quiet": _INT, "_beat": _INT, "_missed": plain(dict[int, int])},
    Relevance: {"_fights": plain(dict[tuple[int, int], float]), "_foes": plain(dict[int, dict[int, None]])},
    Notices: {"_waiting": plain(list[Notice])},
    # of the scene
    Lines: {"_generations": GENERATIONS},
    Outbound: {"_index": plain(dict[str, int]), "names": plain(list[str])},
    GameClock: {"rate": _FLOAT, "_at": _FLOAT, "_game": _FLOAT, "_past": plain(list[tuple[float, float]])},
    Ticker: {"tick": _INT},
    Degradation: {"_told": plain(dict[str, tuple[int, float]])},
    Keepsakes: {"_by_account": plain(dict[int, Keepsake])},
    Trades: {
        "_by_number": plain(dict[int, Trade]), "_last": _INT,
    },
    Parties: {"_last": plain(dict[int, int]), "_owed": plain(dict[int, list[int]])},
    Crossings: {"_under_way": plain(set[int])},
}  # fmt: skip

SESSION: dict[str, Any] = {
    "number": int, "name": str, "line": int, "slot": int, "handle": int, "region": str, "attributes": dict[str, int],
    "friends": list[Friendship], "party": PartyAt | None, "gold": int, "items": dict[int, Item], "gate": str,
    "connection": int, "nonce": int, "waiting": bool, "resumed": bool, "received": int, "processed": int, "sent": int,
    "ring": list[tuple[int, float, bytes]], "forgotten": int, "operation": int, "anew": bool, "transferred": bool,
    "recalls": int, "dead_until": float, "fought_at": float, "chat": Bucket, "emotes": Bucket | None,
    "offences": Bucket | None, "mute": Mute,
}  # fmt: skip
"""Attributes of a session. `account`, `blocked` and what is under way (nothing, when it is handed over) follow."""

_OF_A_SESSION = ("number", "name", "line", "slot", "handle", "operation", "chat")  # there is none without these
SessionRow = msgspec.defstruct(
    "SessionRow",
    [
        (name, kind) if name in _OF_A_SESSION else (name, kind | msgspec.UnsetType, msgspec.UNSET)
        for name, kind in SESSION.items()
    ],
    kw_only=True,
)
_ROWS = {
    part: msgspec.defstruct(
        f"{part.__name__}Row", [(name, kind.type | msgspec.UnsetType, msgspec.UNSET) for name, kind in table.items()]
    )
    for part, table in HANDED.items()
}


class LineRow(msgspec.Struct, kw_only=True):
    """One line. `parts` are by the names of their classes."""

    index: int
    name: str
    number: int
    fixed: bool
    parts: dict[str, msgspec.Raw]
    dead: list[int]  # slots
    arriving: list[int]
    gates_held: list[int] = []  # for 0.2.0, which cannot do without. A gate that wants no movement says so again


class Whole(msgspec.Struct, kw_only=True):
    """All of it."""

    scene: str
    now: float  # of the machine's clock, which both processes read
    still_since: float  # on it: when the last tick had ended
    parts: dict[str, msgspec.Raw]
    lines: list[LineRow]
    sessions: list[SessionRow]  # type: ignore[valid-type]
    events: list[bytes] = []  # of the behaviour log, that no log node has: encoded batches
    gates: dict[str, int] | None = None  # that are linked, and their incarnations; others have no players any more
    format: int = 1


def _written(value: Any) -> Any:
    if isinstance(value, Bucket):
        return value.rate, value.burst, value._at, value._level
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} is not in the table")


def _read(kind: type, written: Any) -> Any:
    if kind is not Bucket:
        raise NotImplementedError
    rate, burst, at, level = written
    made = Bucket(rate, burst, at)
    made.fill(level)
    return made


_encode = msgspec.msgpack.Encoder(enc_hook=_written).encode
_decoders = {part: msgspec.msgpack.Decoder(row, dec_hook=_read).decode for part, row in _ROWS.items()}
_decode = msgspec.msgpack.Decoder(Whole, dec_hook=_read).decode


def packed(*parts: object) -> dict[str, msgspec.Raw]:
    """The state of these parts, by the names of their classes."""
    return {type(part).__name__: msgspec.Raw(_encode(_row_of(part))) for part in parts}


def _row_of(part: object) -> Any:
    table = HANDED[type(part)]
    return _ROWS[type(part)](**{name: kind.pack(getattr(part, name)) for name, kind in table.items()})


def unpack(parts: dict[str, msgspec.Raw], *into: object) -> None:
    """Give these parts the state that was written; those that are not in it keep theirs. EstateError."""
    for part in into:
        written = parts.get(type(part).__name__)
        if written is None:
            continue
        try:
            row = _decoders[type(part)](written)
        except msgspec.DecodeError as error:
            raise EstateError(f"{type(part).__name__}: {error}") from None
        for name, kind in HANDED[type(part)].items():
            value = getattr(row, name)
            if value is not msgspec.UNSET:
                setattr(part, name, kind.unpack(value, getattr(part, name)))


def encoded(whole: Whole) -> bytes:
    return _encode(whole)


def decoded(body: bytes) -> Whole:
    """EstateError when it is none."""
    try:
        whole = _decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise EstateError(f"what the old process gave is not understood: {error}") from None
    if whole.format != FORMAT:
        raise EstateError(f"the old process gives it in format {whole.format}, and this one knows format {FORMAT}")
    return whole
