"""To erase a player: what of an event is whose, and who has been erased. Pure.

A player's own events go altogether. Others' events stay, without his number where they name another account
(MENTIONS), and without his names in what they say. A lake remembers who was erased, so that events from before that
come late, from a log node on another machine for example, do not bring him back. It remembers a keyed hash: nobody
reads the account out of it, and a copy of the lake without its manifest knows nothing of him.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from mesh.lake.fields import Fields
from mesh.lake.manifest import Erased, Manifest

MENTIONS = ("other", "killer", "to", "gone")
"""Fields that name another account, or several. A game whose events have others adds them here."""
REPLACED = "erased"
"""In the place of a name."""


class Scrub:
    """Takes one player out of what others' events say."""

    def __init__(self, account: int, names: Iterable[str]) -> None:
        self.account = account
        self.names = tuple(name for name in names if name)
        words = "|".join(re.escape(name) for name in self.names)
        self._names = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) if words else None

    def fields(self, fields: Fields) -> bool:
        """Whether there was anything of him in these; it is not any more."""
        changed = _without(fields, lambda account: account == self.account)
        for name, value in fields.items():
            after = self._value(value)
            if after is not value:
                fields[name], changed = after, True
        return changed

    def text(self, text: str) -> str:
        """The same object when he is not named in it."""
        if self._names is None or not self._names.search(text):
            return text
        return self._names.sub(REPLACED, text)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            after = [self._value(one) for one in value]
            return after if any(a is not b for a, b in zip(after, value, strict=True)) else value
        if isinstance(value, dict):
            inner = {key: self._value(one) for key, one in value.items()}
            return inner if any(inner[key] is not value[key] for key in inner) else value
        return value


class Erasures:
    """The players who were erased from a lake."""

    def __init__(self, manifest: Manifest) -> None:
        self._salt = manifest.salt
        self._until = {one.who: one.until_ms for one in manifest.erased}
        self._known: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def until_ms(self, account: int) -> int:
        """His events up to then are not in the lake; 0 for one who was not erased."""
        found = self._known.get(account)
        if found is None:
            found = self._known[account] = self._until.get(who(self._salt, account), 0)
        return found

    def blank(self, account: int, at_ms: int, fields: Fields) -> bool:
        """Whether an event is one that was erased; takes mentions of those who were out of the fields of others."""
        if account and at_ms <= self.until_ms(account):
            return True
        _without(fields, lambda other: at_ms <= self.until_ms(other))
        return False


def who(salt: str, account: int) -> str:
    """An account that was erased, for those who know it already."""
    return hashlib.blake2b(str(account).encode(), key=bytes.fromhex(salt), digest_size=16).hexdigest()


def with_erased(manifest: Manifest, account: int, until_ms: int) -> Manifest:
    """This one, too."""
    name = who(manifest.salt, account)
    others = [one for one in manifest.erased if one.who != name]
    return msgspec.structs.replace(manifest, erased=[*others, Erased(name, until_ms)])


def _without(fields: Fields, is_gone: Any) -> bool:
    changed = False
    for name in MENTIONS:
        value = fields.get(name)
        if type(value) is int and value and is_gone(value):
            del fields[name]
            changed = True
        elif isinstance(value, list):
            kept = [one for one in value if not (type(one) is int and one and is_gone(one))]
            if len(kept) < len(value):
                fields[name], changed = kept, True
    return changed
