"""What happens in sessions: events as columns, kind by kind, made for a day at a time by numpy."""

from typing import Any, NamedTuple

import numpy as np

from tools.data.sample.plan import ITEM_CHANCE, LOOT_CHANCE, LOOT_MAX, MINUTE_MS, RICH_TIMES
from tools.data.sample.population import BOT, COLLECTOR, RICH, Column, People
from tools.data.sample.visits import Visits

ZONES = ("one", "two")
MAPS = ("meadow", "forest", "cave", "harbour")
MAP_WEIGHTS = (0.5, 0.25, 0.15, 0.1)
CREATURES = ("wolf", "boar", "bat", "spider", "bandit", "troll")
CREATURE_WEIGHTS = (0.34, 0.24, 0.18, 0.12, 0.09, 0.03)
SAYINGS = (
    "hello", "anyone for the cave?", "thanks!", "selling pelts", "where is the harbour?", "lol", "good fight",
    "need a healer", "brb", "nice ring", "watch out, troll", "see you tomorrow",
)  # fmt: skip
ENDS = ("logout", "expired", "travel")
STAY_MIN = 14.0  # on one map
SCENES = 2  # in each zone


class Rates(NamedTuple):
    """Per minute of play."""

    kills: float
    bot_every_s: float  # between two kills of a bot
    hits_per_kill: float
    moves: float
    says: float


class Events(NamedTuple):
    """Events of one kind: whose, when, on which node, and the fields that are columns; `fields` is JSON."""

    kind: str
    account: Column
    ts: Column
    node: Column  # place in the list of nodes
    columns: dict[str, Any]

    def __len__(self) -> int:
        return len(self.account)


class Stays(NamedTuple):
    """Who is on which map from when to when."""

    visit: Column
    began: Column
    ended: Column
    map: Column
    line: Column
    is_first: Column  # of its session


def nodes() -> list[str]:
    """Every node that tells something, in the order in which events name them."""
    found = []
    for number, zone in enumerate(ZONES):
        found += [
            f"local.{zone}.center.{number + 1}",
            f"local.{zone}.gate.{number + 1}",
            f"local.{zone}.login.{number + 1}",
        ]
        found += [f"local.{zone}.scene.{number * SCENES + scene + 1}" for scene in range(SCENES)]
    return found


NODES_OF_ZONE = 3 + SCENES
CENTER, GATE, LOGIN, SCENE = 0, 1, 2, 3


def stays_in(rng: np.random.Generator, visits: Visits) -> Stays:
    """Each session is cut into stays on maps."""
    minutes = (visits.ended - visits.began) / MINUTE_MS
    counts = 1 + rng.poisson(np.minimum(minutes / STAY_MIN, 12.0))
    visit = np.repeat(np.arange(len(visits)), counts)
    first = np.cumsum(counts) - counts
    is_first = np.zeros(len(visit), bool)
    is_first[first] = True
    cuts = rng.random(len(visit))
    cuts[is_first] = 0.0
    order = np.lexsort((cuts, visit))
    length = (visits.ended - visits.began)[visit]
    began = visits.began[visit] + (cuts[order] * length).astype(np.int64)
    ended = np.append(began[1:], 0)
    last = np.append(is_first[1:], True)
    ended = np.where(last, visits.ended[visit], ended)
    map_ = rng.choice(len(MAPS), len(visit), p=MAP_WEIGHTS)
    line = 1 + (rng.random(len(visit)) * np.where(map_ == 0, 3, 1.4)).astype(np.int64)
    return Stays(visit, began, ended, map_, line, is_first)


