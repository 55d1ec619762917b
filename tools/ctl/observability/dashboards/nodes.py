"""Every node, its process and its machine: loops, messages between nodes, memory, cores, disks, network."""

from tools.ctl.observability.panels import NODE, WINDOW, ZONE, Dashboard, Panel, Query, Row, nodes
from tools.ctl.observability.promql import mean, of, quantile, rate, total

_TOP = 10
"""Lines of what there is one for each message, node and peer of."""
_CPU = "host_cpu_seconds_total"
_TIME = of("host_time_seconds", ZONE)
_NOT_IDLE, _WORKING = 'mode!="idle"', 'mode=~"user|system"'


def _process(metric: str) -> str:
    """By process: what is of a process has no node."""
    return f"max by (process) ({of(metric, ZONE)})"


def _machine(metric: str) -> str:
    return f"max by (host) ({of(metric, ZONE)})"


_LOOPS = Row(
    "Loops",
    (
        Panel(
            title="Loop lag, p99",
            text="How late the loop of a node is, or how long one turn of it takes: everything waits for that.",
            queries=(Query(quantile(0.99, "mesh_loop_lag_seconds", WINDOW, "node", NODE), "{{node}}"),),
            unit="s",
            warn=0.03,
            bad=0.1,
        ),
        Panel(
            title="Pressure by signal",
            text="1 is where players begin to feel it.",
            queries=(Query(of("mesh_pressure", NODE), "{{node}}: {{signal}}"),),
            warn=0.8,
            bad=1,
        ),
        Panel(
            title="Mistakes",
            text="Handlers and tasks that ended with a traceback, and times that a process stood still. Good is none.",
            queries=(
                Query(rate("mesh_errors_total", WINDOW, "node", NODE), "{{node}}: mistakes"),
                Query(rate("mesh_pauses_total", WINDOW, "node", NODE), "{{node}}: stood still"),
            ),
            unit="ops",
            bad=0.01,
        ),
    ),
)

