"""The commands that there are, and the one place where an error becomes a sentence and an exit code."""

import os
import sys
import tempfile
from pathlib import Path

import rich_click as click

from mesh.errors import MeshError, RefusedError, TopologyError
from tools.ctl.exits import Exit, exit_of
from tools.ctl.lazy import LazyGroup

COMMANDS = {
    "up": ("tools.ctl.commands.up:up", "Start a cluster and look after it."),
    "down": ("tools.ctl.commands.down:down", "Stop a cluster: players are saved, the database is flushed."),
    "status": ("tools.ctl.commands.status:status", "Show the nodes of a cluster and how they are."),
    "restart": ("tools.ctl.commands.restart:restart", "Stop a node gracefully and start it again."),
    "upgrade": ("tools.ctl.commands.upgrade:upgrade", "Restart every node, one after the other, while players play."),
    "drain": ("tools.ctl.commands.drain:drain", "Empty a node while players play."),
    "scale": ("tools.ctl.commands.scale:scale", "Change how many gates, logins, scenes or log nodes serve."),
    "pressure": ("tools.ctl.commands.pressure:pressure", "Show how hard the nodes work and what they leave out."),
    "lines": ("tools.ctl.commands.lines:lines", "Show the lines of all maps, open or close one."),
    "logs": ("tools.ctl.commands.logs:logs", "Show what the nodes log."),
    "events": ("tools.ctl.commands.events:events", "Search the behaviour log: what players did."),
    "trace": ("tools.ctl.commands.trace:trace", "Draw a login through all nodes."),
    "account": ("tools.ctl.commands.account:account", "Create, list and ban accounts, let some in first."),
    "player": ("tools.ctl.commands.player:player", "Show where a player is."),
    "friends": ("tools.ctl.commands.player:friends", "Show a player's friends, requests and blocks."),
    "kick": ("tools.ctl.commands.player:kick", "Take a player out of the world."),
    "say": ("tools.ctl.commands.say:say", "Say something to every player."),
    "db": ("tools.ctl.commands.db:db", "Look into the player database, check it, back it up."),
    "bots": ("tools.bots.command:bots", "Load a cluster with bots and measure."),
    "bench": ("tools.bench.command:bench", "Measure the servers against their required figures."),
    "chaos": ("tools.chaos.command:chaos", "Break a cluster on purpose, and prove what was not lost."),
    "demo": ("tools.demo.command:demo", "Start a cluster, send players through everything it does."),
    "check": ("tools.ctl.commands.check:check", "Check a topology without starting it."),
    "export": ("tools.ctl.commands.export:export", "Write what other programs need to run or to watch a topology."),
    "keys": ("tools.ctl.commands.keys:keys", "Make the secret keys of a cluster."),
    "completion": ("tools.ctl.commands.completion:completion", "Print the completion script for a shell."),
}
ALIASES = {"ps": "status", "stop": "down", "start": "up"}

EPILOG = """Exit codes: 0 ok, 1 failure, 2 usage or topology error (nothing was started), 3 not found, 4 unhealthy,
5 time-out, 6 check failed, 130 interrupted. Data goes to stdout, words for people to stderr."""


def cli() -> LazyGroup:
    """The whole command."""

    @click.group(
        cls=LazyGroup,
        places=COMMANDS,
        synonyms=ALIASES,
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    @click.version_option(package_name="zonemesh", message="zonemesh %(version)s")
    def mesh() -> None:
        """Runs and watches the servers of a multiplayer game: a mesh of small node processes."""

    return mesh


def run(arguments: list[str] | None = None) -> int:
    """One command; its exit code."""
    stdout = sys.stdout
    try:
        code = cli().main(args=arguments, prog_name="mesh", standalone_mode=False, obj=os.environ)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return int(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # `mesh logs | head`: whoever read has read enough. Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except SystemExit as left:
        # The same, when click sees it first: it puts a wrapper around stdout and leaves with 1.
        if sys.stdout is not stdout:
            return Exit.OK
        return left.code if isinstance(left.code, int) else Exit.FAILURE
    except TopologyError as error:
        count = len(error.problems)
        _say("\n".join([*error.problems, f"{count} problem{'s' if count > 1 else ''}; nothing was started"]))
        return Exit.USAGE
    except MeshError as error:
        _say((error.text if isinstance(error, RefusedError) else "") or str(error) or type(error).__name__)
        return exit_of(error)
    except OSError as error:
        _say(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
        return Exit.FAILURE
    except Exception as error:  # noqa: BLE001 - a mistake of ours: kept for us, and not thrown at a user
        _say(f"this is a mistake in mesh itself: {type(error).__name__}: {error}\nthe details are in {_keep(error)}")
        return Exit.FAILURE
    return code if isinstance(code, int) else Exit.OK


def _say(text: str) -> None:
    print(f"mesh: {text}" if "\n" not in text else text, file=sys.stderr, flush=True)


def _keep(error: Exception) -> str:
    """Write the traceback where it can be attached to a report."""
    import traceback

    lines = "".join(traceback.format_exception(error))
    try:
        descriptor, path = tempfile.mkstemp(prefix="zonemesh-mistake-", suffix=".txt")
        os.close(descriptor)
        Path(path).write_text(f"{' '.join(sys.argv)}\n\n{lines}", encoding="utf-8")
    except OSError as refused:
        return f"no file ({refused.strerror})"
    return path
