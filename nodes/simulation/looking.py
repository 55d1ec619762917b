"""Looks into the nodes and the store of a zone when it is quiet, and puts what it finds into words for the checkers."""

from collections.abc import Iterable, Sequence

from mesh.checking.parties import ALONE, Members
from mesh.checking.presence import Place, Sight
from mesh.checking.records import Coins, Entry, State, Thing
from mesh.node import Node
from nodes.center.node import CenterNode
from nodes.dc.mails import owner_of
from nodes.dc.records import INVENTORIES, ITEMS, LEDGER, MAILS, PURSES, TABLES, LedgerRow
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
    for short in zone.stores:
        dc = zone.dc(short)
        found |= {
            f"operations in the queue of {short}": dc.writer.depth,
            f"states of {short} that wait": len(dc.states),
        }
        if dc.pair is not None and dc.pair.serves:
            found[f"commits that the standby of {short} has not"] = dc.pair.lag + (not dc.pair.in_sync)
    for short, node in zone.nodes.items():
        if isinstance(node, SceneNode):
            found[f"players of {short} with an operation under way"] = sum(one.busy > 0 for one in node.sessions)
    return found


Companies = dict[str, Members]
"""Players, and with whom they are in a party."""


def companies(zone: SimulatedZone) -> tuple[Companies, Companies]:
    """As the center knows it, and as the scenes do. Of players who are in the world, by name."""
    center = zone.nodes["center.1"]
    assert isinstance(center, CenterNode)
    names = {one.account: one.name for one in center.directory.all()}
    known = center.society.parties
    truth = {name: _named(names, party.members) for account, name in names.items() if (party := known.at(account))}
    scenes: Companies = {}
    for node in zone.nodes.values():
        if isinstance(node, SceneNode):
            for one in node.sessions:
                scenes[one.name] = _named(names, one.party.members) if one.party is not None else ALONE
    return truth, scenes


def _named(names: dict[int, str], accounts: Iterable[int]) -> Members:
    return frozenset(names.get(account, f"account {account}") for account in accounts)


def state_of(store: Store) -> State:
    """Everything that the store holds about who owns what."""
    rows = {table.name: dict(store.scan(table.name)) for table in (LEDGER, PURSES, ITEMS, INVENTORIES, MAILS)}
    ledger = [_entry(LEDGER.unpack(key, value)) for key, value in rows[LEDGER.name].items()]
    purses = {PURSES.keys.unpack(key): PURSES.unpack(key, value).gold for key, value in rows[PURSES.name].items()}
    items = {ITEMS.keys.unpack(key): ITEMS.unpack(key, value).owner for key, value in rows[ITEMS.name].items()}
    bags: dict[int, Sequence[int]] = {
        INVENTORIES.keys.unpack(key): [item.id for item in INVENTORIES.unpack(key, value).items]
        for key, value in rows[INVENTORIES.name].items()
    }
    for key, value in rows[MAILS.name].items():
        mail = MAILS.unpack(key, value)
        owner = owner_of(MAILS.keys.unpack(key))
        bags[owner] = [item.id for item in mail.items]
        if mail.gold:
            purses[owner] = mail.gold
    return State(ledger, purses, items, bags)


def tables_of(store: Store) -> dict[str, dict[bytes, bytes]]:
    """All rows, as they are."""
    return {name: dict(store.scan(name)) for name in TABLES}


def _entry(row: LedgerRow) -> Entry:
    gold = [Coins(move.source, move.target, move.amount) for move in row.gold]
    items = [Thing(move.item, move.source, move.target) for move in row.items]
    return Entry(row.session, row.sequence, row.kind, gold, items, row.note, row.process)
