"""Scenario walk: a random walk. It is also what every bot does when its own scenario has no other place to go."""

from tools.bots.mind import Mind


class Walk(Mind):
    """Nothing to decide: columns.py walks."""
