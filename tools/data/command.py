"""`mesh data`: the behaviour log as tables, for questions in SQL and ready reports."""

import rich_click as click

from tools.ctl.lazy import LazyGroup

PLACES = {
    "report": ("tools.data.commands.report:report", "Show a ready report."),
    "sql": ("tools.data.commands.sql:sql", "Ask a question in SQL."),
    "tables": ("tools.data.commands.tables:tables", "Show which tables and columns there are."),
    "player": ("tools.data.commands.player:player", "Show one player's history."),
    "compact": ("tools.data.commands.compact:compact", "Bring everything that is new into the lake."),
    "sample": ("tools.data.commands.sample:sample", "Make a lake of believable data."),
    "erase": ("tools.data.commands.erase:erase", "Take everything of a player out of log and lake."),
    "prune": ("tools.data.commands.prune:prune", "Delete the oldest hours of events from a lake."),
    "export": ("tools.data.commands.export:export", "Copy a lake to another place."),
}


@click.group(cls=LazyGroup, places=PLACES)
def data() -> None:
    """Ask the data: SQL, reports, one player's history.

    The behaviour log of a cluster becomes a lake of Parquet files in its runtime folder, while it runs and without its
    help. These commands ask it with DuckDB; docs/data.md is a course. They need an extra: pip install 'zonemesh[data]'.
    """
