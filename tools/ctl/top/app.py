"""The screens of `mesh top`: all nodes, one node, the keys. Owns what is drawn and nothing of what it says.

Whatever the terminal: no colour carries a meaning that words do not, and columns give way to the width.
"""

from typing import ClassVar, Literal

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.coordinate import Coordinate
from textual.events import Resize
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Footer, Static

from mesh.errors import MeshError
from mesh.protocol.monitoring import Line
from tools.ctl.commands.status import COLOURS as STATE_COLOURS
from tools.ctl.doctor.examination import examine
from tools.ctl.doctor.finding import Finding
from tools.ctl.doctor.page import COLOURS as SEVERITY_COLOURS
from tools.ctl.doctor.page import proof
from tools.ctl.snapshot.info_page import page
from tools.ctl.snapshot.inspection import inspect
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.units import plural
from tools.ctl.top.rows import COLUMNS, Column, NodeRow, column_of, columns_for, headline, ordered, rows_of
from tools.ctl.top.source import Source

EVERY_S = 1.0
FINDINGS_MAX = 8  # lines, on a high terminal; a third of a low one
FINDINGS_MIN = 2
SCROLLBAR = 2

HELP = """mesh top: the nodes of a cluster, once a second

up, down    choose a node
Enter       all about it; Escape goes back
{keys}
            the same key again turns the order round
d           what `mesh doctor` finds: shorter, longer
?           this page
q           quit

Columns that do not fit are left out. lvl is the level of the policy,
warn how many warnings and errors the process logged since its start.
lag and tick are 99th percentiles of the last seconds, milliseconds:
how late the loop was, how long ticks took."""
KEYS_IN_ROW = 3


def help_text() -> str:
    """With the keys of all columns."""
    words = [f"{column.key} {column.name}" for column in COLUMNS]
    rows = [words[at : at + KEYS_IN_ROW] for at in range(0, len(words), KEYS_IN_ROW)]
    lines = ["".join(f"{word:14}" for word in row).rstrip() for row in rows]
    return HELP.format(keys="\n".join(f"{'sort by' if not at else '':12}{line}" for at, line in enumerate(lines)))


class HelpScreen(ModalScreen[None]):
    """The keys."""

    CSS = """
    HelpScreen { align: center middle; }
    #help { width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 1 2; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,enter", "app.pop_screen", "Back"),
    ]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(Text(help_text()))


class NodeScreen(Screen[None]):
    """One node, live."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, node: str) -> None:
        super().__init__()
        self.node = node

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(id="node")
        yield Footer()

    def show(self, snapshot: Snapshot, lines: list[Line]) -> None:
        """As it is now. A node that is no longer part of the cluster stays as it was."""
        view = snapshot.view(self.node)
        if view is not None:
            width = max(20, self.size.width - SCROLLBAR)
            drawn = Text("\n").join(page(inspect(snapshot, view, lines), width))
            self.query_one("#node", Static).update(drawn)


