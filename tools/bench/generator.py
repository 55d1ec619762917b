"""The Python side of the load generator: starts the program, tells it what to do, hears what it measured.

That is the C program, or without a C compiler the one of `pythonclients`, which says the same and makes less load.

    async with Generator(LoadSpec(gates=cluster.gates, tickets=cluster.tickets(4000)), core=1) as load:
        wave = await load.clients(4000, rate=500)
        window = await load.measure(8)

Different commands may wait for their answers at the same time (a shout in the middle of a window), two of the same kind
may not. It owns the program that it started and judges nothing: what the figures have to be is the benches' business,
and whether they mean anything is in `Window.invalid`.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from mesh.errors import RemoteProtocolError
from tools.bench import cores as machine
from tools.bench.build import NoCompilerError, build_generator
from tools.bench.said import Begun, Distribution, Done, Heard, Said, Second, Trouble, Wave, Window, read_line
from tools.ctl.exits import CommandError

__all__ = ["Distribution", "Generator", "Heard", "LoadSpec", "Second", "Wave", "Window"]

ANSWER_S = 30.0
STOP_S = 5.0
LINE_BYTES_MAX = 1 << 20
WORDS_MAX = 2000  # of what it said on stderr

T = TypeVar("T", bound=Said)


@dataclass(frozen=True, kw_only=True)
class LoadSpec:
    """What the clients of one generator are; as many may come as there are tickets."""

    gates: list[str]  # HOST:PORT with numeric hosts; the clients are spread over them in turn
    tickets: Path  # one a line
    hz: float = 10.0  # moves a second of each client
    pace: float = 0.9  # of the speed that the map allows: room for jitter between two clocks
    login_s: float = 60.0  # a wave of logins is over then in any case
    seed: int = 1
    protocol: str = "zone"  # or that of a reference server
    side_m: float = 0.0  # of the square: a reference server does not say it
    clients: int = 0  # at most so many; 0: as many as there are tickets, which a reference server does not want

    def words(self) -> list[str]:
        """As the program takes it."""
        said = {"gates": ",".join(self.gates), "tickets": self.tickets, "protocol": self.protocol}
        numbers = {"hz": self.hz, "pace": self.pace, "login-s": self.login_s, "seed": self.seed, "side": self.side_m}
        numbers["clients"] = self.clients
        options = [*said.items(), *((name, f"{value:g}") for name, value in numbers.items())]
        return [word for name, value in options for word in (f"--{name}", str(value))]


class Generator:
    """One that runs between `async with` and its end."""

    def __init__(
        self, spec: LoadSpec, core: int | None = None, say: Callable[[str], None] = lambda _text: None
    ) -> None:
        self.seconds: list[Second] = []
        self._spec, self._say = spec, say
        self._core = core
        self._waiting: dict[object, asyncio.Future[Said]] = {}  # by the kind of answer
        self._trouble = ""  # why nothing more will come

    async def __aenter__(self) -> Self:
        program = await asyncio.to_thread(self._program)
        pipe = asyncio.subprocess.PIPE
        try:
            self._child = await asyncio.create_subprocess_exec(
                *program, *self._spec.words(), stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_BYTES_MAX
            )
        except OSError as error:
            raise CommandError(f"the load generator cannot be started: {error.strerror}") from None
        if self._core is not None:
            machine.pin([self._child.pid], [self._core])
        self._listening = asyncio.ensure_future(self._listen())
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        await asyncio.shield(self._stop())

    def _program(self) -> list[str]:
        try:
            return [str(build_generator(os.environ))]
        except NoCompilerError as error:
            self._say(f"{error} Till then the clients are Python's: slower ones, for some hundred players")
            return [sys.executable, "-P", "-m", "tools.bench.pythonclients"]

    @property
    def pid(self) -> int:
        return self._child.pid

    async def clients(self, count: int, rate: float = 0.0, timeout_s: float = 120.0) -> Wave:
        """The first `count` clients are to be in the world: others log in, so many a second (0: all at once), or out.
        Who does not get in is told by the wave."""
        return await self._ask(f"clients {count} {rate:g}", Wave, timeout_s)

    async def measure(self, seconds: float, then: Mapping[float, str] | None = None) -> Window:
        """What happens from now on, for so long. `then`: what is to be done so many seconds after its beginning."""
        await self._ask("measure", Begun)
        passed = 0.0
        for at, command in sorted((then or {}).items()):
            await asyncio.sleep(at - passed)
            await self.do(command)
            passed = at
        await asyncio.sleep(seconds - passed)
        return await self._ask("end", Window)

    async def shout(self, timeout_s: float = ANSWER_S) -> Heard:
        """One public message: who has it, how soon."""
        return await self._ask("shout", Heard, timeout_s)

    async def do(self, command: str) -> None:
        """Any of those that change what the clients do and have no figures of their own: src/commands.c."""
        await self._ask(command, Done)

    async def _ask(self, command: str, kind: type[T], timeout_s: float = ANSWER_S) -> T:
        stdin = self._child.stdin
        assert stdin is not None
        assert kind not in self._waiting, "one command of a kind at a time"
        answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self._waiting[kind] = answer
        try:
            if self._trouble:
                raise CommandError(f"the load generator {self._trouble}")
            stdin.write(f"{command}\n".encode())
            async with asyncio.timeout(timeout_s):
                said = await answer
        except TimeoutError:
            raise CommandError(f"the load generator did not answer {command!r} in {timeout_s:.0f} s") from None
        finally:
            self._waiting.pop(kind, None)
        assert isinstance(said, kind)
        return said

    async def _listen(self) -> None:
        stdout = self._child.stdout
        assert stdout is not None
        try:
            async for line in stdout:
                self._hear(read_line(line))
            self._fail(f"ended: {await self._last_words()}")
        except (RemoteProtocolError, ValueError) as error:
            self._fail(f"cannot be understood: {error}")

    def _hear(self, said: Said) -> None:
        if isinstance(said, Second):
            self.seconds.append(said)
        elif isinstance(said, Trouble):
            self._fail(f"refused: {said.text}")
        elif (waiting := self._waiting.get(type(said))) is not None and not waiting.done():
            waiting.set_result(said)

    def _fail(self, trouble: str) -> None:
        """Whoever waits is told; so is whoever asks from now on."""
        self._trouble = self._trouble or trouble
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(CommandError(f"the load generator {self._trouble}"))

    async def _last_words(self) -> str:
        stderr = self._child.stderr
        assert stderr is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                return (await stderr.read(WORDS_MAX)).decode(errors="replace").strip() or "without a word"
        return "without a word"

    async def _stop(self) -> None:
        """The end of its stdin is the end for it; the listener then has nothing more to hear."""
        stdin = self._child.stdin
        assert stdin is not None
        stdin.close()
        try:
            await asyncio.wait_for(self._child.wait(), STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
            await self._child.wait()
        await self._listening
