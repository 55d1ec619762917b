"""Which benches there are. A bench's module is loaded when it is run, so that a list costs nothing."""

import importlib

from tools.bench.bench import Bench
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean

BENCHES: dict[str, str] = {
    "square": "How many players one core of servers carries on the town square, and what a frame costs.",
    "zone": "How many players a whole zone carries with the generator on the same cores.",
    "mobile": "The town square on one game server process.",
    "crowd": "One and three thousand players within one radius of sight.",
    "battle": "Five hundred against five hundred, each attacking once a second.",
    "storm": "Five thousand logins at once, while others play.",
    "broadcast": "One public message to five thousand players, while they walk.",
    "overload": "From half to three times the capacity and back: what degrades, what does not, how it recovers.",
    "badday": "Clients that do not read, flood, or connect and vanish: what the others feel.",
    "rpc": "Requests, answers and batches between two nodes.",
    "dc": "Durable and cached writes, reads and starts of the DC.",
    "log": "Behaviour events into segments, and finding them again.",
    "memory": "Memory of the gate for each client, over joins and leaves, with TLS.",
    "scale": "Does a player cost the same among five hundred and five thousand; what does one more node cost.",
}
"""Name -> one line, in the order in which `mesh bench all` runs them. The module is tools.bench.benches.<name>."""

WITHOUT_PLAYERS = frozenset({"rpc", "dc", "log"})
"""Those that are driven by nodes of their own: a number of players means nothing to them."""


def load(name: str) -> Bench:
    """CommandError for a name that is no bench's."""
    if name not in BENCHES:
        raise CommandError(f"there is no bench {name!r}{did_you_mean(name, list(BENCHES))}", Exit.USAGE)
    bench = importlib.import_module(f"tools.bench.benches.{name}").BENCH
    assert isinstance(bench, Bench)
    return bench
