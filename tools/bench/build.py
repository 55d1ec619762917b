"""Builds the C programs of the benches on first use, with the system's compiler, into a cache of this user.

A program is all .c files of one folder. Its place in the cache is named after everything that goes into it (sources
and flags), so that a change builds anew and nothing ever has to be cleaned. A build is written beside its place
and renamed, so that two that run at the same time do not see each other's half.

Rejected: a compiled extension at install time, because `pip install` must not need a compiler for something that only
measures; and -march=native, because a home folder may be shared by different machines.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.ctl.exits import CommandError

SOURCES = Path(__file__).parent / "src"
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
LIBRARIES = ("-lm",)
BUILD_S = 120.0


class NoCompilerError(CommandError):
    """There is none; whoever asked may have another way."""


def build(sources: Path, name: str, environment: Mapping[str, str], flags: Sequence[str] = ()) -> Path:
    """The program (with further flags a library, too), built when this user does not have it yet. NoCompilerError, or
    CommandError with what the compiler said."""
    place = cache(environment) / f"{name}-{fingerprint(sources, flags)}" / name
    if os.access(place, os.X_OK):
        return place
    compiler = find_compiler(environment)
    files = sorted(str(path) for path in sources.glob("*.c"))
    descriptor, fresh = beside(place)
    os.close(descriptor)
    try:
        _compile([*compiler, *FLAGS, *flags, "-o", fresh, *files, *LIBRARIES], name)
        Path(fresh).chmod(0o755)
        os.replace(fresh, place)
    finally:
        Path(fresh).unlink(missing_ok=True)
    return place


def beside(place: Path) -> tuple[int, str]:
    """A file to write, next to its place; CommandError when the cache cannot be written."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)
    except OSError as error:
        raise CommandError(
            f"what is built for the benches is kept in {place.parent.parent}, which cannot be written "
            f"({error.strerror}); set XDG_CACHE_HOME to a folder of your own"
        ) from None


def build_generator(environment: Mapping[str, str]) -> Path:
    return build(SOURCES, "generator", environment)


def cache(environment: Mapping[str, str]) -> Path:
    """As the XDG base directory specification has it; without a home folder, below the temporary one."""
    base = environment.get("XDG_CACHE_HOME") or (environment.get("HOME", "") and f"{environment['HOME']}/.cache")
    return Path(base or f"{tempfile.gettempdir()}/zonemesh-{os.getuid()}") / "zonemesh" / "bench"


def find_compiler(environment: Mapping[str, str]) -> list[str]:
    """$CC, or the first of the usual names. NoCompilerError with what to do."""
    if environment.get("CC"):
        words = shlex.split(environment["CC"])
        if shutil.which(words[0], path=environment.get("PATH")):
            return words
        raise NoCompilerError(f"CC is set to {environment['CC']!r}, which is not a program here.")
    for name in COMPILERS:
        found = shutil.which(name, path=environment.get("PATH"))
        if found:
            return [found]
    raise NoCompilerError(
        "there is no C compiler (cc, gcc or clang) to build programs of the benches with. Install one "
        "(Debian and Ubuntu: apt install gcc libc6-dev), or set CC."
    )


def fingerprint(sources: Path, flags: Sequence[str] = ()) -> str:
    """Of what is built and how. The compiler's version is left out: its programs do the same."""
    digest = hashlib.sha256(repr(((*FLAGS, *flags), LIBRARIES)).encode())
    for path in sorted(path for path in sources.iterdir() if path.is_file()):
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _compile(command: list[str], name: str) -> None:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"the {name} cannot be built: {error}") from None
    if ran.returncode:
        words = ran.stderr.strip()
        said = f":\n{words}" if words else f" (exit code {ran.returncode}, without a word); is $CC a C compiler?"
        raise CommandError(f"the {name} cannot be built by {command[0]}{said}")
