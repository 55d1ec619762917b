"""The ready reports by their names. What each shows is in a file of its own."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from tools.data.model import Period, Report

REPORTS: Mapping[str, str] = {
    "daily": "players, sessions, maps and events by day",
    "retention": "who comes back, by the day on which they came",
    "economy": "gold made and destroyed, the books, and who holds it",
    "sessions": "how long and when people play",
    "funnel": "how far new players come",
    "combat": "kills and deaths",
    "abuse": "login failures, and players who do not play like people",
}


def maker(name: str) -> Callable[[Any, Period], Report]:
    """The function that makes a report at a desk."""
    function: Callable[[Any, Period], Report] = importlib.import_module(f"tools.data.reports.{name}").make
    return function
