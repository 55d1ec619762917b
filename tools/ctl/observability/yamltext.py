"""Data as YAML that one likes to read and to edit. It writes and does not read, which takes no library.

Tables and lists are blocks. Texts are plain where that is safe, as PromQL mostly is; a block of their own where they
have several lines; in quotes otherwise.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_(][ -~]*\Z")
_MEANT = re.compile(r": | #|[: ]\Z")
"""What would begin something else, or would be lost, in a plain text."""
_DURATION = re.compile(r"[0-9]+(ms|[smhdwy])\Z")
_WORDS = {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"}


def render(value: Mapping[str, Any]) -> str:
    """A whole document."""
    return "\n".join(_table(value)) + "\n"


def _table(value: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, inner in value.items():
        lines += _under(f"{_scalar(key)}:", inner)
    return lines


def _under(head: str, value: Any) -> list[str]:
    """`head` is a key."""
    if isinstance(value, Mapping) and value:
        return [head, *_indented(_table(value))]
    if _is_list(value) and value:
        return [head, *_indented([line for inner in value for line in _entry(inner)])]
    if isinstance(value, str) and _is_block(value):
        return [f"{head} |-", *_indented(value.split("\n"))]
    return [f"{head} {_scalar(value)}"]


def _entry(value: Any) -> list[str]:
    """One of a list."""
    assert not _is_list(value), "nobody needs a list of lists"
    lines = _table(value) if isinstance(value, Mapping) and value else [_scalar(value)]
    return [f"- {lines[0]}", *_indented(lines[1:])]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        plain = _PLAIN.match(value) and not _MEANT.search(value) and value.casefold() not in _WORDS
        return value if plain or _DURATION.match(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if _is_list(value) else json.dumps(value)


def _is_block(value: str) -> bool:
    """Several lines, and nothing that a block would change: blank lines, spaces at the ends."""
    lines = value.split("\n")
    usual = all(line.isprintable() and line.strip() and line == line.rstrip() for line in lines)
    return len(lines) > 1 and usual and not value.startswith(" ")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
