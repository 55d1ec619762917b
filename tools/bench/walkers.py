"""A crowd without clients: ten thousand players who walk, played by one stand-in for a gate.

It logs them in as a gate does (login node, then the scene), and after that sends the scene the same batches of moves
that a gate would, and throws away what comes back. So the scene is loaded as by a full house, and none of its time is
lost to connections that are served on the same machine.
"""

import asyncio

import numpy as np

from mesh.errors import MeshError, RemoteProtocolError
from mesh.node import Caller, on_batch
from mesh.protocol.catalogue import Message, decoder
from mesh.protocol.cluster import Attach, Attached, Authenticate, Authenticated
from mesh.protocol.lanes import MOVE, PIECE_HEAD, PIECE_SIZE, Lane, PieceClass
from mesh.protocol.play import Entered
from mesh.seat import Seat
from tools.bench.standin import StandIn
from tools.ctl.exits import CommandError

AT_ONCE = 64  # logins under way
LOGIN_S = 30.0
FLUSHES_PER_S = 50
HZ = 10.0
STEP_M = 0.5  # of each move: slower than anybody may walk

_entered = decoder([Entered])


class Crowd(StandIn):
    """See the module."""

    ROLE = "gate"

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self.update_bytes = 0
        self._entered: dict[int, Entered] = {}  # by handle
        self._scene = ""
        self._more = asyncio.Event()

    @on_batch(Lane.FRAMES)
    def on_frames(self, blobs: list[bytes], _caller: Caller) -> None:
        handles, lengths = np.frombuffer(blobs[0], "<u4"), np.frombuffer(blobs[1], "<u4")
        begin = 0
        for handle, length in zip(handles.tolist(), lengths.tolist(), strict=True):
            if handle not in self._entered:
                self._look(handle, blobs[2][begin : begin + length])
            begin += length

    @on_batch(Lane.UPDATES)
    def on_updates(self, blobs: list[bytes], _caller: Caller) -> None:
        self.update_bytes += len(blobs[2])

    @on_batch(Lane.CHATS)
    def on_chats(self, _blobs: list[bytes], _caller: Caller) -> None:
        """Nobody is there to read it."""

    def _look(self, handle: int, pieces: bytes) -> None:
        """For the one piece that says where the player stands."""
        at = 0
        while at < len(pieces):
            _, cls, length, _ = PIECE_HEAD.unpack_from(pieces, at)
            body = pieces[at + PIECE_SIZE : at + PIECE_SIZE + length]
            at += PIECE_SIZE + length
            if cls != PieceClass.VIEW:
                continue
            try:
                said: Message = _entered(body)
            except RemoteProtocolError:
                continue
            assert isinstance(said, Entered)
            self._entered[handle] = said
            self._more.set()

    async def log_in(self, tickets: list[str]) -> None:
        """All of them; CommandError when one is refused."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, ticket: str) -> None:
            async with turn:
                said = Authenticate("ticket", "", ticket, number, "127.0.0.1")
                let_in = await self.ask("login", said, LOGIN_S)
                assert isinstance(let_in, Authenticated)
                self._scene = let_in.placement.scene
                attached = await self.ask(self._scene, Attach(let_in.session, number), LOGIN_S)
                assert isinstance(attached, Attached)

        try:
            await asyncio.gather(*(one(number, ticket) for number, ticket in enumerate(tickets, 1)))
            async with asyncio.timeout(LOGIN_S):
                while len(self._entered) < len(tickets):
                    self._more.clear()
                    await self._more.wait()
        except (MeshError, TimeoutError) as error:
            raise CommandError(f"the crowd did not get in: {error!r}") from None

    def walk(self) -> None:
        """From now on, until the node stops."""
        self.spawn(self._walk())

    async def _walk(self) -> None:
        steps = Steps(self._entered)
        loop = asyncio.get_running_loop()
        due, part, parts = loop.time(), 0, round(FLUSHES_PER_S / HZ)
        while True:
            handles, records = steps.of(part, parts, round(self.clock.now() * 1000))
            self.batch(self._scene, Lane.MOVES, handles, records)
            due, part = due + 1 / FLUSHES_PER_S, (part + 1) % parts
            await asyncio.sleep(max(0.0, due - loop.time()))


class Steps:
    """Where everybody is, and where they go: straight on, and back at the edge of the map (pure)."""

    def __init__(self, entered: dict[int, Entered], seed: int = 1) -> None:
        first = next(iter(entered.values()))
        random = np.random.default_rng(seed)
        self._handles = np.fromiter(entered, "<u4", len(entered))
        self._most = first.size_m / first.unit_m
        angle = random.random(len(entered)) * 2 * np.pi
        self._place = np.array([(said.x, said.y) for said in entered.values()], np.float64)
        self._step = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (STEP_M / first.unit_m)

    def of(self, part: int, parts: int, now_ms: int) -> tuple[bytes, bytes]:
        """One move of every `parts`-th of them: handles and MOVE records."""
        place, step = self._place[part::parts], self._step[part::parts]
        ahead = place + step
        step[(ahead < 0) | (ahead > self._most)] *= -1
        place += step
        moves = np.zeros(len(place), MOVE)
        moves["kind"], moves["state"], moves["stamp"] = 3, 1, now_ms & 0xFFFF
        moves["x"], moves["y"] = np.rint(place[:, 0]), np.rint(place[:, 1])
        return self._handles[part::parts].tobytes(), moves.tobytes()
