"""Failpoints: named places in the code at which a test has a node die, stall or fail.

Owns the list of names and what is armed. A node hits a point by its name (`seat.failpoints.hit("dc.before-commit")`);
with nothing armed, which is the case in every cluster that serves players, that is a look into an empty dict. What is
armed is a text, from the environment variable MESH_FAILPOINTS of a process:

    dc.before-commit=kill            at the first hit the process kills itself, as SIGKILL does
    dc.before-commit=kill@7          at the seventh
    dc.in-commit=stall:0.02@1+       from the first on each hit takes 20 ms longer (the thread that hits it waits)
    dc.in-commit=error@3             the third hit raises StorageError

Several are separated by commas. Names stand here and nowhere else, so that `mesh chaos` can go through all of them and
a test can prove that each is somewhere in the code. Rejected: patching functions from outside, which tests what the
code was called last year.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mesh.errors import StorageError

VARIABLE = "MESH_FAILPOINTS"

POINTS: Mapping[str, str] = {
    "dc.operation-heard": "an operation arrived, nothing was done with it",
    "dc.operation-applied": "its changes are in the overlay of the next commit",
    "dc.before-write": "a group is complete, no row of it is written",
    "dc.rows-written": "its rows are in the open transaction",
    "dc.before-commit": "in the thread, before the commit",
    "dc.in-commit": "in the thread, the commit is on disk and nobody knows",
    "dc.after-commit": "the loop knows, the memory does not",
    "dc.before-acknowledge": "visible, nobody was answered",
    "dc.half-acknowledged": "the first of a group was answered",
    "dc.acknowledged": "all of a group were answered",
    "dc.states-taken": "cached states are on their way into a commit",
    "dc.map-full": "the map is full, before it grows",
    "dc.map-grown": "the map has grown, before the group is committed again",
    "dc.opened": "the file is open at a start, nothing was checked",
    "dc.stopping": "the last commit of an orderly stop is ahead",
    "scene.entering": "a character was built, the center was not answered",
    "scene.tick": "a tick begins",
    "scene.departing": "a character was saved to go elsewhere, and is still here",
    "scene.departed": "a character was given away, the center was not answered",
    "scene.operation-asked": "a durable operation is on its way to the DC",
    "scene.operation-heard": "the DC has answered it, the players do not know",
    "scene.handing-held": "the gates keep back what clients say, nothing stands still yet",
    "scene.handing-still": "the old process stands still, nothing of it was written down",
    "scene.handing-given": "the heir is given what there is, and has not built it",
    "scene.handing-built": "the heir has built it, the old process does not know",
    "scene.handing-fenced": "the old process is fenced, and the heir does not know",
    "scene.handing-taken": "the heir knows that it is the scene, and nobody is linked to it",
    "center.entering": "a session is in the directory, its scene was not asked",
    "center.entered": "the scene has the character, the login was not answered",
    "center.departed": "the old scene gave a character away, the new one was not asked",
    "center.arrived": "the new scene has it, the old one and the gate were not told",
    "gate.logged-in": "a login was accepted, the client was not told",
    "gate.attaching": "the scene is asked to attach a connection",
    "gate.attached": "it did, the client's frames may flow",
    "gate.moves-waiting": "messages of clients wait for the next flush",
}
"""Where -> what has happened there, and what has not."""

Action = Literal["kill", "stall", "error"]
ACTIONS = ("kill", "stall", "error")


class FailpointError(ValueError):
    """A text that arms nothing: what is wrong with it, and what would be right."""


@dataclass(frozen=True, slots=True)
class Armed:
    """What happens at one point."""

    action: Action
    at: int = 1  # the hit that it happens at
    ever_after: bool = False  # and at each one from then on
    seconds: float = 0.0  # of a stall


@dataclass(slots=True)
class Failpoints:
    """`act` carries out what is armed: kills or stalls. An error is raised here."""

    armed: Mapping[str, Armed] = field(default_factory=dict)
    act: Callable[[str, Armed], None] | None = None
    hits: dict[str, int] = field(default_factory=dict)  # of the points that are armed

    def hit(self, name: str) -> None:
        """The code has come here."""
        armed = self.armed.get(name)
        if armed is None:
            return
        count = self.hits[name] = self.hits.get(name, 0) + 1
        if count != armed.at and not (armed.ever_after and count > armed.at):
            return
        if armed.action == "error":
            raise StorageError(f"failpoint {name}")
        if self.act is not None:
            self.act(name, armed)


def parse(text: str) -> dict[str, Armed]:
    """What a text arms, by name. FailpointError names everything that is wrong with it at once."""
    armed, problems = dict[str, Armed](), list[str]()
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, said = part.partition("=")
        if name not in POINTS:
            problems.append(f"there is no failpoint {name!r}; there are {', '.join(POINTS)}")
        elif not separator or (found := _armed(said)) is None:
            problems.append(f"{part!r}: write {name}=kill, =stall:SECONDS or =error, and @N or @N+ for the N-th hit")
        else:
            armed[name] = found
    if problems:
        raise FailpointError(f"{VARIABLE}: {'; '.join(problems)}")
    return armed


def _armed(said: str) -> Armed | None:
    """None when it means nothing."""
    what, _, when = said.partition("@")
    action, _, argument = what.partition(":")
    number = when.removesuffix("+") or "1"
    try:
        seconds = float(argument) if action == "stall" else 0.0
    except ValueError:
        return None
    right = action in ACTIONS and (action == "stall" or not argument) and 0 <= seconds <= 3600
    if not right or not number.isdecimal() or int(number) < 1:
        return None
    known: dict[str, Action] = {"kill": "kill", "stall": "stall", "error": "error"}
    return Armed(known[action], int(number), when.endswith("+"), seconds)
