"""How much movement clients may get: what a link bears, and how a limited bandwidth is shared. Pure arithmetic.

    a client  whose queue grows gets half of what it got, again and again, down to CLIENT_MIN; when the queue is gone
              it gets more, step by step, until it has no limit of its own. The scene then tells it less often of what
              is far away, so that what it is told is new: a longer queue would only make everything old
    a line    gets a share of the gate's bandwidth by how many play there and how much they do to each other; nobody
              gets more than is asked for while others want it. Control and chat are not shared out: they are taken off
              first

Rejected: to measure round trips (a client that does not read answers in time as long as its buffers are not full), and
shares by demand alone (a crowd that stands about would take the bandwidth away from a battle).
"""

from typing import NamedTuple

UNLIMITED = 0xFFFF_FFFF
CLIENT_MIN = 1024
"""Bytes a second of movement that are never taken away."""
QUEUE_S = 0.5
QUEUE_BYTES = 4096
"""A queue above both (QUEUE_S of what the client gets) means that its link is too slow."""
STRIKES = 2
"""Looks in a row: one long queue may be the full view of somebody who just came."""
LESS, MORE = 0.5, 1.1
FREE = 2.0
"""Who may get so many times of what its line gets on average has no limit of its own any more."""
HUNGRY = 0.9
"""A line that uses so much of its share wants more."""
AIR = 1.25
"""So much more than a line used lately is left to it, before others get the rest."""
RELAXED = 0.75
"""While all lines together use less of the bandwidth than this, none has a limit."""
SHARED_MIN = 0.2
"""Of the bandwidth for movement, however much there is of everything else."""


class Link(NamedTuple):
    """What is known of one client's link."""

    bears: int = UNLIMITED  # bytes a second
    strikes: int = 0


UNHINDERED = Link()


def judged(link: Link, queued: int, usual: float) -> Link:
    """After one more look: `queued` bytes wait, and clients of its line get `usual` bytes a second on average."""
    given = min(float(link.bears), usual)
    if queued > max(QUEUE_BYTES, given * QUEUE_S):
        if link.strikes + 1 < STRIKES:
            return Link(link.bears, link.strikes + 1)
        return Link(max(CLIENT_MIN, int(given * LESS)))
    if link.bears == UNLIMITED:
        return UNHINDERED
    if queued > QUEUE_BYTES // 4:
        return Link(link.bears)
    bears = int(link.bears * MORE)
    return UNHINDERED if bears >= max(CLIENT_MIN, usual) * FREE else Link(bears)


class Demand(NamedTuple):
    """What a line did lately."""

    clients: int
    used: float  # bytes of movement a second
    deeds: float  # play messages and events a second
    share: float  # that it had; 0: no limit


def shares(bandwidth: float, others: float, demands: list[Demand]) -> list[float]:
    """Bytes a second of movement for each line; 0: no limit. `others` is what everything else takes."""
    available = max(bandwidth * SHARED_MIN, bandwidth - others)
    limited = any(demand.share for demand in demands)
    used = sum(demand.used for demand in demands)
    if used <= available * (RELAXED if limited else 1.0) and not any(map(_is_hungry, demands)):
        return [0.0] * len(demands)
    weights = [demand.clients + demand.deeds for demand in demands]
    caps = [float("inf") if _is_hungry(d) or not d.share else d.used * AIR for d in demands]
    given, left = _filled(available, weights, caps)
    whole = sum(weights) or 1.0
    return [max(1.0, one + left * weight / whole) for one, weight in zip(given, weights, strict=True)]


def _is_hungry(demand: Demand) -> bool:
    return bool(demand.share) and demand.used >= demand.share * HUNGRY


def _filled(available: float, weights: list[float], caps: list[float]) -> tuple[list[float], float]:
    """By weight, nobody above its cap; and what is left. What one does not want, the others get."""
    given = [0.0] * len(weights)
    open_ = {at for at, weight in enumerate(weights) if weight > 0}
    while open_ and available > 0:
        whole = sum(weights[at] for at in open_)
        full = {at for at in open_ if caps[at] - given[at] <= available * weights[at] / whole}
        for at in full or open_:
            given[at] = caps[at] if full else available * weights[at] / whole
        available -= sum(given[at] for at in full or open_)
        open_ -= full or open_
    return given, max(0.0, available)


def differs(told: int, wanted: int) -> bool:
    """By enough to say it."""
    return told != wanted and (UNLIMITED in (told, wanted) or abs(told - wanted) > told // 10)
