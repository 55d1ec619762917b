"""Results on disk: a folder with one JSON file for each bench, the latest one."""

from pathlib import Path

import msgspec

from tools.bench.result import Result
from tools.ctl.exits import CommandError


def read_all(folder: Path) -> dict[str, Result]:
    """By name of the bench; CommandError for a file that is not a result."""
    return {path.stem: read(path) for path in sorted(folder.glob("*.json"))}


def read(path: Path) -> Result:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise CommandError(f"{path} is not the result of a bench: {error}") from None


def write(result: object, path: Path) -> None:
    path.write_text(msgspec.json.format(msgspec.json.encode(result)).decode() + "\n", encoding="utf-8")
