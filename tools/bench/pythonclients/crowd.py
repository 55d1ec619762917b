"""All Python clients of one process, and what they are told to do: the commands of `src/commands.c`.

Everything is done by a timetable that is fixed beforehand (an open loop), so that a slow server cannot slow the load
down; how late this process is for it is measured, and makes a run INVALID when it is too much.
"""

import asyncio
import contextlib
import gc
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from mesh.clock import Clock
from tools.bench.pythonclients.client import Client, Shared
from tools.bench.pythonclients.counting import COARSE_MS, Times, cpu_seconds
from tools.bench.pythonclients.fighting import REACH_M
from tools.bench.pythonclients.walking import Timetable
from tools.bench.said import Begun, Guests, Heard, Said, Second, Wave, Window

STEP_S = 0.002
MOVES_AT_ONCE = 64  # then receive again, so that latencies are not those of the clients
SHOUT_S = 10.0  # for the last one to hear it
RUNNING = 1  # the state that a move says
LATE_P99_MS_MAX, CPU_MAX, MISSED_MAX = 50.0, 0.95, 0.01
STEPS = ("connect", "login", "enter", "all")

Say = Callable[[Said], None]


class Crowd:
    """`say` is given every answer but the one that a command is done."""

    def __init__(
        self,
        gates: Sequence[str],
        tickets: Sequence[str],
        clock: Clock,
        say: Say,
        *,
        hz: float,
        pace: float,
        patience_s: float,
        seed: int,
    ) -> None:
        self.shared = Shared(len(tickets), pace, seed, clock)
        self.clients = [
            Client(row, f"ws://{gates[row % len(gates)]}", ticket, self.shared, self._hear_shout)
            for row, ticket in enumerate(tickets)
        ]
        self.aimed = 0
        self._clock, self._say, self._hz, self._patience_s = clock, say, hz, patience_s
        self._moves, self._attacks = Timetable(), Timetable()
        self._measuring = False
        self._shouts = 0
        self._shout: _Shout | None = None
        self._work: set[asyncio.Task[None]] = set()

    # --- commands ---

    def aim(self, count: int, rate: float) -> None:
        """The first `count` are to be in the world."""
        before, self.aimed = self.aimed, min(count, len(self.clients))
        self._moves.begin(self._hz, self.aimed, self._clock.now())
        wave = _Wave(self.clients[min(before, self.aimed) : max(before, self.aimed)], self.shared)
        self._begin(self._carry(wave, self.aimed < before, rate))

    def measure(self) -> None:
        gc.freeze()  # to look through thousands of players takes as long as a period
        now = self._clock.now()
        self.shared.count_movement()
        self.shared.measures.open(now)
        self.shared.fights.begin()
        self.shared.sights.begin(now)
        self._measuring = True
        self._sample()
        self._say(Begun(self._inside()))

    def end(self) -> None:
        """ValueError without a window."""
        if not self._measuring:
            raise ValueError("end without measure")
        self._sample()
        self.shared.count_movement()
        self.shared.fights.settle(self._clock.now())
        self._measuring = False
        self._say(self._window())

    def set_hz(self, hz: float) -> None:
        self._hz = hz
        self._moves.begin(hz, self.aimed, self._clock.now())

    def circle(self, radius_m: float) -> None:
        self.shared.walkers.circle_m = radius_m

    def observe(self, first: int, behind: int) -> None:
        self.shared.measures.observers = range(first, behind)

    def attack(self, rate: float) -> None:
        self._attacks.begin(rate, self.aimed, self._clock.now())

    def track(self, every: int) -> None:
        self.shared.sights.every = every

    def shout(self) -> None:
        """ValueError when nobody is there, or while one is under way."""
        if self._shout is not None:
            raise ValueError("a shout is still under way")
        inside = [client for client in self.clients if client.inside]
        if not inside:
            raise ValueError("nobody is there to shout")
        self._shouts += 1
        self._shout = _Shout(f"bench {self._shouts}", len(inside), self._clock.now())
        inside[self._shouts % len(inside)].player.shout(self._shout.text)
        self._begin(self._shout_ends(self._shout))

    # --- what is done all the time ---

    async def run(self) -> None:
        """Until cancelled."""
        second = self._clock.now() + 1.0
        self.shared.measures.begin_second(self._clock.now())
        while True:
            self._move()
            self._fight()
            if self._clock.now() >= second:
                second += 1.0
                self._each_second()
            await asyncio.sleep(STEP_S)

    def close(self) -> None:
        for task in self._work:
            task.cancel()
        for client in self.clients:
            client.player.drop()

    def _move(self) -> None:
        now, counts, walkers = self._clock.now(), self.shared.measures.now, self.shared.walkers
        turns, due, missed = self._moves.due(now, MOVES_AT_ONCE)
        counts.moves_missed += missed
        rows = walkers.may_move(turns, now)
        if not len(rows):
            return
        self.shared.measures.late((now - due[::16]) * 1000)
        walkers.step(rows, now)
        for row, x, y, heading in zip(rows.tolist(), *walkers.said(rows), strict=True):
            player = self.clients[row].player
            if player.playing:
                player.move(x, y, heading, RUNNING)
                counts.moves += 1

    def _fight(self) -> None:
        now = self._clock.now()
        for row in self._attacks.due(now, MOVES_AT_ONCE)[0].tolist():
            self._attack(row, now)

    def _attack(self, row: int, now: float) -> None:
        walkers, fights, player = self.shared.walkers, self.shared.fights, self.clients[row].player
        pause_s = 1 / (self._attacks.hz * float(walkers.dilation[row]))
        if not (walkers.inside[row] and walkers.alive[row] and player.playing and fights.may_attack(row, pause_s, now)):
            return
        foe = walkers.nearest_foe(row, REACH_M)
        if foe < 0:
            fights.alone += 1
            return
        target = int(walkers.entity[foe])
        fights.attacked(row, target, player.attack(target), now)

    def _each_second(self) -> None:
        self.shared.count_movement()
        if self._measuring:
            self._sample()
        self._say(self._second())
        self.shared.measures.begin_second(self._clock.now())

    def _sample(self) -> None:
        self.shared.measures.sampled(self.shared.walkers.neighbours())

    # --- waves and shouts ---

    async def _carry(self, wave: "_Wave", is_leaving: bool, rate: float) -> None:
        began = self._clock.now()
        moving: list[asyncio.Task[None]] = []
        for number, client in enumerate(wave.clients):
            if rate > 0:
                await asyncio.sleep(max(0.0, began + number / rate - self._clock.now()))
            moving.append(self._begin(wave.leave(client) if is_leaving else wave.come(client, self._patience_s)))
        if moving:
            await asyncio.wait(moving, timeout=max(0.0, began + self._patience_s - self._clock.now()))
        self._say(wave.told(began, self._clock.now()))

    def _hear_shout(self, row: int, text: str) -> None:
        shout = self._shout
        if shout is not None and text == shout.text and row not in shout.rows:
            shout.rows.add(row)
            shout.heard.add(self._clock.now() - shout.at)
            if len(shout.rows) >= shout.asked:
                shout.over.set()

    async def _shout_ends(self, shout: "_Shout") -> None:
        with contextlib.suppress(TimeoutError):  # those who have it by then are counted
            await asyncio.wait_for(shout.over.wait(), SHOUT_S)
        self._shout = None
        self._say(Heard(shout.asked, shout.heard.told()))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    # --- what is told ---

    def _inside(self) -> int:
        return int(self.shared.walkers.inside.sum())

    def _second(self) -> Second:
        measures, walkers, now = self.shared.measures, self.shared.walkers, self._clock.now()
        seconds, done = now - measures.second_at, measures.now.since(measures.second)
        level, dilation = self.shared.level[walkers.inside], walkers.dilation[walkers.inside]
        latency, hits = measures.second_latency.told(), measures.second_hits.told()
        return Second(
            at_s=round(now, 1),
            aimed=self.aimed,
            inside=self._inside(),
            moves_s=round(done["moves"] / seconds),
            frames_s=round(done["frames"] / seconds),
            updates_s=round(done["updates"] / seconds),
            bytes_s=round(done["bytes_in"] / seconds),
            p50_ms=latency.p50_ms,
            p99_ms=latency.p99_ms,
            late_p99_ms=measures.second_lateness.told().p99_ms,
            cpu=round((cpu_seconds() - measures.second_cpu_s) / seconds, 3),
            closed=done["closed"],
            hits=hits.count,
            hit_p50_ms=hits.p50_ms,
            hit_p99_ms=hits.p99_ms,
            degraded=int((level > 0).sum()),
            level_most=int(level.max()) if len(level) else 0,
            dilation=round(float(dilation.mean()), 3) if len(dilation) else 1.0,
        )

    def _window(self) -> Window:
        measures, now = self.shared.measures, self._clock.now()
        seconds, done = now - measures.window_at, measures.now.since(measures.window)
        expected = done["moves"] * measures.in_view
        cpu = (cpu_seconds() - measures.window_cpu_s) / seconds
        heard = measures.client_bytes[self.shared.walkers.inside]
        late = measures.lateness.told()
        told = {name: done[name] for name in _TOLD}
        return Window(
            inside=self._inside(),
            seconds=seconds,
            moves_s=done["moves"] / seconds,
            frames_s=done["frames"] / seconds,
            updates_s=done["updates"] / seconds,
            expected_s=expected / seconds,
            ratio=done["updates"] / expected if expected else 0.0,
            in_view=measures.in_view,
            in_view_most=measures.in_view_most,
            bytes_in_s=done["bytes_in"] / seconds,
            bytes_out_s=done["bytes_out"] / seconds,
            bytes_per_update=done["movement_bytes"] / done["updates"] if done["updates"] else 0.0,
            latency=measures.latency.told(),
            late=late,
            moves_blocked=0,
            receives=done["frames"] + done["frames_other"],
            combat=self.shared.fights.told(),
            views=self.shared.sights.told(now),
            client_bytes_s=float(heard.mean()) / seconds if len(heard) else 0.0,
            client_bytes_s_most=float(heard.max()) / seconds if len(heard) else 0.0,
            guests=Guests(0, 0, 0),
            cpu=cpu,
            codes=dict(measures.codes),
            invalid=faults(done, late.p99_ms, cpu, measures.codes),
            **told,
        )