_MESSAGES = Row(
    "Messages between nodes",
    (
        Panel(
            title="Said and heard",
            text="Typed messages a second, by role.",
            queries=(
                Query(rate("mesh_said_total", WINDOW, "role", NODE), "{{role}} said"),
                Query(rate("mesh_heard_total", WINDOW, "role", NODE), "{{role}} heard"),
            ),
            unit="ops",
        ),
        Panel(
            title="Batches of the hot lanes",
            text="Moves and movement, by role.",
            queries=(
                Query(rate("mesh_batches_said_total", WINDOW, "role", NODE), "{{role}} said"),
                Query(rate("mesh_batches_heard_total", WINDOW, "role", NODE), "{{role}} heard"),
            ),
            unit="ops",
        ),
        Panel(
            title="The nine steps",
            text="Of a login and an action, a second.",
            queries=(Query(rate("mesh_steps_total", WINDOW, "step", NODE), "step {{step}}"),),
            unit="ops",
        ),
        Panel(
            title="Messages that take most time",
            text="Seconds of each second from a message to its answer, waiting included.",
            queries=(
                Query(
                    f"topk({_TOP}, {rate('mesh_handled_seconds_sum', WINDOW, 'node, message', NODE)})",
                    "{{node}} {{message}}",
                ),
            ),
            unit="percentunit",
        ),
        Panel(
            title="Messages that take longest",
            text="p99 of the time from a message to its answer.",
            queries=(
                Query(
                    f"topk({_TOP}, {quantile(0.99, 'mesh_handled_seconds', WINDOW, 'node, message', NODE)} > 0)",
                    "{{node}} {{message}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Answers of others",
            text="From a question to its answer on average, the way included.",
            queries=(
                Query(
                    f"topk({_TOP}, {mean('mesh_answered_seconds', WINDOW, 'node, message', NODE)} > 0)",
                    "{{node}} {{message}}",
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Not sent, not heard",
            text="Sends that links refused, gaps in the publications of the center, messages that break the rules.",
            queries=(
                Query(rate("mesh_refused_sends_total", WINDOW, "node", NODE), "{{node}}: sends refused"),
                Query(rate("mesh_gaps_total", WINDOW, "node", NODE), "{{node}}: gaps"),
                Query(rate("mesh_malformed_total", WINDOW, "node", NODE), "{{node}}: malformed"),
            ),
            unit="ops",
        ),
        Panel(
            title="Too late",
            text="Requests that nobody waited for any more, before they were sent, before and while they were worked "
            "on.",
            queries=(
                Query(rate("mesh_hopeless_total", WINDOW, "node", NODE), "{{node}}: not sent"),
                Query(rate("mesh_overdue_total", WINDOW, "node", NODE), "{{node}}: not begun"),
                Query(rate("mesh_given_up_total", WINDOW, "node", NODE), "{{node}}: given up"),
                Query(rate("mesh_late_answers_total", WINDOW, "node", NODE), "{{node}}: answers"),
            ),
            unit="ops",
        ),
        Panel(
            title="Breakers, and requests under way",
            text="Times that a breaker opened, as a peer did not answer; requests that are being worked on.",
            queries=(
                Query(rate("mesh_breaker_opened_total", WINDOW, "node", NODE), "{{node}}: breakers, a second"),
                Query(total("mesh_under_way", "node", NODE), "{{node}}: under way"),
            ),
        ),
    ),
)

_PROCESSES = Row(
    "Processes",
    (
        Panel(
            title="Processes",
            text="What each uses now.",
            queries=(
                Query(f"time() - {_process('process_start_time_seconds')}", "up", "s"),
                Query(rate("process_cpu_seconds_total", "1m", "process", ZONE), "cores", "percentunit"),
                Query(_process("process_resident_memory_bytes"), "memory", "bytes"),
                Query(_process("process_open_fds"), "descriptors"),
                Query(_process("process_threads"), "threads"),
            ),
            kind="table",
            width=24,
        ),
        Panel(
            title="Cores",
            text="Used by a process: 100 % is a whole core, and a node has one for its loop.",
            queries=(Query(rate("process_cpu_seconds_total", WINDOW, "process", ZONE), "{{process}}"),),
            unit="percentunit",
            warn=0.9,
        ),
        Panel(
            title="Memory",
            text="What grows and never falls again is a leak.",
            queries=(Query(_process("process_resident_memory_bytes"), "{{process}}"),),
            unit="bytes",
        ),
        Panel(
            title="Descriptors, share of the limit",
            text="A gate has one for each connection.",
            queries=(Query(f"{_process('process_open_fds')} / {_process('process_max_fds')}", "{{process}}"),),
            unit="percentunit",
            warn=0.6,
            bad=0.8,
        ),
        Panel(
            title="Looking for cycles",
            text="Share of the time that the garbage collector takes. Good is less than 1 %.",
            queries=(Query(rate("python_gc_seconds_total", WINDOW, "process", ZONE), "{{process}}"),),
            unit="percentunit",
            warn=0.02,
            bad=0.1,
        ),
        Panel(
            title="Lines of the ops log",
            text="By level. Errors are worth a look: `mesh logs`.",
            queries=(Query(rate("mesh_log_lines_total", WINDOW, "level", NODE), "{{level}}"),),
            unit="ops",
            stacked=True,
        ),
        Panel(
            title="Versions",
            text="Nodes by version of the code. Two for long is an upgrade that was left half done.",
            queries=(Query(f"count by (version) ({of('mesh_build_info', NODE)})", "{{version}}"),),
            stacked=True,
        ),
    ),
)

_MACHINES = Row(
    "Machines",
    (
        Panel(
            title="Cores of machines",
            text="What the time of all cores goes to. stolen: given to others by the machine below.",
            queries=(
                Query(
                    f"{rate(_CPU, WINDOW, 'host, mode', ZONE, _NOT_IDLE)}"
                    f" / on (host) group_left () {rate(_CPU, WINDOW, 'host', ZONE)}",
                    "{{host}} {{mode}}",
                ),
            ),
            unit="percentunit",
            most=1,
            stacked=True,
        ),
        Panel(
            title="Used by others",
            text="Cores of a machine that other programs than nodes use.",
            queries=(
                Query(
                    f"{rate(_CPU, WINDOW, 'host', ZONE, _WORKING)}"
                    f" - {rate('process_cpu_seconds_total', WINDOW, 'host', ZONE)}",
                    "{{host}}",
                ),
            ),
        ),
        Panel(
            title="Load",
            text="Processes that run or wait to, for each core. Above 1 some wait.",
            queries=(Query(f"{_machine('host_load1')} / {_machine('host_cpus')}", "{{host}}"),),
            warn=1,
            bad=2,
        ),
        Panel(
            title="Memory that can be had",
            text="Share of all.",
            queries=(
                Query(f"{_machine('host_memory_available_bytes')} / {_machine('host_memory_bytes')}", "{{host}}"),
            ),
            unit="percentunit",
            warn=0.15,
            bad=0.05,
            most=1,
        ),
        Panel(
            title="Room on the disk with the data",
            text="Share of all.",
            queries=(Query(f"{_machine('host_disk_free_bytes')} / {_machine('host_disk_bytes')}", "{{host}}"),),
            unit="percentunit",
            warn=0.1,
            bad=0.03,
            most=1,
        ),
        Panel(
            title="Disks are busy",
            text="Share of the time in which a disk has something to do, all disks together.",
            queries=(Query(rate("host_disk_busy_seconds_total", WINDOW, "host", ZONE), "{{host}}"),),
            unit="percentunit",
            warn=0.6,
            bad=0.9,
        ),
        Panel(
            title="Disks",
            text="Bytes read and written.",
            queries=(Query(rate("host_disk_bytes_total", WINDOW, "host, direction", ZONE), "{{host}} {{direction}}"),),
            unit="Bps",
        ),
        Panel(
            title="Network",
            text="Bytes, loopback included.",
            queries=(
                Query(rate("host_network_bytes_total", WINDOW, "host, direction", ZONE), "{{host}} {{direction}}"),
            ),
            unit="Bps",
        ),
        Panel(
            title="Clock",
            text="How far it is from that of Prometheus.",
            queries=(
                Query(
                    f"max by (host) (abs({_TIME} - timestamp({_TIME})))",
                    "{{host}}",
                ),
            ),
            unit="s",
            warn=1,
            bad=2,
        ),
    ),
)

DASHBOARD = Dashboard(
    name="nodes",
    title="Nodes and machines",
    text="Every node, its process and its machine: loops, messages between nodes, memory, cores, disks, network.",
    rows=(_LOOPS, _MESSAGES, _PROCESSES, _MACHINES),
    variables=nodes(),
)
