"""The /metrics page of a node process: fetched in one GET, and read as far as a load test needs it.

Our own door answers in one piece and closes, so a whole HTTP client is not needed.
"""

import asyncio
from urllib.parse import urlsplit

from mesh.errors import PeerLost

PAGE_BYTES_MAX = 4 << 20
PAGE_S = 5.0

Samples = dict[tuple[str, str, str], float]
"""(name, node, the values of further labels with commas between them) -> value. Of a histogram the bucket's upper end
is such a label."""


async def read_page(url: str) -> str:
    """PeerLost when there is none."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(PAGE_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            answer = await reader.read(PAGE_BYTES_MAX)
            while more := await reader.read(PAGE_BYTES_MAX):
                answer += more
            writer.close()
    except (OSError, TimeoutError) as error:
        raise PeerLost(f"{url} does not answer: {error}") from None
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise PeerLost(f"{url} answers {head[:40].decode(errors='replace')}")
    return body.decode()


def pick(page: str, *names: str) -> Samples:
    """These samples of a page. Ours have plain labels, so that a parser for everything (50 times slower) is not
    needed."""
    found: Samples = {}
    for line in page.splitlines():
        name, brace, rest = line.partition("{")
        if not brace:
            name, _, value = line.partition(" ")
            if name in names:
                found[name, "", ""] = float(value)
        elif name in names:
            labels, _, value = rest.rpartition("} ")
            parts = dict(part.split("=", 1) for part in labels.split(","))
            more = [v.strip('"') for key, v in parts.items() if key not in ("node", "role")]
            found[name, parts.get("node", "").strip('"'), ",".join(more)] = float(value)
    return found
