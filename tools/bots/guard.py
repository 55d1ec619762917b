"""What keeps a scenario of a user from ending the run: its mistakes are caught, counted, and told with file and line.

A mistake of the scenario says nothing about the servers, so a run with any of them is INVALID; but it goes on, since
the hundredth bot may be the only one that makes it.
"""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesh.protocol.catalogue import Message
from tools.bots.mind import Body, Mind
from tools.bots.result import MISTAKE, OWN_MISTAKE

Report = Callable[[str, str], None]
"""Called with one line for the counting and the whole traceback for the reader."""


class Guarded(Mind):
    """A mind around another one."""

    def __init__(self, body: Body, make: Callable[[Body], Mind], file: Path, report: Report) -> None:
        super().__init__(body)
        self._file, self._report = file, report
        self._mind: Mind = Mind(body)
        self._mind = self._try(make, body) or self._mind  # who cannot be made only walks
        self.hears_updates, self.hears_always = self._mind.hears_updates, self._mind.hears_always

    def begin(self, now: float) -> None:
        self._try(self._mind.begin, now)

    def think(self, now: float) -> None:
        self._try(self._mind.think, now)

    def hear(self, said: Message, now: float) -> None:
        self._try(self._mind.hear, said, now)

    def reached(self, now: float) -> None:
        self._try(self._mind.reached, now)

    def updated(self, now: float) -> None:
        self._try(self._mind.updated, now)

    def finish(self, now: float) -> None:
        self._try(self._mind.finish, now)

    def _try(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:  # noqa: BLE001 - somebody else's code: whatever it does, the run goes on
            self._report(describe(error, self._file), "".join(traceback.format_exception(error)))
            return None


def describe(error: BaseException, file: Path) -> str:
    """One line: the deepest line of the user's own file, and what went wrong there."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == file]
    where = f"{file.name}:{own[-1].lineno}" if own else file.name
    words = str(error) or type(error).__name__
    return f"{MISTAKE}{where}: {type(error).__name__}: {words}"[:200]


def describe_own(error: BaseException) -> tuple[str, str]:
    """The same for a mistake of the bots themselves: one line with the deepest place, and the traceback."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f"{Path(last[0].filename).name}:{last[0].lineno}: " if last else ""
    words = f"{type(error).__name__}: {error}".removesuffix(": ")
    return f"{OWN_MISTAKE}{where}{words}"[:200], "".join(traceback.format_exception(error))
