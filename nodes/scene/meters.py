"""The scene's metrics: what is counted in plain ints, and how it is called on the page.

Owns nothing but the names. Labels never name a player.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodes.scene.node import SceneNode


class Counts:
    """What came in and was not carried out, and what did not get out."""

    def __init__(self) -> None:
        self.malformed = 0  # batches that do not add up
        self.stale = 0  # records and messages of handles that are not here, or of another gate
        self.repeated = 0  # play messages that had been carried out
        self.bulk_dropped = 0
        self.updates_dropped = 0  # batches of movement that a gate's link did not take
        self.views_again = 0  # full views because control pieces were not taken


def meter(node: "SceneNode") -> None:
    """Enter everything into the node's registry; read when somebody looks."""
    reads, counts, out, play, lines = node.metrics.reads, node.counts, node.out, node.play, node.lines
    ticker, saves, ledger = node.ticker, node.saves, node.ledger
    keepsakes, departures, crossings = node.keepsakes, node.departures, node.crossings

    def parts() -> dict[tuple[str, ...], float]:
        return {(part,): seconds for part, seconds in ticker.parts.items()}

    def players() -> dict[tuple[str, ...], float]:
        return {(line.name, str(line.number)): float(len(line.players)) for line in lines}

    reads("scene_tick_parts_seconds_total", "Where ticks spent their time.", parts, "part")
    reads("scene_ticks_total", "Ticks.", lambda: ticker.tick)
    reads("scene_ticks_skipped_total", "Ticks left out because an earlier one was late.", lambda: ticker.skipped)
    reads("scene_pressure", "Tick time over tick period, smoothed.", lambda: ticker.pressure)
    reads("scene_players", "Characters in the world, by map and line.", players, "map", "line")
    reads("scene_lines", "Lines.", lambda: len(lines))
    reads("scene_departed_total", "Characters handed over to another line.", lambda: departures.departed)
    reads("scene_departs_refused_total", "Of those asked for, refused.", lambda: departures.refused)
    reads("scene_keepsakes", "Of those who departed, not known to have arrived.", lambda: len(keepsakes))
    reads("scene_keepsakes_overflown_total", "Of these, too many: gone.", lambda: keepsakes.overflown)
    reads("scene_crossings_total", "Portals walked into.", lambda: crossings.asked)
    reads("scene_crossings_denied_total", "Of these, refused.", lambda: crossings.denied)
    reads("scene_views_total", "Full views sent.", lambda: lines.total("views"))
    reads("scene_updates_total", "Records of movement sent.", lambda: lines.total("records"))
    reads("scene_notices_dropped_total", "Of blows, to onlookers of many.", lambda: lines.total("notices dropped"))
    reads("scene_pieces_total", "Control and bulk pieces sent.", lambda: out.pieces)
    reads("scene_piece_bytes_total", "Bytes of control and bulk pieces sent.", lambda: out.bytes)
    reads("scene_emotes_dropped_total", "Emotes left out under pressure.", lambda: lines.total("emotes dropped"))
    reads("scene_dilation", "Game seconds in a second.", lambda: node.game.rate)
    reads("scene_corrected_total", "Moves that were refused.", lambda: lines.total("corrected"))
    reads("scene_moves_dropped_total", "Moves in excess.", lambda: lines.total("moves dropped"))
    reads("scene_plays_total", "Play messages heard.", lambda: play.heard)
    reads("scene_plays_denied_total", "Of these, refused.", lambda: play.denied)
    reads("scene_plays_repeated_total", "Play messages that had been carried out.", lambda: counts.repeated)
    reads("scene_stale_total", "Records of handles that are not here.", lambda: counts.stale)
    reads("scene_malformed_total", "Batches that do not add up.", lambda: counts.malformed)
    reads("scene_bulk_dropped_total", "Bulk pieces that a link did not take.", lambda: counts.bulk_dropped)
    reads("scene_updates_dropped_total", "Movement batches that a link did not take.", lambda: counts.updates_dropped)
    reads("scene_views_again_total", "Full views for lost control pieces.", lambda: counts.views_again)
    reads("scene_resumes_incomplete_total", "Resumes that came too late.", lambda: node.residents.incomplete)
    reads("scene_trades", "Trades and invitations.", lambda: len(play.trading.trades))
    reads("scene_saved_total", "Character states taken by the DC.", lambda: saves.saved)
    reads("scene_saves_failed_total", "Character states to be sent again.", lambda: saves.failed)
    reads("scene_operations_total", "Durable operations carried out.", lambda: ledger.done)
    reads("scene_operations_repeated_total", "Operations asked for again.", lambda: ledger.repeated)
