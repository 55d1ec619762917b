"""What the analysis makes of a synthetic cluster: troubles are injected, and what it says of them is written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nodes.ops.analysis.alerts import Alert
from nodes.ops.analysis.analysis import Analysis
from nodes.ops.analysis.incidents import Incident
from tests.ops.analysis.synthetic import HOUR, MONDAY, Synthetic, Trouble

EVENING_S = MONDAY + 19 * HOUR
WARM_S = 900.0
TROUBLES = {
    "cpu-hog": "cpu-hog",
    "slow-disk": "slow-disk",
    "memory-leak": "memory-leak",
    "message-loss": "message-loss",
    "login-failures": "login-failures",
    "slow-scene": "slow-scene",
    "unbalanced-gates": "unbalanced-gates",
    "log-drops": "log-drops",
    "bot-flood": "bot-flood",
    "gold-from-nothing": "gold-from-nothing",
    "connection-churn": "connection-churn",
    "tick-creep": "tick-creep",
}
"""The twelve of the bench, and what each is to be called."""

CREEPS = ("memory-leak", "tick-creep")


@dataclass
class Outcome:
    """Of one trial; seconds count from the injection."""

    before: list[str] = field(default_factory=list)  # what was found when nothing was wrong
    found_s: float | None = None
    kinds: list[str] = field(default_factory=list)  # of the incident that was found first: as it was called over time
    open: list[Incident] = field(default_factory=list)  # at the end of the trouble
    fired: set[str] = field(default_factory=set)  # rules of alerts
    ended_s: float | None = None  # after the end of the trouble: when no incident was open any more

    @property
    def named(self) -> str:
        """How it was called in the end."""
        return self.kinds[-1] if self.kinds else ""


def trial(kind: str, seed: int, *, lasts_s: float = 0.0, after_s: float = 0.0, **world: Any) -> Outcome:
    """A quarter of an hour of an ordinary evening, then the trouble."""
    strength = world.pop("strength", 1.0)
    lasts_s = lasts_s or (300.0 if kind in CREEPS else 45.0)
    start_s = world.pop("start_s", EVENING_S)
    from_s = start_s + WARM_S
    troubles = [Trouble(kind, from_s, from_s + lasts_s, strength)]
    synthetic = Synthetic(seed, start_s=start_s, troubles=troubles, **world)
    analysis, outcome = Analysis(), Outcome()
    first = ""
    for second in synthetic.run(WARM_S + lasts_s + after_s):
        looked = analysis.look(second.at_s, second.readings, second.standings)
        since_s = second.at_s - from_s
        for what, incident in looked.changes:
            if since_s <= 0 and what == "opened":
                outcome.before.append(incident.title)
            elif since_s > 0 and outcome.found_s is None and what in ("opened", "reopened"):
                outcome.found_s, first = since_s, incident.id
            if incident.id == first and what != "closed":
                outcome.kinds.append(incident.kind)
        if 0 < since_s <= lasts_s:
            outcome.fired |= {one.rule for one in looked.alerts if one.state == "firing"}
            outcome.open = analysis.incidents.open
        elif since_s > lasts_s and outcome.ended_s is None and not analysis.incidents.open:
            outcome.ended_s = since_s - lasts_s
    return outcome


def quiet(synthetic: Synthetic, duration_s: float) -> tuple[list[Incident], list[Alert], Analysis]:
    """What is said where there is nothing to be said: incidents that opened, and alerts that fired."""
    analysis = Analysis()
    incidents: list[Incident] = []
    alerts: list[Alert] = []
    for second in synthetic.run(duration_s):
        looked = analysis.look(second.at_s, second.readings, second.standings)
        incidents += [change.incident for change in looked.changes if change.what in ("opened", "reopened")]
        alerts += [one for one in looked.alerts if one.state == "firing"]
    return incidents, alerts, analysis


def table(outcomes: dict[str, Outcome]) -> str:
    """For a message when something is missing."""
    rows = [
        f"{kind:20} found after {outcome.found_s if outcome.found_s is not None else '-':>6} s"
        f" as {outcome.named:20} {outcome.kinds} before: {outcome.before}"
        for kind, outcome in outcomes.items()
    ]
    return "\n" + "\n".join(rows)


def evidence(incidents: Sequence[Incident]) -> list[str]:
    """Signals and subjects, for a message."""
    return [f"{one.kind} {one.place}: {[shown.key for shown in one.evidence]}" for one in incidents]
