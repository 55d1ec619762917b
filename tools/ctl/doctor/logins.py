"""Whether players get in: how logins end, and how long they take."""

from collections.abc import Iterator

from tools.ctl.doctor.finding import Finding, worse
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.units import plural, shown, spell

GOOD = {"ok", "resumed", "queued"}
THEIRS = {"bad_credentials", "banned", "resume_gone", "taken_over", "too_many", "bad_message", "zone_full"}
"""Refusals that are the player's own affair; all others are ours."""
FAILED, FAILED_MAX, FAILED_MIN = 0.05, 0.5, 3  # of the logins; fewer are chance
GUESSED, GUESSED_MIN = 0.5, 20
LOGIN, LOGIN_SHARE, LOGIN_S, LOGIN_S_MAX = "gate_login_seconds", 0.95, 2.0, 5.0


def logins(snapshot: Snapshot) -> Iterator[Finding]:
    """Who may log in gets in."""
    ended: dict[str, float] = {}
    gates: list[str] = []
    for view, figures in snapshot.told("gate"):
        grown = {result: count for result, count in figures.grown_by("result", "gate_logins_total").items() if count}
        for result, count in grown.items():
            ended[result] = ended.get(result, 0.0) + count
        if grown.keys() - GOOD:
            gates.append(view.short)
    every = sum(ended.values())
    ours = {result: count for result, count in ended.items() if result not in GOOD | THEIRS}
    failed, guessed = sum(ours.values()), ended.get("bad_credentials", 0.0)
    where = gates[0] if len(gates) == 1 else "gates"
    if failed >= FAILED_MIN and failed > FAILED * every:
        codes = ", ".join(sorted(ours, key=lambda code: -ours[code]))
        text = f"{failed:.0f} of {plural(every, 'login')} failed: {codes}."
        limit, severity = f"at most {shown(FAILED, 'share')}", worse(failed / every, FAILED_MAX)
        yield Finding(
            severity, where, text, "gate_logins_total", failed / every, limit, "mesh trace failed", "share",
            gates[0] if len(gates) == 1 else "", peers=tuple(gates),
        )  # fmt: skip
    elif guessed >= GUESSED_MIN and guessed > GUESSED * every:
        text = f"{guessed:.0f} of {plural(every, 'login')} had a wrong password: somebody may be guessing."
        limit, mend = f"at most {shown(GUESSED, 'share')}", "mesh events -k login_refused"
        yield Finding(
            "warning", where, text, "gate_logins_total{result=bad_credentials}", guessed / every, limit, mend, "share",
            gates[0] if len(gates) == 1 else "", peers=tuple(gates),
        )  # fmt: skip


def login_time(snapshot: Snapshot) -> Iterator[Finding]:
    """A login takes a moment."""
    for view, figures in snapshot.told("gate"):
        took_s = figures.quantile(LOGIN_SHARE, LOGIN)
        if took_s is not None and took_s > LOGIN_S and figures.times(LOGIN) >= FAILED_MIN:
            text = f"One login in twenty takes {spell(took_s)} or longer."
            limit, severity = f"at most {spell(LOGIN_S)}", worse(took_s, LOGIN_S_MAX)
            yield Finding(
                severity, view.short, text, f"{LOGIN} p95", took_s, limit, "mesh trace slowest login", "s",
                view.short, view.host,
            )  # fmt: skip
