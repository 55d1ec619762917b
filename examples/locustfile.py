"""Locust plays zonemesh: for those who have their reports, dashboards and distributed runs in Locust already.

    pip install "zonemesh[locust]"
    mesh up --detach
    locust -f examples/locustfile.py --headless -u 50 -r 10 -t 60s \\
        --host ws://127.0.0.1:7700 --tickets var/local/keys/tickets.key

`mesh bots` moves thousands of players together in numpy and knows when it is itself the bottleneck
(docs/load-testing.md); here every move is a call of its own. What a row means: `login` until the world is entered,
`say` until the speaker hears itself, `list friends` until the center has answered, `logout` until the character is
saved. A move has no answer, so it has no row.

Locust is built on gevent, the client on asyncio, and the two do not mix: gevent replaces sockets and threads of the
whole process. Each Locust process therefore has one real thread with a uvloop loop, which gevent does not touch, and
all its users' players live there. A user (a greenlet) hands a coroutine over and sleeps until the result is back.
"""

import itertools
import logging
import math
import random
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import uvloop
from gevent import monkey
from gevent.event import Event
from locust import User, constant, events, task

from mesh import keys, tickets
from mesh.client.player import Player
from mesh.errors import DeadlineExceeded, MeshError
from mesh.protocol.play import Said
from mesh.protocol.social import Friends

TICKET_LIFE_S = 600.0
TIMEOUT_S = 20.0
STEP_S = 0.1  # a move of each user that often
PACE = 0.9  # of the speed that the map allows

Work = Callable[[], Coroutine[Any, Any, Any]]
numbers = itertools.count(1)
logging.getLogger("picows").setLevel(logging.WARNING)  # it tells of every connection


@events.init_command_line_parser.add_listener
def add_arguments(parser: Any) -> None:
    parser.add_argument("--tickets", default="var/local/keys/tickets.key", help="what login tickets are signed with")


class Loop:
    """A uvloop loop in a thread of its own, and the way there and back."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        monkey.get_original("_thread", "start_new_thread")(self.loop.run_forever, ())

    def run(self, work: Work, timeout_s: float = TIMEOUT_S) -> Any:
        """Carry out a coroutine there, while this greenlet sleeps. Its result, or its exception."""
        done, outcome = Event(), list[tuple[Any, BaseException | None]]()
        bell = gevent.get_hub().loop.async_()  # the one thing of gevent that another thread may touch
        bell.start(done.set)

        async def carry_out() -> None:
            try:
                outcome.append((await work(), None))
            except Exception as error:  # noqa: BLE001 - it is raised again where it is waited for
                outcome.append((None, error))
            bell.send()

        self.loop.call_soon_threadsafe(lambda: self.loop.create_task(carry_out()))
        try:
            if not done.wait(timeout_s):
                raise DeadlineExceeded(f"no result within {timeout_s} s")
        finally:
            bell.stop()
            bell.close()
        result, error = outcome[0]
        if error is not None:
            raise error
        return result

    def tell(self, function: Callable[[], object]) -> None:
        """Call a function there; nobody waits for it."""
        self.loop.call_soon_threadsafe(function)


class Adventurer(User):
    """Logs in, walks all the time, says something now and then, leaves at the end."""

    wait_time = constant(1)
    loop: Loop | None = None  # one for all users of this process

    def on_start(self) -> None:
        cls = type(self)
        cls.loop = cls.loop or Loop()
        self.name = f"locust-{getattr(self.environment.runner, 'worker_index', 0)}-{next(numbers)}"
        self.angle = random.uniform(0, 2 * math.pi)
        key = keys.load(Path(self.environment.parsed_options.tickets))
        ticket = tickets.sign_ticket(key, self.name, time.time() + TICKET_LIFE_S)
        self.player: Player | None = self.timed(
            "login", lambda: Player.login(self.host, secret=ticket, method="ticket")
        )
        self.walking = gevent.spawn(self.walk) if self.player is not None else None

    def on_stop(self) -> None:
        if self.walking is not None:
            self.walking.kill()
        if self.player is not None:
            self.timed("logout", self.player.logout)

    @task(3)
    def say(self) -> None:
        player = self.player
        if player is not None and player.playing:
            text = f"hello from {self.name} at {time.monotonic():.3f}"

            async def until_heard() -> None:
                player.say(text)
                await player.wait(Said, where=lambda said: said.text == text)

            self.timed("say", until_heard)

    @task(1)
    def list_friends(self) -> None:
        """Asks the center, and not the scene."""
        player = self.player
        if player is not None and player.playing:

            async def until_listed() -> None:
                player.list_friends()
                await player.wait(Friends)

            self.timed("list friends", until_listed)

    def walk(self) -> None:
        """Straight on, and at random round a corner; turned back at the border of the map."""
        while True:
            gevent.sleep(STEP_S)
            player = self.player
            if player is None or not player.playing:
                continue
            entered = player.session.entered
            stride = PACE * entered.speed_mps * STEP_S / entered.unit_m
            most = entered.size_m / entered.unit_m
            self.angle += random.gauss(0, 0.4)
            x = player.session.x + stride * math.cos(self.angle)
            y = player.session.y + stride * math.sin(self.angle)
            if not (0 <= x <= most and 0 <= y <= most):
                self.angle += math.pi
                continue
            heading = int(256 * self.angle / (2 * math.pi)) & 0xFF
            self.loop.tell(partial(player.move, round(x), round(y), heading))

    def timed(self, name: str, work: Work) -> Any:
        """Carry it out and tell Locust how long it took, or that it failed. None when it did."""
        began, failure, result = time.perf_counter(), None, None
        try:
            result = self.loop.run(work)
        except MeshError as error:
            failure = error
        self.environment.events.request.fire(
            request_type="zonemesh",
            name=name,
            response_time=1000 * (time.perf_counter() - began),
            response_length=0,
            exception=failure,
            context={},
        )
        return result
