"""Reading the tables of a topology without trusting them: every problem is collected, with file and key."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mesh.errors import TopologyError

_WORDS = {str: "text", int: "whole number", list: "list", bool: "true or false"}
_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\Z")


class Tables:
    """One file, and what is wrong with it so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = _read(path)
        self.problems: list[str] = []

    def problem(self, key: str, text: str) -> None:
        self.problems.append(f"{self.path}: {key}: {text}")

    def unknown(self, prefix: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
        for key in table:
            if key not in known:
                self.problem(f"{prefix}{key}", f"unknown key; known are {', '.join(sorted(known))}")

    def table(self, name: str) -> dict[str, Any]:
        """A table at the top of the file; an empty one when it is missing."""
        table = self.root.get(name, {})
        if isinstance(table, dict):
            return table
        self.problem(name, "must be a table")
        return {}

    def section(self, name: str, keys: Mapping[str, type]) -> dict[str, Any]:
        """A table with exactly these keys; what is of the wrong type is left out."""
        table = self.table(name)
        self.unknown(f"{name}.", table, keys)
        good = {}
        for key, kind in keys.items():
            if key in table and (not isinstance(table[key], kind) or (kind is int and isinstance(table[key], bool))):
                self.problem(f"{name}.{key}", f"{table[key]!r} must be a {_WORDS[kind]}")
            elif key in table:
                good[key] = table[key]
        return good

    def name(self, key: str, name: object) -> str:
        """A name of a cluster, region or zone."""
        if not isinstance(name, str) or not _NAME.match(name):
            self.problem(key, f"{name!r} is not a name; use 1-32 of a-z, 0-9 and - in between")
        return str(name)

    def number(self, key: str, text: str) -> int | None:
        if not text.isdecimal():
            self.problem(key, f"{text!r} is not a number; give a port such as 7700")
            return None
        return int(text)


def value_of(text: str) -> Any:
    """A command line value as TOML reads it; what TOML does not read is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TopologyError(
            [f"{path}: there is no such file; `mesh up local` starts the one that comes along"]
        ) from None
    except OSError as error:
        raise TopologyError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise TopologyError([f"{path}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise TopologyError([f"{path}: not valid TOML: {error}"]) from None
