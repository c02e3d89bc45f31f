"""Griffe extension for the API reference: public names of packages, settings of options, links in docstrings.

- A package's ``__init__.py`` loads its names on first use and ``__init__.pyi`` lists them: that list is the package's public
  names. A public name without a docstring is a warning, with which ``make docs`` fails.
- A class of options (a pydantic model) has no ``__init__`` of its own; its fields and their defaults become its signature.
- Docstrings name classes and functions by Sphinx's roles, which become links where the reference has the name.

``mkdocs.yml`` names this file under ``extensions``.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`(~?)([\w.]+)`")


# by value, because mypy takes the members of this enumeration for text
KEYWORD_ONLY = griffe.ParameterKind("keyword-only")
POSITIONAL = griffe.ParameterKind("positional or keyword")


class PublicNames(griffe.Extension):
    """Prepares the package for mkdocstrings."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Called when all modules of a package have been read."""
        objects = list(_objects(pkg))
        paths = {thing.path for thing in objects}
        for thing in objects:
            if isinstance(thing, griffe.Module):
                _publish(thing)
            elif isinstance(thing, griffe.Class):
                _sign(thing)
            if thing.docstring is not None:
                thing.docstring.value = ROLE.sub(
                    lambda match, thing=thing: _link(match, thing, paths),  # type: ignore[misc]
                    thing.docstring.value,
                )


def _objects(thing: griffe.Object) -> Iterator[griffe.Object]:
    """Yield the object and all objects defined in it."""
    yield thing
    for member in thing.members.values():
        if isinstance(member, griffe.Object):
            yield from _objects(member)


def _publish(module: griffe.Module) -> None:
    """Take a package's public names from its stub file, and check that each has a docstring."""
    stub = module.filepath.with_suffix(".pyi") if isinstance(module.filepath, Path) else None
    if stub is not None and stub.is_file():
        tree = ast.parse(stub.read_text(encoding="utf-8"))
        imported = [name for node in tree.body if isinstance(node, ast.ImportFrom) for name in node.names]
        module.exports = [name.asname for name in imported if name.asname]
        # the second paragraph of the docstring says how the names are loaded
        if module.docstring is not None:
            module.docstring.value = module.docstring.value.partition("\n\n")[0]
    for name in module.exports or ():
        if not module.members[str(name)].has_docstring:
            griffe.logger.warning(f"{module.path}.{name} is public and has no docstring")


def _sign(options: griffe.Class) -> None:
    """Give a pydantic model a signature made of its fields."""
    family = [*reversed(options.mro()), options]
    if not any("BaseModel" in str(base) for relative in family for base in relative.bases):
        return
    fields = {
        name: field
        for relative in family
        for name, field in relative.members.items()
        if isinstance(field, griffe.Attribute) and field.annotation and "property" not in field.labels and name[0] != "_"
    }
    parameters = [
        griffe.Parameter(
            name,
            annotation=field.annotation,
            kind=KEYWORD_ONLY,
            default=None if field.value is None else str(field.value),
        )
        for name, field in fields.items()
    ]
    own = griffe.Parameter("self", kind=POSITIONAL)
    options.set_member("__init__", griffe.Function("__init__", parameters=griffe.Parameters(own, *parameters), returns="None"))


def _link(match: re.Match[str], thing: griffe.Object, paths: set[str]) -> str:
    """Markup of a role: a link if the reference has the name, otherwise the name alone."""
    name = match[2].lstrip(".")
    shown = name.rpartition(".")[2] if match[1] else name
    path = _path_of(name, thing, paths)
    return f'<autoref optional identifier="{path}"><code>{shown}</code></autoref>' if path else f"`{shown}`"


def _path_of(name: str, thing: griffe.Object, paths: set[str]) -> str | None:
    """Full path of a name, as seen from an object's docstring or by its ending; ``None`` if it is unknown or ambiguous."""
    if name.startswith("fbnet_pfld."):
        return name
    first, dot, rest = name.partition(".")
    try:
        return thing.resolve(first) + dot + rest
    except griffe.NameResolutionError:
        endings = [path for path in paths if path.endswith(f".{name}")]
        return endings[0] if len(endings) == 1 else None
