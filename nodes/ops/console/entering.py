"""The console's own accounts: signing in and out, passwords, operators, and the audit trail of everything."""

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from mesh.errors import Code, RefusedError
from mesh.protocol.types import Name
from nodes.ops.console.answering import answer, encoded
from nodes.ops.console.answers import Done
from nodes.ops.console.asked import Asked
from nodes.ops.console.audit import KEPT_MAX
from nodes.ops.console.operators import Operator, Password, Role
from nodes.ops.console.sessions import Session
from nodes.ops.console.ways import Way

COOKIE = "mesh_ops"


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    password: Password


class ChangePassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    old: Password
    new: Password


class AddOperator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    role: Role


class SetRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """{}"""


class Me(msgspec.Struct, frozen=True):
    """Who is signed in; `token` goes with everything that the page asks to be done."""

    name: str
    role: Role
    token: str
    temporary: bool
    password_chars_min: int


class OperatorRow(msgspec.Struct, frozen=True):
    name: str
    role: Role
    made_s: float
    temporary: bool


class Made(msgspec.Struct, frozen=True):
    """A password that was made here; it is told this once."""

    name: str
    password: str


def cookie_of(port: int) -> str:
    """Its name. Cookies do not know ports, and two clusters on one machine are two consoles."""
    return f"{COOKIE}_{port}"


async def sign_in(asked: Asked) -> Response:
    said = await asked.body(SignIn)
    desk, now = asked.desk, asked.desk.clock.now()
    wait_s = desk.guesses.begin(said.name, asked.address, now)
    if wait_s:
        raise RefusedError(Code.TOO_MANY, f"too many wrong passwords: try again in {max(1, round(wait_s))} s")
    operator = await desk.operators.fits(said.name, said.password)
    if operator is None:
        desk.guesses.wrong(asked.address, now)
        await desk.audit.note(said.name, asked.address, "sign in", "", "refused", "wrong name or password")
        raise RefusedError(Code.BAD_CREDENTIALS, "name or password is wrong")
    desk.guesses.right(said.name, now)
    await desk.audit.note(operator.name, asked.address, "sign in", "", "done")
    desk.sessions.end(asked.key)
    key, session = desk.sessions.begin(operator.name, now)
    response = answer(encoded(_me(asked, operator, session)))
    response.set_cookie(
        asked.cookie,
        key,
        max_age=round(desk.settings.session_life_s),
        path="/",
        secure=asked.request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


async def sign_out(asked: Asked) -> Response:
    await asked.body(Nothing)
    asked.desk.sessions.end(asked.key)
    await asked.desk.audit.note(asked.by.name, asked.address, "sign out", "", "done")
    response = answer(encoded(Done("signed out")))
    response.delete_cookie(asked.cookie, path="/", httponly=True, samesite="strict")
    return response


async def me(asked: Asked) -> Me:
    return _me(asked, asked.by, asked.session)


async def change_password(asked: Asked) -> Done:
    """The old one is a guess like any other: whoever finds a browser open does not get to try."""
    said = await asked.body(ChangePassword)
    desk, name, now = asked.desk, asked.by.name, asked.desk.clock.now()
    if desk.guesses.begin(name, asked.address, now):
        raise RefusedError(Code.TOO_MANY, "too many wrong passwords: try again in a minute")
    if await desk.operators.fits(name, said.old) is None:
        desk.guesses.wrong(asked.address, now)
        await desk.audit.note(name, asked.address, "change password", name, "refused", "the old one is wrong")
        raise RefusedError(Code.NOT_ALLOWED, "the old password is wrong")
    desk.guesses.right(name, now)
    if said.new == said.old:
        raise RefusedError(Code.BAD_MESSAGE, "the new password is the old one")
    await desk.operators.change(name, said.new)
    ended = desk.sessions.end_all(name, but=asked.session)
    await desk.audit.note(name, asked.address, "change password", name, "done")
    return Done("the password was changed" + (f"; {ended} other sessions of yours were ended" if ended else ""))


async def operators(asked: Asked) -> list[OperatorRow]:
    return [OperatorRow(one.name, one.role, one.made_s, one.temporary) for one in asked.desk.operators.all()]


async def add_operator(asked: Asked) -> Made:
    said = await asked.body(AddOperator)
    asked.check_rate()
    made = await asked.desk.operators.add(said.name, said.role)
    await asked.desk.audit.note(asked.by.name, asked.address, "add operator", said.name, "done", f"as {said.role}")
    return Made(said.name, made)


async def reset_password(asked: Asked) -> Made:
    await asked.body(Nothing)
    asked.check_rate()
    name = _another(asked, "reset your own password: change it instead")
    made = await asked.desk.operators.reset(name)
    asked.desk.sessions.end_all(name)
    await asked.desk.audit.note(asked.by.name, asked.address, "reset password", name, "done")
    return Made(name, made)


async def set_role(asked: Asked) -> Done:
    said = await asked.body(SetRole)
    asked.check_rate()
    name = _another(asked, "change your own role")
    await asked.desk.operators.set_role(name, said.role)
    await asked.desk.audit.note(asked.by.name, asked.address, "set role", name, "done", f"to {said.role}")
    return Done(f"{name} is {'an operator' if said.role == 'operator' else 'a viewer'} now")


async def remove_operator(asked: Asked) -> Done:
    await asked.body(Nothing)
    asked.check_rate()
    name = _another(asked, "remove yourself")
    await asked.desk.operators.remove(name)
    asked.desk.sessions.end_all(name)
    await asked.desk.audit.note(asked.by.name, asked.address, "remove operator", name, "done")
    return Done(f"{name} can sign in no more")


async def audit(asked: Asked) -> Any:
    limit = asked.whole("limit", 200, 1, KEPT_MAX)
    return asked.desk.audit.latest(limit, asked.text("by"), asked.text("action"), asked.text("text").strip())


def _me(asked: Asked, operator: Operator, session: Session) -> Me:
    least = asked.desk.settings.password_chars_min
    return Me(operator.name, operator.role, session.token, operator.temporary, least)


def _another(asked: Asked, what: str) -> str:
    name = asked.path("operator")
    if name.casefold() == asked.by.name.casefold():
        raise RefusedError(Code.NOT_ALLOWED, f"nobody can {what}")
    return name


WAYS = (
    Way("POST", "/api/sign-in", sign_in, ""),
    Way("POST", "/api/sign-out", sign_out),
    Way("GET", "/api/me", me),
    Way("POST", "/api/password", change_password),
    Way("GET", "/api/operators", operators, "operator"),
    Way("POST", "/api/operators", add_operator, "operator"),
    Way("POST", "/api/operators/{operator}/reset", reset_password, "operator"),
    Way("POST", "/api/operators/{operator}/role", set_role, "operator"),
    Way("POST", "/api/operators/{operator}/remove", remove_operator, "operator"),
    Way("GET", "/api/audit", audit, "operator"),
)
