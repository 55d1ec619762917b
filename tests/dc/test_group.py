"""A group of operations: what is left of it when everybody was answered."""

import gc
import weakref

from mesh.errors import Code, RefusedError
from mesh.promise import Promise
from nodes.dc.cache import Rows
from nodes.dc.group import Group, Waiting
from nodes.dc.memory_store import MemoryStore
from nodes.dc.view import View


class Said:
    """An operation."""


def refuse(_view: View, _said: Said) -> None:
    raise RefusedError(Code.INSUFFICIENT, "not so much gold")


def test_a_refusal_holds_nothing_of_what_was_asked_together_with_it() -> None:
    """Where players are refused all the time, only a collection of all objects would find it otherwise."""
    said = [Said() for _ in range(3)]
    alive = [weakref.ref(one) for one in said]
    group = Group(Rows(MemoryStore(), 10, 1_000))
    group.apply(Waiting(refuse, said, Promise()))
    assert [str(one.code) for one in group.answers[0]] == ["insufficient"] * 3
    gc.disable()
    try:
        del group, said
        assert [one() for one in alive] == [None] * 3
    finally:
        gc.enable()
