"""What the load generator says, line by line: the JSON objects of src/report.c as frozen structs.

Owns the names on both sides of the pipe. A key that is not known here is skipped, so that the generator may say more
than a bench wants to hear. Times in milliseconds on the generator's own clock, rates per second.
"""

from collections.abc import Iterable

import msgspec

from mesh.errors import RemoteProtocolError


class Distribution(msgspec.Struct, frozen=True):
    """Of something that was timed; zeros when nothing was."""

    count: int = 0
    p50_ms: float = 0.0
    p90_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0

    @property
    def p50(self) -> float | None:
        """None when nothing was timed: that is no time of 0."""
        return self.p50_ms if self.count else None

    @property
    def p99(self) -> float | None:
        return self.p99_ms if self.count else None

    @property
    def longest(self) -> float | None:
        return self.max_ms if self.count else None


def greatest(values: Iterable[float | None]) -> float | None:
    """Of those that were measured."""
    return max((value for value in values if value is not None), default=None)


def times(value: float | None, other: float | None) -> float | None:
    """How often the other goes into it; None when one of them was not measured, or there is nothing to hold it to."""
    return value / other if value is not None and other else None


class Second(msgspec.Struct, frozen=True, tag="second", tag_field="line"):
    """Where things stand, once a second."""

    at_s: float  # of the clock of the machine, as mesh.clock has it
    aimed: int
    inside: int
    moves_s: float
    frames_s: float
    updates_s: float
    bytes_s: float
    p50_ms: float
    p99_ms: float
    late_p99_ms: float
    cpu: float
    closed: int
    hits: int  # heard, at both ends
    hit_p50_ms: float
    hit_p99_ms: float
    degraded: int  # players who were told of a quality that is not full
    level_most: int  # of quality: the worst that anybody was told
    dilation: float  # game seconds in a second, mean of all players


class Wave(msgspec.Struct, frozen=True, tag="wave", tag_field="line"):
    """Everybody whom one `clients` was about is in (or out), or the time for that is over."""

    asked: int
    inside: int
    left: int
    failed: int  # gave up, or were refused for good
    retries: int  # told to come later, and came
    seconds: float  # from the command to the last one who entered
    logins_s: float
    connect: Distribution
    upgrade: Distribution
    login: Distribution
    enter: Distribution
    all: Distribution  # one login from its first packet to Entered, retries included
    codes: dict[str, int]


class Heard(msgspec.Struct, frozen=True, tag="heard", tag_field="line"):
    """Everybody who should has the shout, or the time for that is over."""

    asked: int
    delay: Distribution  # its count: those who have it


class Combat(msgspec.Struct, frozen=True):
    """Every attack ends as a Hit at both ends, or refused at the attacker."""

    attacks: int
    denied: int
    missing_at_attacker: int
    missing_at_target: int
    disordered: int  # heard in another order than it was done, or differently at the two ends
    unexpected: int  # Hits that belong to no attack
    looked_on: int  # Hits of others
    alone: int  # turns without anybody within reach
    deaths: int
    at_attacker: Distribution  # from the attack to the Hit
    at_target: Distribution

    @property
    def p99(self) -> float | None:
        """Of the end where it is worse; None without a Hit."""
        return greatest((self.at_attacker.p99, self.at_target.p99))

    @property
    def missing(self) -> float | None:
        """At both ends; None without an attack: nothing can be missing then."""
        return float(self.missing_at_attacker + self.missing_at_target) if self.attacks else None


class Views(msgspec.Struct, frozen=True):
    """Of the clients that were looked at closely (`track`)."""

    seen: float  # entities in view
    starved: int  # entities in views that were not told of for more than 2 s
    unknown: int  # updates of what was not in view
    longest: Distribution  # the longest gap of every entity in every view


class Guests(msgspec.Struct, frozen=True):
    """What those who behave badly have done since the start."""

    flooded: int  # moves
    vanished: int  # came, to be gone again
    ended: int  # connections of all of them


class Begun(msgspec.Struct, frozen=True, tag="begun", tag_field="line"):
    inside: int


class Window(msgspec.Struct, frozen=True, tag="result", tag_field="line"):
    """What was between `measure` and `end`."""

    inside: int
    seconds: float
    moves_s: float
    frames_s: float  # with movement in it
    updates_s: float
    expected_s: float  # moves * players within the radius, counted from where they truly are
    ratio: float  # of updates to that; a little above 1, since who is seen is lost only at 1.1 times the radius
    in_view: float
    in_view_most: int
    bytes_in_s: float
    bytes_out_s: float
    bytes_per_update: float  # movement, with the heads of pieces and frames
    latency: Distribution  # from the mover's stamp to the receipt
    late: Distribution  # of the generator's own timetable
    moves_missed: int
    moves_blocked: int
    frames_other: int
    receives: int
    appeared: int
    vanished: int
    corrected: int
    events: int
    qualities: int
    transfers: int
    refused: int
    closed: int  # players whose connection ended
    checked: int  # updates whose mover was looked up ...
    wrong: int  # ... and could not be seen from there
    combat: Combat
    views: Views
    client_bytes_s: float  # of movement, of one player
    client_bytes_s_most: float
    guests: Guests
    cpu: float  # of one core, of the generator
    codes: dict[str, int]  # of everything that was refused since the start, with what the system refused
    invalid: list[str]  # what is wrong with the run, in words

    @property
    def arrived(self) -> float | None:
        """Per cent; None when nothing was due."""
        return self.ratio * 100 if self.expected_s else None

    @property
    def update_bytes(self) -> float | None:
        """None without updates."""
        return self.bytes_per_update if self.updates_s else None


class Done(msgspec.Struct, frozen=True, tag="done", tag_field="line"):
    what: str


class Trouble(msgspec.Struct, frozen=True, tag="error", tag_field="line"):
    text: str


Said = Second | Wave | Heard | Begun | Window | Done | Trouble

_decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


def read_line(line: bytes) -> Said:
    """One line of its stdout; RemoteProtocolError for anything else."""
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteProtocolError(f"the generator said {line[:200]!r}: {error}") from None
