"""Secrets of channels: read from files when they are needed, and shown nowhere. Blocking.

A setting names a file, never the secret itself, so that a topology can be shown to anybody.
"""

from pathlib import Path

from mesh.errors import StorageError

BYTES_MAX = 8192


class Secret:
    """A text that is in no log and no repr: `text` is the only way to it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


def read_secret(file: str) -> Secret:
    """The first line of a file. StorageError, without what is in it, when that cannot be read."""
    try:
        with Path(file).open(encoding="utf-8") as opened:
            text = opened.read(BYTES_MAX).split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise StorageError(f"{file}: the secret in it cannot be read: {reason}") from None
    if not text:
        raise StorageError(f"{file}: the first line is to be a secret, and is empty")
    return Secret(text)
