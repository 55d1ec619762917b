"""The catalogue against the nodes, the topology and the bytes of the first release."""

import json
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest

import mesh.protocol.client
import mesh.protocol.cluster
import mesh.protocol.control
import mesh.protocol.journal
import mesh.protocol.monitoring
import mesh.protocol.placement
import mesh.protocol.play
import mesh.protocol.records
import mesh.protocol.replication
import mesh.protocol.social
import mesh.protocol.succession
import mesh.protocol.zones
from mesh.errors import RemoteProtocolError
from mesh.handlers import Handlers
from mesh.monitoring import Monitoring
from mesh.protocol.catalogue import CATALOGUE, Declaration, Message, decoder, encode, number_in, number_of
from mesh.protocol.codec import heard_by
from mesh.protocol.monitoring import ReadLines, ReadMetrics
from mesh.topology import DEFAULT_LINKS, ROLES
from nodes.__main__ import CLASSES, SETTINGS, _classes

GOLDEN = Path(__file__).parent / "golden" / "messages.json"
RANGES = {
    "mesh.protocol.control": range(1, 60),
    "mesh.protocol.monitoring": range(60, 80),
    "mesh.protocol.journal": range(80, 100),
    "mesh.protocol.cluster": range(100, 145),
    "mesh.protocol.succession": range(145, 150),
    "mesh.protocol.records": range(150, 200),
    "mesh.protocol.replication": range(176, 200),
    "mesh.protocol.placement": range(200, 250),
    "mesh.protocol.zones": range(250, 300),
    "mesh.protocol.client": range(300, 340),
    "mesh.protocol.social": range(340, 400),
    "mesh.protocol.play": range(400, 500),
}
GAME_NUMBERS = 1000  # from here on numbers belong to whoever makes a game of this
LINK_MESSAGES = {"Hello", "Welcome", "Beat", "Bye"}
ANSWERS = {name for d in CATALOGUE.values() for name in d.answers} | {"Refused", "Done"}

each = pytest.mark.parametrize("declared", CATALOGUE.values(), ids=lambda d: d.type.__name__)


def example(kind: Any) -> Any:
    """The smallest valid value of a field type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{f.name: example(f.type) for f in msgspec.structs.fields(kind) if f.required})
    info = msgspec.inspect.type_info(kind)
    return _example(info)


def _example(info: Any) -> Any:
    i = msgspec.inspect
    if isinstance(info, i.Metadata):
        return _example(info.type)
    if isinstance(info, i.IntType):
        return max(info.ge or 0, 1)
    if isinstance(info, i.FloatType):
        return 1.5
    if isinstance(info, i.StrType):
        return "a"
    if isinstance(info, i.LiteralType):
        return sorted(info.values)[0]
    if isinstance(info, i.StructType):
        return example(info.cls)
    if isinstance(info, i.NamedTupleType):
        return info.cls(*(_example(field.type) for field in info.fields))
    if isinstance(info, i.ListType | i.VarTupleType):
        return [_example(info.item_type)]
    if isinstance(info, i.TupleType):
        return tuple(_example(t) for t in info.item_types)
    if isinstance(info, i.UnionType):
        return _example(next(one for one in info.types if not isinstance(one, i.NoneType)))
    if isinstance(info, i.DictType):
        return {_example(info.key_type): _example(info.value_type)}
    return {
        i.BytesType: b"b", i.BoolType: True, i.AnyType: 7, i.RawType: msgspec.Raw(b"\x01"),
    }[type(info)]  # fmt: skip


def full(declared: Declaration) -> Message:
    """A message with every field given."""
    fields = msgspec.structs.fields(declared.type)
    return declared.type(**{f.name: example(f.type) for f in fields})


def handlers_of(role: str) -> set[type[Message]]:
    """What the classes of a role's package handle, found on every class that the node can serve."""
    import importlib
    import inspect
    import pkgutil

    package = importlib.import_module(f"nodes.{role}")
    found: set[type[Message]] = set()
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"nodes.{role}.{module.name}")
        for _, cls in inspect.getmembers(loaded, inspect.isclass):
            for _, function in inspect.getmembers(cls, inspect.isfunction):
                found.update(getattr(function, "_hears_messages", ()))
                found.update(getattr(function, "_hears_messages_together", ())[:1])
                found.update(getattr(function, "_hears_publications", ()))
    return found


@each
def test_a_number_is_in_the_range_of_its_layer(declared: Declaration) -> None:
    assert declared.number >= GAME_NUMBERS or declared.number in RANGES[declared.type.__module__]


def test_names_are_unique() -> None:
    names = [d.type.__name__ for d in CATALOGUE.values()]
    assert len(names) == len(set(names))


@each
def test_answers_exist_and_go_back(declared: Declaration) -> None:
    by_name = {d.type.__name__: d for d in CATALOGUE.values()}
    for name in declared.answers:
        answer = by_name[name]
        assert answer.source in (declared.target, "any")
        assert answer.target in (declared.source, "any")


