"""Who is told of alerts, and which of them are not told while another one explains them: alertmanager.yml.

Secrets are never in the file: it names files that have them.
"""

from typing import NamedTuple

from mesh.topology import Topology
from tools.ctl.observability.forms import Alert
from tools.ctl.observability.rules import every_alert
from tools.ctl.observability.yamltext import render

CONFIGURATION = "alertmanager.yml"


class Cause(NamedTuple):
    """While the alert fires, those that it hides are not told, where the labels of both are the same. It is at least as
    severe as they are: nobody is told less than before."""

    alert: str
    same: tuple[str, ...]
    hides: tuple[str, ...]
    only: str = ""  # a matcher besides: not every alert of that name explains these


_SLOW = ("LoopLate", "LevelRaised", "CommitsSlow", "DcQueueLong", "SceneSlow", "GameTimeSlow", "LogWritesSlow")

CAUSES = (
    Cause(
        "NodeAway",
        ("cluster",),
        (
            "NodeNotReady", "NodeStartsAgainAndAgain", "BreakerOpen", "SendsRefused", "PublicationGaps", "EventsLate",
            "StandbyOutOfSync",
        ),
    ),
    Cause(
        "NodeAway",
        ("cluster",),
        (
            "LoginsFail", "NewcomersRefused", "LoginQueueLong", "SessionsHomeless", "ConnectionChurn",
            "GatesUnbalanced", "LevelRaised", "GameTimeSlow",
        ),
        only='nodes=~".*(center|dc|login|scene|gate).*"',  # that a log node is away is no reason for any of these
    ),
    Cause("NoDcWrites", ("cluster",), ("LoginsFail", "StandbyOutOfSync", "BreakerOpen", "LoginQueueLong")),
    Cause("DcDiskFull", ("cluster",), ("WritesLate", "DcQueueLong", "OperationsRefused", "LoginsFail")),
    Cause("DcDiskFull", ("cluster", "host"), ("DiskLow", "DiskFills", "DiskNearlyFull")),
    Cause("DiskNearlyFull", ("cluster", "host"), ("DiskLow", "DiskFills")),
    Cause("DiskLow", ("cluster", "host"), ("DiskFills",)),
    Cause("CoresTaken", ("cluster", "host"), _SLOW),
    Cause("OthersUseCores", ("cluster", "host"), (*_SLOW, "CoresBusy")),
    Cause("WritesLate", ("cluster", "node"), ("CommitsSlow", "DcQueueLong", "OperationsRefused")),
    Cause("LoopVeryLate", ("cluster", "node"), ("LoopLate", "LevelRaised", "SceneSlow")),
    Cause("TicksSkipped", ("cluster", "node"), ("SceneSlow", "GameTimeSlow", "LevelRaised")),
    Cause("EventsDropped", ("cluster", "node"), ("EventsLate",)),
    Cause("BotFlood", ("cluster", "zone"), ("ConnectionChurn", "ConnectionsRefused", "LoginQueueLong")),
    Cause("BudgetBurnsFast", ("cluster", "zone", "objective"), ("BudgetBurns",)),
)  # fmt: skip

_HEAD = """\
# Alertmanager 0.25 or later for the alerts of zonemesh, written by `mesh export alerts`. This file is yours from now
# on: it is not written again while it is there. Addresses and URLs below are examples.
#
#     amtool check-config alertmanager.yml
#     alertmanager --config.file=alertmanager.yml

global:
  smtp_smarthost: "localhost:25"
  smtp_from: "zonemesh@example.org"
  smtp_require_tls: false     # true for a host that is not this machine, then also:
  # smtp_auth_username: "zonemesh"
  # smtp_auth_password_file: /etc/alertmanager/smtp-password

route:
  receiver: team
  group_by: [cluster, alertname]     # one message for the same trouble of several nodes
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 4h
  routes:
    - receiver: on-call
      matchers: ['severity="critical"']
    - receiver: nobody     # seen in Alertmanager and on dashboards
      matchers: ['severity="info"']

receivers:
  - name: team
    email_configs:
      - to: "team@example.org"
        send_resolved: true
  - name: on-call
    webhook_configs:
      - url: "http://127.0.0.1:9099/alerts"
        send_resolved: true
        # http_config:
        #   authorization:
        #     credentials_file: /etc/alertmanager/webhook-token
    email_configs:
      - to: "on-call@example.org"
        send_resolved: true
  - name: nobody

# What is not told while something else explains it.
"""


def files(topology: Topology) -> dict[str, str]:
    """File name -> text."""
    return {CONFIGURATION: _HEAD + render({"inhibit_rules": inhibitions(every_alert(topology))})}


def inhibitions(alerts: list[Alert]) -> list[dict[str, list[str]]]:
    """A cluster of which nothing answers hides all else of it; then one for each cause."""
    known = {alert.name for alert in alerts}
    assert all({one.alert, *one.hides} <= known for one in CAUSES), "a cause names an alert that there is not"
    nothing = {
        "source_matchers": ['alertname="ClusterAway"'],
        "target_matchers": ['alertname!="ClusterAway"'],
        "equal": ["cluster"],
    }
    return [nothing, *(_inhibition(one) for one in CAUSES)]


def _inhibition(one: Cause) -> dict[str, list[str]]:
    only = [one.only] if one.only else []
    return {
        "source_matchers": [f'alertname="{one.alert}"', *only],
        "target_matchers": [f'alertname=~"{"|".join(one.hides)}"'],
        "equal": list(one.same),
    }