_TOLD = (
    "moves_missed", "frames_other", "appeared", "vanished", "corrected", "events", "qualities", "transfers", "refused",
    "closed", "checked", "wrong",
)  # fmt: skip


def faults(done: dict[str, int], late_ms: float, cpu: float, codes: dict[str, int]) -> list[str]:
    """What is wrong with the clients themselves, so that a window says nothing about the servers."""
    found = []
    if cpu > CPU_MAX:
        found.append(f"the generator used {cpu * 100:.0f} % of a core")
    if late_ms > LATE_P99_MS_MAX:
        found.append(f"moves were sent late, p99 {late_ms:.0f} ms")
    if done["moves_missed"] > MISSED_MAX * (done["moves"] + done["moves_missed"]):
        found.append(f"{done['moves_missed']} moves were not sent in time")
    words = {"no_port": "not enough ports", "no_descriptor": "not enough descriptors"}
    return found + [text for code, text in words.items() if code in codes]


class _Shout:
    """One that is under way."""

    def __init__(self, text: str, asked: int, at: float) -> None:
        self.text, self.asked, self.at = text, asked, at
        self.rows: set[int] = set()
        self.heard = Times()
        self.over = asyncio.Event()


class _Wave:
    """What one `clients` was about: who came, who went, and how long each step took."""

    def __init__(self, clients: Sequence[Client], shared: Shared) -> None:
        self.clients, self._shared = clients, shared
        self._inside = self._left = self._failed = self._retries = 0
        self._last = 0.0
        self._times = {name: Times(COARSE_MS) for name in STEPS}

    async def come(self, client: Client, patience_s: float) -> None:
        if await client.come(self, patience_s):
            self._inside += 1
            self._last = self._shared.clock.now()
        else:
            self._failed += 1

    async def leave(self, client: Client) -> None:
        await client.leave()
        self._left += 1

    def stepped(self, step: str, seconds: float) -> None:
        self._times[step].add(seconds)

    def tried_again(self) -> None:
        self._retries += 1

    def told(self, began: float, now: float) -> Wave:
        seconds = (self._last or now) - began
        return Wave(
            asked=len(self.clients),
            inside=self._inside,
            left=self._left,
            failed=self._failed,
            retries=self._retries,
            seconds=seconds,
            logins_s=self._inside / seconds if seconds > 0 else 0.0,
            upgrade=Times().told(),  # the client library connects and upgrades in one step
            codes=dict(self._shared.measures.codes),
            **{name: times.told() for name, times in self._times.items()},
        )
