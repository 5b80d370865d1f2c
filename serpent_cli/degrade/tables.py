"""Tables of a recipe as records: each entry is one that the record has, and like its default."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from serpent_cli.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


def read_table(kind: type[Record], table: object, name: str) -> Record:
    """A table of parsed TOML as a record.

    Args:
        kind: Of the record, in which every field has a default; where that is a record itself, the
            entry is a table again.
        table: What was parsed.
        name: How the recipe calls it.

    Raises:
        UsageError: It is no table, has an entry that the record has not, or a value of another type
            than its default. A whole number serves where the default is none; a list has as many
            entries as the default.
    """
    if not isinstance(table, dict):
        raise UsageError(f"{name} must be a table, not {table!r}")
    entries, known = cast("dict[str, object]", table), kind()
    if unknown := sorted(set(entries) - {entry.name for entry in fields(kind)}):
        raise UsageError(f"unknown entries in [{name}]: {', '.join(unknown)}")
    values: dict[str, Any] = {
        key: _value(f"{name}.{key}", value, getattr(known, key)) for key, value in entries.items()
    }
    return kind(**values)


def _value(name: str, value: object, default: object) -> object:
    if is_dataclass(default) and not isinstance(default, type):
        return read_table(type(default), value, name)
    if isinstance(default, tuple):
        wanted = cast("tuple[object, ...]", default)
        items = list(cast("Sequence[object]", value)) if isinstance(value, list | tuple) else []
        if len(items) == len(wanted) and all(map(_is_like, items, wanted)):
            return tuple(items)
        raise UsageError(f"{name} must be a list like {list(wanted)}, not {value!r}")
    if not _is_like(value, default):
        raise UsageError(f"{name} must be like {default!r}, not {value!r}")
    return value


def _is_like(value: object, default: object) -> bool:
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)
