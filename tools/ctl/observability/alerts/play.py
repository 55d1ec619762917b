"""The game itself: ticks, its time, its gold."""

from tools.ctl.observability.forms import Alert, Group

_NODE = "{{ $labels.node }} of cluster {{ $labels.cluster }}"

GROUP = Group(
    "zonemesh-play",
    (
        Alert(
            name="TicksSkipped",
            expr="rate(scene_ticks_skipped_total[1m]) > 0.5",
            lasts="1m",
            severity="critical",
            summary=f"{_NODE} leaves ticks out",
            description="{{ $value | humanize }} a second: an earlier one had not ended when they were due. Players "
            "see others jump.",
            runbook="slow-scene",
        ),
        Alert(
            name="SceneSlow",
            expr="scene_pressure > 0.8",
            lasts="2m",
            summary=f"Ticks of {_NODE} take nearly all of their time",
            description="{{ $value | humanizePercentage }} of the period; above 100 % ticks are left out. `mesh lines` "
            "shows how many play where.",
            runbook="slow-scene",
        ),
        Alert(
            name="TicksCreep",
            expr="""
                node:scene_tick_seconds:mean_5m > 1.5 * (node:scene_tick_seconds:mean_5m offset 1h)
                and node:scene_tick_seconds:mean_5m > 0.01
                and node:scene_players:sum <= 1.2 * (node:scene_players:sum offset 1h)
                """,
            lasts="10m",
            summary=f"Ticks of {_NODE} take longer and longer",
            description="{{ $value | humanizeDuration }} on average, half as much again as an hour ago, with no more "
            "players than then: something piles up.",
            runbook="tick-creep",
        ),
        Alert(
            name="GameTimeSlow",
            expr="scene_dilation < 1",
            lasts="2m",
            summary=f"Game time goes slower at {_NODE}",
            description="A second of the game takes longer than a second: {{ $value }} game seconds go by in one. It "
            "is the last thing that the policy does, when all else was not enough.",
            runbook="slow-scene",
        ),
        Alert(
            name="GoldFromNothing",
            expr="""
                cluster:dc_gold_made_per_player:per_s_15m
                  > 3 * (
                    cluster:dc_gold_made_per_player:per_s_15m offset 1w
                    or cluster:dc_gold_made_per_player:per_s_15m offset 1d
                  )
                and cluster:dc_gold_made:per_s_15m > 1
                and cluster:gate_players:avg_15m > 20
                """,
            lasts="5m",
            severity="critical",
            summary="Far more gold comes into the world of cluster {{ $labels.cluster }} than a week ago",
            description="{{ $value | humanize }} coins a second for each player, more than three times as many as at "
            "this hour a week ago (or yesterday, where no week is known). `mesh db audit`, then `mesh events -k loot "
            "-k trade`.",
            runbook="gold-from-nothing",
        ),
    ),
)
