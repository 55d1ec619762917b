"""Which messages a role may hear, and a decoder for just those."""

from collections.abc import Callable, Iterable
from functools import cache

from mesh.protocol.catalogue import CATALOGUE, Message, decoder, number_of


def heard_by(target: str, sources: Iterable[str] = ()) -> list[type[Message]]:
    """Every message whose route ends at `target`, optionally only from these sources."""
    wanted = set(sources)
    return [
        d.type
        for d in CATALOGUE.values()
        if d.target in (target, "any") and (not wanted or d.source in wanted or d.source == "any")
    ]


def decoder_for(target: str, *sources: str) -> Callable[[bytes | memoryview], Message]:
    """A decoder of everything that `target` may hear."""
    return decoder(heard_by(target, sources))


@cache
def answer_decoder(request: type[Message]) -> Callable[[bytes | memoryview], Message]:
    """A decoder of what may answer a request."""
    names = CATALOGUE[number_of(request)].answers
    return decoder([d.type for d in CATALOGUE.values() if d.type.__name__ in (*names, "Refused")])
