"""Frozen dataclasses of options that check themselves, with errors that say what is possible.

A field's type annotation is the rule for its type (`bool`, `int`, `float`, `str`, `Literal[...]`, `tuple[X, ...]`,
`X | None`, another `Options`); `option(...)` adds its range, its unit and a sentence about it.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Mapping
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from inkdigits.errors import RecipeError


def option(
    default: Any = dataclasses.MISSING,
    about: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    unit: str = "",
) -> Any:
    """A dataclass field with a range that includes `low` and `high` and leaves out `above` and `below`.

    For a tuple the range holds for each of its values. `unit` and `about` are shown to people.
    """
    metadata = {"about": about, "low": low, "high": high, "above": above, "below": below, "unit": unit}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of every set of options: values are checked, and plain ones (a list, an int for a float) converted."""

    def __post_init__(self) -> None:
        hints = _hints(type(self))
        for field in dataclasses.fields(self):
            name = f"{self.where()}{field.name}"
            value = _checked(getattr(self, field.name), hints[field.name], field.metadata, name)
            object.__setattr__(self, field.name, value)

    @classmethod
    def where(cls) -> str:
        """What error messages put before a field's name, such as "optimizer."."""
        return ""

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values, as TOML or JSON gives them.

        Raises:
            RecipeError: a name is unknown, a required one is missing, or a value is impossible.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for name in values:
            if name not in fields:
                raise RecipeError(unknown(f"option {cls.where()}{name}", name, list(fields)))
        missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]
        if missing:
            raise RecipeError(f"Expected a value for {', '.join(cls.where() + n for n in missing)}; got none. Add it.")
        return cls(**dict(values))

    def to_dict(self) -> dict[str, Any]:
        """Plain values: what `from_mapping` takes, ready for JSON."""
        return {field.name: plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def describe(cls) -> list[tuple[str, str, str]]:
        """One (name, what is possible and the default, about) for each option."""
        rows = []
        for field in dataclasses.fields(cls):
            possible = _possible(_hints(cls)[field.name], field.metadata)
            if field.default is not dataclasses.MISSING:
                possible += f"; default {_shown(plain(field.default))}"
            rows.append((field.name, possible, field.metadata.get("about", "")))
        return rows


def plain(value: Any) -> Any:
    """A value as JSON has it: tuples become lists, options become dictionaries."""
    if isinstance(value, Options):
        return value.to_dict()
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def unknown(what: str, given: str, possible: list[str]) -> str:
    """The message for a name that does not exist: what came, the nearest one that exists, and all that do."""
    near = difflib.get_close_matches(given, possible, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {what}.{hint} Possible: {', '.join(possible)}."


def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _checked(value: Any, kind: Any, limits: Mapping[str, Any], name: str) -> Any:
    """`value` converted to `kind`, or a RecipeError that says what was expected."""
    converted, ok = _converted(value, kind, name)
    if ok and _within(converted, limits):
        return converted
    raise RecipeError(f"Expected {name} to be {_possible(kind, limits)}; got {_shown(value)}.")


def _converted(value: Any, kind: Any, name: str) -> tuple[Any, bool]:
    """(the value as `kind`, whether it is one). Strict: text is never taken for a number, nor 1 for true."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        tried = [_converted(value, choice, name) for choice in get_args(kind)]
        return next((result for result in tried if result[1]), (value, False))
    if origin is Literal:
        return value, isinstance(value, str) and value in get_args(kind)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return value, False
        items = [_converted(item, get_args(kind)[0], name) for item in value]
        return tuple(item for item, _ in items), all(ok for _, ok in items)
    if kind is type(None):
        return value, value is None
    if isinstance(kind, type) and issubclass(kind, Options):
        if isinstance(value, Mapping):
            return kind.from_mapping(value), True
        return value, isinstance(value, kind)
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
        return (float(value), True) if number else (value, False)
    if kind is int:
        return value, isinstance(value, int) and not isinstance(value, bool)
    return value, kind is Any or isinstance(value, get_origin(kind) or kind)


def _within(value: Any, limits: Mapping[str, Any]) -> bool:
    if isinstance(value, tuple):
        return all(_within(item, limits) for item in value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return True
    low, high, above, below = (limits.get(name) for name in ("low", "high", "above", "below"))
    return (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
    )


def _possible(kind: Any, limits: Mapping[str, Any]) -> str:
    """In words, what a field takes: "a number from 0 to 45 (degrees)"."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_possible(choice, limits) for choice in get_args(kind))
    if origin is Literal:
        return "one of " + ", ".join(get_args(kind))
    if origin is tuple:
        return f"a list, each {_possible(get_args(kind)[0], limits)}"
    if kind is type(None):
        return "nothing"
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    word = words.get(kind, f"a table of {getattr(kind, '__name__', 'values')} options")
    if kind in (int, float):
        phrases = {"low": "from", "above": "above", "high": "to", "below": "below"}
        bounds = (f"{phrase} {limits[key]:g}" for key, phrase in phrases.items() if limits.get(key) is not None)
        word = " ".join([word, *bounds])
        word += f" ({limits['unit']})" if limits.get("unit") else ""
    return word


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "nothing" if value is None else repr(value)
