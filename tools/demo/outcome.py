"""What a demonstration found, and whether that is what it must be (pure): var/demo.json and its checks."""

from typing import Any

import msgspec

STEP_NAMES = {
    "1": "client -> gate: Login",
    "2": "gate -> login: Authenticate",
    "3": "login -> dc: FindAccount",
    "4": "dc -> game DB: the query behind it",
    "5": "login -> dc, center: LoadStatus, Online",
    "6": "center -> scene: Enter",
    "7": "gate -> scene -> client: Attach, Entered",
    "8": "public broadcast",
    "9": "scene -> log, dc: behaviour, player data",
}
LOGIN_P99_MS = 1000.0
MOVE_P99_MS = 200.0
TRADES_MIN = 5
LOOTS_MIN = 5


class Pair(msgspec.Struct, frozen=True):
    p50: float
    p99: float


class Broadcasts(msgspec.Struct, frozen=True):
    sent: int
    expected: int  # clients attached when it was sent, added up
    delivered: int


class Notices(msgspec.Struct, frozen=True):
    expected: int
    delivered: int


class Resumed(msgspec.Struct, frozen=True):
    expected: int
    done: int  # back at the same spot


class Moved(msgspec.Struct, frozen=True):
    """Players who were to do something together, or to get somewhere else on the connection that they have."""

    expected: int
    done: int


class Trades(msgspec.Struct, frozen=True):
    done: int
    gold_before: int
    gold_after: int  # all wallets less what was minted since


class LogEvents(msgspec.Struct, frozen=True):
    sent: int
    stored: int  # counted in the segments after the stop


class DurableWrites(msgspec.Struct, frozen=True):
    acked: int
    on_disk: int  # rows of the ledger in the file after the stop


class Outcome(msgspec.Struct, frozen=True):
    """var/demo.json."""

    bots: int
    logged_in: int
    by_password: int
    steps: dict[str, int]
    login_ms: Pair
    move_ms: Pair
    updates_per_s: float
    broadcasts: Broadcasts
    friend_notices: Notices
    resumed: Resumed
    party: Moved  # members of a party who have heard each other
    switched: Moved  # to another line
    crossed: Moved  # to another map
    drained: Moved  # from a scene that was emptied
    looted: int
    said: int
    trades: Trades
    left: int
    log_events: LogEvents
    durable_writes: DurableWrites
    database_ok: bool
    errors: int
    error_counts: dict[str, int]
    processes_left: int
    ready_s: float
    took_s: float
    disturbed: list[str] = []  # who else used the machine, so much that times say nothing
    ok: bool = False


class Check(msgspec.Struct, frozen=True):
    """One line of the report."""

    name: str
    value: str
    limit: str
    ok: bool
    judged: bool = True

    @property
    def fails(self) -> bool:
        return self.judged and not self.ok


def checks(out: Outcome) -> list[Check]:
    """Every line must hold, but for times on a machine that others were using."""
    bots, shouts = out.bots, out.broadcasts.sent
    lines = [
        Check("players logged in", f"{out.logged_in}", f"{bots}", out.logged_in == bots),
        _timed(out, "login p99", out.login_ms.p99, LOGIN_P99_MS),
        _timed(out, "move to neighbour p99", out.move_ms.p99, MOVE_P99_MS),
        Check("movement told", f"{out.updates_per_s:.0f} /s", "> 0", out.updates_per_s > 0),
    ]
    for step, count in sorted(out.steps.items()):
        least = shouts if step == "8" else bots
        lines.append(Check(f"step {step}  {STEP_NAMES[step]}", f"{count}", f">= {least}", count >= least > 0))
    return [
        *lines,
        Check("corpses looted", f"{out.looted}", f">= {LOOTS_MIN}", out.looted >= LOOTS_MIN),
        Check("chat heard back", f"{out.said}", "> 0", out.said > 0),
        Check("trades", f"{out.trades.done}", f">= {TRADES_MIN}", out.trades.done >= TRADES_MIN),
        _same("gold after trades", out.trades.gold_after, out.trades.gold_before),
        _same("broadcasts delivered", out.broadcasts.delivered, out.broadcasts.expected),
        _same("friends told", out.friend_notices.delivered, out.friend_notices.expected),
        _same("resumed, same spot", out.resumed.done, out.resumed.expected),
        _same("party: members, all heard", out.party.done, out.party.expected),
        _same("switched to another line", out.switched.done, out.switched.expected),
        _same("through a portal to another map", out.crossed.done, out.crossed.expected),
        _same("moved from the emptied scene", out.drained.done, out.drained.expected),
        _same("players that left", out.left, bots),
        _same("behaviour events stored", out.log_events.stored, out.log_events.sent),
        _same("durable writes on disk", out.durable_writes.on_disk, out.durable_writes.acked),
        Check("database audit", "whole" if out.database_ok else "damaged", "whole", out.database_ok),
        Check("errors", f"{out.errors}", "0", out.errors == 0),
        Check("processes left", f"{out.processes_left}", "0", out.processes_left == 0),
    ]


def judged(out: Outcome) -> Outcome:
    """With `ok` set."""
    return msgspec.structs.replace(out, ok=not any(check.fails for check in checks(out)))


def as_json(out: Outcome) -> str:
    return msgspec.json.format(msgspec.json.encode(out)).decode() + "\n"


def gold_less_minted(before: dict[str, Any], after: dict[str, Any]) -> tuple[int, int]:
    """All wallets before, and after without what was minted or burned in between: trades alone change nothing."""
    minted = int(after["minted"]) - int(before["minted"])
    burned = int(after["burned"]) - int(before["burned"])
    return int(before["wallets"]), int(after["wallets"]) - minted + burned


def _same(name: str, value: int, expected: int) -> Check:
    return Check(name, f"{value}", f"{expected}", value == expected > 0)


def _timed(out: Outcome, name: str, ms: float, limit_ms: float) -> Check:
    """Without any figure nothing excuses it."""
    return Check(name, f"{ms:.0f} ms", f"< {limit_ms:.0f} ms", 0 < ms < limit_ms, not (out.disturbed and ms > 0))
