"""Scenario mixed: of ten bots six walk, two fight, one trades, one chats. Which one does what is fixed by its number.

The pattern has the length of twenty, with neighbouring numbers for traders: a placement that deals players out in turn
must not keep them apart for ever, which is why they meet at a market place.
"""

from tools.bots.mind import Body, Mind
from tools.bots.scenarios.chat import Chat
from tools.bots.scenarios.fight import Fight
from tools.bots.scenarios.trade import Trade
from tools.bots.scenarios.walk import Walk

PATTERN = (Trade, Trade, Fight, Fight, Fight, Fight, Chat, Chat, *[Walk] * 12)
"""Minds by number modulo 20."""


def is_trader(number: int) -> bool:
    """Which bots of the mixed scenario trade."""
    return PATTERN[number % len(PATTERN)] is Trade


def choose(body: Body) -> Mind:
    """The mind of a bot in this scenario."""
    kind = PATTERN[body.number % len(PATTERN)]
    return Trade(body, is_trader) if kind is Trade else kind(body)
