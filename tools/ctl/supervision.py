"""What a supervisor decides, without doing it: events and `now` in, instructions out.

Owns the phase of every process of a cluster: when it is started, how soon it is started again, when that is given up,
and in which order all are stopped. What was Ready once is started again for ever, with a growing wait: a cluster heals
when its trouble goes away. What never was is given up, since somebody is watching a first start. Given up is also what
says by its exit code that it is of no use: also a DC that has died of its database again and again, which knows more of
that than exits tell (`nodes/dc/wrecks.py`). A process that an operator has drained is not started again when it ends,
except by `restart`. Never starts, signals or waits for anything: `supervisor.py` carries the instructions out and
reports what happened, so every rule below is tested with a clock that jumps.

    Waiting -> Starting -> Ready -> Draining -> Shutdown
                  ^  |       |
                  +--+-------+--> Down   (given up: a configuration problem, or a crash loop before the first Ready)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

CONFIGURATION = 2
"""The exit code by which a node says: my configuration or storage is at fault, starting me again does not help."""

HANDED_OVER = 3
"""The exit code by which a node says: the process that was started beside me has all that I had, it is me now."""

UNHEARD = 4
"""The exit code by which the one beside says: the process that I was to take over from does not answer."""

STOP_ORDER = (("gate",), ("scene",), ("login",), ("center", "log", "dc", "ops"))
"""Clients first, the disks last, so that everybody who saves finds who stores. The last three are told together and
sort it out among themselves: a node tells the center that it leaves, the DC still logs, a log node waits for its
senders."""


@dataclass(frozen=True)
class Limits:
    """Seconds, unless the name says otherwise."""

    start_s: float = 30.0  # for everything to become Ready for the first time; then the start has failed
    quick_s: float = 10.0  # an exit sooner after the start than this is a crash at start
    loop_exits: int = 3  # that many in a row are a crash loop
    backoff_first_s: float = 0.25  # before the second restart; doubles
    backoff_max_s: float = 5.0
    beside_s: float = 30.0  # for a process that was started beside another one to take over from it
    grace_s: float = 4.0  # from SIGTERM to SIGKILL
    hurry_s: float = 1.0  # the same after a second Ctrl-C
    stop_s: float = 20.0  # for the whole stop; then SIGKILL to whoever is left

    @property
    def handing_s(self) -> float:
        """Until it is known what became of the one beside, or of the restart that follows when nothing did."""
        return self.beside_s + 2 * self.grace_s


class Phase(StrEnum):
    WAITING = "Waiting"  # not running, will be started at `due`
    STARTING = "Starting"
    READY = "Ready"
    DRAINING = "Draining"  # was asked to stop
    SHUTDOWN = "Shutdown"  # stopped as asked
    DOWN = "Down"  # given up


class Do(StrEnum):
    """What the shell has to carry out."""

    SPAWN = "spawn"
    SPAWN_BESIDE = "spawn_beside"  # a second one, which is to take over from the first
    ADOPT = "adopt"  # it has: it is the process now
    KILL_BESIDE = "kill_beside"
    TERMINATE = "terminate"
    KILL = "kill"
    SAY = "say"


class Word(StrEnum):
    """What there is to tell people."""

    READY = "ready"
    ALL_READY = "all_ready"
    ENDED = "ended"  # and starts again
    GIVEN_UP = "given_up"
    STAYS = "stays"  # nothing came of the one beside it
    LEFT = "left"  # drained before, so it stays so
    JOINING = "joining"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    KILLED = "killed"  # had not stopped within its grace
    START_FAILED = "start_failed"


@dataclass(frozen=True)
class Instruction:
    """One thing to do, about one process ("" for the cluster)."""

    do: Do
    process: str = ""
    word: Word | None = None
    value: float = 0.0  # seconds: how long it took, or how long until the next start
    text: str = ""
    database: str = ""  # GIVEN_UP: the file that it keeps


@dataclass
class Child:
    """One process as the supervisor knows it."""

    name: str
    stage: int  # when its turn comes in a stop
    phase: Phase = Phase.WAITING
    pid: int = 0
    starts: int = 0
    restarts: int = 0  # that nobody wanted
    started: float = 0.0
    due: float = 0.0  # WAITING: when to start
    kill_at: float | None = None  # DRAINING: when SIGKILL follows
    crashes: int = 0  # exits in a row that were not asked for, since it was last Ready for `quick_s`
    was_ready: bool = False
    again: bool = False  # DRAINING for a restart
    database: str = ""  # the file that it keeps
    drained: bool = False  # an operator has emptied its nodes, and wants them to stay so
    reason: str = ""  # DOWN, or the last exit
    beside_until: float | None = None  # another one was started beside it, which has so long to take over
    failures: list[str] = field(default_factory=list)  # why those before it did not

    @property
    def alive(self) -> bool:
        return self.phase in (Phase.STARTING, Phase.READY, Phase.DRAINING)


@dataclass
class Supervision:
    """The state of one supervisor."""

    children: dict[str, Child]
    limits: Limits = field(default_factory=Limits)
    begun: float = 0.0
    stopping_since: float | None = None
    settled: bool = False  # everything was Ready once, or the start has failed
    failed: str = ""  # why the start failed

    def start(self, now: float) -> list[Instruction]:
        """Everything at once, in the order given: nodes wait for each other by themselves."""
        self.begun = now
        return [self._spawn(child, now) for child in self.children.values()]

    def spawned(self, name: str, pid: int, now: float) -> list[Instruction]:
        """The process runs. One that was started while the stop began is stopped in its turn."""
        child = self.children[name]
        child.pid, child.started = pid, now
        return self._stop_stage(now) if self.stopping else []

    def ready(self, name: str, now: float) -> list[Instruction]:
        """The process serves."""
        child = self.children[name]
        if child.phase is not Phase.STARTING or self.stopping:
            return []
        child.phase, child.was_ready, child.reason = Phase.READY, True, ""
        said = [Instruction(Do.SAY, name, Word.READY, now - child.started)]
        if not self.settled and all(c.phase is Phase.READY for c in self.children.values()):
            self.settled = True
            said.append(Instruction(Do.SAY, "", Word.ALL_READY, now - self.begun))
        return said

    def exited(self, name: str, how: str, code: int, now: float) -> list[Instruction]:
        """The process is gone. `how` is for people: "by signal 9", and its last words."""
        child = self.children[name]
        phase, lived, is_beside = child.phase, now - child.started, child.beside_until is not None
        child.pid, child.kill_at, child.beside_until = 0, None, None
        if is_beside and code == HANDED_OVER and not self.stopping and not child.drained:
            child.phase, child.started, child.crashes, child.again = Phase.STARTING, now, 0, False
            child.starts += 1
            return [Instruction(Do.ADOPT, name)]
        orphan = [Instruction(Do.KILL_BESIDE, name)] if is_beside else []
        return orphan + self._exited(child, phase, lived, how, code, now)

    def beside_ended(self, name: str, how: str, code: int, now: float) -> list[Instruction]:
        """The one that was started beside this process is gone, and this process is as it was. One that does not
        answer has nothing to give, and is what somebody wants to be rid of."""
        child = self.children.get(name)
        if child is None or child.beside_until is None:
            return []
        child.beside_until = None
        said = [Instruction(Do.SAY, name, Word.STAYS, 0.0, how)]
        if code == UNHEARD:
            return said + self.restart(name, now)
        child.failures.append(how)
        return said

    def _exited(self, child: Child, phase: Phase, lived: float, how: str, code: int, now: float) -> list[Instruction]:
        name = child.name
        if self.stopping:
            return self._stopped(child, now)
        if phase is Phase.DRAINING and child.again:
            child.again, child.crashes = False, 0
            return [self._spawn(child, now)]
        if phase is Phase.DRAINING:
            child.phase = Phase.SHUTDOWN
            return [Instruction(Do.SAY, name, Word.STOPPED)]
        child.reason = how
        if child.drained:
            child.phase = Phase.SHUTDOWN
            return [Instruction(Do.SAY, name, Word.LEFT, 0.0, how)]
        child.crashes = child.crashes + 1 if phase is Phase.STARTING or lived < self.limits.quick_s else 1
        if code == CONFIGURATION:
            return self._give_up(child, how, now)
        if child.crashes >= self.limits.loop_exits and not child.was_ready:
            often = f"ended {child.crashes} times without becoming Ready; the last time it {how}"
            return self._give_up(child, often, now)
        return self._start_again(child, how, code, now)

    def drained(self, name: str) -> None:
        """Its nodes are being emptied, or are: whatever ends it, it is not wanted back."""
        self.children[name].drained = True

    def add(self, name: str, roles: Sequence[str], now: float) -> list[Instruction]:
        """A further process joins a cluster that runs."""
        assert name not in self.children, f"{name} is there"
        child = self.children[name] = Child(name, stage_of(roles))
        return [Instruction(Do.SAY, name, Word.JOINING), self._spawn(child, now)]

    def retire(self, name: str, why: str, now: float) -> list[Instruction]:
        """This process is stopped and not started again, unless `restart` asks for it."""
        child = self.children[name]
        child.again, child.drained, child.reason = False, True, why
        orphan = [Instruction(Do.KILL_BESIDE, name)] if child.beside_until is not None else []
        child.beside_until = None
        if child.phase in (Phase.STARTING, Phase.READY):
            return [*orphan, self._terminate(child, now, self.limits.grace_s)]
        if not child.alive:
            child.phase = Phase.SHUTDOWN
        return orphan

    def forget(self, name: str) -> None:
        """It has ended and is no part of the cluster any more."""
        assert not self.children[name].alive, f"{name} runs"
        del self.children[name]

    def restart(self, name: str, now: float, *, beside: bool = False) -> list[Instruction]:
        """Somebody wants this process to be a new one. `beside`: the new one is started first, and takes over."""
        child = self.children[name]
        if beside and child.phase is Phase.READY and not self.stopping:
            if child.beside_until is not None:
                return []
            child.beside_until = now + self.limits.beside_s
            return [Instruction(Do.SAY, name, Word.RESTARTING), Instruction(Do.SPAWN_BESIDE, name)]
        child.drained = False
        if child.phase in (Phase.STARTING, Phase.READY):
            child.again = True
            said = Instruction(Do.SAY, name, Word.RESTARTING)
            return [said, self._terminate(child, now, self.limits.grace_s)]
        if child.phase in (Phase.WAITING, Phase.DOWN, Phase.SHUTDOWN) and not self.stopping:
            child.crashes = 0
            return [Instruction(Do.SAY, name, Word.RESTARTING), self._spawn(child, now)]
        return []

    def stop(self, now: float) -> list[Instruction]:
        """Everything, in order; a second call is impatient: all at once, with little grace."""
        if self.stopping_since is None:
            self.stopping_since = now
            said = [Instruction(Do.SAY, "", Word.STOPPING)]
            said += [Instruction(Do.KILL_BESIDE, c.name) for c in self.children.values() if c.beside_until is not None]
            for child in self.children.values():
                if not child.alive:
                    child.phase = Phase.DOWN if child.phase is Phase.DOWN else Phase.SHUTDOWN
            return said + self._stop_stage(now)
        hurried = []
        for child in self._alive():
            soon = now + self.limits.hurry_s
            if child.phase is not Phase.DRAINING:
                hurried.append(self._terminate(child, now, self.limits.hurry_s))
            elif child.kill_at is not None:
                child.kill_at = min(child.kill_at, soon)
        return hurried

    def tick(self, now: float) -> list[Instruction]:
        """What is due by now."""
        out: list[Instruction] = []
        for child in self.children.values():
            if child.beside_until is not None and now >= child.beside_until:
                out.append(Instruction(Do.KILL_BESIDE, child.name))
                child.beside_until = now + self.limits.beside_s  # until its end is reported
            if child.phase is Phase.WAITING and not self.stopping and now >= child.due:
                out.append(self._spawn(child, now))
            elif child.phase is Phase.DRAINING and child.pid and self._out_of_grace(child, now):
                child.kill_at = None
                out += [Instruction(Do.KILL, child.name), Instruction(Do.SAY, child.name, Word.KILLED)]
        if not self.settled and not self.stopping and now >= self.begun + self.limits.start_s:
            missing = [c.name for c in self.children.values() if c.phase is not Phase.READY]
            verb = "is" if len(missing) == 1 else "are"
            out += self._fail(f"{', '.join(missing)} {verb} not Ready after {self.limits.start_s:.0f} s", now)
        return out

    def wakes(self) -> float | None:
        """When `tick` has something to do next, if nothing happens before."""
        times = [c.due for c in self.children.values() if c.phase is Phase.WAITING and not self.stopping]
        times += [c.beside_until for c in self.children.values() if c.beside_until is not None]
        times += [c.kill_at for c in self.children.values() if c.kill_at is not None]
        if not self.settled and not self.stopping:
            times.append(self.begun + self.limits.start_s)
        if self.stopping_since is not None and any(c.kill_at is not None for c in self._alive()):
            times.append(self.stopping_since + self.limits.stop_s)
        return min(times) if times else None

    @property
    def stopping(self) -> bool:
        return self.stopping_since is not None

    @property
    def finished(self) -> bool:
        """Was asked to stop, and nothing runs."""
        return self.stopping and not self._alive()

    # --- helpers ---

    def _alive(self) -> list[Child]:
        return [c for c in self.children.values() if c.alive]

    def _spawn(self, child: Child, now: float) -> Instruction:
        child.phase, child.started, child.pid = Phase.STARTING, now, 0
        child.starts += 1
        return Instruction(Do.SPAWN, child.name)

    def _terminate(self, child: Child, now: float, grace_s: float) -> Instruction:
        child.phase, child.kill_at = Phase.DRAINING, now + grace_s
        return Instruction(Do.TERMINATE, child.name)

    def _out_of_grace(self, child: Child, now: float) -> bool:
        overdue = self.stopping_since is not None and now >= self.stopping_since + self.limits.stop_s
        return child.kill_at is not None and (now >= child.kill_at or overdue)

    def _start_again(self, child: Child, how: str, code: int, now: float) -> list[Instruction]:
        """The first time at once, then with a wait that doubles."""
        doublings = min(child.crashes - 2, 16)
        wait_s = 0.0 if doublings < 0 else min(self.limits.backoff_first_s * 2**doublings, self.limits.backoff_max_s)
        child.phase, child.due = Phase.WAITING, now + wait_s
        child.restarts += code != 0  # a node ends with 0 only when it was told to, by a `mesh restart` under a keep
        said = Instruction(Do.SAY, child.name, Word.ENDED, wait_s, how)
        return [said] if wait_s else [said, self._spawn(child, now)]

    def _give_up(self, child: Child, reason: str, now: float) -> list[Instruction]:
        child.phase, child.reason = Phase.DOWN, reason
        said = [Instruction(Do.SAY, child.name, Word.GIVEN_UP, 0.0, reason, child.database)]
        return said if self.settled else said + self._fail(f"{child.name} {reason}", now)

    def _fail(self, why: str, now: float) -> list[Instruction]:
        """The start did not work out: half a cluster helps nobody, so all is stopped."""
        self.settled, self.failed = True, why
        return [Instruction(Do.SAY, "", Word.START_FAILED, 0.0, why), *self.stop(now)]

    def _stopped(self, child: Child, now: float) -> list[Instruction]:
        child.phase = Phase.SHUTDOWN
        return [Instruction(Do.SAY, child.name, Word.STOPPED), *self._stop_stage(now)]

    def _stop_stage(self, now: float) -> list[Instruction]:
        """SIGTERM to those whose turn it is: the earliest stage that has anyone left."""
        alive = self._alive()
        if not alive:
            return []
        stage = min(child.stage for child in alive)
        turn = [c for c in alive if c.stage == stage and c.phase is not Phase.DRAINING and c.pid]
        return [self._terminate(child, now, self.limits.grace_s) for child in turn]


def stage_of(roles: Iterable[str]) -> int:
    """A process stops when the last of its roles may: what hosts the DC goes last."""
    wanted = set(roles)
    return max((stage for stage, names in enumerate(STOP_ORDER) if wanted.intersection(names)), default=0)


def supervise(
    plan: Sequence[tuple[str, Sequence[str]]], limits: Limits | None = None, databases: Mapping[str, str] | None = None
) -> Supervision:
    """For these processes: (name, roles); `databases`: the file that one keeps, by its name."""
    kept = databases or {}
    children = {name: Child(name, stage_of(roles), database=kept.get(name, "")) for name, roles in plan}
    return Supervision(children, limits or Limits())
