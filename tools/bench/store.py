"""Results on disk: a folder with one JSON file for each bench or scenario, the latest one."""

from pathlib import Path
from typing import TypeVar

import msgspec

from tools.ctl.exits import CommandError

R = TypeVar("R", bound=msgspec.Struct)


def read_all(folder: Path, form: type[R], kind: str) -> dict[str, R]:
    """By name of what was run; CommandError for a file that is not the result of a run of this kind."""
    return {path.stem: read(path, form, kind) for path in sorted(folder.glob("*.json"))}


def read(path: Path, form: type[R], kind: str) -> R:
    try:
        return msgspec.json.decode(path.read_bytes(), type=form)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise CommandError(f"{path} is not the result of a {kind}: {error}") from None


def write(result: object, path: Path) -> None:
    path.write_text(msgspec.json.format(msgspec.json.encode(result)).decode() + "\n", encoding="utf-8")
