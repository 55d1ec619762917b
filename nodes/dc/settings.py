"""What a DC can be told in `[settings.dc]` of a topology. Everything has a unit, a range and a reason."""

import re
from typing import Annotated, Literal

import msgspec

Meta = msgspec.Meta

MIB = 1 << 20
GIB = 1 << 30

_NAME = re.compile(r"^dc\.[1-9][0-9]*\Z")


class DcSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The defaults suit a zone of 10,000 players on one machine."""

    map_bytes: Annotated[int, Meta(ge=MIB)] = 256 * MIB
    """How large the store may become before it is enlarged; address space, not memory and not disk."""
    map_bytes_max: Annotated[int, Meta(ge=MIB)] = 64 * GIB
    """It is doubled up to here; then changes are refused as on a full disk."""
    cache_rows_max: Annotated[int, Meta(ge=100)] = 200_000
    """Committed rows that are kept in memory; what was not used lately is dropped first."""
    cache_bytes_max: Annotated[int, Meta(ge=100_000)] = 128 * MIB
    """The same limit in bytes, as estimated from what the rows are on disk."""
    flush_age_s: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """How old a cached (class C) write may become before the next commit takes it along. The contract says on disk
    within 1 s, so this leaves half of it for the commit."""
    states_per_commit: Annotated[int, Meta(ge=1, le=100_000)] = 512
    """Cached writes in one commit: they must not make durable ones wait."""
    states_waiting_max: Annotated[int, Meta(ge=1)] = 200_000
    """Characters with an unflushed state; SaveStates for more is refused."""
    operations_per_commit: Annotated[int, Meta(ge=1, le=100_000)] = 4096
    """Durable operations in one commit: bounds how long one turn of the loop can get. Far above what comes while a slow
    disk is busy, for what is left over waits for it twice."""
    queue_max: Annotated[int, Meta(ge=1)] = 20_000
    """Durable operations that wait; more are refused as unavailable."""
    operation_ring: Annotated[int, Meta(ge=8, le=1 << 20)] = 1024
    """Results kept per account, so how far back a repeated operation is recognised. Fixed when a database is made."""
    disk_full_pause_s: Annotated[float, Meta(ge=0, le=1)] = 0.25
    """After the disk was full, how long changes are refused without trying."""
    starting_gold: Annotated[int, Meta(ge=0, le=10**9)] = 100
    """Minted for every new character."""
    mail_lifetime_s: Annotated[float, Meta(ge=1, le=10 * 365 * 86_400)] = 30 * 86_400
    """How long a mail waits for its receiver; then what is attached goes back to its sender."""
    backup_bytes_s: Annotated[int, Meta(ge=MIB)] = 100 * MIB
    """How fast a backup of a running DC reads: the disk is the players' first."""
    backup_growth_max: Annotated[int, Meta(ge=MIB)] = GIB
    """Bytes that the file may grow while it is copied, since what is changed meanwhile cannot be used again before the
    end; then the backup is given up."""
    standby: dict[str, str] = {}
    """`{ "dc.1" = "dc.2" }`: the second one keeps a copy of the first, and takes over when that is lost."""
    replicated: Literal["all", "paid"] = "all"
    """What waits for the standby, while there is one in sync, before it is acknowledged: everything durable, or what
    a scene says is paid for. A failover loses nothing of that, and no login, fence, account or ban; of the rest of what
    scenes do it may lose `standby_window` commits."""
    standby_away: Literal["refuse", "wait"] = "refuse"
    """What happens to operations that say that they are paid for while no standby is in sync. All others go on."""
    standby_silent_s: Annotated[float, Meta(ge=0.1, le=10)] = 1.0
    """How long the standby may take to answer before the writer goes on without it."""
    standby_window: Annotated[int, Meta(ge=1, le=10_000)] = 64
    """Commits that the standby may be behind with `replicated = "paid"`; then the writer waits for it."""
    standby_kept_bytes: Annotated[int, Meta(ge=MIB)] = 64 * MIB
    """What the writer keeps in memory for a standby that is away; when it was away for longer, it is copied whole."""
    drain_wait_s: Annotated[float, Meta(ge=0, le=2.5)] = 2.0
    """Asked to stop, how long the DC keeps serving scenes and logins that are still linked to it."""

    def __post_init__(self) -> None:
        if self.map_bytes_max < self.map_bytes:
            raise ValueError(f"map_bytes_max ({self.map_bytes_max}) is less than map_bytes ({self.map_bytes})")
        names = [name for pair in self.standby.items() for name in pair]
        if len(names) > 2 or len(set(names)) < len(names) or not all(_NAME.match(name) for name in names):
            raise ValueError(f'standby ({self.standby}) must name two nodes, such as {{ "dc.1" = "dc.2" }}')
