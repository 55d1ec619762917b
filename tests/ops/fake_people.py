"""Ten thousand players who do not exist: where they are, what they have, what they did."""

import math
import random
from typing import NamedTuple

from nodes.ops.console.people import ItemOf, LedgerRow, LineNow, Network, Player, PlayerRow, Stay
from tests.ops.fake_shapes import noise, smooth

PLAYERS = 10_000
MAPS = (("city", 0.34, 240.0), ("meadow", 0.30, 400.0), ("forest", 0.20, 320.0), ("harbour", 0.11, 200.0),
        ("cave", 0.05, 160.0))  # fmt: skip
SOFT, MOST = 380, 500
SIZES = {name: size for name, _, size in MAPS}
_FIRST = ("Al", "Bren", "Cor", "Dag", "El", "Fen", "Gar", "Hal", "Is", "Jor", "Kel", "Lin", "Mor", "Nim", "Or", "Per",
          "Quin", "Ras", "Sel", "Tor", "Ul", "Vas", "Wil", "Yr", "Zan")  # fmt: skip
_LAST = ("a", "ach", "adan", "bert", "dis", "dra", "eon", "fin", "gard", "ia", "ira", "kin", "la", "mir", "na", "nor",
         "ra", "rik", "sa", "thas", "va", "win", "ya", "zor")  # fmt: skip
_KINDS = ("iron sword", "oak bow", "wool cloak", "healing draught", "silver ring", "travel rations", "rope",
          "bronze shield", "map of the harbour", "amber", "lantern", "boots of the marsh")  # fmt: skip
_ORIGINS = ("loot", "trade", "mail", "loot", "loot")
_OPERATIONS = (("loot", 12), ("trade", 240), ("mail-send", -60), ("loot", 31), ("trade", -180), ("advance", 0))


class Soul(NamedTuple):
    """What stays the same of a player; where it is changes about `spot`."""

    account: int
    name: str
    zone: str
    map: str
    line: int
    level: int
    spot: int
    apart_x: float
    apart_y: float


