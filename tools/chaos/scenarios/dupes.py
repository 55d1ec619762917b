"""dupes: scripted exploits, again and again, against one economy: none of them makes a coin or an item out of nothing.

Pairs of players earn something, meet and open a trade; then each carries out an exploit, and for some of these a node
is killed within the same milliseconds. At the end every coin and every item is counted three times: by its owner's row,
by the ledger, and by what its owner is shown at a new login.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping

from mesh.checking.records import Problem, State
from mesh.errors import MeshError
from mesh.protocol.sessions import account_of
from tools.bench.bench import Figure
from tools.chaos.exploits import EXPLOITS, Exploit
from tools.chaos.pairs import SOON_S, Pair
from tools.chaos.players import Crowd, Hero
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, GOLD, LOST
from tools.chaos.scenefaults import scene_of
from tools.chaos.takeover import in_sync, take_over
from tools.chaos.testimony import attest
from tools.chaos.zone import Shape, Zone, gate_of, zone

PAIRS, PAIRS_QUICK = 20, 8
EARN_S, EARN_QUICK_S = 20.0, 8.0  # at most, for everybody to have gained something
BACK_S = 20.0
TURNS_MAX = 4  # for the exploits that have not come about when there were enough runs
KILLED = {"": "nobody", "failover": "the DC that writes"}
FAULTS = tuple(dict.fromkeys(exploit.fault for exploit in EXPLOITS))
LINES = '{"scene.1"=["wilds:1"],"scene.2"=["wilds:2"]}'
SETTINGS = {"scene.hosts": LINES, "center.switch_s": "0.0", "scene.combat_s": "0.0", "scene.save_s": "0.2"}


async def run(arena: Arena) -> Found:
    count = PAIRS_QUICK if arena.quick else PAIRS
    tried: Counter[str] = Counter()
    async with zone(arena, Shape(gates=2, scenes=2, settings=SETTINGS, standby=True), 4 * count) as made:
        crowd = made.crowd(2 * count, "cheat", asks_s=0.0, lives_per_s=4.0)
        await crowd.come_in(BACK_S)
        await earn(made, crowd, EARN_QUICK_S if arena.quick else EARN_S)
        pairs = [Pair(*crowd.heroes[2 * n : 2 * n + 2]) for n in range(count)]
        await rounds(made, crowd, pairs, tried)
        await made.settle()
        shown = await look_again(crowd)
        if not await in_sync(made):
            return Found(
                faults=tried.total(), invalid=["the two DCs are not in sync: it is not known which one is right"]
            )
        books = await made.close()
        problems = purses_of(shown, books.state)
        # Trades that are left open on purpose owe nobody an answer: it is the books that are judged here.
        found = attest(made.book.operations, [], crowd.answered_twice, books, tried.total(), problems)
    minted = -books.state.purses.get(0, 0)
    found.gold_before, found.gold_after = minted, books.state.wallets
    found.reached = {"exploits": float(len(tried)), "trades": float(trades(books.state))}
    found.notes += [f"{times} x {name}" for name, times in sorted(tried.items())]
    if missing := {exploit.name for exploit in EXPLOITS} - tried.keys():
        found.invalid.append(f"never came about: {', '.join(sorted(missing))}")
    if tried.total() < arena.faults:
        found.invalid.append(f"{tried.total():,} of {arena.faults:,} exploits came about")
    return found


async def earn(made: Zone, crowd: Crowd, at_most_s: float) -> None:
    """Everybody fights until all have gained something, an item now and then."""
    end = made.now() + at_most_s
    before = {hero.name: hero.player.wallet for hero in crowd.heroes}
    for hero in crowd.heroes:
        hero.fights = True
    while any(hero.player.wallet == before[hero.name] for hero in crowd.heroes):
        await asyncio.sleep(0.1)
        if made.now() >= end:
            break
    for hero in crowd.heroes:
        hero.fights = hero.strolls = False
    gold = sum(hero.player.wallet for hero in crowd.heroes)
    items = sum(len(hero.player.owned) for hero in crowd.heroes)
    made.arena.ground.say(f"{len(crowd.heroes)} players have {gold} gold and {items} items")


async def rounds(made: Zone, crowd: Crowd, pairs: list[Pair], tried: Counter[str]) -> None:
    """Until there were enough runs, and one of each exploit. In a round every pair does one exploit for each fault."""
    arena, chance, turn = made.arena, made.arena.chance("exploits"), 0
    while faults := due(tried, arena.faults, turn):
        before = tried.total()
        for fault in faults:
            group = [exploit for exploit in EXPLOITS if exploit.fault == fault]
            chosen = [group[(n + turn * len(pairs)) % len(group)] for n in range(len(pairs))]
            await one_turn(made, crowd, list(zip(pairs, chosen, strict=True)), fault, chance, tried)
            arena.ground.say(
                f"{tried.total():,} of {arena.faults:,} runs, the last with {KILLED.get(fault, fault)} killed"
            )
        turn += 1
        if tried.total() == before:
            return  # nobody comes to an open trade: said by `invalid`


def due(tried: Mapping[str, int], runs: int, turn: int) -> list[str]:
    """The faults of the next round: all of them, or those of the exploits that have not come about yet."""
    missing = [exploit.fault for exploit in EXPLOITS if exploit.name not in tried]
    if sum(tried.values()) < runs:
        return list(FAULTS)
    return list(dict.fromkeys(missing)) if turn < TURNS_MAX else []


async def one_turn(
    made: Zone,
    crowd: Crowd,
    chosen: list[tuple[Pair, Exploit]],
    fault: str,
    chance: random.Random,
    tried: Counter[str],
) -> None:
    """All prepare, then all strike at once, and somebody is killed."""
    await crowd.wait_back(crowd.heroes, BACK_S)
    prepared = await asyncio.gather(*(pair.prepare() for pair, _ in chosen))
    ready = [(pair, exploit) for (pair, exploit), is_ready in zip(chosen, prepared, strict=True) if is_ready]
    strikes = [strike(pair, exploit, random.Random(chance.getrandbits(48))) for pair, exploit in ready]
    await asyncio.gather(kill(made, crowd, fault, chance), *strikes)
    tried.update(exploit.name for _, exploit in ready)
    await crowd.wait_back(crowd.heroes, BACK_S)
    for pair, _ in ready:
        await pair.settle()
    await asyncio.gather(*(pair.empty_boxes() for pair, _ in ready))


async def strike(pair: Pair, exploit: Exploit, chance: random.Random) -> None:
    """What it comes to does not matter: whoever is cut off in the middle has tried."""
    with contextlib.suppress(MeshError):
        await exploit.script(pair, chance)


async def kill(made: Zone, crowd: Crowd, role: str, chance: random.Random) -> None:
    """A moment later, and wait until it is back with everybody whom it had."""
    await asyncio.sleep(chance.uniform(0.0, 2 * SOON_S))
    if not role:
        return
    if role == "failover":
        await take_over(made)
        return
    node = chance.choice(made.of_role(role))
    hit = [hero for hero in crowd.heroes if node in (scene_of(hero), gate_of(made, hero))]
    at = made.kept[node].kill()
    await crowd.wait_arrived(hit, at, BACK_S)
    await asyncio.sleep(SOON_S)
    await made.ready(node)


async def look_again(crowd: Crowd) -> dict[int, tuple[int, frozenset[int]]]:
    """Everybody leaves and logs in anew: account -> the gold and items that it is shown then."""

    async def again(hero: Hero) -> None:
        await hero.leave()
        hero.player.leaving = False
        await hero.enter()

    await asyncio.gather(*(again(hero) for hero in crowd.heroes), return_exceptions=True)
    inside = [hero.player for hero in crowd.heroes if hero.back]
    return {account_of(player.session.session): (player.wallet, player.owned) for player in inside}


def purses_of(shown: dict[int, tuple[int, frozenset[int]]], state: State) -> list[Problem]:
    """Of the checker `shown`: what players see of their own is what is stored."""
    found = []
    for account, (wallet, items) in sorted(shown.items()):
        gold, bag = state.purses.get(account, 0), frozenset(state.bags.get(account, ()))
        if (wallet, items) != (gold, bag):
            text = f"account {account} is shown {wallet} gold and {sorted(items)}, stored are {gold} and {sorted(bag)}"
            found.append(Problem("shown", text))
    return found


def trades(state: State) -> int:
    return sum(entry.kind == "trade" for entry in state.ledger)


SCENARIO = Scenario(
    "dupes",
    "Scripted exploits with kills in the same milliseconds: no coin and no item comes out of nothing.",
    (
        GOLD,
        LOST,
        DOUBLED,
        Figure("exploits", "different exploits", "", float(len(EXPLOITS)), quick=True),
        Figure("trades", "trades that were carried out"),
    ),
    run,
    faults=1_200,
    faults_quick=40,
    what="exploits",
)
