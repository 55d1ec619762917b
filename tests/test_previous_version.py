"""Two versions of the code in one mesh: what nodes of the previous version say and hear, against the present catalogue.

The previous version's catalogue is a frozen copy (`tests/frozen`). Everything old is understood by new code, everything
new by old code as far as it is old, and a message that one side does not know has a number by which it is refused.
"""

from typing import Any

import msgspec
import numpy as np
import pytest

import tests.test_catalogue as present  # loads every module of the catalogue, too
from mesh.errors import RemoteProtocolError
from mesh.protocol import envelope, lanes
from mesh.protocol.catalogue import CATALOGUE, decoder, encode, number_in
from mesh.protocol.envelope import Envelope, Hop, Kind
from tests.frozen import PREVIOUS, catalogue

OLD = catalogue(PREVIOUS)
THEN: dict[int, Any] = OLD.catalogue.CATALOGUE
KEPT = sorted(THEN.keys() & CATALOGUE.keys())
ADDED = sorted(CATALOGUE.keys() - THEN.keys())

kept = pytest.mark.parametrize("number", KEPT, ids=lambda n: CATALOGUE[n].type.__name__)
added = pytest.mark.parametrize("number", ADDED, ids=lambda n: CATALOGUE[n].type.__name__)


def row(data: bytes) -> list[Any]:
    decoded = msgspec.msgpack.decode(data)
    assert isinstance(decoded, list)
    return decoded


def is_prefix(short: Any, long: Any) -> bool:
    """Is `short` what is left of `long` without fields that were appended, also inside of it?"""
    if isinstance(short, list) and isinstance(long, list):
        return len(short) <= len(long) and all(is_prefix(a, b) for a, b in zip(short, long, strict=False))
    if isinstance(short, dict) and isinstance(long, dict):
        return short.keys() == long.keys() and all(is_prefix(short[key], long[key]) for key in short)
    return bool(short == long)


def old_full(declared: Any) -> Any:
    """A message of that time with every field given."""
    return declared.type(**{f.name: present.example(f.type) for f in msgspec.structs.fields(declared.type)})


def test_the_copy_is_another_catalogue() -> None:
    assert len(THEN) > 150
    assert ADDED
    assert THEN[1].type is not CATALOGUE[1].type
    assert THEN[1].type.__module__.startswith("frozen_")


def test_no_message_is_gone_and_no_number_means_something_else() -> None:
    assert sorted(THEN) == KEPT
    assert {n: THEN[n].type.__name__ for n in KEPT} == {n: CATALOGUE[n].type.__name__ for n in KEPT}


@kept
def test_it_goes_the_same_way_and_no_answer_is_new(number: int) -> None:
    """Whoever asks decodes the answers of its own catalogue: another one would be an error at the other end."""
    old, new = THEN[number], CATALOGUE[number]
    assert (old.source, old.target, old.public, old.step) == (new.source, new.target, new.public, new.step)
    assert set(old.answers) == set(new.answers)


@kept
def test_what_an_old_node_says_is_understood(number: int) -> None:
    said = OLD.catalogue.encode(old_full(THEN[number]))
    heard = decoder([CATALOGUE[number].type])(said)
    assert is_prefix(row(said), row(encode(heard)))


@kept
def test_what_a_new_node_says_is_understood_by_an_old_one_as_far_as_that_knows_it(number: int) -> None:
    said = encode(present.full(CATALOGUE[number]))
    heard = OLD.catalogue.decoder([THEN[number].type])(said)
    assert is_prefix(row(OLD.catalogue.encode(heard)), row(said))


@added
def test_a_message_that_an_old_node_does_not_know_is_refused_there_by_its_number(number: int) -> None:
    said = encode(present.full(CATALOGUE[number]))
    everything = OLD.catalogue.decoder([declared.type for declared in THEN.values()])
    with pytest.raises(RemoteProtocolError):
        everything(said)
    assert OLD.catalogue.number_in(said) == number
    assert number not in THEN


def test_a_number_of_tomorrow_is_refused_here_in_the_same_way() -> None:
    said = msgspec.msgpack.encode([max(CATALOGUE) + 1, "x"])
    with pytest.raises(RemoteProtocolError):
        decoder([declared.type for declared in CATALOGUE.values()])(said)
    assert number_in(said) == max(CATALOGUE) + 1


# --- fields ---


@kept
def test_fields_keep_their_place_their_type_and_their_limits(number: int) -> None:
    """Also a value that is newly allowed is one that an old node refuses, and with it the whole message."""
    assert differences(THEN[number].type, CATALOGUE[number].type) == []


