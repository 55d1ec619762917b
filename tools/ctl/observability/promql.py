"""Pieces of PromQL that rules and dashboards share, so that the same is asked in the same way everywhere.

Every series has the labels of its target (scraping.py): cluster, region, zone, host, process, nodes. What a node counts
has node and role besides; what is of a whole process or machine (`process_`, `python_`, `host_`) has not.
"""

CLUSTER = "cluster, region"
ZONE = f"{CLUSTER}, zone"
HOST = f"{CLUSTER}, host"
PROCESS = f"{ZONE}, host, process, nodes"
NODE = f"{ZONE}, host, process, node, role"

JOB = 'job="zonemesh"'
PLAYING = 'state=~"Playing|Transferring"'
FAILED = 'result=~"unavailable|internal|error|shutdown|disk_full|zone_full"'
"""Logins that fail for a fault of ours."""
WRONG = 'result=~"bad_credentials|banned"'
"""Logins that fail for a fault of whoever tries."""


def of(metric: str, *where: str) -> str:
    """`metric{a,b}`; empty conditions are left out."""
    conditions = ",".join(one for one in where if one)
    return f"{metric}{{{conditions}}}" if conditions else metric


def total(metric: str, by: str, *where: str) -> str:
    """The sum, as it is now."""
    return f"sum by ({by}) ({of(metric, *where)})"


def rate(counter: str, window: str, by: str, *where: str) -> str:
    """So many a second."""
    return f"sum by ({by}) (rate({of(counter, *where)}[{window}]))"


def increase(counter: str, window: str, by: str, *where: str) -> str:
    """So many within the window."""
    return f"sum by ({by}) (increase({of(counter, *where)}[{window}]))"


def quantile(share: float, histogram: str, window: str, by: str, *where: str) -> str:
    """What this share of the values was at most."""
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({grouped}) (rate({of(f'{histogram}_bucket', *where)}[{window}])))"


def mean(histogram: str, window: str, by: str, *where: str) -> str:
    """What a value was on average."""
    return f"{rate(f'{histogram}_sum', window, by, *where)} / {rate(f'{histogram}_count', window, by, *where)}"
