"""A group of commands whose modules are loaded when one of them is called, and not to list them.

`mesh --help` then costs what click costs. It also answers a mistyped command with the ones that come close, and knows
aliases that other tools have taught people.
"""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import rich_click as click
from click import Command, Context


class LazyGroup(click.RichGroup):
    """`places`: command -> ("module:attribute", one line of help)."""

    def __init__(
        self,
        *arguments: Any,
        places: dict[str, tuple[str, str]] | None = None,
        synonyms: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.places = dict(places or {})
        self.synonyms = dict(synonyms or {})

    def list_commands(self, ctx: Context) -> list[str]:
        return [*super().list_commands(ctx), *self.places]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """For the list: what is known without loading anything."""
        if cmd_name in self.places:
            return click.RichCommand(name=cmd_name, help=self.places[cmd_name][1], add_help_option=False)
        return super().get_command(ctx, cmd_name)

    def load(self, name: str) -> Command:
        """The command itself."""
        module, _, attribute = self.places[name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, Command), f"{self.places[name][0]} is not a command"
        return command

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        name = self.synonyms.get(args[0], args[0])
        if name in self.places:
            return name, self.load(name), args[1:]
        if super().get_command(ctx, name) is None and not ctx.resilient_parsing:
            ctx.fail(f"no such command: {args[0]}{did_you_mean(args[0], [*self.list_commands(ctx), *self.synonyms])}")
        return super().resolve_command(ctx, [name, *args[1:]])


def did_you_mean(word: str, known: list[str]) -> str:
    """ "; did you mean gate.1?", or a list of what there is when nothing comes close."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.55)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there are {', '.join(sorted(known))}" if known else ""
