"""A line seen from above, drawn in characters: where its players are. Pure.

Each square of the grid is two characters wide, so that it is about one, and the north is up. The darker a square, the
more players; one with creatures alone has dots.
"""

import struct
from collections.abc import Sequence

from mesh.protocol.placement import LineRead

SHADES = "░▒▓█"
CREATURES, NOBODY = "·", " "

Grid = list[tuple[int, ...]]
"""Counts by row, from the south, and by column, from the west."""


def grid(counts: bytes, cells: int) -> Grid:
    """What LineRead carries: u16, little-endian."""
    return list(struct.iter_unpack(f"<{cells}H", counts))


def picture(said: LineRead) -> list[str]:
    """Lines of text, with what the shades mean."""
    players, npcs = grid(said.player_counts, said.cells), grid(said.npc_counts, said.cells)
    most = max(map(max, players))
    rows = [_row(*both, most) for both in zip(players, npcs, strict=True)]
    edge = "─" * (2 * said.cells)
    return [f"┌{edge}┐", *reversed(rows), f"└{edge}┘", legend(said, most)]


def legend(said: LineRead, most: int) -> str:
    """How many are in a square of each shade, and how large it is."""
    words = []
    before = 0
    for number, shade in enumerate(SHADES, start=1):
        top = number * most // len(SHADES)
        if top > before:
            words.append(f"{shade} {top}" if top == before + 1 else f"{shade} {before + 1}-{top}")
        before = top
    words.append(f"{CREATURES} creatures only")
    return f"{', '.join(words)}; a square is {said.size_m / said.cells:.3g} m wide"


def _row(players: Sequence[int], npcs: Sequence[int], most: int) -> str:
    squares = (_square(here, creatures, most) for here, creatures in zip(players, npcs, strict=True))
    return f"│{''.join(2 * square for square in squares)}│"


def _square(players: int, creatures: int, most: int) -> str:
    if players:
        return SHADES[-(-len(SHADES) * players // most) - 1]
    return CREATURES if creatures else NOBODY
