"""The figures of a gate: plain ints of its parts, read when somebody asks for them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodes.gate.node import GateNode

Labelled = dict[tuple[str, ...], float]


def meter(gate: "GateNode") -> None:
    """Enter them into the node's metrics."""
    reads, up, down, intake = gate.metrics.reads, gate.forward.counts, gate.lanes.counts, gate.intake
    reads("gate_clients", "Connections by state.", lambda: _labelled(gate.clients.counts()), "state")
    reads("gate_connections_total", "Connections taken.", lambda: gate.accepted)
    reads("gate_disconnections_total", "Connections that ended, by why.", lambda: _labelled(gate.exit.ended), "reason")
    reads("gate_refused_connections_total", "Connections above a cap.", lambda: gate.refused_connections)
    reads("gate_logins_total", "Logins by result.", lambda: _labelled(gate.entrance.results), "result")
    reads("gate_logins_waiting", "Logins that wait for their turn.", lambda: len(gate.entrance.turns))
    reads("gate_frames_received_total", "Frames from clients.", lambda: intake.frames)
    reads("gate_bytes_received_total", "Bytes in them.", lambda: intake.bytes)
    reads("gate_refused_total", "Messages of clients that were refused.", lambda: _labelled(intake.refused), "code")
    reads("gate_frames_sent_total", "Frames to clients.", lambda: down.frames)
    reads("gate_bytes_sent_total", "Bytes in them.", lambda: down.bytes)
    reads("gate_forwarded_total", "Passed on to scenes.", lambda: _pairs(moves=up.moves, plays=up.plays), "lane")
    reads("gate_dropped_total", "Dropped by the rules of a lane.", lambda: _dropped(gate), "lane")
    lines = gate.clients.lines
    reads(
        "gate_paced_total", "Times that a scene was told to wait with movement.", lambda: gate.delivery.movement.paced
    )
    reads("gate_traffic_total", "Messages and rows by line and lane.", lines.messages, "scene", "line", "lane")
    reads("gate_traffic_bytes_total", "Bytes in them.", lines.bytes, "scene", "line", "lane")
    reads("gate_coalesced_total", "Announcements that went out with something else.", lambda: down.coalesced)
    budgets = gate.budgets
    reads("gate_hindered_clients", "Whose network bears less than they could be told.", lambda: budgets.hindered)
    reads("gate_budgets_total", "Budgets of clients told to scenes.", lambda: budgets.said)
    reads("gate_unsent_bytes", "What clients are still to be told.", lambda: sum(c.unsent for c in gate.clients))
    reads("gate_full_views_total", "Full views asked for after drops.", lambda: up.drops)
    reads("gate_slow_readers_total", "Connections cut because the client did not read.", lambda: down.cut)
    reads("gate_unknown_handles_total", "Rows for players that had left.", lambda: down.unknown)
    reads("gate_malformed_batches_total", "Batches of scenes that broke the rules.", lambda: down.malformed)
    reads("gate_transfers_total", "Clients taken to another scene or line.", lambda: gate.transfers.begun)
    reads("gate_stray_transfers_total", "The same, for connections that had gone.", lambda: gate.transfers.strays)
    reads("gate_attaches_failed_total", "Times that a scene did not take a session.", lambda: gate.attaching.failed)
    reads("gate_fenced_total", "Play messages thrown away in transfers.", lambda: intake.fenced)
    reads("gate_moved_total", "Clients that went to another gate when asked.", lambda: gate.handover.moved)
    reads("gate_early_total", "Messages for sessions that were not here yet.", lambda: _early(gate), "outcome")


def _early(gate: "GateNode") -> Labelled:
    early = gate.early
    return _pairs(kept=early.kept, delivered=early.delivered, dropped=early.dropped)


def _dropped(gate: "GateNode") -> Labelled:
    up, down = gate.forward.counts, gate.lanes.counts
    return _pairs(
        movement=down.movement_dropped, chat=down.chat_dropped, cosmetic=down.cosmetic_dropped,
        early=down.early_dropped,        moves=up.moves_dropped, plays=up.plays_dropped,
    )  # fmt: skip


def _pairs(**counts: int) -> Labelled:
    return {(name,): count for name, count in counts.items()}


def _labelled(counter: Mapping[Any, int]) -> Labelled:
    return {(str(name),): count for name, count in counter.items()}
