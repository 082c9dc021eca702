# SPDX-License-Identifier: Apache-2.0
"""Does a JSON value have the shape of an SDK's own parameter types? The scripted providers refuse what does not.

Walks the type hints of the installed SDK (TypedDict, Union, Literal, lists, mappings), so that a request is judged by
the provider's published types and not by our reading of them. Unions of objects are told apart by `type` and `role`.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, Required, TypeAlias, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict

Json: TypeAlias = Any
Hint: TypeAlias = Any
Path: TypeAlias = tuple[str | int, ...]
TAGS: Final = ("type", "role")


class Misfit(NamedTuple):
    """The first thing that is wrong: where, how, and what would have been right."""

    path: Path
    kind: Literal["missing", "unknown", "type", "value"]
    expected: str
    found: Any = None


def misfit(value: Json, hint: Hint, path: Path = ()) -> Misfit | None:
    """Return the first misfit of a JSON value, or None when it has this shape."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in {Any, object}:
        return None
    if is_typeddict(hint):
        return _object(value, hint, path)
    if origin in {Union, UnionType}:
        return _union(value, arguments, path)
    if origin is Literal:
        known = value in arguments and type(value) in {type(one) for one in arguments}
        return None if known else Misfit(path, "value", ", ".join(f"'{one}'" for one in arguments), value)
    if origin is not None and isinstance(origin, type):
        if issubclass(origin, Mapping):
            return _mapping(value, arguments, path)
        if issubclass(origin, Iterable):
            return _list(value, arguments[0], path)
    return _plain(value, hint, path)


@functools.cache
def fields(of: Hint) -> tuple[Mapping[str, Hint], tuple[str, ...]]:
    """Return the fields of a TypedDict with their types, and the names of those that must be there."""
    hints = get_type_hints(of, include_extras=True)
    needed = tuple(name for name, hint in hints.items() if get_origin(hint) is Required)
    return {name: get_args(hint)[0] if name in needed else hint for name, hint in hints.items()}, needed


def _object(value: Json, of: Hint, path: Path) -> Misfit | None:
    if not isinstance(value, dict):
        return Misfit(path, "type", "an object", value)
    known, needed = fields(of)
    told_apart = [tag for tag in TAGS if tag in known and tag in value]
    for name in (*told_apart, *needed):
        if name not in value:
            return Misfit((*path, name), "missing", "")
        if name in told_apart and (found := misfit(value[name], known[name], (*path, name))) is not None:
            return found
    for name, one in _members(value):  # pyright: ignore[reportUnknownArgumentType]
        if name not in known:
            return Misfit((*path, name), "unknown", "")
        if (found := misfit(one, known[name], (*path, name))) is not None:
            return found
    return None


def _union(value: Json, choices: Sequence[Any], path: Path) -> Misfit | None:
    found = [misfit(value, choice, path) for choice in choices]
    if None in found:
        return None
    told = [one for one in found if one is not None]
    if isinstance(value, dict):
        fitting = [one for one, choice in zip(told, choices, strict=True) if _tagged(value, choice)]  # pyright: ignore[reportUnknownArgumentType]
        if fitting:
            return max(fitting, key=lambda one: len(one.path))
        tags = [one for one in told if one.path[len(path) :] in {(tag,) for tag in TAGS} and one.kind == "value"]
        if tags:
            return tags[0]._replace(expected=", ".join(dict.fromkeys(one.expected for one in tags)))
    if isinstance(value, list):
        return max(told, key=lambda one: len(one.path))
    closest = next((one for one in told if one.kind != "type"), None)
    return closest or told[0]._replace(expected=" or ".join(dict.fromkeys(one.expected for one in told)))


def _tagged(value: Mapping[str, Json], choice: Hint) -> bool:
    if not is_typeddict(choice):
        return False
    known, needed = fields(choice)
    tags = [tag for tag in TAGS if tag in known and (tag in needed or tag in value)]
    return bool(tags) and all(misfit(value.get(tag), known[tag]) is None for tag in tags)


def _mapping(value: Json, arguments: Sequence[Any], path: Path) -> Misfit | None:
    if not isinstance(value, dict):
        return Misfit(path, "type", "an object", value)
    found = (misfit(one, arguments[1], (*path, name)) for name, one in _members(value))  # pyright: ignore[reportUnknownArgumentType]
    return next((one for one in found if one is not None), None)


def _members(value: Mapping[str, Json]) -> Iterable[tuple[str, Json]]:
    return value.items()


def _list(value: Json, item: Hint, path: Path) -> Misfit | None:
    if not isinstance(value, list):
        return Misfit(path, "type", "an array", value)
    found = (misfit(one, item, (*path, number)) for number, one in enumerate(value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return next((one for one in found if one is not None), None)


def _plain(value: Json, hint: Hint, path: Path) -> Misfit | None:
    named: dict[Any, tuple[str, tuple[type, ...]]] = {
        str: ("a string", (str,)),
        int: ("an integer", (int,)),
        float: ("a number", (int, float)),
        bool: ("a boolean", (bool,)),
        NoneType: ("null", (NoneType,)),
    }
    if hint not in named:
        return Misfit(path, "type", f"a {hint}", value)  # an SDK's own class: no JSON has that type
    name, types = named[hint]
    fits = isinstance(value, types) and (hint is bool or not isinstance(value, bool))
    return None if fits else Misfit(path, "type", name, value)
