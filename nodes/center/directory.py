"""Who is in the zone, where, and since when: at most one presence per account.

Pure: a state machine that is told what happened and when. The stages of a presence:

    entering   a scene was asked to build the character; counts as placed there
    online     in the world with a connection (or one that is being made)
    linkdead   in the world without one; `deadline` says until when
    leaving    the scene was asked to save it and take it out of the world

    entering -> online -> linkdead -> online ... -> leaving -> gone

A connection is named by its gate and number: what is said about an older connection of the session changes nothing, so
that a late "dropped" never ends a session that was just resumed.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mesh.core.bucket import Bucket
from mesh.errors import Code, RefusedError
from mesh.protocol.cluster import Friendship, account_of

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
    nonce: int | None = None  # what the next resume must name; None: any, for what an earlier center handed out
    deadline: float = WITHOUT_END  # when something must be done about a linkdead or leaving one
    shouts: Bucket | None = None  # made with the first one: most never shout
    asking: int = 0  # social requests under way

    @property
    def account(self) -> int:
        return account_of(self.session)


class Directory:
    """Presences by account, by scene and by gate."""

    def __init__(self) -> None:
        self._presences: dict[int, Presence] = {}  # by account
        self._scenes: dict[str, dict[int, Presence]] = {}
        self._gates: dict[str, dict[int, Presence]] = {}
        self._unattended: dict[int, Presence] = {}  # linkdead and leaving ones
        self._ended: OrderedDict[int, int] = OrderedDict()  # account -> the newest session that has ended

    def __len__(self) -> int:
        return len(self._presences)

    # --- looking ---

    def of_account(self, account: int) -> Presence | None:
        return self._presences.get(account)

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
        return len(self._scenes.get(scene, ()))

    def at_gate(self, gate: str) -> list[Presence]:
        return list(self._gates.get(gate, {}).values())

    def scenes(self) -> list[str]:
        """Scenes that have somebody."""
        return [name for name, presences in self._scenes.items() if presences]

    def count(self) -> dict[str, int]:
        """Presences by stage."""
        unattended = [p.stage for p in self._unattended.values()]
        counts: dict[str, int] = {"linkdead": unattended.count("linkdead"), "leaving": unattended.count("leaving")}
        return counts | {"online": len(self._presences) - len(unattended)}

    # --- what happens ---

    def enter(
        self, session: int, name: str, friends: Iterable[Friendship], scene: str, gate: str, connection: int, now: float
    ) -> Presence:
        """A scene is about to be asked. Takes the place of what the account had."""
        assert not self.is_over(session), "an older session never takes the place of a newer one"
        old = self._presences.get(account_of(session))
        if old is not None:
            self._forget(old)
        presence = Presence(session, name, list(friends), scene, gate, connection, "entering", now)
        if old is not None:
            presence.shouts = old.shouts
        self._keep(presence)
        return presence

    def hosted(self, presence: Presence, map_: str, line: int, nonce: int, now: float, linkdead_s: float) -> None:
        """The scene has it. It is online unless its gate was lost in the meantime."""
        presence.map, presence.line, presence.nonce, presence.since = map_, line, nonce, now
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
        if found.nonce is not None and found.nonce != nonce:
            raise RefusedError(Code.RESUME_GONE, "the resume token was used")
        before = (found.gate, found.connection)
        found.nonce = fresh_nonce
        self.connect(found, gate, connection, now)
        return found, *before

    def connect(self, presence: Presence, gate: str, connection: int, now: float) -> None:
        """It has this connection from now on."""
        self._connect(presence, gate, connection, now)
        presence.stage, presence.deadline = "online", WITHOUT_END
        self._unattended.pop(presence.account, None)

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
        self._ended[presence.account] = presence.session
        self._ended.move_to_end(presence.account)
        if len(self._ended) > ENDED_MAX:
            self._ended.popitem(last=False)
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
        presence = self.enter(session, name, friends, scene, "", 0, now)
        presence.map, presence.line = map_, line
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
        self._scenes.setdefault(presence.scene, {})[presence.account] = presence
        if presence.gate:
            self._gates.setdefault(presence.gate, {})[presence.account] = presence

    def _forget(self, presence: Presence) -> None:
        account = presence.account
        del self._presences[account]
        del self._scenes[presence.scene][account]
        self._gates.get(presence.gate, {}).pop(account, None)
        self._unattended.pop(account, None)

    def _connect(self, presence: Presence, gate: str, connection: int, now: float) -> None:
        self._gates.get(presence.gate, {}).pop(presence.account, None)
        presence.gate, presence.connection, presence.since = gate, connection, now
        if gate:
            self._gates.setdefault(gate, {})[presence.account] = presence

    def _unattend(self, presence: Presence, stage: Stage, deadline: float) -> None:
        presence.stage, presence.deadline = stage, deadline
        self._unattended[presence.account] = presence
