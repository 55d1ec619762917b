"""Figures in words, for terminals: one spelling everywhere. Pure."""

from typing import Literal

Unit = Literal["", "s", "bytes", "bytes/s", "share", "/s"]


def plural(count: float, word: str, many: str = "") -> str:
    """ "1 node", "2 nodes"; whole numbers only."""
    return f"{count:.0f} {word if round(count) == 1 else many or word + 's'}"


def spell(seconds: float) -> str:
    """A short time: 0.3 ms, 312 ms, 2.5 s."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 or not seconds else f"{seconds * 1000:.1f} ms"


def sized(count: float) -> str:
    """Bytes: 12 MB, 3.4 GB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            number = count / size
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{count:.0f} B"


def number(value: float) -> str:
    """Whole where it is large, with a digit or two where it is small: 1203, 12.5, 0.25."""
    if value >= 100 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def shown(value: float, unit: Unit) -> str:
    """A value with its unit."""
    if unit == "s":
        return spell(value)
    if unit == "bytes":
        return sized(value)
    if unit == "bytes/s":
        return f"{sized(value)}/s"
    if unit == "share":
        return f"{100 * value:.0f} %"
    return f"{number(value)}{unit}"
