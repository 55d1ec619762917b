"""Which scenarios there are, and how a file of a user becomes one.

A user's file is a Python module with one class derived from `Mind`, or with several and `SCENARIO = TheOne`. It is
loaded in every bot process, and once before the run, so that what is wrong with it is said at once and once.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from mesh.topology import Topology
from tools.bots.guard import Guarded, Report, describe
from tools.bots.mind import Body, Mind
from tools.bots.scenarios.chat import Chat
from tools.bots.scenarios.drain import Drain
from tools.bots.scenarios.fight import Fight
from tools.bots.scenarios.lines import Lines
from tools.bots.scenarios.mixed import choose
from tools.bots.scenarios.portals import Portals
from tools.bots.scenarios.trade import Trade
from tools.bots.scenarios.travel import Travel
from tools.bots.scenarios.walk import Walk
from tools.ctl.exits import CommandError, Exit

MINDS: dict[str, Callable[[Body], Mind]] = {
    "walk": Walk,
    "fight": Fight,
    "trade": Trade,
    "chat": Chat,
    "mixed": choose,
    "portals": Portals,
    "lines": Lines,
    "drain": Drain,
    "travel": Travel,
}

PROBED = (
    "asked",
    "answered",
    "answered twice",
    "out of order",
    "unanswered",
    "not carried out",
    "said",
    "heard",
    "heard twice",
    "heard out of order",
    "unheard",
    "void",
)
EVERYWHERE = ("connection lost", "resumed")
"""Counted of every scenario: see bot.py."""
COUNTS: dict[str, tuple[str, ...]] = {
    "portals": ("crossings", "belongings changed", *PROBED),
    "lines": ("switches", *PROBED),
    "drain": PROBED,
    "travel": ("travels", *PROBED),
}
OPTIONS: dict[str, tuple[str, ...]] = {"lines": ("rate",), "travel": ("every",)}
"""What each scenario of ours counts by itself, and what it may be told with -o."""

MODULE = "zonemesh_scenario"
CHOSEN = "SCENARIO"


def is_file(scenario: str) -> bool:
    """A name, or the path of a file?"""
    return scenario.endswith(".py") or "/" in scenario


def maker(scenario: str, report: Report) -> Callable[[Body], Mind]:
    """What makes the mind of each bot. CommandError when there is no such scenario; `report` hears of the mistakes
    that a user's code makes while it plays."""
    if not is_file(scenario):
        if scenario not in MINDS:
            raise CommandError(f"there is no scenario {scenario!r}; there are {', '.join(MINDS)}", Exit.USAGE)
        return MINDS[scenario]
    file = Path(scenario).resolve()
    kind = load_class(file)
    return lambda body: Guarded(body, kind, file, report)


def load_class(file: Path) -> type[Mind]:
    """The scenario in a file. CommandError with file and line when it cannot be loaded."""
    if not file.is_file():
        raise CommandError(f"there is no file {file}", Exit.USAGE)
    spec = importlib.util.spec_from_file_location(MODULE, file)
    assert spec is not None, "a file that ends in .py"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # dataclasses and msgspec look a class's module up there
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise CommandError(f"{file}:{error.lineno}: {error.msg}", Exit.USAGE) from None
    except Exception as error:  # noqa: BLE001 - somebody else's code: told with its place
        raise CommandError(f"{file}: {describe(error, file).partition(': ')[2]}", Exit.USAGE) from None
    return _chosen(module, file)


def _chosen(module: ModuleType, file: Path) -> type[Mind]:
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Mind) and value.__module__ == MODULE
    ]
    chosen = getattr(module, CHOSEN, None)
    if isinstance(chosen, type) and issubclass(chosen, Mind):
        return chosen
    if chosen is not None:
        raise CommandError(f"{file}: {CHOSEN} must be a class derived from tools.bots.mind.Mind", Exit.USAGE)
    if len(own) == 1:
        return own[0]
    names = ", ".join(kind.__name__ for kind in own)
    if own:
        raise CommandError(f"{file} has several scenarios ({names}): say which with {CHOSEN} = ...", Exit.USAGE)
    raise CommandError(f"{file} has no class derived from tools.bots.mind.Mind", Exit.USAGE)


def unknown_to(scenario: str, settings: Mapping[str, str], counted: str) -> str:
    """Which -o or --until a scenario of ours does not know; "" when it knows all. Nobody knows what a file knows."""
    if is_file(scenario):
        return ""
    known = OPTIONS.get(scenario, ())
    for key in settings:
        if key not in known:
            return f"-o {key}: scenario {scenario} knows {' and '.join(known) if known else 'no options'}"
    counts = (*COUNTS.get(scenario, ()), *EVERYWHERE)
    if counted and counted not in counts:
        return f"--until {counted}: scenario {scenario} counts {', '.join(counts)}"
    return ""


def mistakes_of(scenario: str, settings: Mapping[str, str], topology: Topology) -> str:
    """Why a scenario of ours cannot be played on this cluster, or with these options; "" when it can."""
    maps = topology.settings.get("scene", {}).get("maps", {})
    if scenario == "portals" and not any(one.get("portals") for one in maps.values()):
        return f"scenario portals needs maps with portals, and {topology.file.name} has none: mesh up portals"
    if scenario == "travel" and len(topology.zones) < 2:
        return f"scenario travel needs two zones, and {topology.file.name} has one: mesh up two-zones"
    for name, kind in (("rate", "lines"), ("every", "travel")):
        if scenario == kind and name in settings and not _is_positive(settings[name]):
            return f"-o {name}={settings[name]}: a number above 0 is needed"
    return ""


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
