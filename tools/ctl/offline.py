"""Work on the files of stopped nodes: through `python -P -m nodes ROLE --offline`, since the formats are the nodes'."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tools.ctl.exits import CommandError, Exit

OFFLINE_S_MAX = 3600.0  # a check reads the whole database


def run_offline(role: str, command: str, data: Path, arguments: Sequence[str] = ()) -> tuple[Any, int]:
    """The JSON value that it printed, and its exit code; CommandError when it has no value."""
    if not data.is_dir():
        raise CommandError(f"{data} does not exist: this cluster has no {role} data yet", Exit.NOT_FOUND)
    line = [sys.executable, "-P", "-m", "nodes", role, "--offline", command, "--data", str(data), *arguments]
    try:
        ran = subprocess.run(line, capture_output=True, timeout=OFFLINE_S_MAX, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise CommandError(f"reading {data} took more than {OFFLINE_S_MAX:.0f} s", Exit.TIMED_OUT) from None
    try:
        return msgspec.json.decode(ran.stdout), ran.returncode
    except msgspec.DecodeError:
        words = [line for line in ran.stderr.decode(errors="replace").splitlines() if line.strip()]
        code = Exit(ran.returncode) if ran.returncode in (2, 3, 6) else Exit.FAILURE
        raise CommandError(words[-1] if words else f"{data} cannot be read", code) from None
