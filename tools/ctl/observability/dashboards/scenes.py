"""Scenes: ticks, what is in them, and what is carried out."""

from tools.ctl.observability.panels import NODE, WINDOW, Dashboard, Panel, Query, Row, nodes
from tools.ctl.observability.promql import mean, of, quantile, rate, total


def _each(counters: dict[str, str]) -> tuple[Query, ...]:
    """Counters of all scenes that are chosen, side by side."""
    return tuple(Query(rate(counter, WINDOW, "", NODE), name) for counter, name in counters.items())


_TICKS = Row(
    "Ticks",
    (
        Panel(
            title="How long a tick takes, p99",
            text="Of all lines of a scene. Good is well below the period: 100 ms at 10 Hz.",
            queries=(Query(quantile(0.99, "scene_tick_seconds", WINDOW, "node", NODE), "{{node}}"),),
            unit="s",
            warn=0.05,
            bad=0.1,
        ),
        Panel(
            title="How long a tick takes, on average",
            text="What creeps up over hours with as many players as before is something that piles up.",
            queries=(Query(mean("scene_tick_seconds", WINDOW, "node", NODE), "{{node}}"),),
            unit="s",
        ),
        Panel(
            title="How long ticks take",
            text="Of all scenes that are chosen: the darker, the more.",
            queries=(Query(rate("scene_tick_seconds_bucket", WINDOW, "le", NODE)),),
            kind="heatmap",
            unit="s",
        ),
        Panel(
            title="Tick time, share of the period",
            text="Smoothed. Above 0.8 the scene leaves things out, above 1 it leaves out ticks.",
            queries=(Query(f"max by (node) ({of('scene_pressure', NODE)})", "{{node}}"),),
            unit="percentunit",
            warn=0.8,
            bad=1,
        ),
        Panel(
            title="Ticks left out",
            text="As an earlier one had not ended. Good is none.",
            queries=(Query(rate("scene_ticks_skipped_total", WINDOW, "node", NODE), "{{node}}"),),
            unit="ops",
            bad=0.5,
        ),
        Panel(
            title="Where ticks spend their time",
            text="Seconds of each second, by part.",
            queries=(Query(rate("scene_tick_parts_seconds_total", WINDOW, "part", NODE), "{{part}}"),),
            unit="percentunit",
            stacked=True,
        ),
    ),
)

_PLAYERS = Row(
    "Players",
    (
        Panel(
            title="By map and line",
            text="Characters in the world.",
            queries=(Query(total("scene_players", "map, line", NODE), "{{map}}:{{line}}"),),
            stacked=True,
        ),
        Panel(
            title="By scene",
            text="Characters in the world.",
            queries=(Query(total("scene_players", "node", NODE), "{{node}}"),),
        ),
        Panel(
            title="Movement, p50 and p99",
            text="From the first movement that a tick has to tell to its end. Good is a p99 of less than 250 ms.",
            queries=tuple(
                Query(quantile(share, "scene_move_seconds", WINDOW, "node", NODE), f"{{{{node}}}} {name}")
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
            unit="s",
            warn=0.15,
            bad=0.25,
        ),
        Panel(
            title="Level of the policy",
            text="What is left out under pressure: 0 is nothing.",
            queries=(Query(f"max by (node) ({of('mesh_level', NODE)})", "{{node}}"),),
            warn=1,
            bad=3,
        ),
        Panel(
            title="Game time",
            text="Game seconds in a second; 1 is normal.",
            queries=(Query(f"min by (node) ({of('scene_dilation', NODE)})", "{{node}}"),),
            warn=1,
            bad=0.6,
            most=1,
        ),
        Panel(
            title="Coming and going",
            text="Portals walked into, characters handed to other lines, resumes that came too late.",
            queries=_each(
                {
                    "scene_crossings_total": "portals",
                    "scene_crossings_denied_total": "portals, refused",
                    "scene_departed_total": "handed over",
                    "scene_departs_refused_total": "not handed over",
                    "scene_resumes_incomplete_total": "resumes too late",
                }
            ),
            unit="ops",
        ),
    ),
)

_TOLD = Row(
    "What players are told",
    (
        Panel(
            title="Movement",
            text="Records of movement and full views that were sent.",
            queries=_each({"scene_updates_total": "records", "scene_views_total": "full views"}),
            unit="ops",
        ),
        Panel(
            title="Bytes",
            text="Of control and bulk pieces; movement is counted at the gates.",
            queries=(Query(rate("scene_piece_bytes_total", WINDOW, "node", NODE), "{{node}}"),),
            unit="Bps",
        ),
        Panel(
            title="Not told",
            text="What links to gates did not take, and what is left out where there is too much: blows, emotes.",
            queries=_each(
                {
                    "scene_updates_dropped_total": "movement, by a link",
                    "scene_bulk_dropped_total": "chat, by a link",
                    "scene_views_again_total": "views again",
                    "scene_notices_dropped_total": "blows",
                    "scene_emotes_dropped_total": "emotes",
                }
            ),
            unit="ops",
        ),
    ),
)

_PLAY = Row(
    "What players do",
    (
        Panel(
            title="Play messages",
            text="Heard, refused by the rules of the game, and carried out before.",
            queries=_each(
                {
                    "scene_plays_total": "heard",
                    "scene_plays_denied_total": "refused",
                    "scene_plays_repeated_total": "repeated",
                }
            ),
            unit="ops",
        ),
        Panel(
            title="Moves that were not taken",
            text="Corrected: too fast, or through a wall. In excess: more than a client may say. Nonsense: does not "
            "decode.",
            queries=_each(
                {
                    "scene_corrected_total": "corrected",
                    "scene_moves_dropped_total": "in excess",
                    "scene_stale_total": "of those who left",
                    "scene_malformed_total": "nonsense",
                }
            ),
            unit="ops",
        ),
        Panel(
            title="Operations and saves",
            text="Durable operations carried out and asked for again; states of characters taken by the DC, and not.",
            queries=_each(
                {
                    "scene_operations_total": "operations",
                    "scene_operations_repeated_total": "operations, again",
                    "scene_saved_total": "states saved",
                    "scene_saves_failed_total": "states not saved",
                }
            ),
            unit="ops",
        ),
    ),
)

DASHBOARD = Dashboard(
    name="scenes",
    title="Scenes",
    text="Ticks and where they spend their time, who plays where, and what is carried out or left out.",
    rows=(_TICKS, _PLAYERS, _TOLD, _PLAY),
    variables=nodes("scene"),
)
