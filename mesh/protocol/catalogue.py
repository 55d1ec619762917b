"""How a message is declared, and the catalogue of all that were.

A message is a frozen msgspec struct written as a MessagePack array whose first element is its number:

    @message("gate -> login", step=2, answers=("Authenticated", "Queued"))
    class Authenticate(Message, frozen=True, tag=100):
        \"\"\"Prove who this client is.\"\"\"
        ...

Decoding checks number, types, sizes and ranges in one step, so an object that came off the wire is valid. New fields
are appended and have defaults: a node of the previous version skips what it does not know, and fills in what it is
not sent. Numbers are never reused:

    1-99     mesh     links, registry, description       control.py
    100-299  cluster  between the nodes of a zone        cluster.py (to 144), succession.py (to 149), records.py (to
                                                       199), placement.py (to 249)
                      between the centers of zones       zones.py (from 250)
    300-339  client   client <-> gate                    client.py
    340-399  social   client <-> center, through a gate  social.py
    400-499  play     client <-> scene, through a gate   play.py
    1000-    kept for games

`Refused` may answer every request, so no declaration names it.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, Union

import msgspec

from mesh.errors import RemoteProtocolError


class Message(msgspec.Struct, frozen=True, array_like=True):
    """The base of everything that is said."""


class Declaration(msgspec.Struct, frozen=True):
    """What the catalogue knows of a message besides its fields."""

    number: int
    type: type[Message]
    source: str
    target: str
    public: bool  # by PUB to everyone instead of over one link
    step: int  # of the nine steps, 0 for none
    answers: tuple[str, ...]  # class names; empty for a notice


CATALOGUE: dict[int, Declaration] = {}

_T = TypeVar("_T", bound=type[Message])

NUMBER_BYTES_MAX = 14
"""As many bytes of a message as `number_in` may have to see: array32 and a 64-bit integer."""
_ARRAY_HEADS = {0xDC: 3, 0xDD: 5}  # bytes of the head; a fixarray has one
_SIGNED = 0xD0
_INTEGERS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, _SIGNED: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}  # bytes after the first

_encoder = msgspec.msgpack.Encoder()
encode: Callable[[Any], bytes] = _encoder.encode


def message(route: str, *, step: int = 0, answers: tuple[str, ...] = ()) -> Callable[[_T], _T]:
    """Enter a message into the catalogue. `route` is "source -> target", or "source => target" for PUB."""
    public = "=>" in route
    source, target = route.split(" => " if public else " -> ")

    def declare(cls: _T) -> _T:
        number = cls.__struct_config__.tag
        assert isinstance(number, int), f"{cls.__name__} needs tag=<number>"
        assert number not in CATALOGUE, f"{cls.__name__} reuses number {number}"
        assert cls.__doc__, f"{cls.__name__} must say what it means"
        CATALOGUE[number] = Declaration(number, cls, source, target, public, step, answers)
        return cls

    return declare


def number_of(said: Message | type[Message]) -> int:
    """The wire number of a message or of its class."""
    number = said.__struct_config__.tag
    assert isinstance(number, int)
    return number


@functools.cache
def _decoder(types: frozenset[type[Message]]) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(Union[tuple(types)])  # noqa: UP007 - built at run time


def decoder(types: Iterable[type[Message]]) -> Callable[[bytes | memoryview], Message]:
    """A function that decodes exactly these messages and raises RemoteProtocolError for anything else."""
    decode = _decoder(frozenset(types)).decode

    def checked(data: bytes | memoryview) -> Message:
        try:
            return decode(data)  # type: ignore[no-any-return]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteProtocolError(str(error)) from None

    return checked


def number_in(data: bytes | memoryview) -> int | None:
    """The number in front of an encoded message without decoding the rest; None when there is none.

    MessagePack: the head of an array, then a whole number in any form, since not every encoder takes the shortest.
    """
    view = bytes(data[:NUMBER_BYTES_MAX])
    if not view:
        return None
    at = 1 if 0x90 <= view[0] <= 0x9F else _ARRAY_HEADS.get(view[0], 0)
    if not at or len(view) <= at:
        return None
    head = view[at]
    if head < 0x80:
        return head
    size = _INTEGERS.get(head, 0)
    if not size or len(view) < at + 1 + size:
        return None
    number = int.from_bytes(view[at + 1 : at + 1 + size], "big", signed=head >= _SIGNED)
    return number if 0 <= number <= 0xFFFF_FFFF else None
