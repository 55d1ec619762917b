"""What a DC shows at /metrics besides the times of its commits: read where it is kept, when somebody asks."""

from math import nan
from typing import TYPE_CHECKING, Any

from mesh.errors import StorageError
from nodes.dc.group import Counts
from nodes.dc.ledger import BURN, MINT
from nodes.dc.pair import Pair
from nodes.dc.records import PURSES

if TYPE_CHECKING:
    from nodes.dc.node import DcNode

CLOSED = {"used_bytes": 0, "map_bytes": 0, "reader_slots": 0, "reader_slots_max": 0}


def expose(node: "DcNode") -> None:
    """Enter all of them; once."""
    reads, counts, rows, states = node.metrics.reads, node.writer.counts, node.rows, node.states
    reads("dc_durable_acked_total", "Durable operations acknowledged: all of them are on disk.", lambda: counts.acked)
    reads("dc_repeated_total", "Durable operations that changed nothing: repeated ones.", lambda: counts.repeated)
    reads("dc_refused_total", "Durable operations refused.", lambda: _refused(counts), "code")
    reads("dc_newcomers_refused_total", "Logins refused, as players wait.", lambda: node.writer.admission.refused)
    reads("dc_commits_total", "Commits.", lambda: counts.commits)
    reads("dc_queue_depth", "Durable operations that wait for a commit.", lambda: node.writer.depth)
    reads("dc_states_saved_total", "Character states taken into memory.", lambda: node.states_saved)
    reads("dc_states_fenced_total", "Character states of ended sessions, ignored.", lambda: node.states_fenced)
    reads("dc_states_flushed_total", "Character states written to disk.", lambda: counts.states)
    reads("dc_states_waiting", "Character states that are not on disk yet.", lambda: len(states))
    reads("dc_oldest_unflushed_seconds", "Age of the oldest of these.", lambda: states.age_s(node.clock.now()))
    reads("dc_cache_hits_total", "Rows found in memory.", lambda: rows.hits)
    reads("dc_cache_misses_total", "Rows that were not.", lambda: rows.misses)
    reads("dc_cache_evicted_total", "Rows dropped from memory for want of room.", lambda: rows.evicted)
    reads("dc_cache_rows", "Rows in memory.", lambda: len(rows))
    reads("dc_cache_bytes", "Their size, estimated.", lambda: rows.bytes)
    reads("dc_damaged_reads_total", "Reads that met a damaged row.", lambda: node.damaged_reads)
    if node.pair is not None:
        _expose_pair(node, node.pair)
    reads("dc_disk_full", "1 while there is no room on the disk.", lambda: int(node.writer.full))
    reads("dc_used_bytes", "Bytes of the store that are in use.", lambda: _sizes(node)["used_bytes"])
    reads("dc_gold_made_total", "Coins that came into the world: loot and other sources.", lambda: -_purse(node, MINT))
    reads("dc_gold_burnt_total", "Coins that went out of it.", lambda: _purse(node, BURN))
    reads("dc_reader_slots", "Slots of the store for readers that were taken.", lambda: _sizes(node)["reader_slots"])
    reads("dc_reader_slots_max", "Of so many.", lambda: _sizes(node)["reader_slots_max"])
    reads(
        "dc_map_bytes",
        "Bytes that the store may use before it is enlarged.",
        lambda: _sizes(node)["map_bytes"],
    )


def _expose_pair(node: "DcNode", pair: Pair) -> None:
    reads = node.metrics.reads
    reads("dc_writes", "1 on the DC of a pair that writes.", lambda: int(pair.serves))
    reads("dc_standby_in_sync", "1 on the writer while its standby could take over.", lambda: int(pair.in_sync))
    reads("dc_replication_lag_batches", "Commits that the standby has not, as the writer knows.", lambda: pair.lag)
    reads("dc_replicated_batches_total", "Commits of the writer put on this disk.", lambda: pair.standby.applied)
    reads("dc_failovers_total", "Times that this DC took over from the other.", lambda: pair.failovers)


def _sizes(node: "DcNode") -> dict[str, Any]:
    """A store that is closed cannot be asked any more."""
    return CLOSED if node.state == "Shutdown" else node.store.facts()


def _purse(node: "DcNode", purse: int) -> float:
    """What a purse of the house holds; not a number where its row cannot be read."""
    try:
        row = node.rows.get(PURSES, purse)
    except StorageError:
        return nan
    return float(row.gold) if row is not None else nan


def _refused(counts: Counts) -> dict[tuple[str, ...], float]:
    return {(code,): count for code, count in counts.refused.items()}
