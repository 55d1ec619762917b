"""Who is there, who is not, and whether that was meant: what becomes signals without being counted by a node.

Owns since when each node does not answer, with which life it was seen, and when something was changed on purpose. What
was drained before it went is being stopped or restarted by somebody; what goes without is lost. A node whose place is
taken by a process that inherits everything (`mesh restart` of a scene) was not lost either: the center counts these.

A node of which nothing has ever been heard is waited for like one that was drained; one that never comes up is found.
"""

from collections.abc import Sequence

import msgspec

from nodes.ops.analysis.forms import CLUSTER
from nodes.ops.analysis.signals import Made
from nodes.ops.reading import Reading

ASKED_S = 60.0  # a node that was drained may be away for so long before it is taken for lost
DIED_S = 20.0  # for so long a death is shown, also of a node that is back already
SURE_S = 2.5  # after a new life was seen: by then the center's count of successions has come, too
GOING = "Draining"
LONG_AGO = -1e12


class Standing(msgspec.Struct, frozen=True):
    """A node that is meant to be there, as the topology, the registry and the collector know it."""

    node: str  # short
    role: str
    zone: str
    host: str  # the name behind "host:" of the readings of its machine
    process: str  # nodes of one process share its processor time, memory and descriptors
    state: str  # of the registry: Starting, Ready, Draining, Shutdown; "" when it knows none
    version: str = ""  # "" as long as it is not known
    clock_apart_s: float = 0.0


class _Life:
    def __init__(self, now_s: float) -> None:
        self.heard_s = now_s
        self.incarnation: int | None = None
        self.asked = False  # was drained, and has not been Ready since
        self.asked_s = LONG_AGO
        self.began_s = LONG_AGO  # of a life whose beginning was seen
        self.unasked_s = LONG_AGO  # a life began, and nobody had asked for the end of the one before


class Presence:
    """See the module."""

    def __init__(self, shared: Sequence[str] = ("dc", "log")) -> None:
        """`shared`: roles that serve all zones."""
        self._shared = frozenset(shared)
        self._lives: dict[str, _Life] = {}
        self._mixed_since_s: float | None = None
        self._seen_s: float | None = None
        self.changed_s: dict[str, float] = {}  # by zone; "": something that serves all of them

    def look(
        self, readings: Sequence[Reading], standings: Sequence[Standing], now_s: float, succeeded: frozenset[str]
    ) -> list[Made]:
        """`succeeded`: zones in which a scene has given its place to another process within the last half minute."""
        self._look_back(now_s)
        heard = {one.node: one for one in readings}
        made = []
        for one in standings:
            life = self._lives.get(one.node)
            if life is None:
                life = self._lives[one.node] = _Life(now_s)
            self._follow(life, one, heard.get(one.node), now_s, one.zone in succeeded)
            made += _of_one(one, life, now_s)
        for gone in self._lives.keys() - {one.node for one in standings}:
            del self._lives[gone]
        return [*made, self._versions(standings, now_s)]

    def began_s(self) -> dict[str, float]:
        """When the present life of each node began; LONG_AGO if nobody saw that."""
        return {name: life.began_s for name, life in self._lives.items()}

    def away(self, now_s: float) -> dict[str, float]:
        """Nodes that should answer and do not: for how long."""
        return {name: now_s - life.heard_s for name, life in self._lives.items() if _is_lost(life, now_s)}

    def _look_back(self, now_s: float) -> None:
        """Where this clock has jumped, nobody was away for as long."""
        gap = now_s - (self._seen_s if self._seen_s is not None else now_s)
        self._seen_s = now_s
        if 0 <= gap <= ASKED_S:
            return
        self.changed_s = {zone: min(at, now_s) for zone, at in self.changed_s.items()}
        for life in self._lives.values():
            life.heard_s = now_s
            life.began_s, life.asked_s = min(life.began_s, now_s), min(life.asked_s, now_s)
            life.unasked_s = LONG_AGO if life.unasked_s > now_s else life.unasked_s

    def _follow(self, life: _Life, one: Standing, reading: Reading | None, now_s: float, succeeded: bool) -> None:
        if one.state == GOING and not life.asked:
            life.asked, life.asked_s = True, now_s
        if reading is not None:
            life.heard_s = now_s
            if life.incarnation not in (None, reading.incarnation):
                life.began_s = now_s
                life.unasked_s = LONG_AGO if life.asked else now_s
            life.incarnation = reading.incarnation
        inherited = one.role == "scene" and succeeded and now_s - life.began_s < ASKED_S
        if inherited:
            life.unasked_s = LONG_AGO
        if inherited or (life.asked and now_s - max(life.asked_s, life.began_s) < ASKED_S):
            self._change(one, now_s)
        if life.asked and one.state == "Ready" and reading is not None:
            life.asked = False

    def _change(self, one: Standing, now_s: float) -> None:
        self.changed_s["" if one.role in self._shared else one.zone] = now_s

    def _versions(self, standings: Sequence[Standing], now_s: float) -> Made:
        mixed = len({one.version for one in standings if one.version}) > 1
        if not mixed:
            self._mixed_since_s = None
        elif self._mixed_since_s is None:
            self._mixed_since_s = now_s
        since = self._mixed_since_s if self._mixed_since_s is not None else now_s
        return Made("version_mix", CLUSTER, "", now_s - since)


def _is_lost(life: _Life, now_s: float) -> bool:
    patient = life.asked or life.incarnation is None  # somebody is at it, or it is still coming up
    return now_s - life.heard_s > (ASKED_S if patient else 0.0)


def _of_one(one: Standing, life: _Life, now_s: float) -> list[Made]:
    away_s = now_s - life.heard_s if _is_lost(life, now_s) else 0.0
    since_s = now_s - life.unasked_s
    return [
        Made("away", one.node, one.zone, away_s),
        Made("died", one.node, one.zone, float(SURE_S <= since_s < DIED_S)),
        Made("clock_apart", one.node, one.zone, abs(one.clock_apart_s)),
    ]
