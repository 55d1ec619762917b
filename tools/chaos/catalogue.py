"""Which scenarios there are. The module of one is loaded when it is run, so that a list costs nothing."""

import importlib

from tools.chaos.scenario import Scenario
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean

SCENARIOS: dict[str, str] = {
    "dc-kill": "Kill the DC again and again under durable writes: nothing lost, nothing doubled.",
    "dc-failpoints": "The DC dies at every named point of its work: before, in and after each step of a commit.",
    "dc-power": "The power is lost while the DC writes: images of what a disk may hold then.",
    "dc-cached-window": "Kill the DC and look how old the oldest cached state is that was lost.",
    "dc-disk-full": "The disk of the DC is full for a while: writes are refused, reads go on, nothing is lost.",
    "dc-map-full": "The database outgrows its map again and again under writes.",
    "dc-corrupt": "Flip bits, zero pages and cut the end of the database: everything wrong is detected, none served.",
    "dc-failover": "The DC that writes is killed, stops, is cut off: its standby takes over, alone, with everything.",
    "scene-kill": "Kill the scene with most players: they stay connected and play on elsewhere.",
    "scene-hang": "Stop the scene with most players, let it go on later: they play on elsewhere, it writes nothing.",
    "scene-restart": "Restart the scene with most players on purpose: they stay where they are, and notice a late tick "
    "at most.",
    "gate-kill": "Kill the gate with most clients: all of them resume at the other one, nothing lost, nothing doubled.",
    "gate-hang": "Stop the gate with most clients: they resume at the other one, nothing lost, nothing doubled.",
    "center-kill": "Kill the center during logins and transfers: play goes on, nobody is there twice.",
    "double-login": "Log an account in twice at the same moment: one owner each time.",
    "log-outage": "Take log nodes of a group away: nobody waits, another one takes over, what is missing was counted.",
    "pubsub-gap": "Nodes lose publications of the center, or come late: in a moment they know what everybody knows.",
    "net-chaos": "Bad weather before and behind gates, and kills: in the end everybody is there once, nothing lost.",
    "clock-jump": "The wall clocks of single processes jump by an hour: nobody is taken for dead, nobody is kept out.",
    "rolling-upgrade": "Restart every process from another installation under load: no durable operation fails, nobody "
    "waits long.",
    "poison": "Say mutilated frames and noise: no process ends, no handler fails, nobody else feels it.",
    "dupes": "Scripted exploits with kills in the same milliseconds: no coin and no item comes out of nothing.",
    "overload": "Twice and four times the load that is carried: what is of use goes on, and afterwards it is as ever.",
    "soak": "Players play for long, and any node is killed now and then: memory and descriptors stay as they are.",
    "simulation": "Seeded courses on virtual time: network, disk and processes fail, no promise does.",
}
"""Name -> one line, in the order in which `mesh chaos all` runs them. The module is tools.chaos.scenarios.<name>."""


def module_of(name: str) -> str:
    return f"tools.chaos.scenarios.{name.replace('-', '_')}"


def load(name: str) -> Scenario:
    """CommandError for a name that is no scenario's."""
    if name not in SCENARIOS:
        raise CommandError(f"there is no scenario {name!r}{did_you_mean(name, list(SCENARIOS))}", Exit.USAGE)
    scenario = importlib.import_module(module_of(name)).SCENARIO
    assert isinstance(scenario, Scenario)
    return scenario
