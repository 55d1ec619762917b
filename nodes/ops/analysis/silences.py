"""Silences: nobody is told of some alerts until a moment. Pure.

A silence names labels of alerts and what they have to be (`rule`, `subject`, `zone`, `severity`, `kind`; * stands for
anything). It always has an end, somebody who made it, and a reason. The alerts themselves go on being seen.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

from mesh.errors import Code, RefusedError

SILENCES_MAX = 200
FOR_S_MAX = 30 * 86_400.0
LABELS = ("rule", "subject", "zone", "severity", "kind")

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Silence(msgspec.Struct, frozen=True):
    """All matchers have to fit."""

    id: str
    matchers: dict[str, Text]
    until_s: float
    by: Text
    why: Text
    made_s: float

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Is an alert with these labels meant?"""
        return all(fnmatchcase(labels.get(label, ""), pattern) for label, pattern in self.matchers.items())


class SilencesState(msgspec.Struct, frozen=True):
    """What survives a restart."""

    number: int = 0
    silences: list[Silence] = []


class Silences:
    """See the module."""

    def __init__(self, state: SilencesState | None = None) -> None:
        self._number = state.number if state is not None else 0
        self._silences = {one.id: one for one in state.silences} if state is not None else {}

    def add(self, matchers: Mapping[str, str], until_s: float, by: str, why: str, now_s: float) -> Silence:
        """RefusedError when it makes no sense."""
        self.prune(now_s)
        unknown = [label for label in matchers if label not in LABELS]
        if unknown or not matchers:
            said = f"{unknown[0]!r} is no label" if unknown else "a silence names at least one label"
            raise RefusedError(Code.BAD_MESSAGE, f"{said}; labels are {', '.join(LABELS)}")
        if not 0 < until_s - now_s <= FOR_S_MAX:
            raise RefusedError(Code.OUT_OF_RANGE, "a silence ends in the future, within 30 days")
        if not by.strip() or not why.strip():
            raise RefusedError(Code.BAD_MESSAGE, "a silence says who made it, and why")
        if len(self._silences) >= SILENCES_MAX:
            raise RefusedError(Code.TOO_MANY, f"there are {SILENCES_MAX} silences; end some")
        self._number += 1
        made = Silence(f"s-{self._number}", dict(matchers), until_s, by[:200], why[:200], now_s)
        self._silences[made.id] = made
        return made

    def end(self, silence: str) -> Silence:
        """RefusedError when there is none of this id."""
        if silence not in self._silences:
            raise RefusedError(Code.NOT_FOUND, f"there is no silence {silence}")
        return self._silences.pop(silence)

    def prune(self, now_s: float) -> None:
        """Forget those that are over."""
        self._silences = {name: one for name, one in self._silences.items() if one.until_s > now_s}

    def of(self, labels: Mapping[str, str]) -> Silence | None:
        """The one that holds for these labels, and for longest."""
        fitting = [one for one in self._silences.values() if one.fits(labels)]
        return max(fitting, key=lambda one: one.until_s, default=None)

    @property
    def all(self) -> Sequence[Silence]:
        """Oldest first."""
        return list(self._silences.values())

    def state(self) -> SilencesState:
        return SilencesState(self._number, list(self._silences.values()))
