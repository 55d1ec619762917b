"""How often an observer is told of what it sees, when its budget does not suffice for all of it at every telling.

Owns nothing. Pure. Entities are ranked; rank decides a period of 1, 2, 4, 8 or 16 tellings. For each period an
observer has so many lanes: a lane is one record in every telling, so it serves `period` entities in turn. All lanes
together are the records that its budget allows, so no single telling can exceed it. As long as that suffices every
period in use gets about the same number of lanes, which makes an entity's interval grow with its rank; when the view is
larger, lanes move to the longest period, and what does not fit even so is out of view.

Among those of one period whoever waits longest has the next turn. So a new ranking, which comes every few ticks in a
crowd, makes nobody start to wait anew.

Rejected: sending at random with a probability (nobody can say how long the unlucky wait), and phases by entity
(unequal tellings, and a new ranking doubles the wait).
"""

import numpy as np

from nodes.scene.world import Array

CLASSES = 5  # periods 1, 2, 4, 8, 16
STARVED_S = 2.0  # nobody in view goes without news for so long
INDEX_BITS = 20
RANKED_MAX = 1 << INDEX_BITS  # elements that are ranked at once: row, key and index share 64 bits
_KEY_BITS = 29


def longest(tellings_hz: float) -> int:
    """The class of the longest period that is shorter than STARVED_S."""
    chosen = 0
    while chosen + 1 < CLASSES and 2 ** (chosen + 1) < STARVED_S * tellings_hz:
        chosen += 1
    return chosen


def lanes_for(views: Array, records: Array, last: Array, always: Array) -> Array:
    """Lanes per class: a row for each observer that sees `views` entities, may get `records` of them in a telling and
    uses no class above `last`. views <= records << last. The first `always` of them are told of in every telling, as
    far as the others leave room."""
    used = _classes_used(views, records, last)
    lanes = np.zeros((len(views), CLASSES), np.int64)
    left, lanes_left = views.astype(np.int64), records.astype(np.int64)
    slowest = np.int64(1) << last
    for c in range(CLASSES):
        period = 1 << c
        final = left <= lanes_left * period
        most = (lanes_left * slowest - left) // np.maximum(slowest - period, 1)  # the others must still find a place
        next_holds_all = 2 * lanes_left - -(-left // period)
        chosen = np.maximum(next_holds_all, lanes_left // np.maximum(used + 1 - c, 1))
        chosen = np.minimum(np.maximum(chosen, always) if c == 0 else chosen, most)
        chosen = np.where(final, np.minimum(-(-left // period), lanes_left), np.clip(chosen, 0, lanes_left))
        lanes[:, c] = chosen
        left = np.maximum(left - chosen * period, 0)
        lanes_left = lanes_left - chosen
    return lanes


def _classes_used(views: Array, records: Array, last: Array) -> Array:
    """The highest class that is needed when all lanes are shared evenly, `last` when even that is not enough."""
    used = np.zeros(len(views), np.int64)
    for c in range(CLASSES - 1):
        used[views * (c + 1) > records * ((2 << c) - 1)] = c + 1
    return np.minimum(used, last)


def order_by(rows: Array, key: Array) -> Array:
    """The order of elements by row, then by key (below 2 ** 29). Sorting the whole 64-bit numbers is several times
    faster than sorting indices by them."""
    packed = rows.astype(np.uint64) << np.uint64(_KEY_BITS + INDEX_BITS)
    packed |= key.astype(np.uint64) << np.uint64(INDEX_BITS)
    packed |= np.arange(len(rows), dtype=np.uint64)
    packed.sort()
    return (packed & np.uint64(RANKED_MAX - 1)).astype(np.int64)


def distance_key(square: Array) -> Array:
    """Squares of distances (float32, not negative) as keys for `order_by`: their bits are ordered as they are."""
    return square.astype(np.float32).view(np.uint32) >> np.uint32(3)


def schedule(row: Array, rank: Array, since: Array, tick: int, lanes: Array, telling: Array) -> tuple[Array, Array]:
    """(mask, phase) of elements: one is due at a telling t when t & mask == phase. `row` of `lanes` and of `telling`
    (the number of the telling that comes next), ascending; `rank` within it; `since`: the tick that it waits from."""
    ends = np.cumsum(lanes << np.arange(CLASSES), axis=1)
    chosen = np.zeros(len(row), np.int64)
    for c in range(CLASSES - 1):
        chosen += rank >= ends[:, c].take(row)
    waited = np.clip(tick - since.astype(np.int64), 0, 0xFFFF)
    order = order_by(row, chosen << 16 | (0xFFFF - waited))
    group = row.astype(np.int64) * CLASSES + chosen
    grouped = group.take(order)
    begins = np.flatnonzero(np.diff(grouped, prepend=-1))
    place = np.arange(len(row)) - np.repeat(begins, np.diff(begins, append=len(row)))
    turn = np.empty(len(row), np.int64)
    turn[order] = place // np.maximum(lanes.ravel().take(grouped), 1)
    mask = (1 << chosen) - 1
    return mask.astype(np.uint8), ((telling.take(row) + turn) & mask).astype(np.uint8)
