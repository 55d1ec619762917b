"""What the console is told of the world and of those who play in it. Plain values; units and texts as in answers.py."""

import msgspec

# --- the world ---


class LineNow(msgspec.Struct, frozen=True):
    zone: str
    map: str
    line: int
    scene: str
    players: int
    soft: int
    max: int
    state: str
    size_m: float


class Heat(msgspec.Struct, frozen=True):
    """How many players are where on a line: side x side cells, row by row, the first one at (0, 0)."""

    zone: str
    map: str
    line: int
    at_s: float
    size_m: float
    side: int
    counts: list[int]


class PlayerRow(msgspec.Struct, frozen=True):
    """Of a list of players."""

    name: str
    account: int
    level: int
    stage: str  # online, linkdead, offline
    zone: str = ""
    map: str = ""
    line: int = 0
    x_m: float = 0.0
    y_m: float = 0.0


class Network(msgspec.Struct, frozen=True):
    """The way to a player's client."""

    address: str  # only operators are told
    transport: str
    round_trip_s: float
    unsent_bytes: int
    budget_bytes_per_s: float
    received_bytes_per_s: float
    sent_bytes_per_s: float
    hindered: bool


class Stay(msgspec.Struct, frozen=True):
    """One session of the past, or the one that goes on."""

    session: str
    begun_s: float
    ended_s: float
    zone: str
    gate: str
    ended_by: str


class ItemOf(msgspec.Struct, frozen=True):
    id: str
    kind: str
    since_s: float
    origin: str


class LedgerRow(msgspec.Struct, frozen=True):
    at_s: float
    id: str
    kind: str
    gold: int  # change
    balance: int  # after it
    items: list[str]
    other: str  # with whom
    durability: str


class Player(msgspec.Struct, frozen=True):
    about: PlayerRow
    session: str
    scene: str
    gate: str
    hp: int
    hp_max: int
    xp: int
    gold: int
    party: list[str]
    friends: int
    made_s: float
    banned_until_s: float  # -1: for ever
    ban_reason: str
    muted_until_s: float
    mute_reason: str
    network: Network | None  # None: not connected
    history: list[Stay]  # newest first
    items: list[ItemOf]
    ledger: list[LedgerRow]  # newest first
