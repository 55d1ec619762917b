"""How a run looks while it goes on: one line that is redrawn on a terminal, plain lines everywhere else."""

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tools.bots.increments import Total, Totals
from tools.bots.result import LOGIN, MOVE, number_of_errors
from tools.bots.statistics import Series
from tools.bots.watcher import Watcher

PLAIN_EVERY = 5
"""Seconds between two lines without a terminal."""


class Lines(Watcher):
    """Plain lines, on stderr."""

    def __init__(self, console: Console, users: int) -> None:
        self.console, self.users = console, users
        self._seconds = 0

    def progress(self, elapsed_s: float, totals: Totals, interval: Total) -> None:
        if self._seconds % PLAIN_EVERY == 0:
            self.console.print(sentence(elapsed_s, self.users, totals, interval), highlight=False, soft_wrap=True)
        self._seconds += 1

    def note(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


class Redrawn(Watcher):
    """One line, for a terminal. Close it before printing a report."""

    def __init__(self, console: Console, users: int) -> None:
        self.users = users
        self._live = Live(Text("starting the bots"), console=console, refresh_per_second=4, transient=True)
        self._live.start()

    def progress(self, elapsed_s: float, totals: Totals, interval: Total) -> None:
        self._live.update(Text(sentence(elapsed_s, self.users, totals, interval)))

    def note(self, text: str) -> None:
        self._live.console.print(text, highlight=False)

    def close(self) -> None:
        self._live.stop()


def sentence(elapsed_s: float, users: int, totals: Totals, interval: Total) -> str:
    """The state of a run in one line; 0 users: nobody knows how many there will be."""
    seconds = interval.window_s or 1.0
    login, move = interval.series.get(LOGIN, Series()), interval.series.get(MOVE, Series())
    errors = sum(totals.whole.errors.values())
    parts = [
        f"{elapsed_s:5.0f} s",
        f"{totals.whole.players_now}{f' of {users}' if users else ''} players",
        f"{interval.moves / seconds:,.0f} moves/s",
        f"{interval.updates / seconds:,.0f} updates/s",
        f"move p99 {move.raw.percentile_ms(99.0):.0f} ms" if move.raw.count else "move p99 -",
    ]
    if login.count:
        parts.append(f"login p99 {login.raw.percentile_ms(99.0):.0f} ms")
    if errors:
        parts.append(number_of_errors(errors))
    return "  ".join(parts)