@each
def test_a_route_is_a_link_that_the_topology_allows(declared: Declaration) -> None:
    """Clients reach every node through a gate, and operators go straight to all."""
    linked = {frozenset(link.split(" -> ")) for link in DEFAULT_LINKS} | {frozenset((r, "center")) for r in ROLES}
    ends = {declared.source, declared.target}
    assert ends <= {*ROLES, "client", "ctl", "any"}
    if not ends & {"client", "ctl", "any"}:
        assert frozenset(ends) in linked


@each
def test_a_message_has_a_handler_in_exactly_its_target(declared: Declaration) -> None:
    name = declared.type.__name__
    if name in ANSWERS | LINK_MESSAGES or declared.target in ("client", "ctl", "any"):
        return
    if declared.source == "client" and declared.target == "gate":
        return  # what a client says to its gate is dispatched by the gate's sessions: test_gate covers each
    having = {role for role in ROLES if declared.type in handlers_of(role)}
    assert having == {declared.target}


def test_every_node_answers_what_any_node_must() -> None:
    for role, cls in _classes([type("Spec", (), {"role": role}) for role in ROLES]).items():
        assert role == cls.ROLE
        heard = {m for part in (cls, Monitoring) for name in dir(part) for m in _hears(part, name)}
        assert {mesh.protocol.control.Describe, mesh.protocol.control.ListTraces, ReadMetrics, ReadLines} <= heard
    assert set(CLASSES) == set(SETTINGS) == set(ROLES)


def _hears(part: type, name: str) -> tuple[type[Message], ...]:
    return getattr(getattr(part, name), "_hears_messages", ())


def test_two_handlers_for_one_message_are_a_mistake() -> None:
    from mesh.handlers import on

    class Twice:
        @on(mesh.protocol.control.Describe)
        def one(self) -> None: ...

        @on(mesh.protocol.control.Describe)
        def two(self) -> None: ...

    with pytest.raises(AssertionError, match="two handlers"):
        Handlers().collect(Twice())


@each
def test_what_is_encoded_decodes_to_the_same(declared: Declaration) -> None:
    said = full(declared)
    data = encode(said)
    assert number_in(data) == declared.number == number_of(said)
    assert encode(decoder([declared.type])(data)) == data


@pytest.mark.parametrize("head", ["92", "dc0002", "dd00000002"])
@pytest.mark.parametrize(
    "number", ["cd0130", "ce00000130", "cf0000000000000130", "d10130", "d200000130", "d3" + "0130".rjust(16, "0")]
)
def test_a_number_is_found_in_every_form_of_an_integer(head: str, number: str) -> None:
    """Clients in other languages do not choose the shortest form: Go writes an int as 64 bits."""
    data = bytes.fromhex(head + number + "05")
    assert number_in(data) == number_in(memoryview(data)) == 304
    assert decoder([mesh.protocol.client.Ping])(data) == mesh.protocol.client.Ping(5)


@pytest.mark.parametrize(
    "data",
    ["", "05", "92", "92cd", "92cd01", "dc00", "dd000000", "9181", "91a130", "91d0ff", "91cb4014000000000000"],
)
def test_what_has_no_number(data: str) -> None:
    assert number_in(bytes.fromhex(data)) is None


@pytest.mark.parametrize("number", [-1, 2**32, 2**63])
def test_a_number_is_a_u32(number: int) -> None:
    assert number_in(msgspec.msgpack.encode([number])) is None


@each
def test_golden_bytes(declared: Declaration) -> None:
    """A message that changes its bytes breaks the nodes and clients of the previous version: append fields with
    defaults instead. A new message is entered with `python -m tests.test_catalogue`."""
    golden = json.loads(GOLDEN.read_text())
    assert encode(full(declared)).hex() == golden[declared.type.__name__]


@each
def test_a_newer_node_may_append_fields(declared: Declaration) -> None:
    row = msgspec.msgpack.decode(encode(full(declared)))
    data = msgspec.msgpack.encode([*row, "a field of tomorrow", 7])
    assert type(decoder([declared.type])(data)) is declared.type


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\x90", b"\x91\x01", b"\x93\xcd\xff\xff\x01\x02", b"\xff" * 64, msgspec.msgpack.encode({"a": 1})],
)
def test_garbage_is_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decoder(heard_by("scene"))(data)


@each
def test_text_and_lists_are_bounded(declared: Declaration) -> None:
    """What a client says has a size limit on every text and list."""
    if declared.source != "client":
        return
    for field in msgspec.structs.fields(declared.type):
        assert _bounded(field.type), f"{declared.type.__name__}.{field.name}"


def _bounded(kind: Any) -> bool:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return all(_bounded(f.type) for f in msgspec.structs.fields(kind))
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.StrType | msgspec.inspect.ListType | msgspec.inspect.BytesType):
        return info.max_length is not None
    return get_origin(kind) is not dict or not get_args(kind)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for entry in CATALOGUE.values():
        known.setdefault(entry.type.__name__, encode(full(entry)).hex())
    GOLDEN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
