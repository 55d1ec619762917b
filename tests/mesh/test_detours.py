"""Other ways to addresses: what is said in the environment, and where a process then goes."""

import asyncio
from pathlib import Path

import pytest

from mesh.detours import DetourError, parse
from mesh.testing import wait_until
from mesh.transport.sockets import ZmqNetwork
from tests.mesh.test_transport import Ear


def test_several_ways_in_one_text() -> None:
    text = " ipc:///run/a=tcp://127.0.0.1:90, tcp://10.0.0.1:7800=ipc:///run/b ,"
    assert parse(text) == {"ipc:///run/a": "tcp://127.0.0.1:90", "tcp://10.0.0.1:7800": "ipc:///run/b"}
    assert parse("") == {}


@pytest.mark.parametrize("text", ["ipc:///a", "ipc:///a=", "=ipc:///a", "inproc://a=ipc:///a", "ipc:///a=ipc:///b=c"])
def test_a_way_that_leads_nowhere_is_named(text: str) -> None:
    with pytest.raises(DetourError, match="write FROM=TO"):
        parse(f"ipc:///x=ipc:///y,{text}")


def test_links_and_streams_go_the_other_way(tmp_path: Path) -> None:
    async def story() -> None:
        said, meant = f"ipc://{tmp_path}/said", f"ipc://{tmp_path}/meant"
        stream, other = f"ipc://{tmp_path}/stream", f"ipc://{tmp_path}/other"
        network = ZmqNetwork(detours={said: meant, stream: other})
        plain, detoured, reader = Ear(), Ear(), Ear()
        ends = [network.endpoint(name, 1, ear) for name, ear in (("p", plain), ("d", detoured), ("r", reader))]
        try:
            ends[0].bind(said)
            ends[1].bind(meant)
            ends[1].bind_publisher(other)
            link = ends[2].dial(said)
            ends[2].subscribe(stream)
            await wait_until(lambda: reader.opened)
            assert ends[2].send(link, [b"hello"])
            await wait_until(lambda: detoured.heard)

            def heard() -> bool:
                ends[1].publish(b"news")
                return bool(reader.stream)

            await wait_until(heard)
            assert not plain.heard
        finally:
            for end in ends:
                end.close()
            network.close()

    asyncio.run(story())
