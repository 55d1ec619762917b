"""Looks into the nodes and the store of a zone when it is quiet, and puts what it finds into words for the checkers."""

from collections.abc import Sequence

from mesh.checking.presence import Place, Sight
from mesh.checking.records import Coins, Entry, State, Thing
from mesh.node import Node
from nodes.center.node import CenterNode
from nodes.dc.node import DcNode
from nodes.dc.records import INVENTORIES, ITEMS, LEDGER, PURSES, LedgerRow
from nodes.dc.store import Store
from nodes.gate.node import GateNode
from nodes.scene.node import SceneNode
from nodes.simulation.zone import SimulatedZone


def sight_of(zone: SimulatedZone) -> Sight:
    """Who is where, by everybody who should know."""
    center = zone.nodes["center.1"]
    assert isinstance(center, CenterNode)
    nodes = zone.nodes.values()
    scenes = {node.name: [one.number for one in node.sessions] for node in nodes if isinstance(node, SceneNode)}
    gates = {node.name: list(node.clients.by_session) for node in nodes if isinstance(node, GateNode)}
    return Sight({one.session: Place(one.scene, one.gate) for one in center.directory.all()}, scenes, gates)


def membership(zone: SimulatedZone) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The center's list of members, and the copy of each node; incarnations by name."""
    center = zone.nodes["center.1"]
    assert isinstance(center, CenterNode)
    truth = {name: member.incarnation for name, member in center.roster.members.items()}
    copies = {node.name: _known(node) for node in zone.nodes.values()}
    return truth, copies


def _known(node: Node) -> dict[str, int]:
    return {name: member.incarnation for name, member in node.registry.membership.members.items()}


def waiting(zone: SimulatedZone) -> dict[str, int]:
    """What has not ended, by its name; periodic requests may be among it at any one moment."""
    found = {f"requests of {short}": node.switchboard.asking.waiting for short, node in zone.nodes.items()}
    dc = zone.nodes["dc.1"]
    assert isinstance(dc, DcNode)
    found |= {"operations in the queue of dc.1": dc.writer.depth, "states of dc.1 that wait": len(dc.states)}
    for short, node in zone.nodes.items():
        if isinstance(node, SceneNode):
            found[f"players of {short} with an operation under way"] = sum(one.busy > 0 for one in node.sessions)
    return found


def state_of(store: Store) -> State:
    """Everything that the store holds about who owns what."""
    rows = {table.name: dict(store.scan(table.name)) for table in (LEDGER, PURSES, ITEMS, INVENTORIES)}
    ledger = [_entry(LEDGER.unpack(key, value)) for key, value in rows[LEDGER.name].items()]
    purses = {PURSES.keys.unpack(key): PURSES.unpack(key, value).gold for key, value in rows[PURSES.name].items()}
    items = {ITEMS.keys.unpack(key): ITEMS.unpack(key, value).owner for key, value in rows[ITEMS.name].items()}
    bags: dict[int, Sequence[int]] = {
        INVENTORIES.keys.unpack(key): [item.id for item in INVENTORIES.unpack(key, value).items]
        for key, value in rows[INVENTORIES.name].items()
    }
    return State(ledger, purses, items, bags)


def _entry(row: LedgerRow) -> Entry:
    gold = [Coins(move.source, move.target, move.amount) for move in row.gold]
    items = [Thing(move.item, move.source, move.target) for move in row.items]
    return Entry(row.session, row.sequence, row.kind, gold, items)
