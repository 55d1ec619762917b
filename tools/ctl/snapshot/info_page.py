"""How one node looks on a terminal, in lines: for `mesh info`, and live in `mesh top`. Pure but for the time zone."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.text import Text

from mesh.protocol.monitoring import Line
from tools.ctl.commands.status import COLOURS
from tools.ctl.output import brief
from tools.ctl.snapshot.inspection import KeyFigure, MessageFigures, NodeInfo
from tools.ctl.snapshot.units import number, plural, shown, sized, spell
from tools.ctl.when import show_ms

LABEL = 10  # cells in front of each paragraph
GAP = "   "
SETTINGS_MAX = 10  # --json has all
SHARE_MIN = 0.005  # what would be shown as 0 %
NAME_MIN = 12
NUMBER = 9  # cells of a column
LEVELS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


def page(info: NodeInfo, width: int) -> list[Text]:
    """The lines, none wider than the terminal."""
    lines = [_title(info, width)]
    lines += paragraph("pressure", _pressure(info), width)
    if info.problem:
        lines += paragraph("figures", [f"none: {info.problem}"], width)
    else:
        lines += paragraph("process", _process(info), width)
        lines += paragraph("messages", _traffic(info), width)
        lines += paragraph(info.role, [_key(key) for key in info.keys], width)
    up = [name if state == "up" else f"{name} ({state})" for name, state in info.links.items()]
    lines += paragraph("links", up or ["none"], width, "  ")
    lines += paragraph("settings", _settings(info), width)
    lines += _messages(info, width)
    lines += _warnings(info.warnings, width)
    return lines


def _title(info: NodeInfo, width: int) -> Text:
    facts = [f"zone {info.zone}", info.host]
    facts += [f"pid {info.pid}"] if info.pid else []
    facts += [info.version] if info.version else []
    facts += [f"up {brief(info.uptime_s)}"] if info.uptime_s else []
    facts += [plural(info.restarts, "restart")] if info.restarts else []
    title = Text.assemble((info.node, "bold"), "  ", (info.state, COLOURS.get(info.state, "yellow")))
    title.append(f"  {'  '.join(facts)}")
    if info.reason and info.state != "Ready":
        title.append(f"  {info.reason.splitlines()[0]}")
    title.truncate(width, overflow="ellipsis")
    return title


def paragraph(label: str, parts: Iterable[str], width: int, gap: str = GAP) -> list[Text]:
    """Parts beside each other, further ones below, behind a label. Nothing when there are none."""
    rows: list[str] = []
    room = max(width - LABEL, NAME_MIN)
    for part in parts:
        part = part if len(part) <= room else f"{part[: room - 1]}…"
        if rows and len(rows[-1]) + len(gap) + len(part) <= room:
            rows[-1] += gap + part
        else:
            rows.append(part)
    return [Text.assemble((f"{label if at == 0 else '':{LABEL}}"[:LABEL], "bold"), row) for at, row in enumerate(rows)]


def _pressure(info: NodeInfo) -> list[str]:
    held = ", held by an operator" if info.pinned else ""
    parts = [f"{info.score:.2f} at level {info.level} {info.level_name}{held}"] if info.level_name else []
    return parts + [f"{name} {value:.2f}" for name, value in info.signals.items()]


def _process(info: NodeInfo) -> list[str]:
    process = info.process
    parts = [f"loop late p50 {spell(info.lag_p50_s)}, p99 {spell(info.lag_p99_s)}"]
    if process.memory_bytes:
        parts = [f"CPU {shown(process.cpu, 'share')}", sized(process.memory_bytes), *parts]
        parts += [f"{process.descriptors:.0f} of {plural(process.descriptors_max, 'descriptor')}"]
        parts += [plural(process.threads, "thread"), f"GC {100 * process.gc:.1f} %"]
    return parts + ([f"shared with {', '.join(process.shared_with)}"] if process.shared_with else [])


def _traffic(info: NodeInfo) -> list[str]:
    parts = [f"{number(info.heard)}/s in", f"{number(info.said)}/s out"]
    parts += [f"batches {number(info.batches_heard)}/s in", f"{number(info.batches_said)}/s out"]
    return [*parts, f"{number(info.refused)}/s refused", f"{info.under_way:.0f} under way"]


def _key(key: KeyFigure) -> str:
    if "" in key.values:
        return f"{key.text} {shown(key.values[''], key.unit)}"
    least = SHARE_MIN if key.unit == "share" else 0.0
    ordered = sorted(((name, value) for name, value in key.values.items() if value >= least), key=lambda one: -one[1])
    if not ordered:
        return f"{key.text}: none"
    return f"{key.text}: {', '.join(f'{name} {shown(value, key.unit)}' for name, value in ordered)}"


def _settings(info: NodeInfo) -> list[str]:
    if not info.settings:
        return ["all as by default"]
    parts = [f"{key} = {_setting(value)}" for key, value in list(info.settings.items())[:SETTINGS_MAX]]
    left = len(info.settings) - len(parts)
    return [*parts, f"and {left} more (--json)"] if left > 0 else parts


def _setting(value: Any) -> str:
    """As in TOML; tables in a list are counted."""
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return plural(len(value), "table")
    return msgspec.json.encode(value, enc_hook=str).decode()


def _messages(info: NodeInfo, width: int) -> list[Text]:
    """The busiest and the slowest ones, in one table."""
    every: dict[str, MessageFigures] = {one.message: one for one in (*info.busiest, *info.slowest)}
    if not every:
        return []
    room = max(NAME_MIN, min(max(map(len, every)), width - 4 * NUMBER))
    head = f"{'message':{room}}{'/s':>{NUMBER}}{'p50':>{NUMBER}}{'p99':>{NUMBER}}{'of time':>{NUMBER}}"
    lines = [Text(""), Text(head[:width], "bold")]
    for one in sorted(every.values(), key=lambda one: -one.rate):
        numbers = (number(one.rate), spell(one.p50_s), spell(one.p99_s), shown(one.share, "share"))
        row = f"{one.message[:room]:{room}}" + "".join(f"{text:>{NUMBER}}" for text in numbers)
        lines.append(Text(row[:width]))
    return lines


def _warnings(warnings: Sequence[Line], width: int) -> list[Text]:
    if not warnings:
        return []
    lines = [Text(""), Text("last warnings", "bold")]
    for line in warnings:
        fields = " ".join(f"{key}={value}" for key, value in line.fields.items())
        text = Text.assemble(
            f"{show_ms(line.wall_ms)[11:]} ", (f"{line.level} ", LEVELS.get(line.level, "")), f"{line.text} {fields}"
        )
        text.plain = "".join(mark if mark.isprintable() else " " for mark in text.plain)
        text.truncate(width, overflow="ellipsis")
        lines.append(text)
    return lines
