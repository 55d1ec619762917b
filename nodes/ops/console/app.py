"""The console's web application: its table of ways, and what happens on each before and after its function."""

import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mesh.errors import Code, MeshError, RefusedError
from nodes.ops.console import acting, entering, seeing
from nodes.ops.console.answering import SIGNED_OUT, answer, encoded, problem, refusal
from nodes.ops.console.asked import Asked
from nodes.ops.console.desk import Desk
from nodes.ops.console.entering import cookie_of
from nodes.ops.console.guard import Guard, comes_from_here
from nodes.ops.console.live import Stream
from nodes.ops.console.page import Page
from nodes.ops.console.ways import Way

TOKEN_HEADER = "x-mesh-token"  # noqa: S105 - the name of a header


async def live(asked: Asked) -> Stream:
    """The stream ends with the session. As long as somebody looks, it is used."""
    desk, key = asked.desk, asked.key
    return desk.live.stream(lambda: desk.sessions.find(key, desk.clock.now()) is not None)


WAYS = (*entering.WAYS, *seeing.WAYS, *acting.WAYS, Way("GET", "/api/live", live))


def make_app(desk: Desk, page: Page) -> Starlette:
    """Everything under /api/ by the table, the page for the rest."""

    async def page_file(request: Request) -> Response:
        return page.answer(request)

    routes = [Route(way.path, _endpoint(desk, way), methods=[way.method]) for way in WAYS]
    routes.append(Route("/{path:path}", page_file, methods=["GET"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, settings=desk.settings)],
        exception_handlers={HTTPException: _http_problem},
    )


def _endpoint(desk: Desk, way: Way) -> Any:
    async def endpoint(request: Request) -> Any:
        try:
            return await _answer(desk, way, request)
        except MeshError as error:
            return refusal(error)
        except Exception:
            desk.log.exception("the console could not answer", way=f"{way.method} {way.path}")
            return refusal(RefusedError(Code.INTERNAL, "a mistake of the console; it was logged"))

    return endpoint


async def _answer(desk: Desk, way: Way, request: Request) -> Any:
    asked = _asked(desk, way, request)
    if way.is_shared:
        question = f"{request.url.path}?{request.url.query}"

        async def make() -> bytes:
            return encoded(await way.answer(asked))

        return answer(await desk.shared.get(question, make))
    value = await way.answer(asked)
    return value if isinstance(value, Response | Stream) else answer(encoded(value))


def _asked(desk: Desk, way: Way, request: Request) -> Asked:
    """RefusedError for whoever may not go this way."""
    server = request.scope.get("server") or ("", 0)
    cookie = cookie_of(server[1] or 0)
    key = request.cookies.get(cookie, "")
    session = desk.sessions.find(key, desk.clock.now()) if key else None
    by = desk.operators.find(session.name) if session is not None else None
    if way.method == "POST" and not comes_from_here(request.headers):
        raise RefusedError(Code.NOT_ALLOWED, "this was not sent by a page of this console")
    if way.needs:
        if session is None or by is None:
            raise RefusedError(SIGNED_OUT, "nobody is signed in here, or not any more")
        told = request.headers.get(TOKEN_HEADER, "")
        if way.method == "POST" and not secrets.compare_digest(told.encode(), session.token.encode()):
            raise RefusedError(Code.NOT_ALLOWED, "this page belongs to another session: load it again")
        if way.needs == "operator" and by.role != "operator":
            raise RefusedError(Code.NOT_ALLOWED, f"{by.name} is a viewer: viewers look and change nothing")
    return Asked(desk, request, cookie, key, session, by)


async def _http_problem(_request: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    assert isinstance(error, HTTPException), "the only kind that is sent here"
    code = {404: Code.NOT_FOUND, 405: Code.NOT_ALLOWED}.get(error.status_code, Code.BAD_MESSAGE)
    response = problem(code, error.detail, error.status_code)
    response.headers.update(error.headers or {})
    return response
