"""All checks, in an order in which what is found further up may explain what is found further down, and never the other
way round: machines first, what players notice last.

Alerts of the ops node and the pages of docs/runbooks name checks by the names that they have here.
"""

from tools.ctl.doctor import balance, logins, losses, machines, presence, queues, storage, work
from tools.ctl.doctor.finding import Check

CHECKS: tuple[Check, ...] = (
    # machines
    Check("host-stolen", machines.stolen),
    Check("bots", machines.bots),
    Check("memory", machines.memory),
    Check("host-memory", machines.host_memory),
    Check("host-cpu", machines.host_cpu),
    Check("disk-full", storage.disk_full),
    Check("disk-space", storage.disk_space),
    Check("disk-busy", storage.disk_busy),
    # who is there
    Check("versions", presence.versions),
    Check("clocks", presence.clocks),
    Check("nodes", presence.nodes),
    Check("restarts", presence.restarts),
    Check("descriptors", machines.descriptors),
    # how work is shared, and how it is done
    Check("gates", balance.gates),
    Check("lines", balance.lines),
    Check("scenes", balance.scenes),
    Check("pauses", work.pauses),
    Check("gc", work.collections),
    Check("cpu", work.cpu),
    Check("loop-lag", work.loop_lag),
    Check("errors", work.errors),
    # links, and what goes over them
    Check("standby", presence.standby),
    Check("links", presence.links),
    Check("gaps", presence.gaps),
    Check("registry", presence.registry),
    Check("refused-sends", losses.refused_sends),
    Check("malformed", losses.malformed),
    Check("figures", losses.figures_told),
    Check("labels", losses.labels),
    # what is kept
    Check("commits", storage.commits),
    Check("log-writes", storage.log_writes),
    Check("lmdb-map", storage.lmdb_map),
    Check("lmdb-readers", storage.lmdb_readers),
    Check("dc-queue", queues.dc_queue),
    Check("unflushed", queues.unflushed),
    Check("saves", losses.saves),
    Check("log-queue", queues.log_queue),
    Check("events-lag", queues.events_lag),
    Check("events-dropped", losses.events_dropped),
    # what players notice
    Check("breakers", losses.breakers),
    Check("slow-answers", work.slow_answers),
    Check("under-way", queues.under_way),
    Check("log-errors", work.log_errors),
    Check("ticks", work.ticks),
    Check("pinned", work.pinned),
    Check("levels", work.levels),
    Check("dilation", work.dilation),
    Check("dropped", losses.dropped),
    Check("connections", losses.connections),
    Check("admission", work.admission),
    Check("hashes", queues.hashes),
    Check("logins-waiting", queues.logins_waiting),
    Check("logins", logins.logins),
    Check("login-time", logins.login_time),
    Check("queue", queues.queue),
    Check("homeless", queues.homeless),
)
NAMES = tuple(check.name for check in CHECKS)
