"""The Python reference: a gate process (picows on uvloop) and a scene process (numpy), joined by one ZeroMQ link.

    python -P -m tools.bench.references.pair PORT WIDTH_M RADIUS_M HZ

The shape of the product with everything taken away that makes it one: no logins, sessions, checks, storage, logs or
metrics, one gate, one scene, nobody ever leaves. What it costs more than this is the price of being a game server. It
may use what only the transport of the product may use otherwise: it is not a part of it.
"""

import asyncio
import contextlib
import gc
import os
import shutil
import sys
import tempfile
import time

import numpy as np
import picows
import uvloop
import zmq

from tools.bench.references.interest import MOVE_BYTES, Square

FLUSH_S = 0.02  # how long the gate collects moves
SLOT_BYTES = 4
SEND_MS = 1000


def play_scene(link: str, width_m: float, radius_m: float, hz: float, gate: int) -> None:
    """Moves in as they come, frames out at every tick, as long as the gate's process lives."""
    socket = zmq.Context().socket(zmq.PAIR)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDTIMEO, SEND_MS)  # a gate that is gone takes nothing any more, and must not be waited for
    socket.connect(link)
    square = Square(width_m, radius_m)
    due = time.monotonic() + 1 / hz
    while os.getppid() == gate:
        left_s = due - time.monotonic()
        if left_s > 0 and socket.poll(max(1, int(left_s * 1000))):
            said = socket.recv()
            count = len(said) // (SLOT_BYTES + MOVE_BYTES)
            square.move(np.frombuffer(said, "<u4", count), memoryview(said)[SLOT_BYTES * count :])
        if time.monotonic() >= due:
            due = max(due + 1 / hz, time.monotonic())
            if square.count:
                lengths, frames = square.frames()
                with contextlib.suppress(zmq.Again):
                    socket.send(lengths.tobytes(), zmq.SNDMORE)
                    socket.send(frames.data, copy=False)


class Gate:
    """All clients, in the order in which they first moved: that is their slot."""

    def __init__(self, link: str) -> None:
        self.socket = zmq.Context().socket(zmq.PAIR)
        self.socket.bind(link)
        self.clients: list[picows.WSTransport] = []
        self.slots: list[int] = []
        self.moves: list[bytes] = []

    def pass_frames(self) -> None:
        """What the scene sent, to everybody."""
        binary = picows.WSMsgType.BINARY
        while int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            lengths = np.frombuffer(self.socket.recv(), "<u4")
            frames = self.socket.recv(copy=False).buffer
            ends = np.cumsum(lengths).tolist()
            for client, end, length in zip(self.clients, ends, lengths.tolist(), strict=False):
                client.send(binary, frames[end - length : end])

    def pass_moves(self) -> None:
        """What the clients said, to the scene."""
        if self.slots:
            self.socket.send(np.array(self.slots, "<u4").tobytes() + b"".join(self.moves))
            self.slots.clear()
            self.moves.clear()

    async def serve(self, port: int) -> None:
        asyncio.get_running_loop().add_reader(int(self.socket.getsockopt(zmq.FD)), self.pass_frames)
        await picows.ws_create_server(
            lambda _request: Client(self), "127.0.0.1", port, backlog=4096, enable_auto_ping=False
        )
        gc.freeze()
        while True:
            await asyncio.sleep(FLUSH_S)
            self.pass_moves()
            self.pass_frames()


class Client(picows.WSListener):
    """One connection."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.slot = -1

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if self.slot < 0:
            self.slot = len(self.gate.clients)
            self.gate.clients.append(transport)
        self.gate.slots.append(self.slot)
        self.gate.moves.append(frame.get_payload_as_bytes())


def main() -> None:
    port, (width_m, radius_m, hz) = int(sys.argv[1]), map(float, sys.argv[2:5])
    folder = tempfile.mkdtemp(prefix="zb-pair-")
    link = f"ipc://{folder}/link"
    gate = os.getpid()
    if os.fork() == 0:
        play_scene(link, width_m, radius_m, hz, gate)
        shutil.rmtree(folder, ignore_errors=True)
    else:
        uvloop.run(Gate(link).serve(port))


if __name__ == "__main__":
    main()
