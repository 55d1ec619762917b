"""CURVE: only who is on the list may speak, and only under its own name. Real sockets, real keys."""

import asyncio
from pathlib import Path

import pytest

from mesh.errors import StorageError
from mesh.testing import wait_until
from mesh.transport.auth import Identity, make_keys
from mesh.transport.sockets import ZmqNetwork
from tests.mesh.test_transport import Ear

NAMES = {"center.1": "eu.one.center.1", "gate.1": "eu.one.gate.1"}


def identity(folder: Path, short: str) -> Identity:
    return Identity.load(folder, short)


class Door:
    """A center that takes links, and whoever tries to come in."""

    def __init__(self, folder: Path, port: int) -> None:
        self.address = f"tcp://127.0.0.1:{port}"
        self.identity = identity(folder, "center.1")
        self.network = ZmqNetwork({"eu.one.center.1": self.identity})
        self.ear = Ear()
        self.owners: list[str] = []
        self.ear.link_accepted = lambda link, owner: self.owners.append(owner)
        self.endpoint = self.network.endpoint("eu.one.center.1", 1, self.ear)
        self.endpoint.bind(self.address)

    def close(self) -> None:
        self.endpoint.close()
        self.network.close()


async def knock(door: Door, folder: Path, short: str) -> tuple[Ear, ZmqNetwork]:
    network = ZmqNetwork({NAMES[short]: identity(folder, short)})
    ear = Ear()
    endpoint = network.endpoint(NAMES[short], 1, ear)
    link = endpoint.dial(door.address, "eu.one.center.1")
    for _ in range(100):
        if ear.opened and endpoint.send(link, [b"hello"]):
            break
        if door.identity.refused:
            break
        await asyncio.sleep(0.01)
    endpoint.close()
    return ear, network


def test_a_member_comes_in_and_its_name_is_proved(tmp_path, unused_ports):
    async def story() -> None:
        make_keys(tmp_path, NAMES)
        door = Door(tmp_path, unused_ports[0])
        _, network = await knock(door, tmp_path, "gate.1")
        await wait_until(lambda: door.ear.heard)
        assert door.ear.heard[0][1] == [b"hello"]
        assert door.owners == ["eu.one.gate.1"]
        network.close()
        door.close()

    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_stranger_with_a_key_of_its_own_stays_outside(tmp_path, unused_ports):
    async def story() -> None:
        make_keys(tmp_path / "ours", NAMES)
        make_keys(tmp_path / "theirs", NAMES)
        door = Door(tmp_path / "ours", unused_ports[0])
        stranger = tmp_path / "stranger"
        make_keys(stranger, {"gate.1": NAMES["gate.1"]})  # its own secret, but the door's true public key
        ours = (tmp_path / "ours/members").read_text().splitlines()
        (stranger / "members").write_text(next(line for line in ours if line.endswith("center.1")) + "\n")
        ear, network = await knock(door, stranger, "gate.1")
        await wait_until(lambda: door.identity.refused)
        assert ear.opened == door.ear.heard == door.owners == []
        network.close()
        door.close()

    asyncio.run(asyncio.wait_for(story(), 20))


def test_keys_are_kept_private_and_not_made_twice(tmp_path):
    make_keys(tmp_path / "k", NAMES)
    secret = tmp_path / "k" / "gate.1.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    before = secret.read_text()
    make_keys(tmp_path / "k", {**NAMES, "scene.1": "eu.one.scene.1"})
    assert secret.read_text() == before
    assert len((tmp_path / "k" / "members").read_text().splitlines()) == 3
    secret.chmod(0o644)
    with pytest.raises(StorageError, match="chmod 600"):
        identity(tmp_path / "k", "gate.1")
    with pytest.raises(StorageError, match="mesh keys new"):
        identity(tmp_path / "k", "dc.1")
    secret.write_text("not a key")
    secret.chmod(0o600)
    with pytest.raises(StorageError, match="not a key file"):
        identity(tmp_path / "k", "gate.1")


def test_a_peer_that_is_not_on_the_list_is_not_dialled(tmp_path):
    async def story() -> None:
        make_keys(tmp_path, NAMES)
        network = ZmqNetwork({"eu.one.gate.1": identity(tmp_path, "gate.1")})
        endpoint = network.endpoint("eu.one.gate.1", 1, Ear())
        with pytest.raises(StorageError, match="not on the list"):
            endpoint.dial("tcp://127.0.0.1:1", "eu.one.scene.9")
        endpoint.close()
        network.close()

    asyncio.run(story())
