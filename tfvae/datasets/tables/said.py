"""What a file says of the columns of a table, checked before it is believed.

{"columns": [{"name": NAME, "kind": KIND, FIELD: VALUE, ...}, ...], "missing": [WORD, ...]}

Every part may be left out but the name. Numbers in the place of words are taken as they are written.
"""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from tfvae.core.errors import InvalidInput
from tfvae.core.kinds import fits
from tfvae.core.types import Config
from tfvae.datasets.tables.column import Column
from tfvae.datasets.tables.guess import KINDS

PARTS = {"columns": list[dict[str, object]], "missing": tuple[str, ...]}


def parts(given: Mapping[str, Any]) -> tuple[list[Config], tuple[str, ...] | None]:
    """Returns what is said of columns, and the words of missing cells, `None` where nothing is said.

    Raises:
        InvalidInput: if it is not of the form above.
    """
    items = given.items() if isinstance(given, Mapping) else [("", given)]
    found = {name: _as_text(value, PARTS.get(name)) for name, value in items}
    odd = next((name for name, value in found.items() if name not in PARTS or not fits(value, PARTS[name])), None)
    if odd is not None:
        expected = 'a schema {"columns": [{"name": ..., ...}, ...], "missing": ["...", ...]}'
        raise InvalidInput(expected, f"{odd!r}: {str(found[odd]):.60}", "Start from schema.json of a run.")
    return found.get("columns", []), found.get("missing")


def by_name(entries: Sequence[Config], names: Sequence[str]) -> dict[str, Config]:
    """Returns what is said of each column, by its name, each of a known kind if it says one.

    Args:
        entries: what is said.
        names: of the columns that there are.

    Raises:
        InvalidInput: for a column that there is not, one that is named twice, or an unknown kind.
    """
    said: dict[str, Config] = {}
    for entry in entries:
        name = entry.get("name")
        if name not in names or name in said:
            received = f"{name!r}{' twice' * (name in names)} in the schema"
            raise InvalidInput(f"columns of the table, {', '.join(names)}", received, "Correct it.")
        said[str(name)] = entry
        if entry.get("kind") is not None:
            kind(entry)
    return said


def kind(entry: Config) -> type[Column]:
    """Returns the kind of a column.

    Raises:
        InvalidInput: for an unknown one.
    """
    word = entry.get("kind")
    if not isinstance(word, str) or word not in KINDS:
        expected = f"kind of {entry.get('name')} to be one of {', '.join(KINDS)}"
        raise InvalidInput(expected, repr(word), "Choose one of them.")
    return KINDS[word]


def fields(kind: type[Column], entry: Config) -> Config:
    """Returns the fields of a column that are said, each of the type that its kind has there; not name and kind.

    Raises:
        InvalidInput: for a field that the kind does not have, or a value of another type.
    """
    own, hints, name = {field.name for field in dataclasses.fields(kind)}, typing.get_type_hints(kind), entry["name"]
    found = {}
    for field, value in entry.items():
        if field in ("name", "kind"):
            continue
        if field not in own:
            expected = f"fields of the kind {kind.kind}: {', '.join(sorted(own - {'name'}))}"
            raise InvalidInput(expected, f"{field!r} in column {name}", "Correct or remove it.")
        value = _as_text(value, hints[field])
        if not fits(value, hints[field]):
            shown = str(
                getattr(hints[field], "__name__", hints[field]) if not typing.get_args(hints[field]) else hints[field]
            )
            raise InvalidInput(f"{field} of column {name} to be {shown}", f"{value!r:.60}", "Correct the schema.")
        found[field] = tuple(value) if isinstance(value, list) else value
    return found


def _as_text(value: Any, kind: Any) -> Any:
    """Returns numbers as text where text is wanted."""
    if kind in (str, str | None) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if kind == tuple[str, ...] and isinstance(value, (list, tuple)):
        return [_as_text(item, str) for item in value]
    return value
