"""What the gate keeps for a client: its memory with 5,000 of them, over joins and leaves, and with TLS.

Plain clients walk, and come and go: for five minutes of warm-up, and then for ten more. What the allocator of the C
library cannot use again grows for some minutes, since short-lived buffers for thousands of clients lie between what
lives long, and then no more; behind that a leak would show. Those with TLS are Python
players, who stand still but for a step now and then, because the generator does not speak TLS; the certificate is made
for the run.
"""

import asyncio
import ssl
import subprocess
from functools import partial
from pathlib import Path

from mesh.client.player import Player
from mesh.client.wire import dial
from mesh.errors import MeshError
from tools import machine
from tools.bench import town
from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.cluster import Cluster
from tools.bench.generator import Generator, LoadSpec
from tools.bench.ground import SERVER, Ground
from tools.bench.result import Table
from tools.bench.townrun import ENTER_S, all_in
from tools.ctl.exits import CommandError

PLAYERS, QUICK = 5_000, 300
WARM_S, WARM_QUICK_S = 300.0, 2.0
CHURN_S, CHURN_QUICK_S = 600.0, 5.0
LEAVERS = 0.1  # of the players go and come back in each cycle
SETTLE_S, SETTLE_QUICK_S = 5.0, 2.0
MOMENTS = 6  # in the table
AT_ONCE = 32  # TLS logins under way
LOGIN_S = 30.0


async def run(ground: Ground) -> Outcome:
    players = ground.players or (QUICK if ground.quick else PLAYERS)
    ground.need_clients(players)
    settle_s = SETTLE_QUICK_S if ground.quick else SETTLE_S
    async with ground.cluster("bench", town.settings(players), (SERVER,)) as cluster:
        empty = gate_kb(cluster)
        spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(players))
        async with ground.load(spec) as load:
            await all_in(load, players)
            before = cluster.mark()
            await load.measure(settle_s)
            full, use = gate_kb(cluster), cluster.since(before)
            ground.say(f"{players:,} clients: {(full - empty) / players:.1f} KB each")
            ground.say(f"{round(players * LEAVERS):,} leave and join again and again")
            warm = await come_and_go(ground, cluster, load, players, WARM_QUICK_S if ground.quick else WARM_S)
            churn = await come_and_go(ground, cluster, load, players, CHURN_QUICK_S if ground.quick else CHURN_S)
    secure, word = await with_tls(ground, players, settle_s)
    reached = {
        "kb_per_client": (full - empty) / players,
        "growth": churn[-1] / warm[-1],
        "warm_up": warm[-1] / full,
    }
    return Outcome(
        players=players,
        reached=reached | ({"tls_kb_per_client": secure} if word == "" else {}),
        tables=[churn_table(empty, full, warm, churn)],
        processes=use.processes,
        invalid=use.invalid,
        notes=[*use.notes, *([f"TLS was not measured: {word}"] if word else [])],
    )


def gate_kb(cluster: Cluster) -> float:
    return machine.rss_of(cluster.pids["gate.1"]) * 1000


async def come_and_go(ground: Ground, cluster: Cluster, load: Generator, players: int, seconds: float) -> list[float]:
    """The gate's memory after each cycle of leaves and joins, in KB."""
    stay, seen = players - max(1, round(players * LEAVERS)), list[float]()
    until = ground.clock.now() + seconds
    while not seen or ground.clock.now() < until:
        await load.clients(stay, 0.0, ENTER_S)
        await all_in(load, players)
        seen.append(gate_kb(cluster))
    return seen


async def with_tls(ground: Ground, players: int, settle_s: float) -> tuple[float, str]:
    """KB for each client, or why it is not known."""
    try:
        certificate, key = make_certificate(ground.folder)
    except (OSError, subprocess.SubprocessError) as error:
        return 0.0, f"openssl did not make a certificate ({error})"
    settings = town.settings(players) | {"gate.certificate": f'"{certificate}"', "gate.key": f'"{key}"'}
    async with ground.cluster("bench", settings, (SERVER,)) as cluster:
        empty = gate_kb(cluster)
        lines = cluster.tickets(players, "secure").read_text(encoding="ascii").split()
        ground.say(f"{players:,} clients with TLS")
        players_in = await log_in(f"wss://{cluster.gates[0]}", lines, trust(certificate))
        for player in players_in:
            player.move(player.session.x, player.session.y)
            await asyncio.sleep(settle_s / players)
        each = (gate_kb(cluster) - empty) / players
        for player in players_in:
            player.drop()
    ground.say(f"{each:.1f} KB each")
    return each, ""


def trust(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def log_in(url: str, tickets: list[str], tls: ssl.SSLContext) -> list[Player]:
    """All of them; CommandError when one is refused."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(ticket: str) -> Player:
        async with turn:
            return await Player.login(
                url, secret=ticket, method="ticket", timeout_s=LOGIN_S, dial=partial(dial, tls=tls)
            )

    try:
        return list(await asyncio.gather(*(one(ticket) for ticket in tickets)))
    except MeshError as error:
        raise CommandError(f"a client with TLS did not get in: {error}") from None


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """For 127.0.0.1, by the system's openssl; OSError or SubprocessError when that does not work."""
    certificate, key = folder / "bench.pem", folder / "bench.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return certificate, key


def churn_table(empty: float, full: float, warm: list[float], churn: list[float]) -> Table:
    """A few moments of it."""
    cycles = [full, *warm, *churn]
    moments = {round((len(cycles) - 1) * part / MOMENTS) for part in range(MOMENTS + 1)} | {len(warm)}
    rows = [["nobody", f"{empty / 1000:.1f}"]]
    for at in sorted(moments):
        rows.append(
            [f"after cycle {at}{' (end of the warm-up)' if at == len(warm) else ''}", f"{cycles[at] / 1000:.1f}"]
        )
    return Table("Memory of the gate", ["", "MB"], rows)


BENCH = Bench(
    "memory",
    "Memory of the gate for each client, over joins and leaves, with TLS.",
    (
        Figure("kb_per_client", "memory of the gate for a client", "KB", required=20, aim=12, better="less"),
        Figure(
            "growth", "after ten minutes of joins and leaves, to that after warm-up", "x", required=1.02, better="less"
        ),
        Figure("warm_up", "after five minutes of them, the warm-up, to that before", "x", better="less"),
        Figure("tls_kb_per_client", "for a client with TLS", "KB", required=45, better="less", optional=True),
    ),
    run,
)
