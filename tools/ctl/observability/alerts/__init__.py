"""When somebody is to be told, by theme. Each theme is a `Group` of alerts; `limits` makes one for a topology.

Names of alerts say what is wrong. Their labels are those of what is asked for, and a severity: `critical` when players
feel it now or something is being lost, `warning` when they soon will, `info` otherwise.
"""

from tools.ctl.observability.alerts import gates, machines, messages, nodes, play, storage

GROUPS = (nodes.GROUP, machines.GROUP, messages.GROUP, storage.GROUP, play.GROUP, gates.GROUP)