def coming_and_going(
    rng: np.random.Generator, people: People, visits: Visits, stays: Stays, names: Column, session: Column
) -> list[Events]:
    """From `connected` to `logout`, and the maps between. `names`: of the players; `session`: of each visit."""
    account, zone = people.account[visits.player], people.zone[visits.player] * NODES_OF_ZONE
    first = np.flatnonzero(stays.is_first)
    map_names, zone_of_visit = np.array(MAPS), zone
    where = {"map": map_names[stays.map[first]], "line": stays.line[first]}
    code = np.where(rng.random(len(visits)) < 0.85, "logged_out", "idle")
    why = np.where(code == "logged_out", "logout", np.where(rng.random(len(visits)) < 0.9, "expired", "travel"))
    dropped = np.flatnonzero(code == "idle")
    scene = _scene(stays.map, stays.line)
    of_stay = account[stays.visit]
    scene_node = zone_of_visit[stays.visit] + SCENE + scene
    later = ~stays.is_first
    place = {"map": map_names[stays.map], "line": stays.line}
    scene_names = np.array(nodes())[scene_node]
    gate_names = np.array(nodes())[zone + GATE]
    return [
        Events("connected", account, visits.began - 40, zone + GATE, {
            "address": _addresses(account), "fields": np.full(len(account), '{"resumed":false}'),
        }),
        Events("login", account, visits.began, zone + CENTER, {
            "session": session, "scene": scene_names[first], "gate": gate_names, **where,
        }),
        Events("enter", of_stay, stays.began + 5, scene_node, {"name": names[visits.player][stays.visit], **place}),
        Events("leave", of_stay, stays.ended - 3, scene_node, place),
        Events("transfer", of_stay[later], stays.began[later], zone_of_visit[stays.visit][later] + CENTER, {
            "session": session[stays.visit][later], "why": np.full(int(later.sum()), "portal"),
            "scene": scene_names[later], **{name: column[later] for name, column in place.items()},
        }),
        Events("linkdead", account[dropped], visits.ended[dropped] - 30_000, zone[dropped] + CENTER, {
            "session": session[dropped],
        }),
        Events("disconnected", account, visits.ended - 2, zone + GATE, {"code": code}),
        Events("logout", account, visits.ended, zone + CENTER, {"session": session, "why": why}),
    ]  # fmt: skip


def walks(rng: np.random.Generator, people: People, visits: Visits, stays: Stays, rate: float) -> Events:
    """Ways walked: a circle around somewhere, another one for each stay."""
    owner, ts = _spread(rng, stays.began, stays.ended, np.full(len(stays.visit), rate))
    player = visits.player[stays.visit[owner]]
    middle, size, phase = (
        rng.random((2, len(stays.visit))) * 140 + 30,
        rng.random(len(stays.visit)) * 25,
        rng.random(len(stays.visit)),
    )
    angle = (ts - stays.began[owner]) / 9_000 + phase[owner] * 6.28
    return Events(
        "move", people.account[player], ts,
        people.zone[player] * NODES_OF_ZONE + SCENE + _scene(stays.map, stays.line)[owner],
        {
            "x": (middle[0][owner] + size[owner] * np.cos(angle)).astype(np.float32),
            "y": (middle[1][owner] + size[owner] * np.sin(angle)).astype(np.float32),
        },
    )  # fmt: skip


class Fights(NamedTuple):
    """Kills and what follows from them, and the gold of each."""

    events: list[Events]
    killer: Column  # place in People, of each kill, by player and time
    killed_at: Column
    looter: Column
    looted_at: Column
    gold: Column


def fights(rng: np.random.Generator, people: People, visits: Visits, stays: Stays, rates: Rates) -> Fights:
    """Blows, kills, deaths and loot."""
    style = people.style[visits.player[stays.visit]]
    speed = people.skill[visits.player[stays.visit]] * np.where(style == COLLECTOR, 0.2, 1.0)
    human = style != BOT
    owner, ts = _spread(rng, stays.began, stays.ended, np.where(human, rates.kills * speed, 0.0))
    bot_owner, bot_ts = _regular(rng, stays, np.flatnonzero(~human), rates.bot_every_s)
    owner, ts = np.concatenate((owner, bot_owner)), np.concatenate((ts, bot_ts))
    player = visits.player[stays.visit[owner]]
    order = np.lexsort((ts, player))
    owner, ts, player = owner[order], ts[order], player[order]
    node = people.zone[player] * NODES_OF_ZONE + SCENE + _scene(stays.map, stays.line)[owner]
    account, count = people.account[player], len(player)
    pvp = (rng.random(count) < 0.02) & (people.style[player] != BOT)
    victims = people.account[rng.permutation(player)] if count else account
    pvp &= victims != account
    what = np.where(pvp, "player", np.array(CREATURES)[rng.choice(len(CREATURES), count, p=CREATURE_WEIGHTS)])
    found = [Events("kill", account, ts, node, {"what": what, "other": _masked(victims, pvp)})]
    found += _blows(rng, rates, account, ts, node, victims, pvp)
    found += _deaths(rng, account, ts, node, victims, pvp)
    lucky = np.flatnonzero((rng.random(count) < LOOT_CHANCE) & ~pvp)
    gold = rng.integers(1, LOOT_MAX + 1, len(lucky)) * np.where(people.style[player[lucky]] == RICH, RICH_TIMES, 1)
    looted_at = ts[lucky] + rng.integers(800, 2_500, len(lucky))
    items = rng.random(len(lucky)) < ITEM_CHANCE
    numbers = rng.integers(1_000, 10_000_000, len(lucky)).astype("U8")
    fields = np.where(items, np.char.add(np.char.add('{"items":[', numbers), "]}"), '{"items":[]}')
    found.append(Events("loot", account[lucky], looted_at, node[lucky], {"gold": gold, "fields": fields}))
    return Fights(found, player, ts, player[lucky], looted_at, gold)


