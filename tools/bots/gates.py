"""Which gates of a cluster take players: a gate says its state on its own port, and one that is down says nothing.

Real clients would go to another gate, too. Gates that were named on the command line are taken as they are, as long as
one of them takes players: that another one does not is a finding.
"""

import http.client
import json
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from tools.ctl.exits import CommandError

CONNECT_S = 1.0
PAGE = "/-/healthy"
READY = "Ready"


def usable(addresses: list[str], named: bool, say: Callable[[str], None]) -> list[str]:
    """Those that take players, all of them when they were `named`. CommandError when none does."""
    problems = {address: problem_of(address) for address in addresses}
    ready = [address for address, problem in problems.items() if not problem]
    if not ready:
        raise CommandError(
            "no gate takes players: " + ", ".join(f"{address} {problem}" for address, problem in problems.items())
        )
    for address, problem in problems.items():
        if problem:
            say(f"mesh: {address} {problem}" + ("" if named else " and is left out"))
    return addresses if named else ready


def problem_of(address: str) -> str:
    """Why this gate takes nobody; "" when it does, or when what listens there tells nothing of itself."""
    try:
        state = _read_state(address)
    except OSError:
        return "does not listen"
    return "" if state in ("", READY) else f"is {state}"


def _read_state(address: str) -> str:
    parts = urlsplit(address)
    host = parts.hostname or ""
    door: http.client.HTTPConnection
    if parts.scheme == "wss":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the bots check it; this only looks
        door = http.client.HTTPSConnection(host, parts.port or 443, timeout=CONNECT_S, context=context)
    else:
        door = http.client.HTTPConnection(host, parts.port or 80, timeout=CONNECT_S)
    try:
        door.connect()
        return _state_in(door)
    finally:
        door.close()


def _state_in(door: http.client.HTTPConnection) -> str:
    try:
        door.request("GET", PAGE)
        said = json.loads(door.getresponse().read())
    except (TimeoutError, http.client.HTTPException, ConnectionError, ValueError):
        return ""
    return str(said.get("state", "")) if isinstance(said, dict) else ""
