"""What players want of lines: to see them, and to be on another one.

A part of what clients say to the center (`social.py`): handlers take (message, who) and raise what they refuse. The
answer to SwitchLine is the transfer itself: TransferBegun from the gate, Entered from the new place.
"""

from msgspec.structs import replace

from mesh.errors import Code, RefusedError
from mesh.node import Node, on
from mesh.protocol.social import Line, Lines, ListLines, SwitchLine
from nodes.center.courier import Courier
from nodes.center.directory import Presence
from nodes.center.finish import finish
from nodes.center.lines import Line as MapLine
from nodes.center.lines import Lines as MapLines
from nodes.center.settings import CenterSettings
from nodes.center.tabs import Tabs
from nodes.center.transfers import Goal, Transfers

FRIENDS_MAX = 255  # more are not counted
LISTED_S = 1.0  # so old may be what is told of the lines of a map, but for the own line and the company there


class LineWishes:
    """See the module."""

    def __init__(self, node: Node, told: CenterSettings, courier: Courier, transfers: Transfers, tabs: Tabs) -> None:
        self._node, self._told, self._courier, self._transfers = node, told, courier, transfers
        self._tabs = tabs
        self._listed: dict[str, tuple[float, dict[int, Line]]] = {}  # by map: when, and the lines for everybody

    @on(ListLines)
    def on_list_lines(self, _said: ListLines, who: Presence) -> None:
        """The lines of the player's map on which one can be now, and its own."""
        lines = self._transfers.keeper.lines
        company = self._transfers.companions.of(who.account, who.friends)
        shown = dict(self._lines_of(who.map))
        own = lines.find(who.map, who.line, who.scene)
        if own is not None:
            shown[own.number] = _row(lines, own)
        for (map_, number), there in (company.party + company.friends).items():
            if map_ == who.map and number in shown:
                shown[number] = replace(shown[number], friends=min(there, FRIENDS_MAX))
        self._courier.say(Lines([line for _, line in sorted(shown.items())]), [who])

    def _lines_of(self, map_: str) -> dict[int, Line]:
        """The lines on which one can be, the same for everybody."""
        now = self._node.clock.now()
        at, listed = self._listed.get(map_, (-LISTED_S, {}))
        if not listed or now - at >= LISTED_S:
            keeper = self._transfers.keeper
            listed = {line.number: _row(keeper.lines, line) for line in keeper.lines.open_ones(map_, keeper.scenes())}
            self._listed[map_] = (now, listed)
        return listed

    @on(SwitchLine)
    async def on_switch_line(self, said: SwitchLine, who: Presence) -> None:
        """To another line of the same map. One wish at a time: a second one comes too soon."""
        if not said.number:
            raise RefusedError(Code.NOT_FOUND, "there is no such line")
        now, switch_s = self._node.clock.now(), self._told.switch_s
        if not self._tabs.of(who.account, now).once("switch", switch_s, now):
            raise RefusedError(Code.TOO_MANY, f"once in {switch_s:g} s")
        await finish(self._node, self._transfers.transfer(who, "line", Goal(who.map, number=said.number)))


def _row(lines: MapLines, line: MapLine) -> Line:
    """As players see it, without their friends."""
    return Line(line.map, line.number, lines.players(line), lines.state(line), 0)
