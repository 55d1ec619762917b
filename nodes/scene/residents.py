"""Who comes to this scene and who carries its frames: Enter, TakeBack, Attach, Detach, ListHosted.

Owns the way in. A character is in the world from Enter to Release or Depart (departures.py); in between gates come
(Attach) and go (Detach). One that comes from another line brings `carried`, and goes on with its numbers: those of the
DC's operations above all, which must never be made from a clock once a session has some. One that comes back finds its
keepsake, which is used up by that. One whose scene was lost brings nothing but what the DC knows (`operation`): its
client is told so until it says something, and both count anew.
"""

from collections.abc import Callable

import msgspec

from mesh.clock import Clock
from mesh.errors import Code, RefusedError
from mesh.failpoints import Failpoints
from mesh.node import Caller, on
from mesh.protocol.cluster import Attach, Attached, Detach, Enter, Hosted, HostedAt, HostedList, ListHosted
from mesh.protocol.placement import TakeBack
from mesh.protocol.sessions import Status, account_of
from nodes.scene.keepsakes import Keepsake, Keepsakes
from nodes.scene.line import Line
from nodes.scene.lines import Lines
from nodes.scene.parties import Parties
from nodes.scene.sessions import Session, Sessions
from nodes.scene.settings import SceneSettings
from nodes.scene.trading import Trading


