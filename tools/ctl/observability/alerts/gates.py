"""How players come in, stay and leave: logins and connections."""

from tools.ctl.observability.forms import Alert, Group
from tools.ctl.observability.promql import FAILED, NODE, WRONG, ZONE, increase, rate

_GATE = "{{ $labels.node }} of cluster {{ $labels.cluster }}"
_ZONE = "zone {{ $labels.zone }} of cluster {{ $labels.cluster }}"
_PLAYERS = "zone:gate_players:sum"
_CONNECTIONS = "zone:gate_connections:rate5m"
_ENDED = 'reason!~"moved|shutdown"'
"""Connections that end without being sent away: not those of a gate that is drained or stopped."""
_TOO_MANY = 'code="too_many"'
_NONSENSE = 'code=~"bad_message|unknown_message|too_large"'

_LOGINS = (
    Alert(
        name="LoginsFail",
        expr=f"""
            {rate("gate_logins_total", "5m", ZONE, FAILED)} / {rate("gate_logins_total", "5m", ZONE)} > 0.2
            and {increase("gate_logins_total", "5m", ZONE, FAILED)} >= 5
            """,
        lasts="1m",
        severity="critical",
        summary=f"Logins to {_ZONE} fail",
        description="{{ $value | humanizePercentage }} of them, for a fault of ours. `mesh trace --slowest` shows "
        "where they end.",
        runbook="login-failures",
    ),
    Alert(
        name="PasswordsWrong",
        expr=f"""
            {rate("gate_logins_total", "5m", ZONE, WRONG)} / {rate("gate_logins_total", "5m", ZONE)} > 0.75
            and {increase("gate_logins_total", "5m", ZONE, WRONG)} >= 20
            """,
        lasts="5m",
        summary=f"Most logins to {_ZONE} have wrong passwords",
        description="{{ $value | humanizePercentage }} of them: somebody tries passwords, or players have tickets that "
        "are no longer good.",
        runbook="login-failures",
    ),
    Alert(
        name="NewcomersRefused",
        expr="avg_over_time(mesh_admission_shut[5m]) > 0.5",
        lasts="1m",
        summary=f"{_GATE} refuses newcomers",
        description="{{ $value | humanizePercentage }} of the last five minutes: what it works on waits for too long, "
        "and those who are here go first.",
        runbook="login-failures",
    ),
    Alert(
        name="LoginQueueLong",
        expr="center_queue > 500",
        lasts="5m",
        summary=f"{{{{ $value }}}} logins wait for a place in {_ZONE}",
        description="The zone is full, or its scenes let nobody new in: `mesh status` and `mesh pressure` say which.",
        runbook="login-failures",
    ),
)

_CONNECTIONS_ALERTS = (
    Alert(
        name="ConnectionChurn",
        expr=f"""
            {rate("gate_disconnections_total", "5m", ZONE, _ENDED)} / {_PLAYERS} > 0.01
            and {_PLAYERS} > 50
            """,
        lasts="2m",
        summary=f"Connections to {_ZONE} come and go",
        description="{{ $value | humanizePercentage }} of the players lose theirs in every second. Look at the network "
        "in front of the gates.",
        runbook="connection-churn",
    ),
    Alert(
        name="BotFlood",
        expr=f"""
            {_CONNECTIONS} > 5 * ({_CONNECTIONS} offset 1w or {_CONNECTIONS} offset 1d)
            and {_CONNECTIONS} > 5
            """,
        lasts="2m",
        severity="critical",
        summary=f"Far more connections come to {_ZONE} than a week ago",
        description="{{ $value | humanize }} a second, more than five times as many as at this hour a week ago (or "
        "yesterday, where no week is known).",
        runbook="bot-flood",
    ),
    Alert(
        name="ConnectionsRefused",
        expr=f"{rate('gate_refused_connections_total', '5m', NODE)} > 1",
        lasts="2m",
        summary=f"{_GATE} refuses connections above its limits",
        description="{{ $value | humanize }} a second: the gate is full, or one address has more than "
        "`connections_per_address_max` of [settings.gate].",
        runbook="bot-flood",
    ),
    Alert(
        name="ClientsSayTooMuch",
        expr=f"{rate('gate_refused_total', '5m', NODE, _TOO_MANY)} > 10",
        lasts="5m",
        summary=f"Clients of {_GATE} say more than they may",
        description="{{ $value | humanize }} messages a second were above a rate and were not carried out.",
        runbook="bot-flood",
    ),
    Alert(
        name="ClientsSayNonsense",
        expr=f"{rate('gate_refused_total', '5m', NODE, _NONSENSE)} > 1",
        lasts="5m",
        summary=f"Clients of {_GATE} say what makes no sense",
        description="{{ $value | humanize }} messages a second do not decode: a client with a mistake, or somebody who "
        "tries what happens.",
        runbook="bot-flood",
    ),
    Alert(
        name="GatesUnbalanced",
        expr=f"""
            max by ({ZONE}) (node:gate_players:sum) / avg by ({ZONE}) (node:gate_players:sum) > 1.6
            and {_PLAYERS} > 100
            """,
        lasts="15m",
        summary=f"Players of {_ZONE} lie on few of its gates",
        description="The fullest gate has {{ $value | humanize }} times as many as a gate on average. `mesh drain` it, "
        "then `mesh restart` it, and they spread.",
        runbook="unbalanced-gates",
    ),
)

GROUP = Group("zonemesh-gates", (*_LOGINS, *_CONNECTIONS_ALERTS))
