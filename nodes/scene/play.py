"""What players ask for: decodes a play message and hands it to whoever carries it out.

Owns the table of these handlers: attack and say are here, the rest is in looting.py, trading.py and mailing.py. A
request that is not possible is answered with PlayDenied and play goes on; what takes the DC is carried out beside, and
told when it is on disk. A handler takes (line, session, message, its sequence, the time in the game).
"""

from collections.abc import Callable

from mesh.core.bucket import Bucket
from mesh.errors import Code, RefusedError, RemoteProtocolError
from mesh.handlers import Handlers, on
from mesh.protocol import play
from mesh.protocol.catalogue import number_in, number_of
from mesh.protocol.codec import decoder_for
from mesh.tap import Taps
from nodes.scene.ledger import Ask, Ledger
from nodes.scene.line import Line
from nodes.scene.lines import Lines
from nodes.scene.looting import Looting
from nodes.scene.mailing import Mailing, Tell
from nodes.scene.muting import Muting
from nodes.scene.outbound import Outbound
from nodes.scene.parties import Parties
from nodes.scene.sessions import Session, Sessions
from nodes.scene.settings import SceneSettings
from nodes.scene.shared import Record
from nodes.scene.trading import Trading

TEXT_MAX = 200  # of what a client is told about its bad message

Expel = Callable[[Session], None]  # have its connection ended


class Play:
    """Parts of the scene that play messages work on."""

    def __init__(
        self,
        lines: Lines,
        sessions: Sessions,
        parties: Parties,
        out: Outbound,
        ledger: Ledger,
        record: Record,
        now: Callable[[], float],
        game: Callable[[], float],
        settings: SceneSettings,
        expel: Expel,
        ask: Ask,
        tell: Tell,
        taps: Taps,
        wall: Callable[[], float],
    ) -> None:
        self._lines, self._out, self._settings, self._expel = lines, out, settings, expel
        self._now, self._game, self._taps = now, game, taps
        self.looting = Looting(lines, sessions, parties, out, ledger, record, now, settings.inventory_max, self.deny)
        self.trading = Trading(lines, sessions, out, ledger, record, now, settings.inventory_max)
        self.mailing = Mailing(out, ledger, ask, tell, record, now, settings.inventory_max, self.deny)
        self.muting = Muting(sessions, wall)
        self.denied = 0
        self.heard = 0
        self._decode = decoder_for("scene", "client")
        self._handlers = Handlers()
        for part in (self, self.looting, self.trading, self.mailing):
            self._handlers.collect(part)
        self._numbers = {number_of(known) for known in self._handlers.messages}

    def hear(self, session: Session, sequence: int, body: bytes) -> None:
        """One encoded message."""
        now = self._game()
        self.heard += 1
        try:
            if number_in(body) not in self._numbers:
                self.bad(session, sequence, Code.UNKNOWN_MESSAGE, "no such message for a scene")
                return
            said = self._decode(body)
            if self._taps.open:
                self._taps.offer(said, "client", "client", session.name, len(body))
            if session.mute.until_s:
                self.muting.check(session, said)
            self._handlers.messages[type(said)](self._lines.of(session), session, said, sequence, now)
        except RemoteProtocolError as error:
            self.bad(session, sequence, Code.BAD_MESSAGE, str(error)[:TEXT_MAX])
        except RefusedError as error:
            self.deny(session, sequence, error.code, error.text)

    def deny(self, session: Session, sequence: int, code: str, text: str) -> None:
        self.denied += 1
        self._out.event(session, play.PlayDenied(sequence, str(code), text), self._now())

    def bad(self, session: Session, sequence: int, code: Code, text: str) -> None:
        """No right client says this. Who goes on has no connection any more; its character stays until the center
        lets it go."""
        self.deny(session, sequence, code, text)
        now, told = self._now(), self._settings
        if session.offences is None:
            session.offences = Bucket(told.bad_messages_per_s, told.bad_messages_burst, now)
        if not session.offences.take(now) and session.gate:
            self._expel(session)

    @on(play.Attack)
    def on_attack(self, line: Line, session: Session, said: play.Attack, _sequence: int, now: float) -> None:
        line.fights.attack(session, said.target, now)

    @on(play.Say)
    def on_say(self, line: Line, session: Session, said: play.Say, _sequence: int, _now: float) -> None:
        line.talk.say(session, said.text, self._now())

    @on(play.Emote)
    def on_emote(self, line: Line, session: Session, said: play.Emote, _sequence: int, _now: float) -> None:
        line.talk.emote(session, said.kind, self._now())
