"""What holds for every answer and every request of the console, whatever it is about.

Answers carry the headers that tell a browser to run nothing but this page's own files and to show it in no frame.
Requests have to name a host that this console is known by: a foreign site whose name was made to point here
(DNS rebinding) names its own. And what changes something has to come from this console's own page.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh.errors import Code
from nodes.ops.console.answering import problem
from nodes.ops.console.settings import ConsoleSettings

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_STRICT_TRANSPORT = "max-age=31536000"
_OWN = ("localhost", "127.0.0.1", "::1")


class Guard:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        self._app = app
        self._hosts = known_hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = _STRICT_TRANSPORT
            await send(message)

        host = host_in(Headers(scope=scope).get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            text = f"this console is not known as {host!r}; add the name to settings.ops.console.hosts"
            await problem(Code.NOT_ALLOWED, text, 421)(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)


def known_hosts(settings: ConsoleSettings) -> frozenset[str] | None:
    """None: any. A console that is only reached from its own machine is known by that machine's own names."""
    if settings.hosts or is_loopback(settings.host):
        return frozenset((*_OWN, settings.host, *(name.lower() for name in settings.hosts)))
    return None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_in(header: str) -> str:
    """The name in a Host header, without its port; "" when it is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def comes_from_here(headers: Headers) -> bool:
    """Was this sent by a page of this console? Browsers say so in headers that no page can set."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    return origin.scheme in ("http", "https") and origin.netloc.lower() == headers.get("host", "").lower()