def talk(rng: np.random.Generator, people: People, visits: Visits, rate: float) -> list[Events]:
    """What is said nearby, and to all."""
    owner, ts = _spread(rng, visits.began, visits.ended, np.full(len(visits), rate))
    player = visits.player[owner]
    account, zone = people.account[player], people.zone[player] * NODES_OF_ZONE
    text = np.array(SAYINGS)[rng.integers(0, len(SAYINGS), len(owner))]
    loud = rng.random(len(owner)) < 0.1
    return [
        Events("say", account[~loud], ts[~loud], (zone + SCENE)[~loud], {"text": text[~loud]}),
        Events("shout", account[loud], ts[loud], (zone + CENTER)[loud], {"text": text[loud]}),
    ]


def refusals(rng: np.random.Generator, begin_ms: int, logins: int, attack: int) -> Events:
    """Wrong passwords, spread over the day, and on some days somebody who tries many from a few addresses."""
    usual = int(logins * 0.03) + 1
    ts = begin_ms + (rng.random(usual) * 86_400_000).astype(np.int64)
    address = np.array([f"10.{a}.{b}.{c}" for a, b, c in rng.integers(0, 255, (usual, 3)).tolist()])
    code = np.where(rng.random(usual) < 0.9, "bad_credentials", "banned")
    if attack:
        start = begin_ms + 20 * 3_600_000
        ts = np.concatenate((ts, start + np.sort(rng.integers(0, 1_800_000, attack))))
        address = np.concatenate((address, np.array([f"203.0.113.{n}" for n in rng.integers(1, 4, attack).tolist()])))
        code = np.concatenate((code, np.full(attack, "bad_credentials")))
    columns = {"method": np.full(len(ts), "password"), "code": code, "address": address}
    return Events("login_refused", np.zeros(len(ts), np.int64), ts, np.full(len(ts), LOGIN), columns)


def _spread(rng: np.random.Generator, began: Column, ended: Column, per_minute: Column) -> tuple[Column, Column]:
    """Moments by chance in each span: whose, and when."""
    length = np.maximum(ended - began - 2_000, 0)
    counts = rng.poisson(length / MINUTE_MS * per_minute)
    owner = np.repeat(np.arange(len(began)), counts)
    return owner, began[owner] + 1_000 + (rng.random(len(owner)) * length[owner]).astype(np.int64)


def _regular(rng: np.random.Generator, stays: Stays, which: Column, every_s: float) -> tuple[Column, Column]:
    """Moments as a program has them."""
    length = np.maximum(stays.ended[which] - stays.began[which] - 2_000, 0)
    counts = (length / 1000 / every_s).astype(np.int64)
    owner = np.repeat(which, counts)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    ts = stays.began[owner] + 1_000 + (place * every_s * 1000 + rng.normal(0, 60, len(owner))).astype(np.int64)
    return owner, ts


def _blows(
    rng: np.random.Generator, rates: Rates, account: Column, ts: Column, node: Column, victims: Column, pvp: Column
) -> list[Events]:
    counts = rng.poisson(rates.hits_per_kill, len(ts))
    of = np.repeat(np.arange(len(ts)), counts)
    at = ts[of] - rng.integers(200, 6_000, len(of))
    damage = np.maximum(1, rng.normal(14, 3, len(of)).astype(np.int64))
    other = np.where(pvp[of], victims[of], 0)
    return [Events("hit", account[of], at, node[of], {"target": 10_000 + of % 5_000, "damage": damage, "other": other})]


def _deaths(
    rng: np.random.Generator, account: Column, ts: Column, node: Column, victims: Column, pvp: Column
) -> list[Events]:
    by_creature = np.flatnonzero(rng.random(len(ts)) < 0.03)
    by_player = np.flatnonzero(pvp)
    return [
        Events("death", victims[by_player], ts[by_player], node[by_player], {"killer": account[by_player]}),
        Events("death", account[by_creature], ts[by_creature] + 3_000, node[by_creature], {
            "killer": np.zeros(len(by_creature), np.int64),
        }),
    ]  # fmt: skip


def _masked(values: Column, valid: Column) -> Any:
    return np.ma.masked_array(values, ~valid)


def _scene(map_: Column, line: Column) -> Column:
    return (map_ + line) % SCENES


def _addresses(account: Column) -> Column:
    return np.array([f"192.0.2.{n % 254 + 1}" for n in account.tolist()])