class TopApp(App[int]):
    """See the module. `every_s`: between two readings."""

    TITLE = "mesh top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: 1; text-style: bold; }
    #nodes { height: 1fr; }
    #findings { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("d", "findings", "Doctor"),
        *(
            Binding(one.key, f"sort('{one.name}')", one.title, show=one.name in ("cpu", "memory", "players"))
            for one in COLUMNS
        ),
    ]

    def __init__(self, source: Source, every_s: float = EVERY_S) -> None:
        super().__init__()
        self._source, self._every_s = source, every_s
        self._snapshot: Snapshot | None = None
        self._rows: list[NodeRow] = []
        self._findings: list[Finding] = []
        self._made = 0  # checks
        self._by, self._reverse, self._long = column_of("node"), False, True
        self._shown: list[str] = []  # names of the columns in the table
        self._looking = False

    def compose(self) -> ComposeResult:
        yield Static("reading ...", id="head")
        yield DataTable[Text](id="nodes", cursor_type="row", zebra_stripes=False)
        yield Static(id="findings")
        yield Footer()

    # --- looking ---

    async def on_mount(self) -> None:
        await self._source.open()
        self.set_interval(self._every_s, self._look_beside)
        self._look_beside()

    async def on_unmount(self) -> None:
        await self._source.close()

    def _look_beside(self) -> None:
        """A reading that takes longer than the pause between two is waited for."""
        if not self._looking:
            self.run_worker(self.look())

    async def look(self) -> None:
        """Read once, and show what is new."""
        self._looking = True
        try:
            self._snapshot = await self._source.read()
        except MeshError as error:
            self._head(Text(f"cannot read: {error}", "red"))
            return
        finally:
            self._looking = False
        self._rows = rows_of(self._snapshot)
        report = examine(self._snapshot)
        self._findings, self._made = report.findings, report.made
        self._draw()
        await self._show_node()

    async def _show_node(self) -> None:
        """The page of a node, when one is open."""
        snapshot = self._snapshot
        pages = [screen for screen in self.screen_stack if isinstance(screen, NodeScreen)]
        if pages and snapshot is not None:
            view = snapshot.view(pages[0].node)
            lines = await self._source.warnings(view.spec.name) if view is not None else []
            if pages[0] in self.screen_stack:  # else it was closed meanwhile
                pages[0].show(snapshot, lines)

    # --- what keys do ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about the table is for when one sees it."""
        is_below = len(self.screen_stack) > 1 and action in ("sort", "findings")
        return False if is_below else super().check_action(action, parameters)

    def action_sort(self, name: str) -> None:
        """By this column; again: the other way round."""
        self._reverse = not self._reverse if self._by.name == name else False
        self._by = column_of(name)
        self._draw()

    def action_findings(self) -> None:
        self._long = not self._long
        self._draw()

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    async def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        assert event.row_key.value is not None, "every row has the name of its node"
        await self.push_screen(NodeScreen(event.row_key.value))
        await self._show_node()

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        if event.column_key.value is not None:
            self.action_sort(event.column_key.value)

    def on_resize(self, _event: Resize) -> None:
        self.call_later(self._draw)  # the size is the new one then

    # --- drawing ---

    def _draw(self) -> None:
        if self._snapshot is None:
            return
        order = "" if self._by.name == "node" and not self._reverse else f"  by {self._by.name}"
        self._head(Text(headline(self._snapshot, self._rows) + order + (" reversed" if self._reverse else "")))
        self._draw_table()
        self._draw_findings()

    def _head(self, text: Text) -> None:
        text.truncate(max(1, self.size.width), overflow="ellipsis")
        self._base.query_one("#head", Static).update(text)

    @property
    def _base(self) -> Screen[object]:
        """The screen with all nodes, whatever is above it."""
        return self.screen_stack[0]

    def _draw_table(self) -> None:
        table = self._base.query_one("#nodes", DataTable)
        columns = columns_for(self.size.width - SCROLLBAR, self._rows)
        rows = ordered(self._rows, self._by, self._reverse)
        chosen = _chosen(table)
        if [column.name for column in columns] != self._shown:
            table.clear(columns=True)
            self._shown = [column.name for column in columns]
            for column in columns:
                justify: Literal["left", "right"] = "right" if column.is_number else "left"
                table.add_column(Text(column.title, justify=justify), width=column.width, key=column.name)
        names = {row.node for row in rows}
        for gone in {key.value for key in table.rows} - names:
            table.remove_row(str(gone))
        there = {key.value for key in table.rows}
        for row in rows:
            if row.node not in there:
                table.add_row(*(_cell(column, row) for column in columns), key=row.node)
                continue
            for column in columns:
                table.update_cell(row.node, column.name, _cell(column, row))
        places = {row.node: place for place, row in enumerate(rows)}
        table.sort("node", key=lambda cell: places[cell.plain])
        if chosen in names:
            table.move_cursor(row=table.get_row_index(chosen))

    def _draw_findings(self) -> None:
        """As many as there is room for, the first of them."""
        bad = [one for one in self._findings if one.severity != "note"]
        title = f"doctor: {plural(len(bad), 'finding')} of {plural(self._made, 'check')}"
        lines = [Text(title if self._findings else f"doctor: {plural(self._made, 'check')}, all good", "bold")]
        room = max(FINDINGS_MIN, min(FINDINGS_MAX, self.size.height // 3))
        shown = self._findings[: room - 1] if self._long else self._findings[:1]
        width = max((len(one.where) for one in shown), default=0)
        for one in shown:
            severity = (f"{one.severity:9}", SEVERITY_COLOURS[one.severity])
            line = Text.assemble(severity, f"{one.where:{width}}  {one.text}")
            line.append(f"  {proof(one)}", "dim")
            lines.append(line)
        if len(self._findings) > len(shown):
            lines[0].append(f", {len(self._findings) - len(shown)} more: mesh doctor")
        for line in lines:
            line.truncate(max(1, self.size.width), overflow="ellipsis")
        self._base.query_one("#findings", Static).update(Text("\n").join(lines))


def _cell(column: Column, row: NodeRow) -> Text:
    text = column.text(row)
    colour = STATE_COLOURS.get(text, "yellow") if column.name == "state" else ""
    if column.name == "level" and row.level:
        colour = "yellow"
    return Text(text, colour, justify="right" if column.is_number else "left", no_wrap=True)


def _chosen(table: "DataTable[Text]") -> str:
    """The node under the cursor, "" when there is none."""
    if not table.is_valid_row_index(table.cursor_row):
        return ""
    return table.coordinate_to_cell_key(Coordinate(table.cursor_row, 0)).row_key.value or ""
