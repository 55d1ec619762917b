"""CURVE: every node has a key pair, and only the public keys on the list may speak.

A zone beyond loopback has `<runtime>/keys/curve/` on each of its machines, made by `mesh keys new`: one secret file
`<short>.secret` for each node (0600) and one list `members` of "<public key> <full name>" lines. The ZAP handler
answers from that list, and the name behind the key is what Hello must say. Without a ZAP handler CURVE would accept
any key.
"""

import os
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from mesh.errors import StorageError
from mesh.transport.loop import Reader

ZAP_ADDRESS = "inproc://zeromq.zap.01"


class Identity:
    """One process's keys and whom it believes."""

    def __init__(self, public: bytes, secret: bytes, members: dict[bytes, str]) -> None:
        self._public, self._secret, self._members = public, secret, members
        self._by_name = {name: key for key, name in members.items()}
        self._zap: Any = None
        self._reader: Reader | None = None
        self.refused = 0

    @classmethod
    def load(cls, folder: Path, short: str) -> "Identity":
        """The keys of a node; StorageError that says which file is missing or open to others."""
        path, listing = folder / f"{short}.secret", folder / "members"
        try:
            if path.stat().st_mode & 0o077:
                raise StorageError(f"{path} can be read by others; run chmod 600 on it")
            public, secret = path.read_text().split()
            rows = [line.split() for line in listing.read_text().splitlines() if line.strip()]
        except FileNotFoundError as error:
            raise StorageError(f"{error.filename} is missing; run `mesh keys new` and copy the folder") from None
        except (OSError, ValueError) as error:
            raise StorageError(f"{path} or {listing} is not a key file: {error}") from None
        return cls(public.encode(), secret.encode(), {key.encode(): name for key, name in rows})

    def guard(self, socket: Any) -> None:
        """This socket takes connections: from known keys only."""
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self._secret)
        socket.set(zmq.CURVE_PUBLICKEY, self._public)
        socket.set_string(zmq.ZAP_DOMAIN, "mesh")

    def introduce(self, socket: Any, peer: str) -> None:
        """This socket connects to a node by its full name; StorageError when the list does not have it."""
        key = self._by_name.get(peer)
        if key is None:
            raise StorageError(f"{peer} is not on the list of members; run `mesh keys new` and copy the folder")
        socket.set(zmq.CURVE_SERVERKEY, key)
        socket.set(zmq.CURVE_PUBLICKEY, self._public)
        socket.set(zmq.CURVE_SECRETKEY, self._secret)

    def serve(self, context: Any) -> None:
        """Answer libzmq's questions about who may connect."""
        self._zap = context.socket(zmq.REP)
        self._zap.set(zmq.LINGER, 0)
        self._zap.bind(ZAP_ADDRESS)
        self._reader = Reader(self._zap, self._answer)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._zap.close(0)
            self._reader = None

    def _answer(self) -> bool:
        try:
            frames = self._zap.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return False
        version, request, mechanism = frames[0], frames[1], frames[5]
        name = None
        if mechanism == b"CURVE" and len(frames) > 6:
            name = self._members.get(z85.encode(frames[6]))
        if name is None:
            self.refused += 1
            self._zap.send_multipart([version, request, b"400", b"not on the list", b"", b""])
        else:
            self._zap.send_multipart([version, request, b"200", b"", name.encode(), b""])
        return True


def make_keys(folder: Path, names: dict[str, str]) -> None:
    """Write a key pair for each node ({short: full name}) and the list of all. Existing pairs are kept."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows = []
    for short, full in names.items():
        path = folder / f"{short}.secret"
        if not path.exists():
            public, secret = zmq.curve_keypair()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{public.decode()} {secret.decode()}\n")
        rows.append(f"{path.read_text().split()[0]} {full}")
    (folder / "members").write_text("\n".join(rows) + "\n")