class People:
    """Everybody, by name and by line."""

    def __init__(self, now_s: float, zones: dict[str, int], scenes: dict[str, list[str]]) -> None:
        self.now_s = now_s
        chance = random.Random(6)
        self.lines: list[LineNow] = []
        self.on: dict[tuple[str, str, int], list[Soul]] = {}
        self.by_name: dict[str, Soul] = {}
        account = 1000
        for zone, players in zones.items():
            turn = 0
            for name, share, size in MAPS:
                count = round(players * share)
                lines = math.ceil(count / SOFT)
                for line in range(1, lines + 1):
                    here = count // lines + (line <= count % lines)
                    souls = [self._soul(chance, account + at, zone, name, line) for at in range(here)]
                    account += here
                    self.on[(zone, name, line)] = souls
                    self.by_name |= {soul.name.casefold(): soul for soul in souls}
                    scene = scenes[zone][turn % len(scenes[zone])]
                    turn += 1
                    state = "busy" if here >= SOFT * 0.95 else "free"
                    self.lines.append(LineNow(zone, name, line, scene, here, SOFT, MOST, state, size))

    def _soul(self, chance: random.Random, account: int, zone: str, map_: str, line: int) -> Soul:
        name = f"{chance.choice(_FIRST)}{chance.choice(_LAST)}"
        if name.casefold() in self.by_name or chance.random() < 0.8:
            name = f"{name}{account}"
        away = chance.gauss(0, 1) * SIZES[map_] * (0.05 if chance.random() < 0.7 else 0.16)
        turn = chance.random() * 2 * math.pi
        level = min(60, 1 + int(chance.expovariate(1 / 18)))
        spot = int(chance.random() ** 1.7 * 6)
        return Soul(account, name, zone, map_, line, level, spot, away * math.cos(turn), away * math.sin(turn))

    def line(self, zone: str, map_: str, line: int) -> LineNow | None:
        return next((one for one in self.lines if (one.zone, one.map, one.line) == (zone, map_, line)), None)

    def place(self, soul: Soul, at_s: float) -> tuple[float, float]:
        """Where somebody is, in metres; everybody wanders about one of six spots of the map."""
        size = SIZES[soul.map]
        x = size * (0.15 + 0.7 * noise("spot x", soul.map, soul.spot)) + soul.apart_x
        y = size * (0.15 + 0.7 * noise("spot y", soul.map, soul.spot)) + soul.apart_y
        pace = 0.02 + 0.02 * noise(soul.account)
        x += 6 * math.sin(at_s * pace + soul.account)
        y += 6 * math.cos(at_s * pace * 0.8 + soul.account)
        return min(max(x, 0.0), size - 0.01), min(max(y, 0.0), size - 0.01)

    def counts(self, zone: str, map_: str, line: int, side: int, at_s: float) -> list[int]:
        size, found = SIZES[map_], [0] * (side * side)
        for soul in self.on[(zone, map_, line)]:
            x, y = self.place(soul, at_s)
            found[int(y / size * side) * side + int(x / size * side)] += 1
        return found

    def row(self, soul: Soul, at_s: float, stage: str = "") -> PlayerRow:
        x, y = self.place(soul, at_s)
        shown = stage or ("linkdead" if noise("dead", soul.account) < 0.01 else "online")
        return PlayerRow(
            soul.name, soul.account, soul.level, shown, soul.zone, soul.map, soul.line, round(x, 1), round(y, 1)
        )

    def page(self, soul: Soul, at_s: float, gate: str, banned: tuple[float, str], muted: tuple[float, str]) -> Player:
        """Everything about somebody."""
        scene = next(one.scene for one in self.lines if (one.zone, one.map, one.line) == soul[2:5])
        friends = [one.name for one in self.on[(soul.zone, soul.map, soul.line)][:3] if one is not soul]
        away = banned[0] != 0
        return Player(
            self.row(soul, at_s, "offline" if away else ""), str(soul.account << 24 | 41), scene, gate,
            int(60 + 40 * smooth(("hp", soul.account), at_s, 30)), 100 + soul.level, soul.level * 900 + 313,
            self._ledger(soul)[0].balance, [soul.name, *friends] if noise("party", soul.account) < 0.5 else [],
            int(4 + 20 * noise("friends", soul.account)),
            self.now_s - 86_400 * (20 + 300 * noise("made", soul.account)),
            *banned, *muted, None if away else self._network(soul, at_s), self._history(soul, gate), self._items(soul),
            self._ledger(soul),
        )  # fmt: skip

    def _network(self, soul: Soul, at_s: float) -> Network:
        trip = 0.018 + 0.09 * noise("trip", soul.account) ** 2 + 0.01 * smooth(("trip", soul.account), at_s, 8)
        sent = 3200 + 1500 * smooth(("sent", soul.account), at_s, 15)
        return Network(
            f"203.0.113.{soul.account % 250 + 1}", "websocket", trip, int(900 * smooth("unsent", at_s, 4)), 24_000.0,
            410.0, sent, hindered=False,
        )  # fmt: skip

    def _history(self, soul: Soul, gate: str) -> list[Stay]:
        began = self.now_s - 3600 * (0.3 + 2 * noise("stay", soul.account))
        stays = [Stay(str(soul.account << 24 | 41), began, 0.0, soul.zone, gate, "")]
        for back in range(1, 9):
            ended = began - 86_400 * (back - 0.6 * noise("gap", soul.account, back))
            length = 600 + 9000 * noise("length", soul.account, back)
            how = ("logout", "logout", "connection lost", "logout", "taken over")[int(5 * noise(soul.account, back))]
            stays.append(Stay(str(soul.account << 24 | 41 - back), ended - length, ended, soul.zone, gate, how))
        return stays

    def _items(self, soul: Soul) -> list[ItemOf]:
        count = 4 + int(9 * noise("items", soul.account))
        return [
            ItemOf(
                str((soul.account << 20) + at),
                _KINDS[int(len(_KINDS) * noise("kind", soul.account, at))],
                self.now_s - 86_400 * 30 * noise("since", soul.account, at),
                _ORIGINS[at % len(_ORIGINS)],
            )
            for at in range(count)
        ]

    def _ledger(self, soul: Soul) -> list[LedgerRow]:
        rows, balance, at = [], 400 + int(5000 * noise("gold", soul.account)), self.now_s
        for number in range(24):
            at -= 40 + 900 * noise("ledger", soul.account, number)
            kind, gold = _OPERATIONS[int(len(_OPERATIONS) * noise("operation", soul.account, number))]
            gold = int(gold * (0.4 + noise("gold", soul.account, number)))
            others = self.on[(soul.zone, soul.map, soul.line)]
            other = (
                others[int(len(others) * noise(soul.account, number))].name if kind in ("trade", "mail-send") else ""
            )
            items = [_KINDS[number % len(_KINDS)]] if kind == "loot" and number % 3 == 0 else []
            rows.append(LedgerRow(at, f"{soul.account:x}-{240 - number}", kind, gold, balance, items, other, "D"))
            balance = max(balance - gold, 0)
        return rows