def differences(old: Any, new: Any) -> list[str]:
    """Of two structs; appended fields with a default are none."""
    before, after = msgspec.structs.fields(old), msgspec.structs.fields(new)
    found = [f"{new.__name__}.{f.name} was appended without a default" for f in after[len(before) :] if f.required]
    if [f.name for f in after[: len(before)]] != [f.name for f in before]:
        return [*found, f"{new.__name__}: fields were renamed, moved or removed"]
    for one, other in zip(before, after, strict=False):
        where = f"{new.__name__}.{one.name}"
        found += _unlike(where, msgspec.inspect.type_info(one.type), msgspec.inspect.type_info(other.type))
    return found


def _unlike(where: str, old: Any, new: Any) -> list[str]:
    i = msgspec.inspect
    if type(old) is not type(new):
        return [f"{where} has another type"]
    if isinstance(old, i.StructType):
        return differences(old.cls, new.cls)
    if isinstance(old, i.EnumType):
        same = [(m.name, m.value) for m in old.cls] == [(m.name, m.value) for m in new.cls]
        return [] if same else [f"{where} has other values"]
    if isinstance(old, i.LiteralType):
        return [] if set(old.values) == set(new.values) else [f"{where} has other values"]
    if isinstance(old, i.UnionType):
        return [text for a, b in zip(old.types, new.types, strict=True) for text in _unlike(where, a, b)]
    inner = [f for f in old.__struct_fields__ if isinstance(getattr(old, f), i.Type)]
    several = [f for f in old.__struct_fields__ if f == "item_types"]
    found = [text for f in inner for text in _unlike(f"{where}.{f}", getattr(old, f), getattr(new, f))]
    for f in several:
        pairs = zip(getattr(old, f), getattr(new, f), strict=True)
        found += [text for a, b in pairs for text in _unlike(f"{where}.{f}", a, b)]
    limits = [f for f in old.__struct_fields__ if f not in (*inner, *several)]
    return found + [f"{where}: {f} changed" for f in limits if getattr(old, f) != getattr(new, f)]


class _Was(msgspec.Struct, array_like=True):
    kind: str
    count: int


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ([("kind", str), ("count", int), ("more", int, 0)], ""),
        ([("kind", str), ("count", int), ("more", int)], "appended without a default"),
        ([("count", int), ("kind", str)], "renamed, moved or removed"),
        ([("kind", str)], "renamed, moved or removed"),
        ([("kind", bytes), ("count", int)], "another type"),
        ([("kind", str), ("count", present.mesh.protocol.types.U8)], "changed"),
    ],
)
def test_a_change_that_breaks_an_old_node_is_found(fields: list[Any], says: str) -> None:
    found = differences(_Was, msgspec.defstruct("_Is", fields, array_like=True))
    assert bool(found) == bool(says)
    assert says in "".join(found)


# --- around the messages ---


def test_envelopes_of_both_versions_are_understood_on_the_other_side() -> None:
    hop = Hop(0, 1, 100, "a", "b", 1, 2, 3, 4)
    body = msgspec.Raw(encode(CATALOGUE[2].type()))
    new = envelope.seal(7, [Envelope(Kind.ANSWER, body, 5, 100, 9, 1, 2, [hop])], 1234)
    heard = OLD.envelope.unseal(new)
    assert (heard.to, heard.envelopes[0].request, heard.envelopes[0].hops[0].heard_us) == (7, 5, 4)
    back = envelope.unseal(OLD.envelope.seal(heard.to, heard.envelopes))
    assert (back.to, back.said_us) == (7, 0), "an old node does not say when it said it"
    assert bytes(back.envelopes[0].body) == bytes(body)
    assert differences(OLD.envelope.Envelope, Envelope) == []


def test_the_hot_lanes_are_the_same_bytes() -> None:
    def known(module: Any) -> dict[str, Any]:
        found = {name: value for name, value in vars(module).items() if name.isupper()}
        return {
            name: value.descr if isinstance(value, np.dtype) else getattr(value, "format", value)
            for name, value in found.items()
        }

    before, after = known(OLD.lanes), known(lanes)
    assert {name: after.get(name) for name in before} == before
    for enum in ("PieceLane", "PieceClass", "Lane"):
        old, new = dict(vars(OLD.lanes)[enum].__members__), dict(vars(lanes)[enum].__members__)
        assert {name: int(new[name]) for name in old} == {name: int(value) for name, value in old.items()}
