"""What the scenarios about moving players must show at the end, line by line (pure).

Each line has what was found and what it must be; a line that does not hold makes the run FAILED. The limits are those
that this project promises for its reference machine; a percentile is judged only when there is something to judge.
"""

import msgspec

from mesh.protocol.control import Drained
from tools.bots.increments import Total
from tools.bots.result import MOVING, Finding
from tools.bots.roll import Roll, Words
from tools.bots.statistics import Series

GAP_P99_MS = 300.0
PAUSE_P99_MS = 500.0
DRAIN_S = 10.0
RATE_NOTED, RATE_MIN = 0.8, 0.5  # of the switches that are wanted


class Evidence(msgspec.Struct, frozen=True):
    """What is known when the bots stand still."""

    scenario: str
    window_s: float
    roll: Roll | None = None
    words: Words | None = None
    kills: int = 0
    drained: Drained | None = None
    drain_s: float = 0.0
    drain_problem: str = ""  # why a node that was to be drained is not
    users: int = 0
    rate: float = 0.0  # switches that are wanted in a second
    switch_s: float = 3.0  # between two switches of a player, as the center has it


def findings(evidence: Evidence, total: Total) -> list[Finding]:
    """Of a scenario that finds out anything; others have none. `total` is everything since the bots logged in."""
    found: list[Finding] = []
    match evidence.scenario:
        case "portals":
            found += _moves(evidence, total, "crossings", "crossing")
            found.append(_at_most("without updates, p99", total.series.get("gap"), GAP_P99_MS))
        case "lines":
            found += _moves(evidence, total, "switches", "switch")
            if evidence.rate:
                found.append(_switch_rate(evidence, total.counts.get("switches", 0)))
        case "travel":
            found += _moves(evidence, total, "travels", "travel")
    if evidence.scenario == "drain" or evidence.drained is not None:
        found += _drain(evidence, total)
    if evidence.drain_problem:
        found.append(Finding("drained", f"no: {evidence.drain_problem}", "yes", False))
    if evidence.kills:
        found += _returns(evidence, total)
    if evidence.scenario in MOVING:
        found += _messages(evidence, total)
    if evidence.roll is not None:
        found += _roll(evidence.roll)
    return found


def _moves(evidence: Evidence, total: Total, counted: str, series: str) -> list[Finding]:
    """How often, how fast; whoever did not get through is told, and refusals belong to the game."""
    done = total.counts.get(counted, 0)
    times = total.series.get(series, Series())
    rate = done / evidence.window_s if evidence.window_s else 0.0
    p50, p99 = (times.raw.percentile_ms(p) for p in (50.0, 99.0))
    return [
        Finding(counted, f"{done:,}, {rate:.1f} /s", "> 0", done > 0),
        Finding(f"{series}, p50 and p99", f"{p50:.0f} ms, {p99:.0f} ms", ""),
        Finding(f"{series}: refused", f"{times.failures}", ""),
    ]


def _switch_rate(evidence: Evidence, switches: int) -> Finding:
    """Against what was asked for; with the reason when much of it is missing."""
    rate = switches / evidence.window_s if evidence.window_s else 0.0
    value = f"{rate:.1f} of {evidence.rate:g} wanted"
    if rate < RATE_NOTED * evidence.rate:
        most = evidence.users / evidence.switch_s if evidence.switch_s else evidence.rate
        value += f"; a player may switch once in {evidence.switch_s:g} s (switch_s)"
        if most < evidence.rate:
            value += f", so {evidence.users} players make at most {most:.1f} /s"
    least = RATE_MIN * evidence.rate
    return Finding("switches per second", value, f">= {least:g}", rate >= least)


def _drain(evidence: Evidence, total: Total) -> list[Finding]:
    found = [_at_most("longest pause of a player, p99", total.series.get("pause"), PAUSE_P99_MS)]
    drained = evidence.drained
    if drained is not None:
        left = Finding("moved, left", f"{drained.moved}, {drained.left}", "none left", drained.left == 0)
        found += [left, Finding("drained in", f"{evidence.drain_s:.1f} s", f"<= {DRAIN_S:.0f} s", _quick(evidence))]
    return found


def _quick(evidence: Evidence) -> bool:
    return evidence.drain_s <= DRAIN_S


def _returns(evidence: Evidence, total: Total) -> list[Finding]:
    sent_away = sum(count for name, count in total.counts.items() if name.startswith("sent away"))
    back = sum(total.series[name].raw.count for name in ("resume", "return") if name in total.series)
    times = total.series.get("return", Series())
    return [
        Finding("kills", f"{evidence.kills}", ""),
        Finding("sent away, and back", f"{sent_away}, {back}", "all", back >= sent_away),
        Finding("back after, p99", f"{times.raw.percentile_ms(99.0) / 1000:.1f} s", ""),
    ]


def _messages(evidence: Evidence, total: Total) -> list[Finding]:
    """Exactly once and in order, in both directions."""
    of = total.counts.get
    asked, answered, void = of("asked", 0), of("answered", 0), of("void", 0)
    wrong = of("answered twice", 0) + of("out of order", 0) + of("unanswered", 0)
    found = [
        Finding(
            "questions answered once, in order",
            f"{answered:,} of {asked:,}" + (f", {void} void" if void else ""),
            "all",
            wrong == 0 and answered > 0,
        )
    ]
    if wrong:
        names = ("answered twice", "out of order", "unanswered")
        found.append(Finding("of these wrong", ", ".join(f"{of(name, 0)} {name}" for name in names), "none", False))
    twice = of("heard twice", 0) + of("heard out of order", 0)
    found.append(Finding("words heard twice or out of order", f"{twice}", "0", twice == 0))
    if evidence.words is not None:
        found += _words(evidence, evidence.words, of("said", 0))
    if of("belongings changed", 0):
        found.append(Finding("belongings that got less", f"{of('belongings changed', 0)}", "0", False))
    return found


def _words(evidence: Evidence, words: Words, said: int) -> list[Finding]:
    """By the log. With kills some are missing: a killed scene takes along what it had not sent to a log node."""
    wrong = words.twice + words.out_of_order
    all_there = words.carried_out == said
    return [
        Finding(
            "words carried out",
            f"{words.carried_out:,} of {said:,}",
            "" if evidence.kills else "all",
            all_there or evidence.kills > 0,
        ),
        Finding("words carried out twice or out of order", f"{wrong}", "0", wrong == 0),
    ]


def _roll(roll: Roll) -> list[Finding]:
    names = ", ".join([*roll.lost, *roll.doubled][:3])
    once = roll.present == roll.expected
    found = [
        Finding("in the world exactly once", f"{roll.present:,} of {roll.expected:,}", "all", once),
        Finding(
            "lost, doubled",
            f"{len(roll.lost)}, {len(roll.doubled)}" + (f": {names}" if names else ""),
            "0, 0",
            not roll.lost and not roll.doubled,
        ),
    ]
    if roll.silent:
        found.append(Finding("scenes that did not answer", ", ".join(roll.silent), "none", False))
    return found


def _at_most(name: str, series: Series | None, limit_ms: float) -> Finding:
    count = series.raw.count if series else 0
    p99 = series.raw.percentile_ms(99.0) if series else 0.0
    return Finding(name, f"{p99:.0f} ms of {count:,}", f"<= {limit_ms:.0f} ms", count > 0 and p99 <= limit_ms)