class Residents:
    """`arrived` is called when somebody may have to be shown the world."""

    def __init__(
        self,
        settings: SceneSettings,
        lines: Lines,
        sessions: Sessions,
        keepsakes: Keepsakes,
        parties: Parties,
        trading: Trading,
        clock: Clock,
        game: Callable[[], float],
        arrived: Callable[[], None],
        failpoints: Failpoints,
    ) -> None:
        self._failpoints = failpoints
        self.settings, self.lines, self.sessions, self.keepsakes = settings, lines, sessions, keepsakes
        self.parties, self.trading, self.clock, self._game, self._arrived = parties, trading, clock, game, arrived
        self.closed = False  # the scene is being emptied: only who was here a moment ago may come back
        self.stopping = False  # not even they
        self.incomplete = 0  # resumes after which something that had to be kept was gone

    @on(Enter)
    def on_enter(self, said: Enter, _caller: Caller) -> Hosted:
        session = self.sessions.find(said.session)
        if session is None:
            session = self._enter(said, self.keepsakes.find(said.session))
            self._failpoints.hit("scene.entering")
        elif session.leaving:
            raise RefusedError(Code.UNAVAILABLE, "this session is being taken out of the world")
        session.recalls += 1
        return self._hosted(session)

    @on(TakeBack)
    def on_take_back(self, said: TakeBack, _caller: Caller) -> Hosted:
        session, keepsake = self.sessions.find(said.session), self.keepsakes.find(said.session)
        if session is None and keepsake is None:
            raise RefusedError(Code.NOT_FOUND, "this session did not depart from here")
        if session is None and keepsake is not None:
            status, number = keepsake.departed.status, keepsake.line
            if not any(line.name == status.map for line in self.lines):
                self.lines.open(status.map, number)
            elif self.lines.find(status.map, number) is None:
                number = 0
            session = self._enter(Enter(said.session, status, number, party=keepsake.party), keepsake)
        assert session is not None, "it was here, or it is now"
        session.recalls += 1
        return self._hosted(session)

    @on(Attach)
    def on_attach(self, said: Attach, caller: Caller) -> Attached:
        session = self.sessions.find(said.session)
        if session is None or session.leaving:
            raise RefusedError(Code.NOT_FOUND, "this session is not here")
        known = said.received or not session.transferred  # after a transfer the gate does not know what its client has
        if said.resumed and known and said.received < session.forgotten:
            self.incomplete += 1
        if session.anew:  # what its client has received is of the scene that was lost
            said = msgspec.structs.replace(said, received=0, resumed=False)
        session.acknowledge(min(said.received, session.sent))
        if 0 < said.nonce < session.nonce:  # a gate that stood still, and whose client came back through another one
            raise RefusedError(Code.STALE_EPOCH, "this session has a newer connection")
        session.nonce = max(session.nonce, said.nonce)
        session.attach(caller.peer, said.connection, said.received, said.resumed)
        self.lines.of(session).attach(session)
        self._arrived()
        return Attached(session.handle)

    @on(Detach)
    def on_detach(self, said: Detach, caller: Caller) -> None:
        session = self.sessions.find(said.session)
        if session is not None and (session.gate, session.connection) == (caller.peer, said.connection):
            self.lines.of(session).detach(session)

    @on(ListHosted)
    def on_list_hosted(self, _said: ListHosted, _caller: Caller) -> HostedList:
        """Whom this names is here from now on: a departure under way, of which the center asks for no end when its link
        broke, would contradict that."""
        for session in self.sessions:
            session.recalls += 1
        here = [self.lines.of(session).hosted(session) for session in self.sessions]
        openable = [] if self.closed else self.lines.openable
        return HostedList(
            here + [_departed(one) for one in self.keepsakes],
            [line.at() for line in self.lines],
            openable,
            self.lines.lines_max,
        )

    def gate_lost(self, gate: str) -> None:
        """Its players stay, and nobody sees through their eyes until they attach again."""
        for session in self.sessions:
            if session.gate == gate:
                self.lines.of(session).detach(session)

    def end(self, session: Session) -> None:
        """Take a session out of the world, saved or not."""
        self.trading.gone(session)
        self.parties.went(session)
        self.sessions.remove(session)
        self.lines.of(session).leave(session)

    def _hosted(self, session: Session) -> Hosted:
        line = self.lines.of(session)
        return Hosted(line.name, line.number)

    def _enter(self, said: Enter, keepsake: Keepsake | None) -> Session:
        account = account_of(said.session)
        if said.status.account != account:
            raise RefusedError(Code.BAD_MESSAGE, "the session is not of this character")
        if self.stopping or (self.closed and keepsake is None):
            raise RefusedError(Code.SHUTDOWN, "this scene takes nobody any more")
        older = self._older(said.session)
        is_home = said.carried is None and said.operation is None  # nobody else has what it went with
        if keepsake is not None and is_home:
            departed = keepsake.departed
            said = msgspec.structs.replace(said, status=departed.status, carried=departed.carried)
        line = self._line_for(said, older, keepsake)
        status = said.status
        if older is not None:
            status = self._taken_over(older, status)
            self.end(older)
        self.keepsakes.drop(account)
        # A session that goes on must not use a number twice; what it has used is known to it, or to the DC.
        operation = 0 if said.carried else said.operation or int(self.clock.wall() * 1000)
        spot = said.spot if line.name == _map_of(said) else None
        session = line.enter(said.session, status, self._game(), operation, spot, said.carried)
        session.nonce = max(session.nonce, said.nonce)
        if older is not None:
            session.take_over(older)
        if said.operation is not None and said.carried is None:
            session.anew = True
        session.party = said.party if said.party is not None and said.party.party else None
        self.sessions.add(session)
        self.parties.came(session)
        self._arrived()
        return session

    def _older(self, session: int) -> Session | None:
        """The account's older session, if it is in the world here. Refused when there is a newer one."""
        account = account_of(session)
        older, keepsake = self.sessions.of_account(account), self.keepsakes.of_account(account)
        if (older is not None and older.number > session) or (keepsake is not None and keepsake.session > session):
            raise RefusedError(Code.STALE_EPOCH, "a newer session of this account is here")
        return older

    def _line_for(self, said: Enter, older: Session | None, keepsake: Keepsake | None) -> Line:
        """Where the older session is, if that may be meant: it makes room there. Else the line with the fewest
        players of those that may be meant."""
        if older is not None:
            line = self.lines.of(older)
            if said.line in (0, line.number) and not line.world.full:
                return line
        name = _map_of(said)
        if name not in self.settings.maps:
            name = next((line.name for line in self.lines), "")
        meant = [line for line in self.lines if line.name == name and said.line in (0, line.number)]
        if not meant:
            raise RefusedError(Code.NOT_FOUND, f"this scene has no such line of {name or 'any map'}")
        free = [line for line in meant if not line.full or (_left(keepsake, line) and not line.world.full)]
        if not free:
            raise RefusedError(Code.ZONE_FULL, f"all lines of {name} are full here")
        return min(free, key=lambda line: len(line.players))

    def _taken_over(self, older: Session, status: Status) -> Status:
        """What the older session did here since the last save is kept; gold, items and level are the DC's."""
        live = self.lines.of(older).status_of(older)
        return msgspec.structs.replace(
            status, map=live.map, x=live.x, y=live.y, heading=live.heading, hp=live.hp, xp=max(live.xp, status.xp)
        )


def _map_of(said: Enter) -> str:
    return said.map or said.status.map


def _left(keepsake: Keepsake | None, line: Line) -> bool:
    """Whether the session comes from there: somebody may have taken its place, but not its way back."""
    return keepsake is not None and (keepsake.departed.status.map, keepsake.line) == (line.name, line.number)


def _departed(keepsake: Keepsake) -> HostedAt:
    status, nonce = keepsake.departed.status, keepsake.departed.carried.nonce
    return HostedAt(keepsake.session, status, status.map, keepsake.line, True, keepsake.party, False, nonce)
