"""The table of handlers: which function hears which message."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mesh.promise import Promise
from mesh.protocol.catalogue import Message
from mesh.protocol.envelope import Lane

F = TypeVar("F", bound=Callable[..., Any])

_HEARS = "_hears_messages"
_TOGETHER = "_hears_messages_together"
_BATCH = "_hears_lane"
_PUBLISHED = "_hears_publications"
_TO_THE_END = "_goes_to_the_end"


def on(*types: type[Message]) -> Callable[[F], F]:
    """This method hears these messages: `(self, said, caller) -> answer | None`, plain or async."""
    return _mark(_HEARS, types)


def on_together(message: type[Message], *, alike: str = "") -> Callable[[F], F]:
    """This method hears all of these that came in one go, in their order: `(self, said, caller)`, plain, with a promise
    of their answers; in the place of an answer may be the error that there is instead, and of a promise that is kept
    `is_in_part` another promise, of that answer alone. It is for what is said ten thousand times a second: that one of
    them comes costs no call, no task and no deadline of its own. `alike`: a field that has the same value in all that
    are heard together."""
    return _mark(_TOGETHER, (message, alike))


def to_the_end(function: F) -> F:
    """This async handler goes on when its asker's patience is over: it changes what must not stop half way. Whatever
    it waits for has an end of its own."""
    return _mark(_TO_THE_END, True)(function)


def on_batch(lane: Lane) -> Callable[[F], F]:
    """This method hears a hot lane: `(self, blobs, caller) -> None`, plain."""
    return _mark(_BATCH, lane)


def on_published(*types: type[Message]) -> Callable[[F], F]:
    """This method hears these publications of the center: `(self, said) -> None`, plain."""
    return _mark(_PUBLISHED, types)


def _mark(name: str, value: Any) -> Callable[[F], F]:
    def mark(function: F) -> F:
        setattr(function, name, value)
        return function

    return mark


class Handlers:
    """What one node hears."""

    def __init__(self) -> None:
        self.messages: dict[type[Message], Callable[..., Any]] = {}
        self.together: dict[type[Message], Callable[..., Promise[Sequence[Any]]]] = {}
        self.alike: dict[type[Message], str] = {}  # of each of those: the field in which they are alike, or ""
        self.lanes: dict[int, Callable[..., None]] = {}
        self.publications: dict[type[Message], Callable[..., None]] = {}
        self.to_the_end: set[type[Message]] = set()

    def collect(self, part: object) -> None:
        """Enter every marked method of an object. Two handlers for one message are a mistake."""
        for name in dir(type(part)):
            function = getattr(type(part), name, None)
            for message in getattr(function, _HEARS, ()):
                assert message not in self.messages, f"two handlers for {message.__name__}"
                self.messages[message] = getattr(part, name)
                if hasattr(function, _TO_THE_END):
                    self.to_the_end.add(message)
            message, alike = getattr(function, _TOGETHER, (None, ""))
            if message is not None:
                assert message not in self.together, f"two handlers for {message.__name__}"
                self.together[message], self.alike[message] = getattr(part, name), alike
            lane = getattr(function, _BATCH, None)
            if lane is not None:
                assert lane not in self.lanes, f"two handlers for lane {lane!r}"
                self.lanes[int(lane)] = getattr(part, name)
            for message in getattr(function, _PUBLISHED, ()):
                assert message not in self.publications, f"two handlers for {message.__name__}"
                self.publications[message] = getattr(part, name)
