"""Common rules of the commands: an option has one spelling and is given once; old spellings still work."""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from ...search_space.errors import InputError, ResultError

Aliases = dict[str, str | None]
"""Old spelling of an option -> new spelling; None if the option has no effect any more. To be removed in the next release."""

SEED: Aliases = {"--seed": None}
"""Aliases of commands without randomness."""


def renamed(args: list[str], aliases: Aliases) -> list[str]:
    """Replace old spellings in the arguments, and the reference's underscores (``--data_root`` becomes ``--data-root``)."""
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
                print(f"{name} is now {new}" if new else f"{name} has no effect any more", file=sys.stderr)
                if new is None:
                    skip = not equals
                    continue
                name = new
        found.append(name + equals + value)
    return found


def make_command(aliases: Aliases) -> type[TyperCommand]:
    """Return a command class that accepts old spellings, and refuses an option given twice, of which only the last counts."""

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
            Command line that is shown at the end of the help.
        aliases
            Old spellings of its options.
        """
        self.command(name=name, cls=make_command(aliases or {}), epilog=f"Example: {example}")(function)


def run(commands: typer.Typer) -> None:
    """Run a command line; on a user's mistake, print one line on standard error and exit with code 2.

    A failed result and a diverged training also print one line, and exit with code 1.
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
