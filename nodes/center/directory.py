"""Who is in the zone, where, and since when: at most one presence per account.

Pure: a state machine that is told what happened and when. The stages of a presence:

    entering   a scene was asked to build the character; counts as placed there
    online     in the world with a connection (or one that is being made)
    linkdead   in the world without one; `deadline` says until when
    leaving    the scene was asked to save it and take it out of the world

    entering -> online -> linkdead -> online ... -> leaving -> gone

A connection is named by its gate and number: what is said about an older connection of the session changes nothing, so
that a late "dropped" never ends a session that was just resumed.

A resume token is good once: its nonce must be the newest of the session. Nonces grow, over restarts of the center too,
and the newest one that a client was given travels with its connection: its gate names it to the scene with `Attach`,
and both name it to a center that starts anew. So a used token stays used, and nothing is written to a disk for it.
Rejected: to keep the nonces in the DC, an fsync for each of thousands who come back at once; in a file of the center,
which is the same; and to have the center tell the scenes, which it may die before.

A gate may die after a token was used and before its client has the next one. So while the connection that it made is
gone again, the same token may be used once more, for REPEAT_S: whoever has stolen it could have used it a moment ago.
Where the gate says that nobody heard of the login (`forgo`), it was not used.

While a transfer is under way (`moving`) the stage keeps its meaning: who is linkdead stays so, who drops becomes so.
The presence stays on its old line until the new one has it; meanwhile it takes a place on both.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from mesh.errors import Code, RefusedError
from mesh.mutes import NOT_MUTED
from mesh.protocol.cluster import Resume
from mesh.protocol.sessions import Friendship, Mute, Placement, account_of

REPEAT_S = 10.0  # after the use of a resume token: it may be repeated when nothing came of it
ENDED_MAX = 100_000  # accounts whose last session is remembered; beyond that the oldest is forgotten

Stage = Literal["entering", "online", "linkdead", "leaving"]
WITHOUT_END = math.inf


@dataclass(slots=True, eq=False)
class Presence:
    """One session in the zone."""

    session: int
    name: str
    friends: list[Friendship]
    scene: str
    gate: str  # "" when no gate has it
    connection: int
    stage: Stage
    since: float  # of the last change of stage or connection
    map: str = ""
    line: int = 0
    nonce: int | None = None  # what the next resume must name, or a newer one; None: any, as nobody knows it
    spent: int = 0  # the nonce that the last resume named ...
    spent_until: float = -math.inf  # ... and may name again until then, if its connection does not last
    spent_at: tuple[str, int] = ("", 0)  # that connection
    deadline: float = WITHOUT_END  # when something must be done about a linkdead or leaving one
    asking: int = 0  # social requests under way
    placed_at: float = 0.0  # since when it is on this line
    placed: int = 0  # how often it was put on one
    told_at: float = -math.inf  # when its gate had to hear that it plays elsewhere
    why: str = ""  # it is leaving; "" for one that is not
    moving: bool = False  # a transfer is under way: it may be on its old scene, on a new one or on none
    mute: Mute = NOT_MUTED  # the newest that is known, see mutes.py

    @property
    def account(self) -> int:
        return account_of(self.session)

    @property
    def placement(self) -> Placement:
        return Placement(self.scene, self.map, self.line)


class Directory:
    """Presences by account, by scene, by line and by gate."""

    def __init__(self) -> None:
        self._presences: dict[int, Presence] = {}  # by account
        self._names: dict[str, Presence] = {}  # in lower case
        self._scenes: dict[str, dict[int, Presence]] = {}
        self._lines: dict[str, dict[int, dict[int, Presence]]] = {}  # by map and line; only who is in the world
        self._taken: Counter[tuple[str, str, int]] = Counter()  # places by scene, map and line, who comes included
        self._coming: Counter[str] = Counter()  # transfers under way to a scene
        self._gates: dict[str, dict[int, Presence]] = {}
        self._connections: dict[tuple[str, int], Presence] = {}  # that they have, and that used their tokens
        self._unattended: dict[int, Presence] = {}  # linkdead and leaving ones
        self._ended: OrderedDict[int, int] = OrderedDict()  # account -> the newest session that has ended
        self.doubted: set[str] = set()  # scenes that may have built a character without our knowing, until they say

    def __len__(self) -> int:
        return len(self._presences)

    # --- looking ---

    def of_account(self, account: int) -> Presence | None:
        return self._presences.get(account)

    def of_name(self, name: str) -> Presence | None:
        """By the character's name; case does not matter."""
        return self._names.get(name.lower())

    def of_session(self, session: int) -> Presence | None:
        found = self._presences.get(account_of(session))
        return found if found is not None and found.session == session else None

    def is_over(self, session: int) -> bool:
        """Has this session ended, or a newer one of its account begun or ended?"""
        present = self._presences.get(account_of(session))
        ended = self._ended.get(account_of(session), -1)
        return session <= ended or (present is not None and session < present.session)

    def all(self) -> list[Presence]:
        return list(self._presences.values())

    def at_scene(self, scene: str) -> list[Presence]:
        return list(self._scenes.get(scene, {}).values())

    def count_at(self, scene: str) -> int:
        """Who is at a scene or on the way to it."""
        return len(self._scenes.get(scene, ())) + self._coming[scene]

    def count_on(self, scene: str, map_: str, line: int) -> int:
        """Who is on a line or on the way to it."""
        return self._taken[scene, map_, line]

    def at_line(self, map_: str, line: int) -> list[Presence]:
        return list(self._lines.get(map_, {}).get(line, {}).values())

    def at_map(self, map_: str) -> list[Presence]:
        """On all lines of a map."""
        return [presence for line in self._lines.get(map_, {}).values() for presence in line.values()]

    def at_gate(self, gate: str) -> list[Presence]:
        return list(self._gates.get(gate, {}).values())

    def count(self) -> dict[str, int]:
        """Presences by stage."""
        unattended = [p.stage for p in self._unattended.values()]
        counts: dict[str, int] = {"linkdead": unattended.count("linkdead"), "leaving": unattended.count("leaving")}
        return counts | {"online": len(self._presences) - len(unattended)}

    # --- what happens ---

    def enter(
        self,
        session: int,
        name: str,
        friends: Iterable[Friendship],
        scene: str,
        gate: str,
        connection: int,
        now: float,
        map_: str = "",
        line: int = 0,
    ) -> Presence:
        """A scene is about to be asked. Takes the place of what the account had."""
        assert not self.is_over(session), "an older session never takes the place of a newer one"
        old = self._presences.get(account_of(session))
        if old is not None:
            self._forget(old)
        presence = Presence(session, name, list(friends), scene, gate, connection, "entering", now, map_, line)
        presence.placed_at = now
        self._keep(presence)
        return presence

    def hosted(self, presence: Presence, map_: str, line: int, nonce: int, now: float, linkdead_s: float) -> None:
        """The scene has it. It is online unless its gate was lost in the meantime."""
        self._put_on(presence, map_, line)
        presence.nonce, presence.since, presence.placed_at = nonce, now, now
        presence.placed += 1
        if presence.gate:
            presence.stage = "online"
        else:
            self._unattend(presence, "linkdead", now + linkdead_s)

    def drop(self, session: int, gate: str, connection: int, now: float, linkdead_s: float) -> Presence | None:
        """This connection broke. None when it is not the session's connection (any more)."""
        found = self.of_session(session)
        if found is None or found.gate != gate or found.connection != connection:
            return None
        self._connect(found, "", 0, now)
        if found.stage == "online":
            self._unattend(found, "linkdead", now + linkdead_s)
            return found
        return None

    def lose_gate(self, gate: str, now: float, linkdead_s: float) -> list[Presence]:
        """All connections of a gate broke. Returns those who are linkdead now."""
        dropped = [self.drop(p.session, gate, p.connection, now, linkdead_s) for p in self.at_gate(gate)]
        return [presence for presence in dropped if presence is not None]

    def resume(
        self, session: int, nonce: int, gate: str, connection: int, fresh_nonce: int, now: float
    ) -> tuple[Presence, str, int]:
        """The session goes on over another connection. Returns also the gate and number of the one that it had ("" for
        none). The nonce is used up."""
        found = self.of_session(session)
        if found is None or found.stage not in ("online", "linkdead"):
            raise RefusedError(Code.RESUME_GONE, "the session has ended")
        is_same = (found.gate, found.connection) == (gate, connection)  # it asks again, since it heard no answer
        repeats = (is_same or not found.gate) and _was_spent(found, nonce, now)
        if found.nonce is not None and nonce < found.nonce and not repeats:
            raise RefusedError(Code.RESUME_GONE, "the resume token was used")
        if not repeats:
            found.spent, found.spent_until = nonce, now + REPEAT_S
        before = (found.gate, found.connection)
        found.nonce = fresh_nonce
        self._forget_connection(found, found.spent_at)
        found.spent_at = (gate, connection)
        self.connect(found, gate, connection, now)
        return found, *before

    def may_repeat(self, said: Resume, now: float) -> bool:
        """Is this the nonce of a resume whose connection is another one, and there still, as far as is known? When that
        is about to break, it may be used again."""
        found = self.of_session(said.session)
        if found is None or (found.gate, found.connection) in (("", 0), (said.gate, said.connection)):
            return False
        return _was_spent(found, said.nonce, now)

    def forgo(self, gate: str, connection: int) -> Presence | None:
        """The login that gave a session this connection came to nothing. The session, to be dropped if it is not yet;
        the token that was used for it is as good as before, since nobody has heard of the one that followed."""
        at = (gate, connection)
        found = self._connections.get(at)
        if found is not None and found.spent_at == at and (not found.gate or at == (found.gate, found.connection)):
            found.nonce = found.spent
        return found

    def learn_nonce(self, presence: Presence, nonce: int) -> None:
        """A scene or a gate names this one; 0 is none."""
        if nonce:
            presence.nonce = max(nonce, presence.nonce or 0)

    def connect(self, presence: Presence, gate: str, connection: int, now: float) -> None:
        """It has this connection from now on."""
        self._connect(presence, gate, connection, now)
        presence.stage, presence.deadline, presence.why = "online", WITHOUT_END, ""
        self._unattended.pop(presence.account, None)

    def move(self, presence: Presence, scene: str, map_: str, line: int, now: float) -> None:
        """It is on another line now, or anew on its own: what its gate knows of it is out of date."""
        del self._scenes[presence.scene][presence.account]
        self._take_off(presence)
        self._count(presence, -1)
        presence.scene, presence.placed_at, presence.told_at = scene, now, now
        presence.placed += 1
        self._count(presence, 1)
        self._scenes.setdefault(scene, {})[presence.account] = presence
        self._put_on(presence, map_, line)

    @contextmanager
    def coming(self, scene: str, map_: str, line: int) -> Iterator[None]:
        """Somebody is on the way to this line: its place is taken already."""
        self._taken[scene, map_, line] += 1
        self._coming[scene] += 1
        try:
            yield
        finally:
            self._taken[scene, map_, line] -= 1
            self._coming[scene] -= 1

    def supersede(self, session: int) -> None:
        """This session exists, here or in another zone: the older ones of its account are over."""
        account = account_of(session)
        self._over(account, max(session - 1, self._ended.get(account, -1)))

    def leave(self, presence: Presence) -> None:
        """The scene is about to be asked to release it."""
        self._unattend(presence, "leaving", WITHOUT_END)

    def retry(self, presence: Presence, at: float) -> None:
        """The scene did not release it: to be tried again."""
        self._unattend(presence, "leaving", at)

    def gone(self, presence: Presence) -> bool:
        """It is out of the world. False when it was already."""
        if self._presences.get(presence.account) is not presence:
            return False
        self._forget(presence)
        self._over(presence.account, max(presence.session, self._ended.get(presence.account, -1)))
        return True

    def adopt(
        self,
        session: int,
        name: str,
        friends: Iterable[Friendship],
        scene: str,
        map_: str,
        line: int,
        now: float,
        deadline: float,
    ) -> Presence:
        """A scene hosts it, and nothing else is known of it: linkdead until a gate says that it has it."""
        presence = self.enter(session, name, friends, scene, "", 0, now, map_, line)
        self._put_on(presence, map_, line)
        self._unattend(presence, "linkdead", deadline)
        return presence

    def due(self, now: float, most: int) -> list[Presence]:
        """Linkdead and leaving ones whose time is up, at most so many. Each is returned once: whoever takes them sees
        to the rest."""
        over: list[Presence] = []
        for presence in self._unattended.values():
            if presence.deadline <= now:
                over.append(presence)
                if len(over) == most:
                    break
        for presence in over:
            presence.deadline = WITHOUT_END
        return over

    # --- indexes ---

    def _keep(self, presence: Presence) -> None:
        self._presences[presence.account] = presence
        self._count(presence, 1)
        self._names[presence.name.lower()] = presence
        self._scenes.setdefault(presence.scene, {})[presence.account] = presence
        if presence.gate:
            self._gates.setdefault(presence.gate, {})[presence.account] = presence
            self._connections[presence.gate, presence.connection] = presence

    def _forget(self, presence: Presence) -> None:
        account = presence.account
        del self._presences[account]
        self._count(presence, -1)
        self._names.pop(presence.name.lower(), None)
        del self._scenes[presence.scene][account]
        self._take_off(presence)
        self._gates.get(presence.gate, {}).pop(account, None)
        self._forget_connection(presence, (presence.gate, presence.connection))
        self._forget_connection(presence, presence.spent_at)
        self._unattended.pop(account, None)

    def _put_on(self, presence: Presence, map_: str, line: int) -> None:
        self._take_off(presence)
        self._count(presence, -1)
        presence.map, presence.line = map_, line
        self._count(presence, 1)
        self._lines.setdefault(map_, {}).setdefault(line, {})[presence.account] = presence

    def _count(self, presence: Presence, number: int) -> None:
        self._taken[presence.scene, presence.map, presence.line] += number

    def _over(self, account: int, session: int) -> None:
        self._ended[account] = session
        self._ended.move_to_end(account)
        if len(self._ended) > ENDED_MAX:
            self._ended.popitem(last=False)

    def _take_off(self, presence: Presence) -> None:
        lines = self._lines.get(presence.map, {})
        there = lines.get(presence.line, {})
        there.pop(presence.account, None)
        if not there:
            lines.pop(presence.line, None)

    def _connect(self, presence: Presence, gate: str, connection: int, now: float) -> None:
        self._gates.get(presence.gate, {}).pop(presence.account, None)
        if (before := (presence.gate, presence.connection)) != presence.spent_at:
            self._forget_connection(presence, before)
        presence.gate, presence.connection, presence.since = gate, connection, now
        if gate:
            self._gates.setdefault(gate, {})[presence.account] = presence
            self._connections[gate, connection] = presence

    def _forget_connection(self, presence: Presence, at: tuple[str, int]) -> None:
        """A gate that is started again counts anew: then it may be another one's."""
        if self._connections.get(at) is presence:
            del self._connections[at]

    def _unattend(self, presence: Presence, stage: Stage, deadline: float) -> None:
        presence.stage, presence.deadline = stage, deadline
        self._unattended[presence.account] = presence


def _was_spent(presence: Presence, nonce: int, now: float) -> bool:
    """Was this nonce used a moment ago?"""
    return nonce == presence.spent and now <= presence.spent_until
