"""Checkers `epochs` and `fencing`: what has an epoch never goes back, and nobody changes anything who may not any more:
an older session of an account, or a process of a scene that was given up.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from mesh.checking.records import Entry, Problem
from mesh.protocol.sessions import account_of

FENCE = "fence"
"""The kind of the row that ends a process of a scene; its note is NAME INCARNATION, the latter in hexadecimal."""


def epochs(what: str, seen: Sequence[int]) -> list[Problem]:
    """A problem for each epoch that is not above the one before it."""
    return [
        Problem("epochs", f"{what}: {later} came after {earlier}")
        for earlier, later in pairwise(seen)
        if later <= earlier
    ]


def sessions(told: Iterable[int], ledger: Iterable[Entry]) -> list[Problem]:
    """Sessions of an account grow in the ledger, and each one that a login was told of is there."""
    newest: dict[int, int] = {}
    found, opened = [], set()
    for entry in ledger:
        if entry.kind == "session":
            opened.add(entry.session)
            found += epochs("sessions", [newest.get(account_of(entry.session), 0), entry.session])
            newest[account_of(entry.session)] = entry.session
    lost = [session for session in dict.fromkeys(told) if session not in opened]
    return found + [Problem("epochs", f"session {one} was handed out and is not written") for one in lost]


def fencing(ledger: Iterable[Entry]) -> list[Problem]:
    """A problem for each operation of a session that was not the newest of its account any more, and for each that was
    asked for by a process which had been given up."""
    newest: dict[int, int] = {}
    fenced: dict[int, str] = {}
    found = []
    for entry in ledger:
        account = account_of(entry.session)
        if entry.kind == "session":
            newest[account] = max(newest.get(account, 0), entry.session)
        elif entry.kind == FENCE:
            fenced[int(entry.note.split(" ")[1], 16)] = entry.note
        elif entry.number:
            what = f"operation {entry.session}/{entry.number} ({entry.kind})"
            if entry.session != newest.get(account):
                found.append(Problem("fencing", f"{what} came after session {newest.get(account)}"))
            if entry.process in fenced:
                found.append(Problem("fencing", f"{what} came after the end of {fenced[entry.process]}"))
    return found
