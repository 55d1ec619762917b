"""`mesh top`: its table without a terminal, and its screens with textual's own pilot."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from mesh.errors import PeerLost
from mesh.protocol.monitoring import Line
from mesh.testing import ManualClock
from tests.ctl.making import Made, observed, topology_of
from tools.ctl.exits import CommandError
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.top.app import HelpScreen, NodeScreen, TopApp
from tools.ctl.top.rows import COLUMNS, NodeRow, column_of, columns_for, headline, ordered, rows_of
from tools.ctl.top.source import ClusterSource

NEVER_S = 3600.0  # between two readings: tests read when they want to


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(topology_of(tmp_path))


# --- the table ---


def test_a_row_has_what_its_node_tells(made: Made) -> None:
    made.grown("scene.1", observed("scene_tick_seconds", [0.02] * 10) | {"process_cpu_seconds_total": 0.9})
    made.now("scene.1", {"mesh_log_lines_total{level=WARNING}": 3, "mesh_log_lines_total{level=ERROR}": 1})
    made.lost("dc.1")
    rows = {row.node: row for row in rows_of(made.snapshot())}
    scene, dc = rows["scene.1"], rows["dc.1"]
    assert (scene.state, scene.role, scene.players, scene.cpu, scene.messages, scene.warnings) == (
        "Ready", "scene", 10, pytest.approx(0.45), 90, 4,
    )  # fmt: skip
    assert scene.tick_s == pytest.approx(0.0249, abs=0.0005)
    assert (dc.state, dc.cpu, dc.memory_bytes, dc.messages, dc.warnings) == ("Down", None, None, None, None)
    assert rows["gate.1"].tick_s is None
    assert headline(made.snapshot(), list(rows.values())).startswith("made  9 of 10 Ready  20 players  ")


def row(node: str, cpu: float | None = None, state: str = "Ready") -> NodeRow:
    return NodeRow(node, f"eu.one.{node}", node.split(".")[0], "one", "127.0.0.1", state, 0, cpu=cpu)


def test_rows_are_sorted_and_who_has_no_value_comes_last() -> None:
    rows = [row("scene.10", 0.1), row("scene.2", None), row("gate.1", 0.9), row("dc.1", 0.1)]
    by_cpu = [one.node for one in ordered(rows, column_of("cpu"), False)]
    assert by_cpu == ["gate.1", "scene.10", "dc.1", "scene.2"]
    assert [one.node for one in ordered(rows, column_of("cpu"), True)] == ["scene.10", "dc.1", "gate.1", "scene.2"]
    assert [one.node for one in ordered(rows, column_of("node"), False)] == [one.node for one in rows]
    by_role = [one.role for one in ordered(rows, column_of("role"), False)]
    assert by_role == sorted(by_role)


@pytest.mark.parametrize(
    ("width", "there", "missing"), [(160, "role", "host"), (78, "warnings", "role"), (40, "node", "tick")]
)
def test_columns_give_way_to_the_width(width: int, there: str, missing: str) -> None:
    names = [column.name for column in columns_for(width, [row("gate.1")])]
    assert there in names
    assert missing not in names
    assert {"node", "state"} <= set(names)


def test_every_column_has_a_key_of_its_own_and_a_word_for_every_row() -> None:
    keys = [column.key for column in COLUMNS]
    assert len(keys) == len(set(keys))
    assert not {"q", "d"} & set(keys)
    for column in COLUMNS:
        assert len(column.text(row("scene.10"))) <= column.width, column.name


# --- the screens ---


class FakeSource:
    """Gives the cluster as a test has made it."""

    def __init__(self, made: Made) -> None:
        self.made, self.error = made, False
        self.opened = self.closed = self.reads = 0

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def read(self) -> Snapshot:
        self.reads += 1
        if self.error:
            raise PeerLost("nobody is there")
        return self.made.snapshot()

    async def warnings(self, name: str) -> list[Line]:
        return [Line(1000, "WARNING", name.split(".", 2)[2], "it hurts", {"where": "here"})]


Story = Callable[[TopApp, Pilot, FakeSource], Awaitable[None]]


def play(made: Made, story: Story, size: tuple[int, int] = (80, 24)) -> None:
    async def whole() -> None:
        source = FakeSource(made)
        app = TopApp(source, NEVER_S)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await app.look()
            await pilot.pause()
            await story(app, pilot, source)
        assert (source.opened, source.closed) == (1, 1)

    asyncio.run(whole())


def shown(app: TopApp) -> list[list[str]]:
    """The cells of the table, as they stand there."""
    table = app.screen_stack[0].query_one("#nodes", DataTable)
    return [[cell.plain for cell in table.get_row_at(at)] for at in range(table.row_count)]


def words(app: TopApp, name: str) -> str:
    """What a line or a page says at the moment."""
    content = app.screen.query_one(name, Static).content
    assert isinstance(content, Text)
    return content.plain


def test_all_nodes_and_what_the_doctor_finds_are_shown(made: Made) -> None:
    made.lost("dc.1")

    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        assert [cells[0] for cells in shown(app)] == list(made.nodes)
        assert "Down" in shown(app)[1]
        assert "9 of 10 Ready" in words(app, "#head")
        findings = words(app, "#findings")
        assert "doctor: " in findings
        assert "critical" in findings
        assert "It does not run" in findings

    play(made, story)


def test_a_key_sorts_and_the_same_key_turns_it_round(made: Made) -> None:
    made.grown("scene.2", {"process_cpu_seconds_total": 1.5})
    made.grown("gate.2", {"process_cpu_seconds_total": 1.0})

    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        await pilot.press("c")
        assert [cells[0] for cells in shown(app)][:2] == ["scene.2", "gate.2"]
        assert "by cpu" in words(app, "#head")
        await pilot.press("c")
        assert [cells[0] for cells in shown(app)][-2:] == ["gate.2", "scene.2"]
        await pilot.press("n")
        assert [cells[0] for cells in shown(app)] == list(made.nodes)

    play(made, story)


def test_the_cursor_stays_with_its_node(made: Made) -> None:
    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        await pilot.press("down", "down")
        table = app.query_one("#nodes", DataTable)
        assert shown(app)[table.cursor_row][0] == "dc.2"
        made.grown("dc.2", {"process_cpu_seconds_total": 1.9})
        await app.look()
        await pilot.press("c")
        assert table.cursor_row == 0
        assert shown(app)[0][0] == "dc.2"

    play(made, story)


def test_enter_shows_everything_about_a_node_and_escape_goes_back(made: Made) -> None:
    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        await pilot.press("down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, NodeScreen)
        text = words(app, "#node")
        assert "dc.1  Ready" in text
        assert "it hurts where=here" in text
        made.lost("dc.1")
        await app.look()
        await pilot.pause()
        assert "dc.1  Down" in words(app, "#node")
        await pilot.press("c")
        assert "by cpu" not in str(app.screen_stack[0].query_one("#head", Static).content), "nobody sees the table"
        await pilot.press("escape")
        assert not isinstance(app.screen, NodeScreen)

    play(made, story)


def test_nodes_come_and_go(made: Made) -> None:
    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        gone = made.nodes.pop("gate.2")
        await app.look()
        assert "gate.2" not in [cells[0] for cells in shown(app)]
        made.nodes["gate.2"] = gone
        await app.look()
        assert shown(app)[-1][0] == "gate.2"

    play(made, story)


def test_a_cluster_that_cannot_be_read_is_said_and_read_again(made: Made) -> None:
    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        source.error = True
        await app.look()
        assert "cannot read: nobody is there" in words(app, "#head")
        source.error = False
        await app.look()
        assert "10 of 10 Ready" in words(app, "#head")

    play(made, story)


def test_help_and_quit(made: Made) -> None:
    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        assert app.screen.query_one(Static).size.width > 60
        await pilot.press("escape")
        assert not isinstance(app.screen, HelpScreen)
        await pilot.press("q")
        assert app.return_code == 0

    play(made, story)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
def test_it_fits_its_terminal(made: Made, size: tuple[int, int]) -> None:
    made.lost("dc.1")
    made.grown("scene.1", {"mesh_refused_sends_total": 9, "scene_saves_failed_total": 9, "mesh_errors_total": 1})

    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        table = app.query_one("#nodes", DataTable)
        assert table.virtual_size.width <= size[0]
        assert table.size.height >= 3
        assert app.query_one("#findings", Static).size.height <= max(2, size[1] // 3)
        await pilot.resize_terminal(size[0] // 2 + 10, size[1])
        await pilot.pause()
        assert table.virtual_size.width <= max(size[0] // 2 + 10, 22)
        assert [cells[0] for cells in shown(app)] == list(made.nodes)

    play(made, story, size)


def test_findings_are_folded_by_a_key(made: Made) -> None:
    for short in ("scene.1", "scene.2", "gate.1"):
        made.grown(short, {"mesh_errors_total": 1})

    async def story(app: TopApp, pilot: Pilot, source: FakeSource) -> None:
        assert words(app, "#findings").count("critical") == 3
        await pilot.press("d")
        assert words(app, "#findings").count("critical") == 1
        assert "2 more" in words(app, "#findings")

    play(made, story)


def test_a_source_needs_a_cluster(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no cluster is running"):
        ClusterSource(None, {"XDG_RUNTIME_DIR": str(tmp_path)}, ManualClock())
