"""A lake, open for questions in SQL: DuckDB over its data files. The only importer of duckdb.

Owns a connection in memory with a limit on memory, threads and room on the disk for what does not fit into memory. A
question cannot change anything: the files are only read, nothing but the lake can be read, and no setting can be taken
back. Blocking; `answer` runs what asks in a thread, and interrupts it when the time is up.
"""

import asyncio
import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import msgspec
import psutil

from mesh.lake.manifest import Manifest
from mesh.seat import ThreadWorkers
from tools.ctl.exits import CommandError, Exit
from tools.data.views import Views, definitions

MIB = 1024 * 1024
MEMORY_MIB = 2048
SPILL_MIB = 16 * 1024  # on the disk, of what does not fit into memory
FETCH_ROWS = 1000
EXPLAIN = re.compile(r"^\s*explain(\s+analyze)?\s", re.IGNORECASE)

T = TypeVar("T")


class Limits(msgspec.Struct, frozen=True):
    """What a question may take."""

    memory_mib: int = MEMORY_MIB
    threads: int = 0  # as many as there are cores
    timeout_s: float = 60.0


class Desk:
    """See the module. Close it, or use it as a context."""

    def __init__(self, folder: Path, manifest: Manifest, limits: Limits, views: Views = Views.ALL) -> None:
        self.folder, self.manifest, self.limits = folder, manifest, limits
        self._is_over = False
        self._cleaning = contextlib.ExitStack()
        spill = self._cleaning.enter_context(tempfile.TemporaryDirectory(prefix="zonemesh-data-"))
        self._connection = duckdb.connect(":memory:")
        self._cleaning.callback(self._connection.close)
        try:
            self._prepare(spill, views)
        except duckdb.Error as error:
            self.close()
            raise self._explained(error) from None

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._cleaning.close()

    def interrupt(self) -> None:
        """What is being asked ends, and nothing can be asked any more. From any thread."""
        self._is_over = True
        self._connection.interrupt()

    def check(self, question: str) -> None:
        """CommandError unless this is one statement that only reads."""
        inner = EXPLAIN.sub("", question, count=1)
        try:
            statements = self._connection.extract_statements(inner)
        except duckdb.Error as error:
            raise self._explained(error) from None
        if len(statements) != 1:
            raise CommandError("one statement at a time", Exit.USAGE)
        if statements[0].type != duckdb.StatementType.SELECT:
            raise CommandError(
                f"{statements[0].type.name}: the lake is only read: ask with SELECT, WITH, DESCRIBE, SUMMARIZE or "
                "EXPLAIN",
                Exit.USAGE,
            )

    def rows(self, question: str, **values: Any) -> list[tuple[Any, ...]]:
        """All rows of the answer. `values` are what `$name` stands for in the question."""
        return [row for _, some in self.stream(question, **values) for row in some]

    def stream(self, question: str, **values: Any) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
        """The names of the columns and some rows, again and again; at least once."""
        with self._failing():
            cursor = self._execute(question, values)
            names = [column[0] for column in cursor.description or ()]
            some = cursor.fetchmany(FETCH_ROWS)
            yield names, some
            while some:
                if self._is_over:
                    raise duckdb.InterruptException("interrupted")
                some = cursor.fetchmany(FETCH_ROWS)
                if some:
                    yield names, some

    def columns(self, question: str, **values: Any) -> dict[str, Any]:
        """The answer as numpy arrays; NULL is not expected in it."""
        with self._failing():
            return dict(self._execute(question, values).fetchnumpy())

    def run(self, statement: str) -> None:
        """A statement of ours, that makes a temporary table for example."""
        with self._failing():
            self._execute(statement, {})

    def _execute(self, question: str, values: dict[str, Any]) -> Any:
        if self._is_over:
            raise duckdb.InterruptException("interrupted")
        used = {name: value for name, value in values.items() if f"${name}" in question}
        return self._connection.execute(question, used) if used else self._connection.execute(question)

    def _prepare(self, spill: str, views: Views) -> None:
        run = self._connection.execute
        run(f"SET memory_limit = '{self.limits.memory_mib}MiB'")
        run(f"SET threads = {self.limits.threads or psutil.cpu_count() or 1}")
        run("SET preserve_insertion_order = false")
        run("SET autoinstall_known_extensions = false")
        run("SET autoload_known_extensions = false")
        run(f"SET temp_directory = '{spill}'")
        run(f"SET max_temp_directory_size = '{SPILL_MIB}MiB'")
        run(f"SET allowed_directories = {[str(self.folder) + '/', spill + '/']}")
        run("SET enable_external_access = false")
        for definition in definitions(self.folder, self.manifest, views):
            run(definition)
        run("SET lock_configuration = true")

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise self._explained(error) from None

    def _explained(self, error: duckdb.Error) -> CommandError:
        text = str(error).strip()
        if isinstance(error, duckdb.OutOfMemoryException):
            limit = f"{self.limits.memory_mib} MiB of memory"
            return CommandError(
                f"the answer takes more than {limit} (and {SPILL_MIB // 1024} GiB beside it on the disk): ask for less "
                "time, for fewer columns, or for sums instead of rows; --memory raises the limit"
            )
        if isinstance(error, duckdb.InterruptException):
            return CommandError(
                f"no answer within {self.limits.timeout_s:g} s; --timeout gives it more", Exit.TIMED_OUT
            )
        if isinstance(error, duckdb.PermissionException):
            return CommandError(f"only the lake can be read: {text.splitlines()[0]}", Exit.USAGE)
        if isinstance(error, duckdb.IOException):
            return CommandError(f"{text.splitlines()[0]}\nmesh: if the lake was changed meanwhile, ask again")
        return CommandError(text, Exit.USAGE)


def answer(desk: Desk, ask: Callable[[], T]) -> T:
    """What `ask` returns, run in a thread. CommandError when the time is up; Ctrl-C ends it, too."""

    async def wait() -> T:
        workers = ThreadWorkers(1)
        asking = asyncio.ensure_future(workers.run(ask))
        try:
            async with asyncio.timeout(desk.limits.timeout_s):
                return await asyncio.shield(asking)
        except TimeoutError:
            raise CommandError(
                f"no answer within {desk.limits.timeout_s:g} s; --timeout gives it more", Exit.TIMED_OUT
            ) from None
        finally:
            if not asking.done():
                desk.interrupt()
                await asyncio.wait([asking])
            if not asking.cancelled():
                asking.exception()  # it has been seen
            workers.close()

    return asyncio.run(wait())
