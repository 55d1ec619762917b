"""What recorded players can attest after a run: who came back when, as whom and where, and whether what they were told
is true. Pure: values in, problems and numbers out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mesh.checking.answers import answers
from mesh.checking.belongings import belongings
from mesh.checking.doubled import doubled
from mesh.checking.epochs import fencing
from mesh.checking.gold import gold
from mesh.checking.owners import owners
from mesh.checking.records import Operation, Problem
from mesh.checking.verdicts import count_of
from tools.chaos.books import Books
from tools.chaos.judging import times_of
from tools.chaos.players import Hero, Stand
from tools.chaos.recorded import Arrival
from tools.chaos.scenario import Found

Window = tuple[float, float]
"""From when to when somebody was away."""

SAME_M = 0.1  # a place is the same when it is no further away than coordinates are rounded


@dataclass
class Return:
    """How one hero came through one fault."""

    hero: str
    after_ms: float | None  # until it was in the world again; None: it never was
    resumed: bool = False  # in the same session, nothing forgotten
    same_session: bool = False
    disconnected: bool = False
    age_ms: float | None = None  # how old the place is that it found itself at; None: it was never there
    why: str = ""  # its session could not be resumed


@dataclass
class Toll:
    """What all faults of a run cost the players."""

    returns: list[Return] = field(default_factory=list)

    @property
    def recovery_ms(self) -> list[float]:
        return [one.after_ms for one in self.returns if one.after_ms is not None]

    @property
    def misplaced(self) -> int:
        """Who came back to a place at which it had not been, or not for long."""
        return sum(one.after_ms is not None and one.age_ms is None for one in self.returns)

    @property
    def ages_ms(self) -> list[float]:
        return [one.age_ms for one in self.returns if one.age_ms is not None]

    def share(self, what: str) -> float | None:
        """Of the returns, in per cent: those with this attribute."""
        if not self.returns:
            return None
        return 100 * sum(bool(getattr(one, what)) for one in self.returns) / len(self.returns)

    @property
    def never_back(self) -> int:
        return sum(one.after_ms is None for one in self.returns)


def return_of(hero: Hero, fault_at: float, session: int) -> Return:
    """Of a hero that the fault concerned, and that was in this session."""
    player = hero.player
    lost = any(loss.at >= fault_at for loss in player.losses)
    arrival = next((one for one in player.arrivals if one.at >= fault_at), None)
    if arrival is None:
        return Return(hero.name, None, disconnected=lost)
    return Return(
        hero.name,
        (arrival.at - fault_at) * 1000,
        arrival.resumed,
        arrival.session == session,
        lost,
        place_age_ms(hero.trail, fault_at, arrival),
        hero.turned_away,
    )


def place_age_ms(trail: Sequence[Stand], fault_at: float, arrival: Arrival) -> float | None:
    """How long before the fault the hero had left the place at which it arrived; 0 when that was its last one. None
    when it remembers no such place: it is older than the trail, or somewhere else altogether."""
    before = [stand for stand in trail if stand.at < fault_at]
    left_at = fault_at
    for stand in reversed(before):
        if abs(stand.x_m - arrival.x_m) <= SAME_M and abs(stand.y_m - arrival.y_m) <= SAME_M:
            return (fault_at - left_at) * 1000
        left_at = stand.at
    return None


def attest(
    operations: Sequence[Operation],
    owed: Iterable[Operation],
    twice: int,
    books: Books,
    faults: int,
    problems: Iterable[Problem] = (),
) -> Found:
    """Everything that the players and the books say together."""
    applied = books.state.applied
    found = [
        *problems,
        *answers(owed, twice),
        *belongings(operations, books.state.ledger),
        *doubled(applied),
        *gold(books.state),
        *owners(books.state),
        *fencing(books.state.ledger),
        *books.problems,
    ]
    ended = [one.ended for one in operations]
    return Found(
        faults=faults,
        acked=ended.count("ok"),
        applied=len(applied),
        refused=ended.count("refused"),
        unknown=ended.count("unknown"),
        lost=count_of(found, "answers") + count_of(found, "belongings"),
        doubled=count_of(found, "doubled") + twice,
        problems=found,
    )


def ratio(operations: Iterable[Operation], away: Sequence[Window]) -> float | None:
    """p99 of the answers of scenes while somebody was away, against that of the rest of the time; None without any."""
    inside, outside = list[float](), list[float]()
    for one in operations:
        if one.kind == "ask" and one.ended == "ok":
            is_inside = any(at <= one.called <= end for at, end in away)
            (inside if is_inside else outside).append((one.returned - one.called) * 1000)
    during, else_ = times_of(inside).p99, times_of(outside).p99
    return None if during is None or not else_ else during / else_
