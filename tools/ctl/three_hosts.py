"""Three machines on one: topology/hosts.toml in network namespaces, played on, and taken down again.

    python -P -m tools.ctl.three_hosts            (as root, since only root makes namespaces)

Each namespace has an address of its own, 10.77.0.1 to .3, and a folder with the keys of its own nodes; they meet on a
bridge that has a namespace to itself, so that nothing of this machine's network changes. What is made here is removed
here, whatever happens in between.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HOSTS = ("10.77.0.1", "10.77.0.2", "10.77.0.3")
PREFIX = 24
MARK = "zonemesh"  # namespaces are called zonemesh<pid>-<n>
START_S = 60.0
STEP_S = 120.0
LOOKS_MAX = 20  # at the status, until all players are there
MESH = (sys.executable, "-P", "-m", "tools.ctl.main")


class TrialError(Exception):
    """A step did not do what it should; the text has its words."""


def why_not() -> str:
    """Why namespaces cannot be made here; "" when they can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are a thing of Linux"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which("ip") is None:
        return "the command `ip` (iproute2) is not installed"
    name = f"{MARK}{os.getpid()}-try"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"network namespaces cannot be made here: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return ""


@dataclass(frozen=True)
class Machine:
    """One of the three."""

    address: str
    namespace: str
    runtime: Path
    environment: dict[str, str]

    def command(self, *words: str) -> list[str]:
        """`mesh` on this machine."""
        return ["ip", "netns", "exec", self.namespace, *MESH, *words]

    def popen(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words), env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def mesh(self, *words: str) -> str:
        """Run it to its end; what it wrote, on either stream. TrialError when it failed."""
        return finish(self.popen(*words), words, STEP_S)


def finish(running: subprocess.Popen[str], words: Sequence[str], timeout_s: float) -> str:
    """What it wrote; TrialError when it failed or takes too long."""
    try:
        output, _ = running.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        running.kill()
        output, _ = running.communicate()
        raise TrialError(f"mesh {' '.join(words)} took more than {timeout_s:.0f} s:\n{output}") from None
    if running.returncode:
        raise TrialError(f"mesh {' '.join(words)} ended with {running.returncode}:\n{output}")
    return output


@contextlib.contextmanager
def machines(folder: Path) -> Iterator[list[Machine]]:
    """Three of them with their keys; at the end nothing runs there, and they are gone."""
    _sweep()
    mark = f"{MARK}{os.getpid()}"
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    made = [Machine(a, f"{mark}-{n}", folder / a, environment) for n, a in enumerate(HOSTS, start=1)]
    try:
        _join(made, f"{mark}-bridge")
        words = ["keys", "new", "hosts", "--runtime", str(folder / "all"), "--copies", str(folder)]
        made[0].mesh(*words)
        yield made
    finally:
        for machine in made:
            subprocess.run(
                machine.command("down", str(machine.runtime), "--now"),
                env=environment,
                capture_output=True,
                check=False,
            )
        for namespace in (*(m.namespace for m in made), f"{mark}-bridge"):
            _remove(namespace)


def namespaces() -> list[str]:
    """All that there are."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    return [line.split()[0] for line in listed.stdout.splitlines() if line.strip()]


def _sweep() -> None:
    """Remove what a trial that was killed left behind."""
    for name in namespaces():
        pid = name.removeprefix(MARK).partition("-")[0]
        if name.startswith(MARK) and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _remove(name)


def _remove(name: str) -> None:
    """A namespace, and whatever still runs in it: deleted alone it would live on without a name."""
    listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    for pid in listed.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _join(made: Sequence[Machine], bridge: str) -> None:
    """A bridge, and a cable from each machine to it."""
    _ip("netns", "add", bridge)
    _ip("-n", bridge, "link", "add", "bridge", "type", "bridge")
    _ip("-n", bridge, "link", "set", "bridge", "up")
    for n, machine in enumerate(made, start=1):
        inside, port = machine.namespace, f"port{n}"
        _ip("netns", "add", inside)
        _ip("link", "add", "eth0", "netns", inside, "type", "veth", "peer", "name", port, "netns", bridge)
        _ip("-n", bridge, "link", "set", port, "master", "bridge", "up")
        _ip("-n", inside, "address", "add", f"{machine.address}/{PREFIX}", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", inside, "link", "set", device, "up")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise TrialError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def start(made: Sequence[Machine]) -> list[str]:
    """All at the same time, as three operators would: each waits for what runs on the others. What they said."""
    words = [["up", "hosts", "--host", m.address, "--runtime", str(m.runtime), "--detach"] for m in made]
    starting = [m.popen(*w) for m, w in zip(made, words, strict=True)]
    try:
        return [finish(p, w, START_S) for p, w in zip(starting, words, strict=True)]
    finally:
        for process in starting:
            process.kill()
            process.communicate()


def stop(made: Sequence[Machine]) -> list[str]:
    """One after the other, the one with the DC last."""
    return [machine.mesh("down", str(machine.runtime)) for machine in made]


def trial(folder: Path, players: int, seconds: int) -> None:
    """The whole story, told on stdout."""
    with machines(folder) as made:
        first, second, _ = made
        _tell("start", *start(made))
        bots = ["bots", "-c", str(first.runtime), "-u", str(players), "-t", f"{seconds}s", "--headless"]
        playing = first.popen(*bots)
        try:
            _wait_players(second, players)
            _tell(f"status, as {second.address} sees it", second.mesh("status", str(second.runtime)))
            _tell(f"{players} players from {first.address}", finish(playing, bots, STEP_S))
        finally:
            playing.kill()
            playing.communicate()
        _tell("stop", *stop(made))


def _wait_players(machine: Machine, count: int) -> None:
    """Until they are in the world, as this machine sees it; not for ever."""
    for _ in range(LOOKS_MAX):
        if json.loads(machine.mesh("status", str(machine.runtime), "--json"))["players"] >= count:
            return


def _tell(title: str, *pages: str) -> None:
    print(f"--- {title}", *(page.rstrip() for page in pages), "", sep="\n", flush=True)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -P -m tools.ctl.three_hosts", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("-u", "--players", type=int, default=30)
    parser.add_argument("-t", "--seconds", type=int, default=6)
    given = parser.parse_args()
    if reason := why_not():
        print(f"this cannot be tried here: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="zm") as folder:
        try:
            trial(Path(folder), given.players, given.seconds)
        except TrialError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
