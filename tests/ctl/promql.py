"""What a query in PromQL names: enough of its grammar to hold rules and dashboards to the metrics that there are."""

import re
from collections.abc import Iterator

from tests.test_metrics_page import EVERY
from tools.ctl.observability import rules
from tools.ctl.observability.forms import Recording

TARGET = {"cluster", "region", "zone", "host", "process", "nodes", "job", "instance"}
"""What a target adds to each of its series."""
NODELESS = ("process", "python", "host")

_WORDS = {"and", "or", "unless", "bool", "offset"}
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^{}]*)\}")
_NAME = re.compile(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)\b(?!\s*\()")
_BY = re.compile(r"\bby\s*\(([^()]*)\)\s*\(")


def series(query: str) -> list[str]:
    """The series that it asks for, in their order."""
    bare = _SELECTOR.sub(r"\1 ", _TEXT.sub('""', _RANGE.sub("", query)))
    return [name for name in _NAME.findall(_LABELS.sub(" ", bare)) if name not in _WORDS]


def matched(query: str) -> Iterator[tuple[str, set[str]]]:
    """Each selector: its series, and the labels that it looks at."""
    for name, inside in _SELECTOR.findall(_TEXT.sub('""', query)):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))


def aggregated(query: str) -> Iterator[tuple[set[str], str]]:
    """Each `by`: its labels, and what is aggregated."""
    bare = _TEXT.sub('""', query)
    for found in _BY.finditer(bare):
        depth, at = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(bare[at], 0)
            at += 1
        yield set(re.findall(r"\w+", found[1])), bare[found.end() : at - 1]


def result_labels(query: str, known: dict[str, set[str]]) -> set[str]:
    """Of what it says: those of its first aggregation, or of its first series when that comes before."""
    bare = _TEXT.sub('""', query)
    by, name = _BY.search(bare), series(query)[0]
    if re.match(r"(?:\w+\s*\()*(?:sum|max|min|avg|count)\s*\(", bare):
        return set()
    if by is not None and (name not in bare[: by.start()]):
        return set(re.findall(r"\w+", by[1])) - {"le"}
    return known[name] - {"le"}


def known_series() -> dict[str, set[str]]:
    """Everything that there is to ask for: name -> labels."""
    known: dict[str, set[str]] = {"up": set(TARGET), "ALERTS": {*TARGET, "node", "role", "alertname", "alertstate"}}
    known["ALERTS"] |= {"severity", "objective", "peer", "message"}
    for one in EVERY:
        labels = TARGET | set(one.labels) | (set() if one.name.startswith(NODELESS) else {"node", "role"})
        if one.kind == "histogram":
            known |= {f"{one.name}_sum": labels, f"{one.name}_count": labels, f"{one.name}_bucket": {*labels, "le"}}
        else:
            known[one.name] = labels
    for group in rules.GROUPS:
        for rule in group.rules:
            if isinstance(rule, Recording):
                known[rule.name] = result_labels(rule.expr, known)
    return known


KNOWN = known_series()


def mistakes(query: str) -> list[str]:
    """Series that there are not, and labels that they do not have."""
    found = [f"there is no {name}" for name in series(query) if name not in KNOWN]
    for name, labels in matched(query):
        found += [f"{name} has no {label}" for label in labels - KNOWN.get(name, labels)]
    for labels, inside in aggregated(query):
        found += [f"{name} has no {label}" for name in series(inside) for label in labels - KNOWN.get(name, labels)]
    return found
