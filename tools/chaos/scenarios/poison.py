"""poison: clients that say what no client says: valid frames that were mutilated, noise, noise instead of a handshake.

None of it may end a process, fail in a handler, or be felt by those who play beside. Whoever is thrown out for it logs
in again and goes on, as somebody would who wants to find the one frame that kills a node.
"""

import asyncio
import contextlib
import random

from mesh.checking.records import Problem
from mesh.client.player import Player
from mesh.errors import MeshError
from mesh.protocol import client, play, social
from mesh.protocol.catalogue import encode
from mesh.protocol.lanes import CLIENT_GATE, CLIENT_MOVE, CLIENT_PLAY, CLIENT_SOCIAL, MOVE_STRUCT, PLAY_HEAD
from tools.bench.bench import Figure
from tools.bots.scrape import pick, read_page
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.testimony import attest
from tools.chaos.zone import Shape, Zone, zone

HEROES, POISONERS = 20, 6
BACK_S = 20.0
LOGIN_S = 10.0
IN_A_ROW = 8  # frames, before the loop may do something else
PAUSE_S = 0.01
NOISE_BYTES_MAX = 400
STRANGE_SHARE = 0.01  # of the turns: something that is not even WebSocket
EDGES = (0, 1, 2**16, 2**32 - 1, 2**32, 2**63 - 1)


def corpus(chance: random.Random) -> list[bytes]:
    """Frames as a client says them, with numbers at the edges of what is allowed."""
    number = chance.choice(EDGES)
    offer = play.Offer(chance.choice((0, 1, 2**53 - 1)), [number % 2**63])
    said = (play.Attack(number % 2**32), play.Loot(7), play.Say("x"), play.OfferTrade(1, offer), play.Emote("bow"))
    frames = [bytes([CLIENT_PLAY]) + PLAY_HEAD.pack(number % 2**32, 0) + encode(one) for one in said]
    heard = (social.Shout("x"), social.Whisper("nobody", "x"), social.SwitchLine(number % 2**16), social.AddFriend("x"))
    frames += [bytes([CLIENT_SOCIAL]) + encode(one) for one in heard]
    frames += [bytes([CLIENT_GATE]) + encode(one) for one in (client.Ping(1), client.TransferHeard(number % 2**32))]
    return [*frames, MOVE_STRUCT.pack(CLIENT_MOVE, 255, 0, 0, 0, 65_535, 0)]


def mutilate(frame: bytes, chance: random.Random) -> bytes:
    """One way of many to break it."""
    body = bytearray(frame)
    match chance.randrange(6):
        case 0:
            for _ in range(chance.randint(1, 8)):
                body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        case 1:
            del body[chance.randrange(len(body)) :]
        case 2:
            body += chance.randbytes(chance.randint(1, 40))
        case 3:
            at = chance.randrange(len(body))
            body[at:at] = bytes([chance.choice((0xDD, 0xDF, 0xC6, 0xCF, 0xC9))]) + chance.randbytes(4)  # long things
        case 4:
            body = bytearray(chance.randbytes(chance.randint(1, NOISE_BYTES_MAX)))
        case 5:
            body = bytearray([body[0]]) + b"\x91" * chance.randint(1, 300)  # arrays in arrays
    return bytes(body)


async def run(arena: Arena) -> Found:
    async with zone(arena, Shape(gates=2, scenes=2), HEROES + POISONERS) as made:
        crowd = made.crowd(HEROES, "hero", fighters=0.3)
        await crowd.come_in(BACK_S)
        chance = arena.chance("poison")
        share = -(-arena.faults // POISONERS)
        poisoners = [Poisoner(made, n, random.Random(chance.getrandbits(48)), share) for n in range(POISONERS)]
        await asyncio.gather(*(one.run() for one in poisoners))
        await made.settle()
        problems = await wounds(made)
        lost = [hero.name for hero in crowd.heroes if hero.player.losses]
        problems += [Problem("connected", f"{name} was disconnected by what others said") for name in lost]
        owed, twice = crowd.owed(), crowd.answered_twice
        said = sum(one.said for one in poisoners)
        found = attest(made.book.operations, owed, twice, await made.close(), said, problems)
    found.reached = {"wounds": float(len(problems))}
    found.notes.append(f"thrown out {sum(one.thrown_out for one in poisoners):,} times")
    return found


class Poisoner:
    """One who says `count` broken frames, and logs in again as often as it takes."""

    def __init__(self, made: Zone, number: int, chance: random.Random, count: int) -> None:
        self._made, self._name, self._chance, self._count = made, f"poisoner-{number}", chance, count
        self.said = self.thrown_out = 0

    async def run(self) -> None:
        player = Player(dial=self._made.realm.dial, clock=self._made.realm.clock)
        while self.said < self._count:
            if not player.connected:
                await self._enter(player)
            if self._chance.random() < STRANGE_SHARE:
                await self._knock()
            for _ in range(IN_A_ROW):
                player.send_raw(mutilate(self._chance.choice(corpus(self._chance)), self._chance))
                self.said += 1
            await asyncio.sleep(PAUSE_S)
        player.close()

    async def _enter(self, player: Player) -> None:
        self.thrown_out += self.said > 0
        realm = self._made.realm
        with contextlib.suppress(MeshError):
            gate = self._chance.choice(realm.gates)
            await player.join(gate, "", realm.ticket(self._name), method="ticket", timeout_s=LOGIN_S)

    async def _knock(self) -> None:
        """Noise where a handshake is expected."""
        host, _, port = self._chance.choice(self._made.realm.gates).removeprefix("ws://").partition(":")
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(self._chance.randbytes(self._chance.randint(1, NOISE_BYTES_MAX)))
            await writer.drain()
            writer.close()


async def wounds(made: Zone) -> list[Problem]:
    """Of the checker `unharmed`: processes that ended, handlers that failed."""
    found = []
    for name, kept in made.kept.items():
        if len(kept.lives) > 1:
            found.append(Problem("unharmed", f"{name} ended with {kept.lives[0].code}: {' '.join(kept.words()[-2:])}"))
        page = await read_page(f"http://{kept.process.host}:{kept.process.metrics_port}/metrics")
        failed = sum(pick(page, "mesh_errors_total").values())
        if failed:
            found.append(Problem("unharmed", f"{name}: {failed:.0f} handlers failed by a mistake of ours"))
    return found


SCENARIO = Scenario(
    "poison",
    "Say mutilated frames and noise: no process ends, no handler fails, nobody else feels it.",
    (
        Figure("wounds", "processes that ended, or handlers that failed", "", 0, better="less", quick=True),
        LOST,
        DOUBLED,
    ),
    run,
    faults=10_000,
    faults_quick=1_000,
    what="frames",
)
