"""The smallest client: log in, walk in a circle, say hello, see who is there, leave.

    mesh up --detach
    mesh account create anna            # asks for a password
    python examples/walk.py anna
    python examples/walk.py anna --to forest    # into the portal that leads there instead

Reads the password from the terminal; a second argument is another gate's address.
"""

# ruff: noqa: T201 - an example talks to the terminal

import argparse
import asyncio
import getpass
import math
import sys
from collections.abc import Iterable

from mesh.client.player import Player
from mesh.errors import MeshError
from mesh.protocol.catalogue import Message
from mesh.protocol.client import Waiting
from mesh.protocol.play import Entered, EntityState, Portal, TransferDenied

GATE = "ws://127.0.0.1:7700"
STEPS = 50
STEP_S = 0.1
RADIUS_M = 3.0
PACE = 0.9  # of the speed that is allowed: who is faster is put back
PATIENCE_S = 120.0  # in the queue, when there is one
SLACK_S = 10.0  # longer than the way takes, before a portal is given up


async def walk(url: str, account: str, password: str, to: str = "") -> None:
    """Five seconds in the world, or as long as it takes to the portal that leads to the map `to`."""
    player = Player()
    player.on_event = tell_of_queue
    await player.join(url, account, password, timeout_s=PATIENCE_S)
    entered = player.session.entered
    assert entered is not None, "join returns when the world is entered"
    print(f"{player.session.character} is on {place(entered)}, and sees {seen(entered.view)}")
    try:
        if to:
            await cross(player, to)
        else:
            player.say("hello")
            await circle(player, entered)
            print(f"heard {player.session.updates} movements of others; now sees {seen(player.session.view.values())}")
    finally:
        if player.connected:
            await player.logout()


def tell_of_queue(said: Message) -> None:
    """A full zone, and one under pressure, has newcomers wait."""
    if isinstance(said, Waiting):
        print(f"waits in the queue: place {said.position}, about {said.estimate_s:.0f} s")


async def circle(player: Player, entered: Entered) -> None:
    """Once around."""
    for step in range(STEPS):
        angle = 2 * math.pi * step / STEPS
        pace = 2 * math.pi * RADIUS_M / STEPS / entered.unit_m  # one STEPS-th of the circle, in map units
        x, y = player.session.x + pace * math.cos(angle), player.session.y + pace * math.sin(angle)
        player.move(max(0, round(x)), max(0, round(y)), heading=int(256 * angle / (2 * math.pi)))
        await asyncio.sleep(STEP_S)


async def cross(player: Player, to: str) -> None:
    """Into the nearest portal that leads to this map, and out of its other side. MeshError when that does not work."""
    entered = player.session.entered
    assert entered is not None, "the world is entered"
    portal = nearest(entered, player.session.x, player.session.y, to)
    away_m = math.hypot(portal.x - player.session.x, portal.y - player.session.y) * entered.unit_m
    print(f"walks {away_m:.0f} m to the portal to {to}")
    most_s = away_m / (PACE * entered.speed_mps) + SLACK_S
    arriving = asyncio.create_task(player.wait(Entered, most_s, lambda said: said is not entered and said.map == to))
    refusing = asyncio.create_task(player.wait(TransferDenied, most_s + SLACK_S))
    try:
        while not (arriving.done() or refusing.done()):
            step_to(player, entered, portal)
            await asyncio.wait((arriving, refusing), timeout=STEP_S, return_when=asyncio.FIRST_COMPLETED)
        if not arriving.done():
            raise MeshError(f"the portal did not open: {refusing.result().text}")
        there = arriving.result()
        print(f"came out on {place(there)} at {there.x * there.unit_m:.0f}, {there.y * there.unit_m:.0f} m")
    finally:
        arriving.cancel()
        refusing.cancel()


def nearest(entered: Entered, x: int, y: int, to: str) -> Portal:
    """The portal to this map with the shortest way."""
    leading = [portal for portal in entered.portals if portal.map == to]
    if not leading:
        there = ", ".join(sorted({portal.map for portal in entered.portals})) or "nowhere"
        raise MeshError(f"no portal of {entered.map} leads to {to}; they lead to {there}")
    return min(leading, key=lambda portal: math.hypot(portal.x - x, portal.y - y))


def step_to(player: Player, entered: Entered, portal: Portal) -> None:
    """As far as one may go in STEP_S."""
    dx, dy = portal.x - player.session.x, portal.y - player.session.y
    most = PACE * entered.speed_mps * STEP_S / entered.unit_m
    share = min(1.0, most / max(math.hypot(dx, dy), 1.0))
    heading = int(256 * math.atan2(dy, dx) / (2 * math.pi)) % 256
    player.move(round(player.session.x + dx * share), round(player.session.y + dy * share), heading)


def place(entered: Entered) -> str:
    return f"{entered.map}, line {entered.line}"


def seen(view: Iterable[EntityState]) -> str:
    """ "1 player and 5 creatures" """
    kinds = [one.kind for one in view]
    return f"{count(kinds.count('player'), 'player')} and {count(kinds.count('npc'), 'creature')}"


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Log in, walk in a circle, say hello, leave.")
    parser.add_argument("account", metavar="ACCOUNT")
    parser.add_argument("gate", metavar="GATE", nargs="?", default=GATE, help=f"default: {GATE}")
    parser.add_argument("--to", metavar="MAP", default="", help="walk into the portal that leads to this map instead")
    given = parser.parse_args()
    try:
        asyncio.run(walk(given.gate, given.account, getpass.getpass(), given.to))
    except MeshError as error:
        sys.exit(f"{given.gate}: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
