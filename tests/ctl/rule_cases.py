"""What each alert fires on, and what it has to stay quiet on: made series, in the notation of promtool.

Every case is a cluster of its own in one simulation: CASES last for 45 minutes, HOURS for some hours, WEEK for eight
days, and `limits` are about a topology's own numbers.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tools.ctl.observability.rules import GROUPS

Series = Mapping[str, str]


class Case(NamedTuple):
    """`fires` and `quiet`: series -> values. `besides`: what else fires then."""

    alert: str
    fires: Series
    quiet: Series
    besides: tuple[str, ...] = ()


class Span(NamedTuple):
    """A simulation: how often there is a sample, how often rules are worked out, and when it ends."""

    interval: str
    evaluated: str
    ends: str


SHORT = Span("15s", "15s", "45m")
HOURLY = Span("1m", "1m", "150m")
LONG = Span("2m", "30m", "8d")
BRIEF = Span("1m", "1m", "20m")


def flat(value: float) -> str:
    return f"{value}+0x180"


def grows(per_s: float) -> str:
    """A counter."""
    return f"0+{per_s * 15:g}x180"


def jumps(by: int) -> str:
    """A counter that says nothing new but once, a minute before the end."""
    return f"7+0x175 {7 + by}+0x4"


def histogram(name: str, bound: str, below: str) -> Series:
    """All values lie between two bounds."""
    ends = {below: flat(0), bound: grows(10), "+Inf": grows(10)}
    return {f'{name}_bucket{{le="{end}"}}': values for end, values in ends.items()}


def cores(**modes: float) -> Series:
    return {f'host_cpu_seconds_total{{mode="{mode}"}}': grows(used) for mode, used in modes.items()}


def logins(**results: float) -> Series:
    return {f'gate_logins_total{{result="{result}"}}': grows(number) for result, number in results.items()}


def gates(first: int, second: int) -> Series:
    players = {
        f'gate_clients{{node="gate.{n}",role="gate",state="Playing"}}': flat(number)
        for n, number in ((1, first), (2, second))
    }
    return players | {f'mesh_ready{{node="gate.{n}",role="gate"}}': flat(1) for n in (1, 2)}


def pair(writes: int, in_sync: int) -> Series:
    """The first DC and its standby."""
    return {
        'dc_writes{node="dc.1",role="dc"}': flat(writes),
        'dc_standby_in_sync{node="dc.1",role="dc"}': flat(in_sync),
        'dc_writes{node="dc.2",role="dc"}': flat(0),
        'dc_standby_in_sync{node="dc.2",role="dc"}': flat(0),
    }


def served(histogram_name: str, bound: str, good: float, where: str = "") -> Series:
    """One a second; this share of them is quick enough."""
    inside = f'le="{bound}"{where}'
    outside = f"{{{where.strip(',')}}}" if where else ""
    return {f"{histogram_name}_bucket{{{inside}}}": grows(good), f"{histogram_name}_count{outside}": grows(1)}


_BURNS = ("BudgetBurnsFast", "BudgetBurns")
_BREAKER = 'mesh_breaker_open{peer="r.one.dc.1",message="OpenSession"}'
_START = "process_start_time_seconds"
_LOST = 'gate_disconnections_total{reason="connection_lost"}'
_MOVED = 'gate_disconnections_total{reason="moved"}'
_OK = ',result="ok"'
_GROWING = {"process_resident_memory_bytes": "0+15000000x180", _START: flat(-7200)}

CASES = (
    Case("ClusterAway", {"up": flat(0)}, {"up": flat(1)}, ("NodeAway",)),
    Case("NodeAway", {'up{process="a"}': flat(0), 'up{process="b"}': flat(1)}, {"up": "1+0x90 0 1+0x88"}),
    Case("NodeNotReady", {"mesh_ready": flat(0)}, {"mesh_ready": "0 0 0 1+0x177"}),
    Case("NodeStartsAgainAndAgain", {_START: "1+0x150 2+0x9 3+0x9 4+0x9"}, {_START: "1+0x150 2+0x29"}),
    Case("HandlersFail", {"mesh_errors_total": jumps(1)}, {"mesh_errors_total": flat(7)}),
    Case("SessionsHomeless", {"center_homeless": flat(3)}, {"center_homeless": "0+0x90 9 9 0+0x87"}),
    Case("ClockApart", {"host_time_seconds": "3+15x180"}, {"host_time_seconds": "1+15x180"}),
    Case(
        "VersionsMixed",
        {'mesh_build_info{version="1"}': flat(1), 'mesh_build_info{version="2",node="scene.2"}': flat(1)},
        {'mesh_build_info{version="1"}': flat(1), 'mesh_build_info{version="1",node="scene.2"}': flat(1)},
    ),
    Case(
        "LoopLate",
        histogram("mesh_loop_lag_seconds", "0.25", "0.1"),
        histogram("mesh_loop_lag_seconds", "0.025", "0.01"),
    ),
    Case(
        "LoopVeryLate",
        histogram("mesh_loop_lag_seconds", "1.0", "0.5"),
        histogram("mesh_loop_lag_seconds", "0.05", "0.025"),
        ("LoopLate",),
    ),
    Case("LevelRaised", {"mesh_level": flat(1)}, {"mesh_level": "0+0x90 1+0x20 0+0x68"}),
    Case("CoresTaken", cores(stolen=0.2, idle=0.8), cores(stolen=0.05, idle=0.95)),
    Case("CoresBusy", cores(user=0.97, idle=0.03), cores(user=0.5, idle=0.5)),
    Case(
        "OthersUseCores",
        {**cores(user=0.9, idle=0.1), "host_cpus": flat(1), "process_cpu_seconds_total": grows(0.2)},
        {**cores(user=0.9, idle=0.1), "host_cpus": flat(1), "process_cpu_seconds_total": grows(0.85)},
    ),
    Case(
        "MemoryGrows",
        {**_GROWING, "host_memory_available_bytes": flat(8e9)},
        {**_GROWING, "host_memory_available_bytes": flat(8e10)},
    ),
    Case(
        "MemoryLow",
        {"host_memory_available_bytes": flat(4), "host_memory_bytes": flat(100)},
        {"host_memory_available_bytes": flat(40), "host_memory_bytes": flat(100)},
    ),
    Case(
        "DescriptorsFew",
        {"process_open_fds": flat(900), "process_max_fds": flat(1000)},
        {"process_open_fds": flat(100), "process_max_fds": flat(1000)},
    ),
    Case(
        "DiskLow",
        {"host_disk_free_bytes": flat(80), "host_disk_bytes": flat(1000)},
        {"host_disk_free_bytes": flat(500), "host_disk_bytes": flat(1000)},
    ),
    Case(
        "DiskNearlyFull",
        {"host_disk_free_bytes": flat(20), "host_disk_bytes": flat(1000)},
        {"host_disk_free_bytes": flat(110), "host_disk_bytes": flat(1000)},
        ("DiskLow",),
    ),
    Case("SendsRefused", {"mesh_refused_sends_total": grows(2)}, {"mesh_refused_sends_total": grows(0.2)}),
    Case("PublicationGaps", {"mesh_gaps_total": jumps(4)}, {"mesh_gaps_total": jumps(1)}),
    Case("BreakerOpen", {_BREAKER: flat(1)}, {_BREAKER: "_x90 1 _x89"}),
    Case("MessagesMalformed", {"mesh_malformed_total": grows(0.2)}, {"mesh_malformed_total": grows(0.02)}),
    Case("CommitsSlow", histogram("dc_commit_seconds", "0.5", "0.25"), histogram("dc_commit_seconds", "0.05", "0.025")),
    Case("WritesLate", {"dc_oldest_unflushed_seconds": flat(2)}, {"dc_oldest_unflushed_seconds": flat(0.5)}, _BURNS),
    Case("DcQueueLong", {"dc_queue_depth": flat(600)}, {"dc_queue_depth": "0+0x90 900 0+0x88"}),
    Case(
        "OperationsRefused",
        {'dc_refused_total{code="unavailable"}': grows(2)},
        {'dc_refused_total{code="insufficient"}': grows(5)},
    ),
    Case("DcDiskFull", {"dc_disk_full": "0+0x179 1"}, {"dc_disk_full": flat(0)}),
    Case("StandbyOutOfSync", pair(1, 0), pair(1, 1)),
    Case("NoDcWrites", pair(0, 0), pair(1, 1)),
    Case("RowsDamaged", {"dc_damaged_reads_total": jumps(1)}, {"dc_damaged_reads_total": flat(7)}),
    Case("EventsDropped", {"mesh_events_dropped_total": jumps(5)}, {"mesh_events_dropped_total": flat(7)}),
    Case("EventsLate", {"mesh_events_lag_seconds": flat(60)}, {"mesh_events_lag_seconds": "0+0x90 60 0+0x88"}),
    Case("LogWritesSlow", histogram("log_write_seconds", "2.5", "1.0"), histogram("log_write_seconds", "0.5", "0.25")),
    Case("LogDiskFull", {"log_disk_full_total": jumps(1)}, {"log_disk_full_total": flat(7)}),
    Case("LogDiskFails", {"log_failures_total": jumps(1)}, {"log_failures_total": flat(7)}),
    Case("TicksSkipped", {"scene_ticks_skipped_total": grows(1)}, {"scene_ticks_skipped_total": grows(0.1)}),
    Case("SceneSlow", {"scene_pressure": flat(0.9)}, {"scene_pressure": flat(0.6)}),
    Case("GameTimeSlow", {"scene_dilation": flat(0.6)}, {"scene_dilation": flat(1)}),
    Case("LoginsFail", logins(unavailable=1, ok=1), logins(ok=1, bad_credentials=0.1), _BURNS),
    Case("PasswordsWrong", logins(bad_credentials=1, ok=0.1), logins(bad_credentials=0.5, ok=0.5)),
    Case("NewcomersRefused", {"mesh_admission_shut": flat(1)}, {"mesh_admission_shut": "0+0x90 1+0x5 0+0x83"}),
    Case("LoginQueueLong", {"center_queue": flat(600)}, {"center_queue": flat(100)}),
    Case("ConnectionChurn", {**gates(50, 50), _LOST: grows(2)}, {**gates(50, 50), _MOVED: grows(2), _LOST: grows(0.2)}),
    Case(
        "ConnectionsRefused",
        {"gate_refused_connections_total": grows(2)},
        {"gate_refused_connections_total": grows(0.2)},
    ),
    Case(
        "ClientsSayTooMuch",
        {'gate_refused_total{code="too_many"}': grows(20)},
        {'gate_refused_total{code="too_many"}': grows(2)},
    ),
    Case(
        "ClientsSayNonsense",
        {'gate_refused_total{code="bad_message"}': grows(2)},
        {'gate_refused_total{code="out_of_order"}': grows(2)},
    ),
    Case("GatesUnbalanced", gates(190, 10), gates(110, 90)),
    Case(
        "BudgetBurnsFast",
        served("gate_login_seconds", "1.0", 0.8, _OK),
        served("gate_login_seconds", "1.0", 0.995, _OK),
        ("BudgetBurns",),
    ),
    Case(
        "BudgetBurnsFast",
        served("scene_move_seconds", "0.25", 0.8),
        served("scene_move_seconds", "0.25", 0.995),
        ("BudgetBurns",),
    ),
)


def _ticks(players_after: int) -> Series:
    """20 ms on average for two hours, then 40 ms."""
    return {
        "scene_tick_seconds_sum": "0+12x120 1464+24x29",
        "scene_tick_seconds_count": "0+600x150",
        'scene_players{map="m",line="1"}': f"100+0x120 {players_after}+0x29",
    }


HOURS = (Case("TicksCreep", _ticks(110), _ticks(200)),)

_PLAYERS = 'gate_clients{state="Playing"}'
_GOLD = "dc_gold_made_total"
_DISK = {"host_disk_bytes": "1000+0x5760"}


def _gold(before: int, after: int, known: int = 5650) -> Series:
    """Coins in two minutes, until three hours before the end and after; `known`: samples of the time before."""
    absent = f"_x{5650 - known} " if known < 5650 else ""
    changed = before * known + after
    return {_GOLD: f"{absent}0+{before}x{known} {changed}+{after}x109", _PLAYERS: "100+0x5760"}


def _connections(before: int, after: int) -> Series:
    changed = before * 5700 + after
    return {"gate_connections_total": f"0+{before}x5700 {changed}+{after}x59"}


def _late_logins(good: float) -> Series:
    """120 in two minutes."""
    return {
        'gate_login_seconds_bucket{le="1.0",result="ok"}': f"0+{120 * good:g}x5760",
        'gate_login_seconds_count{result="ok"}': "0+120x5760",
    }


WEEK = (
    Case(
        "DiskFills",
        {**_DISK, "host_disk_free_bytes": "390+0x5570 389-1x189"},
        {**_DISK, "host_disk_free_bytes": "900+0x5570 899-1x189"},
    ),
    Case("GoldFromNothing", _gold(120, 480), _gold(120, 240)),
    Case("GoldFromNothing", _gold(120, 480, known=1440), _gold(120, 480, known=0)),
    Case("BotFlood", _connections(120, 2400), _connections(12, 240)),
    Case("BudgetBurns", _late_logins(0.97), _late_logins(0.995)),
)


def written(cases: tuple[Case, ...], span: Span, rules: list[str], always: Series) -> dict[str, Any]:
    """A file for `promtool test rules`. `always`: alerts of a cluster for which there is no case -> its name."""
    found = {f'{{alertname="{alert}", cluster="{cluster}"}}' for alert, cluster in always.items()}
    series = []
    for number, case in enumerate(cases):
        for name, made in (("fires", case.fires), ("quiet", case.quiet)):
            cluster = f"{case.alert}-{number}-{name}"
            series += [{"series": placed(one, cluster), "values": values} for one, values in made.items()]
        for alert in (case.alert, *case.besides):
            found.add(f'{{alertname="{alert}", cluster="{case.alert}-{number}-fires"}}')
    firing = 'ALERTS{alertstate="firing"}'
    ever = f'count_over_time(ALERTS{{alertstate="firing",cluster=~".+-quiet"}}[{span.ends}])'
    return {
        "rule_files": rules,
        "evaluation_interval": span.evaluated,
        "group_eval_order": [group.name for group in GROUPS],
        "tests": [
            {
                "interval": span.interval,
                "input_series": series,
                "promql_expr_test": [
                    {
                        "expr": f"group by (alertname, cluster) ({firing})",
                        "eval_time": span.ends,
                        "exp_samples": [{"labels": labels, "value": 1} for labels in sorted(found)],
                    },
                    {"expr": f"group by (alertname, cluster) ({ever})", "eval_time": span.ends, "exp_samples": []},
                ],
            }
        ],
    }


def placed(series: str, cluster: str) -> str:
    """With the labels of a target, and those of a node where it has one."""
    name, _, inside = series.partition("{")
    labels = dict(_labels(inside.rstrip("}")))
    target = {"cluster": cluster, "region": "r", "zone": "one", "host": "h", "process": "p", "nodes": "n"}
    target |= {"job": "zonemesh", "instance": f"i-{labels.get('process', labels.get('node', ''))}"}
    if not name.startswith(("up", "process_", "host_")):
        target |= {"node": "scene.1", "role": "scene"}
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in (target | labels).items()) + "}"


def _labels(inside: str) -> Iterator[tuple[str, str]]:
    for one in filter(None, inside.split(",")):
        key, _, value = one.partition("=")
        yield key, value.strip('"')


def limits(rules: list[str]) -> dict[str, Any]:
    """Of a cluster `local` with the limits of local.toml: all of its alerts, and none."""
    used, clients, players = "dc_used_bytes", 'gate_clients{state="Playing"}', 'center_players{stage="online"}'
    full = {used: flat(0.9 * (64 << 30)), clients: flat(19_000), players: flat(19_500)}
    well = {used: flat(1e9), clients: flat(1000), players: flat(1000), "up": flat(1)}
    names = ("ClusterUnknown", "GateNearlyFull", "StoreNearlyFull", "ZoneNearlyFull")
    tests = []
    for made, expected in ((full, names), (well, ())):
        samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in expected]
        query = {
            "expr": 'group by (alertname) (ALERTS{alertstate="firing",cluster="local"})',
            "eval_time": BRIEF.ends,
            "exp_samples": samples,
        }
        series = [{"series": placed(one, "local"), "values": values} for one, values in made.items()]
        tests.append({"interval": BRIEF.interval, "input_series": series, "promql_expr_test": [query]})
    return {"rule_files": rules, "evaluation_interval": BRIEF.evaluated, "tests": tests}
