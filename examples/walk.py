"""The smallest client: log in, walk in a circle, say hello, see who is there, leave.

    mesh up --detach
    mesh account create anna            # asks for a password
    python examples/walk.py anna

Reads the password from the terminal; a second argument is another gate's address.
"""

# ruff: noqa: T201 - an example talks to the terminal

import asyncio
import getpass
import math
import sys

from mesh.client.player import Player
from mesh.errors import MeshError

GATE = "ws://127.0.0.1:7700"
STEPS = 50
STEP_S = 0.1
RADIUS_M = 3.0


async def walk(url: str, account: str, password: str) -> None:
    """Five seconds in the world."""
    player = await Player.login(url, account, password)
    entered = player.session.entered
    assert entered is not None, "login returns when the world is entered"
    print(f"{player.session.character} is on {entered.map}, line {entered.line}, and sees {len(entered.view)} others")
    player.say("hello")
    for step in range(STEPS):
        angle = 2 * math.pi * step / STEPS
        pace = 2 * math.pi * RADIUS_M / STEPS / entered.unit_m  # one STEPS-th of the circle, in map units
        x, y = player.session.x + pace * math.cos(angle), player.session.y + pace * math.sin(angle)
        player.move(max(0, round(x)), max(0, round(y)), heading=int(256 * angle / (2 * math.pi)))
        await asyncio.sleep(STEP_S)
    print(f"heard {player.session.updates} movements of others; {len(player.session.view)} are in view now")
    await player.logout()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        sys.exit(f"usage: python {sys.argv[0]} ACCOUNT [GATE]; GATE is {GATE} unless given")
    name, gate = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else GATE
    try:
        asyncio.run(walk(gate, name, getpass.getpass()))
    except MeshError as error:
        sys.exit(f"{gate}: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit("interrupted")
