"""What a sample is to be like. Data only; the figures are of the kind that games of this genre publish."""

import msgspec

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

CAME_BEFORE = 0.45  # of all players: before the first day
EARLIEST_DAY = -120
RETURN_D1 = 0.42  # of those who came on a day are there on the next one
RETURN_FALL = 0.40  # and k days later RETURN_D1 / k ** RETURN_FALL
WEEKDAY = (0.95, 0.92, 0.93, 0.97, 1.05, 1.28, 1.22)  # Monday to Sunday
CAMPAIGN_DAY = 0.4  # of the period: three days on which three times as many come
SESSIONS_MORE = 0.6  # a day besides the first one
LENGTH_MEDIAN_MIN = 26.0
LENGTH_SPREAD = 0.9  # of the logarithm
LENGTH_MAX_MIN = 360.0
PAUSE_MIN = 2.0
STARTING_GOLD = 100
LOOT_MAX = 20  # gold in a corpse
LOOT_CHANCE = 0.8
ITEM_CHANCE = 0.25
REPAIR = (0.03, 0.12)  # of what a player has, a day on which it plays: the sink
BOT_EVERY_S = (12.0, 100.0)  # between two kills; as seldom as it takes for BOT_SHARE
BOT_SHARE = 0.3  # of all events
RICH_TIMES = 40  # what one who knows a hole loots more than others


class Cheaters(msgspec.Struct, frozen=True):
    """How many of each kind there are."""

    bots: int = 6  # programs: kill in regular intervals, all day, and give their gold to a collector
    rich: int = 4  # loot far more than there is
    collectors: int = 1
    forgers: int = 1  # have gold that the ledger does not know


class Plan(msgspec.Struct, frozen=True):
    """What was asked for."""

    days: int
    players: int
    events: int  # about so many
    seed: int
    end_ms: int  # the end of the last day
    cheaters: Cheaters = Cheaters()

    @property
    def begin_ms(self) -> int:
        return self.end_ms - self.days * DAY_MS

    def weekday(self, day: int) -> int:
        """0: Monday. 1970 began on a Thursday."""
        return ((self.begin_ms // DAY_MS) + day + 3) % 7


def cheaters_of(count: int) -> Cheaters:
    """So many altogether, of all kinds."""
    bots, rich = count // 2, count // 3
    collectors = min(1, count - bots - rich)
    return Cheaters(bots, rich, collectors, count - bots - rich - collectors)
