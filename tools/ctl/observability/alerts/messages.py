"""What nodes say to each other and is lost, refused or not understood."""

from tools.ctl.observability.forms import Alert, Group
from tools.ctl.observability.promql import NODE

_NODE = "{{ $labels.node }} of cluster {{ $labels.cluster }}"

GROUP = Group(
    "zonemesh-messages",
    (
        Alert(
            name="SendsRefused",
            expr="rate(mesh_refused_sends_total[5m]) > 1",
            lasts="5m",
            summary=f"Links of {_NODE} do not take what is to be sent",
            description="{{ $value | humanize }} sends a second were refused by links that are full or away: a node at "
            "the other end does not keep up, or the network between them does not.",
            runbook="message-loss",
        ),
        Alert(
            name="PublicationGaps",
            expr="increase(mesh_gaps_total[10m]) > 2",
            summary=f"{_NODE} misses publications of the center",
            description="{{ $value | humanize }} gaps within ten minutes. What was missed is asked for again, but the "
            "way from the center to it loses messages.",
            runbook="message-loss",
        ),
        Alert(
            name="BreakerOpen",
            expr=f"max by ({NODE}, peer, message) (max_over_time(mesh_breaker_open[1m])) == 1",
            lasts="2m",
            summary=f"{_NODE} does not ask {{{{ $labels.peer }}}} any more",
            description="{{ $labels.peer }} has not answered {{ $labels.message }} five times in a row; one question "
            "after the other is tried until it does. It hangs, or has far too much to do.",
            runbook="node-away",
        ),
        Alert(
            name="MessagesMalformed",
            expr="rate(mesh_malformed_total[5m]) > 0.1",
            lasts="5m",
            summary=f"{_NODE} hears messages that break the rules",
            description="{{ $value | humanize }} a second. Nodes say such things to each other when one of them has a "
            "mistake, or a version that the others do not know.",
            runbook="version-mix",
        ),
    ),
)
