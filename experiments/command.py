"""The commands' common rule: an option that takes one value is given once."""

from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand

from ..search_space.inputs import InputError


class Command(TyperCommand):
    """A command that refuses an option given twice; only the last one would count."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, count in Counter(given).items():
            if count > 1 and parameter.param_type_name == "option" and not parameter.multiple:
                raise InputError(f"{parameter.opts[0]} is given {'twice' if count == 2 else f'{count} times'}; give it once")
        return super().parse_args(ctx, args)


class App(typer.Typer):
    """A Typer app whose commands are of class :class:`Command`."""

    def command(self, *arguments: Any, **options: Any) -> Any:
        return super().command(*arguments, **{"cls": Command} | options)
