"""The message tables of docs/protocol.md, out of the catalogue: numbers, fields, types, ranges, meaning."""

import inspect
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect as types

from mesh.errors import Code
from mesh.protocol import client, play, social
from mesh.protocol.catalogue import CATALOGUE, Declaration
from mesh.protocol.types import Chat, Gold, Name

MODULES = (client, play, social)

_FIELD = re.compile(r"^    (\w+): .*?(?:#\s*(.*))?$")
_CODE = re.compile(r'^    (\w+) = "(\w+)"(?:\s*# (.*))?$')
_NAMED = {str(types.type_info(Name)): "name", str(types.type_info(Gold)): "gold", str(types.type_info(Chat)): "chat"}
_BITS = {2**8 - 1: "u8", 2**16 - 1: "u16", 2**32 - 1: "u32", 2**63 - 1: "u63"}


def messages(source: str = "", target: str = "") -> list[Declaration]:
    """Declarations of what clients hear and say, by number."""
    names = {module.__name__ for module in MODULES}
    found = [d for d in CATALOGUE.values() if d.type.__module__ in names]
    return sorted((d for d in found if source in ("", d.source) and target in ("", d.target)), key=lambda d: d.number)


def message_tables(source: str = "", target: str = "") -> str:
    return "\n\n".join(_message(declaration) for declaration in messages(source, target))


def _message(declared: Declaration) -> str:
    answers = f" Answered by {', '.join(declared.answers)}." if declared.answers else ""
    step = f" Step {declared.step}." if declared.step else ""
    head = f"#### {declared.number} {declared.type.__name__}\n\n{_paragraph(declared.type)}{answers}{step}"
    rows = [f"| 0 | number | `{declared.number}` | |", *_rows(declared.type, first=1)]
    return head + "\n\n" + _table(("element", "field", "type", "meaning"), rows)


def struct_tables() -> str:
    """The structs inside messages, each a MessagePack array of its own without a number."""
    found: dict[str, type] = {}
    for declared in messages():
        for field in msgspec.structs.fields(declared.type):
            _collect(types.type_info(field.type), found)
    return "\n\n".join(
        f"#### {name}\n\n{_paragraph(found[name])}\n\n"
        + _table(("element", "field", "type", "meaning"), _rows(found[name], first=0))
        for name in sorted(found)
    )


def code_table() -> str:
    """Every refusal code with the comment of its declaration."""
    rows = []
    for line in inspect.getsource(Code).splitlines():
        match = _CODE.match(line)
        if match:
            rows.append(f"| `{match[2]}` | {match[3] or ''} |")
    return _table(("code", "meaning"), rows)


def _collect(info: types.Type, found: dict[str, type]) -> None:
    if isinstance(info, types.StructType) and info.cls.__name__ not in found:
        found[info.cls.__name__] = info.cls
        for field in info.fields:
            _collect(field.type, found)
    elif isinstance(info, types.ListType):
        _collect(info.item_type, found)


def _paragraph(cls: type) -> str:
    text = inspect.getdoc(cls) or ""
    return " ".join(text.split()) if cls.__dict__.get("__doc__") else ""


def _rows(cls: type[Any], first: int) -> Iterable[str]:
    comments = _comments(cls)
    for position, field in enumerate(msgspec.structs.fields(cls), start=first):
        default = ""
        if field.default is not msgspec.NODEFAULT:
            default = f"; {msgspec.json.encode(field.default).decode()} when left out"
        elif field.default_factory is not msgspec.NODEFAULT:
            default = "; empty when left out"
        meaning = comments.get(field.name, "")
        yield f"| {position} | {field.name} | {type_text(types.type_info(field.type))}{default} | {meaning} |"


def _comments(cls: type) -> dict[str, str]:
    found = {}
    for line in inspect.getsource(cls).splitlines():
        match = _FIELD.match(line)
        if match and match[2]:
            found[match[1]] = match[2].replace("|", "\\|")
    return found


def type_text(info: types.Type) -> str:
    """A type in the words of the page."""
    named = _NAMED.get(str(info))
    if named:
        return named
    match info:
        case types.IntType():
            return _BITS.get(info.le or 0, "int") if info.ge == 0 else "i64"
        case types.StrType():
            return f"text of at most {info.max_length} characters" if info.max_length else "text"
        case types.FloatType():
            return "float"
        case types.BoolType():
            return "bool"
        case types.LiteralType():
            return "one of " + ", ".join(f'"{value}"' for value in sorted(map(str, info.values)))
        case types.ListType():
            limit = f" of at most {info.max_length}" if info.max_length else ""
            return f"list{limit} of {type_text(info.item_type)}"
        case types.DictType():
            return f"map of {type_text(info.key_type)} to {type_text(info.value_type)}"
        case types.StructType():
            return f"[{info.cls.__name__}](#{info.cls.__name__.lower()})"
    raise AssertionError(f"the page has no word for {info}")


def _table(head: tuple[str, ...], rows: Iterable[str]) -> str:
    return "\n".join((f"| {' | '.join(head)} |", "|" + "---|" * len(head), *rows))
