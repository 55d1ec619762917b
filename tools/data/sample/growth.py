"""What becomes of players: levels by kills, friends, parties, mail. Columns, a day at a time."""

import numpy as np

from tools.data.sample.deeds import CENTER, NODES_OF_ZONE, SCENE, Events, Fights
from tools.data.sample.population import BOT, Column, People
from tools.data.sample.visits import Visits

KILLS_OF_LEVEL = 4  # level n + 1 after KILLS_OF_LEVEL * n * n kills, as a scene has it
SOCIAL = (("friend_accept", 0.02), ("party_join", 0.04), ("mail", 0.02))  # of all sessions


class Growth:
    """Owns how many each player has killed."""

    def __init__(self, rng: np.random.Generator, people: People) -> None:
        self._rng, self._people = rng, people
        age = np.maximum(-people.joined_day, 0)
        self._kills = (rng.random(len(people)) ** 2 * 6 * age * people.loyalty * people.skill).astype(np.int64)

    def levels(self, fought: Fights) -> Events:
        """Kills are by player and time."""
        player, people = fought.killer, self._people
        first = np.concatenate(([True], player[1:] != player[:-1])) if len(player) else np.zeros(0, bool)
        starts = np.flatnonzero(first)
        lengths = np.diff(np.append(starts, len(player)))
        number = np.arange(len(player)) - np.repeat(starts, lengths) + self._kills[player] + 1
        steps = np.rint(np.sqrt(number / KILLS_OF_LEVEL)).astype(np.int64)
        up = np.flatnonzero(KILLS_OF_LEVEL * steps * steps == number)
        np.add.at(self._kills, player, 1)
        node = people.zone[player[up]] * NODES_OF_ZONE + SCENE
        return Events("level", people.account[player[up]], fought.killed_at[up] + 50, node, {"level": steps[up] + 1})

    def company(self, visits: Visits, names: Column) -> list[Events]:
        """`names`: of the players."""
        rng, people = self._rng, self._people
        found = []
        for kind, share in SOCIAL:
            which = np.flatnonzero((rng.random(len(visits)) < share) & (people.style[visits.player] != BOT))
            other = visits.player[rng.integers(0, max(1, len(visits)), len(which))]
            player = visits.player[which]
            apart = player != other
            which, player, other = which[apart], player[apart], other[apart]
            ts = visits.began[which] + (rng.random(len(which)) * (visits.ended - visits.began)[which]).astype(np.int64)
            zone = people.zone[player] * NODES_OF_ZONE
            if kind == "mail":
                to = np.char.add(np.char.add('{"to":"', names[other]), '","items":[]}')
                columns = {"gold": np.zeros(len(ts), np.int64), "fields": to}
                found.append(Events(kind, people.account[player], ts, zone + SCENE, columns))
            elif kind == "party_join":
                party = np.char.add(np.char.add('{"party":', rng.integers(1, 99_999, len(ts)).astype("U5")), "}")
                found.append(Events(kind, people.account[player], ts, zone + CENTER, {"fields": party}))
            else:
                columns = {"other": people.account[other]}
                found.append(Events(kind, people.account[player], ts, zone + CENTER, columns))
        return found
