"""The commands' common rules: one spelling of every option, given once, and old spellings that still work."""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from ...search_space.errors import InputError, ResultError

Aliases = dict[str, str | None]
"""Old spelling of an option -> the new one; None if the option does nothing any more. They go with the next release."""

SEED: Aliases = {"--seed": None}
"""Aliases of the commands in which nothing is random."""


def renamed(args: list[str], aliases: Aliases) -> list[str]:
    """The arguments with old spellings replaced; ``--data_root``, as the reference spells options, is ``--data-root``."""
    found: list[str] = []
    skip = False
    for arg in args:
        if skip:
            skip = False
            continue
        name, equals, value = arg.partition("=")
        if name.startswith("--"):
            name = name.replace("_", "-")
            if name in aliases:
                new = aliases[name]
                print(f"{name} is now {new}" if new else f"{name} does nothing here any more", file=sys.stderr)
                if new is None:
                    skip = not equals
                    continue
                name = new
        found.append(name + equals + value)
    return found


def make_command(aliases: Aliases) -> type[TyperCommand]:
    """A class of commands that knows old spellings, and refuses an option given twice; only the last one would count."""

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            args = renamed(args, aliases)
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
            for parameter, count in Counter(given).items():
                if count > 1 and parameter.param_type_name == "option" and not getattr(parameter, "multiple", False):
                    raise InputError(
                        f"{parameter.opts[0]} is given {'twice' if count == 2 else f'{count} times'}; give it once"
                    )
            return super().parse_args(ctx, args)

    return Command


class App(typer.Typer):
    """A Typer app whose commands follow these rules."""

    def add(self, function: Callable[..., None], example: str, name: str | None = None, aliases: Aliases | None = None) -> None:
        """Add a command.

        Parameters
        ----------
        example
            A command line, shown at the end of its help.
        aliases
            Old spellings of its options.
        """
        self.command(name=name, cls=make_command(aliases or {}), epilog=f"Example: {example}")(function)


def run(commands: typer.Typer) -> None:
    """Run a command line; a user's mistake is one line on standard error and exit code 2.

    A result that could not be made, and a training that has diverged, are one line too, and exit code 1.
    """
    try:
        commands()
    except InputError as error:
        print(f"fbnet-pfld: {error}", file=sys.stderr)
        sys.exit(2)
    except ResultError as error:
        print(f"fbnet-pfld: {error}", file=sys.stderr)
        sys.exit(1)
    except FloatingPointError as error:
        print(f"fbnet-pfld: {error}; the checkpoints of the last good epoch are kept", file=sys.stderr)
        sys.exit(1)
