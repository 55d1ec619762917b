"""Everything that the console works with, made in one place (`console.py`) and handed to whoever answers."""

from dataclasses import dataclass

from mesh.clock import Clock
from mesh.seat import Logger
from nodes.ops.console.audit import Audit
from nodes.ops.console.guesses import Guesses
from nodes.ops.console.live import Live
from nodes.ops.console.operators import Operators
from nodes.ops.console.sessions import Sessions
from nodes.ops.console.settings import ConsoleSettings
from nodes.ops.console.shared import Shared
from nodes.ops.console.sources import Sources


@dataclass(frozen=True, slots=True)
class Desk:
    """See the module."""

    settings: ConsoleSettings
    clock: Clock
    log: Logger
    sources: Sources
    operators: Operators
    sessions: Sessions
    guesses: Guesses
    audit: Audit
    shared: Shared
    live: Live
