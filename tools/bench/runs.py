"""What `mesh bench` and `mesh chaos` have in common: runs that take minutes and end with a verdict.

They are listed, made (one, or all one after the other), shown and written. One that cannot be made does not keep the
others from it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import rich_click as click

from mesh.clock import Clock, SystemClock
from tools.bench import store
from tools.ctl.exits import CommandError, Exit
from tools.ctl.output import console, emit_json, say, table
from tools.generated import Ran, left_out, stale, write_stale

PORT_MAX = 32_500

F = TypeVar("F", bound=Callable[..., Any])


class Judged(Protocol):
    """What a run gives."""

    @property
    def name(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def ok(self) -> bool: ...


R = TypeVar("R", bound=Judged)


@dataclass(frozen=True)
class Runs(Generic[R]):
    """Of one command: what a run is called, the command, its word for the whole thing, a result for people, and one
    line about it."""

    kind: str
    command: str
    whole: str
    rendered: Callable[[R], Any]
    line: Callable[[R], str]

    def listed(self, lines: Mapping[str, str], what: str, as_json: bool) -> int:
        """What runs there are."""
        if as_json:
            emit_json([{"name": name, "line": line} for name, line in lines.items()])
            return Exit.OK
        shown = table(self.kind, what, folds=what)
        for name, line in lines.items():
            shown.add_row(name, line)
        console().print(shown)
        return Exit.OK

    def one(self, make: Callable[[], R], json_file: str | None) -> int:
        """Make one, show it and write it; - is stdout, and then the words for people go to stderr."""
        _check_writable(json_file)
        result = make()
        self._show(result, to_stdout=json_file != "-")
        if json_file == "-":
            emit_json(result)
        elif json_file is not None:
            self._write(result, Path(json_file))
        return Exit.OK if result.ok else Exit.CHECK_FAILED

    def all(self, names: Iterable[str], make: Callable[[str], R], folder: Path | None) -> int:
        """Make all of them; each is written as it comes."""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        results, failed = list[R](), list[str]()
        for name in names:
            try:
                result = make(name)
            except CommandError as error:
                say(f"mesh: {name} could not be run: {error}")
                failed.append(name)
                continue
            results.append(result)
            self._show(result)
            if folder is not None:
                self._write(result, folder / f"{name}.json")
        self._summarise(results, failed)
        if failed:
            return Exit.FAILURE
        return Exit.OK if all(result.ok for result in results) else Exit.CHECK_FAILED

    def published(
        self,
        folder: Path,
        results: Mapping[str, Ran],
        generated: Callable[[], Mapping[Path, str]],
        check: bool,
    ) -> int:
        """Bring the docs in step with the results in this folder; with `check` only say what is not."""
        if not results:
            say(f"mesh: there is no result in {folder}, so nothing is rendered: {self.command} all {self.whole} --out")
            return Exit.OK if check else Exit.NOT_FOUND
        for line in left_out(results.values()):
            say(f"mesh: {line}")
        if not check:
            for path in write_stale(generated()):
                say(f"mesh: wrote {path}")
            return Exit.OK
        behind = stale(generated())
        for path in behind:
            say(f"mesh: {path} is not in step with {folder}: run {self.command} render")
        return Exit.CHECK_FAILED if behind else Exit.OK

    def _show(self, result: R, to_stdout: bool = True) -> None:
        from rich.console import Console

        (console() if to_stdout else Console(stderr=True, highlight=False)).print(self.rendered(result))

    def _write(self, result: R, path: Path) -> None:
        store.write(result, path)
        say(f"mesh: wrote {path}")

    def _summarise(self, results: Iterable[R], failed: Iterable[str]) -> None:
        """A line for each, at the end of all of them."""
        shown = table(self.kind, "verdict", "why", folds="why")
        for result in results:
            shown.add_row(result.name, result.verdict, self.line(result))
        for name in failed:
            shown.add_row(name, "not run", "see above")
        console().print(shown)


class Teller:
    """Says how a run goes on, with the seconds since its command began."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._began = self.clock.now()

    def say(self, text: str) -> None:
        say(f"mesh: {self.clock.now() - self._began:6.1f} s  {text}")


def port_option(default: int) -> Callable[[F], F]:
    return click.option(
        "--base-port",
        type=click.IntRange(1024, 65_000),
        callback=_check_port,
        default=default,
        show_default=True,
        help="The first port of the clusters that are started.",
    )


json_file_option = click.option("--json", "json_file", metavar="FILE", help="Write the result; - is stdout.")


def folder_option(kind: str) -> Callable[[F], F]:
    return click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help=f"Write NAME.json for each {kind} into this folder.",
    )


check_option = click.option("--check", is_flag=True, help="Write nothing; exit 6 when something is not in step.")


def docs_option(what: str) -> Callable[[F], F]:
    return click.option(
        "--docs",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        default=Path("docs"),
        show_default=True,
        help=f"The folder with {what}.",
    )


def _check_port(_context: click.Context, _parameter: click.Parameter, port: int) -> int:
    """The clients of a run take thousands of ports as their own, any of those that the system gives away."""
    if port > PORT_MAX:
        raise click.BadParameter(
            f"{port} is too high: at most {PORT_MAX}, since the system gives the ports above to the clients of the run"
        )
    return port


def _check_writable(json_file: str | None) -> None:
    """CommandError now and not after minutes."""
    if json_file in (None, "-"):
        return
    path = Path(str(json_file))
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", Exit.USAGE) from None
