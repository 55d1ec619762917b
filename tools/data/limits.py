"""The options by which a command says how much a question may take."""

from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

from tools.ctl.exits import CommandError, Exit
from tools.ctl.when import parse_length

F = TypeVar("F", bound=Callable[..., Any])

MEMORY_MIN_MIB = 64
_UNITS = {"m": 1, "mb": 1, "mib": 1, "g": 1024, "gb": 1024, "gib": 1024}


def limit_options(timeout: str) -> Callable[[F], F]:
    """--memory, --threads and --timeout, with this length of time as the default."""

    def add(function: F) -> F:
        for option in (
            click.option("--timeout", default=timeout, show_default=True, metavar="TIME", help="30s, 10m at most."),
            click.option("--threads", type=click.IntRange(0, 256), default=0, help="Default: one for each core."),
            click.option(
                "--memory", default="2G", show_default=True, metavar="SIZE",
                help="512M, 4G: what does not fit goes to the disk, or is refused.",
            ),
        ):  # fmt: skip
            function = option(function)
        return function

    return add


def parse_limits(memory: str, threads: int, timeout: str) -> tuple[int, int, float]:
    """MiB, threads, seconds. CommandError for what is no such thing."""
    number = memory.rstrip("BGMIbgmi")
    unit = memory[len(number) :].lower()
    if not number.isascii() or not number.isdigit() or unit not in _UNITS:
        raise CommandError(f"--memory {memory}: write 512M or 4G", Exit.USAGE)
    memory_mib = int(number) * _UNITS[unit]
    if memory_mib < MEMORY_MIN_MIB:
        raise CommandError(f"--memory {memory}: at least {MEMORY_MIN_MIB}M", Exit.USAGE)
    timeout_s = parse_length(timeout)
    if timeout_s <= 0:
        raise CommandError(f"--timeout {timeout}: more than nothing", Exit.USAGE)
    return memory_mib, threads, timeout_s
