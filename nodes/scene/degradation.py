"""What this scene leaves out under pressure, and its clients' gates: the levels, what follows, and who is told.

Owns the level of the scene and those of the gates. What is left out is left out elsewhere, by what the lines are told
here (`Line.degrade`, `degrade_gate`); the clock of the game and the beat of the ticks slow down here, together. Clients
are told their quality when it changes, and after `Entered` when it is not full.

A gate cannot slow down the world that it shows, and what else it can leave out may not be enough: whatever happens is
then told late. So the world goes as slowly as the gates of most of its players need it. One gate of several does not
slow it down for the players of the others.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from mesh.protocol.catalogue import encode
from mesh.protocol.play import Quality
from mesh.topology.policy import Level
from nodes.scene.gameclock import GameClock
from nodes.scene.line import Line
from nodes.scene.lines import Lines
from nodes.scene.outbound import Outbound, view_piece
from nodes.scene.sessions import Session, Sessions
from nodes.scene.ticker import Ticker


class Degradation:
    """`lines` is set by the node once it has them: it makes lines that are told the levels at once (`opened`)."""

    lines: Lines

    def __init__(
        self, policy: Sequence[Level], game: GameClock, ticker: Ticker, sessions: Sessions, out: Outbound
    ) -> None:
        self.level = 0
        self.gates: dict[str, int] = {}  # those above 0
        self._policy, self._game, self._ticker, self._sessions, self._out = policy, game, ticker, sessions, out
        self._told: dict[str, tuple[int, float]] = {}  # by gate, what its clients know: level and dilation

    def scene_at(self, level: int) -> None:
        """The scene is at this level from now on."""
        self.level = level
        self._degrade()

    def gate_at(self, gate: str, level: int) -> None:
        """This gate is."""
        if level:
            self.gates[gate] = level
        else:
            self.gates.pop(gate, None)
        for line in self.lines:
            line.degrade_gate(self._out.index(gate), self._policy[level])
        if self._dilation() != self._game.rate:
            self._degrade()
        else:
            self._tell({gate})

    def _degrade(self) -> None:
        """The scene is at its level, and as slow as it has to be; those for whom that is news are told."""
        dilation = self._dilation()
        self._game.go(dilation)
        self._ticker.stretch(dilation)
        for line in self.lines:
            line.degrade(self._own)
        self._tell({session.gate for session in self._sessions})

    def _dilation(self) -> float:
        """Game seconds in a second: by the scene's own level, or by that which the gates of most of its players have
        reached."""
        players = Counter(self.gates.get(session.gate, 0) for session in self._sessions if session.attached)
        most, above = 0, 0
        for level in sorted(players, reverse=True):
            above += players[level]
            if 2 * above > players.total():
                most = level
                break
        return min(self._policy[self.level].dilation, self._policy[most].dilation)

    @property
    def _own(self) -> Level:
        """What the scene leaves out, with the pace that it has."""
        return replace(self._policy[self.level], dilation=self._game.rate)

    def pace(self, gate: str, behind: bool) -> None:
        """This gate has more movement than it can send: none for its clients, until it has sent that."""
        for line in self.lines:
            line.hold_gate(self._out.index(gate), behind)

    def opened(self, line: Line) -> Line:
        """A new line begins at the levels that are."""
        line.degrade(self._own)
        for gate, level in self.gates.items():
            line.degrade_gate(self._out.index(gate), self._policy[level])
        return line

    def entered(self, session: Session) -> None:
        """`Entered` is on its way to its client, which believes that quality is full."""
        if self._level(session.gate):
            self._told[session.gate] = self._now(session.gate)
            self._out.control(session.gate, session.handle, self._piece(session.gate, self.lines.of(session)))

    def quality(self, gate: str, line: Line) -> Quality:
        """For the clients of this gate on this line."""
        number, dilation = self._level(gate), self._game.rate
        level = self._policy[number]
        ticks_hz = self._ticker.base_hz * dilation
        updates_hz = round(ticks_hz / level.every, 3)
        moves_hz = min(updates_hz, round(ticks_hz * level.moves, 3))
        view_max = max(1, round(line.map.view_max * level.view))
        return Quality(number, level.name, dilation, moves_hz, updates_hz, view_max)

    def _level(self, gate: str) -> int:
        return max(self.level, self.gates.get(gate, 0))

    def _now(self, gate: str) -> tuple[int, float]:
        return self._level(gate), self._game.rate

    def _tell(self, gates: Iterable[str]) -> None:
        """Those for whom it is news."""
        now = {gate: self._now(gate) for gate in gates}
        news = {gate for gate, told in now.items() if told != self._told.get(gate, (0, 1.0))}
        self._told |= now
        pieces: dict[tuple[str, int], bytes] = {}
        for session in self._sessions if news else ():
            if session.attached and session.gate in news:
                key = session.gate, session.line
                if key not in pieces:
                    pieces[key] = self._piece(session.gate, self.lines.of(session))
                self._out.control(session.gate, session.handle, pieces[key])

    def _piece(self, gate: str, line: Line) -> bytes:
        return view_piece(encode(self.quality(gate, line)))
