# SPDX-License-Identifier: Apache-2.0
"""Nodes to structs, strictly, with every error: msgspec's types say what is expected, but msgspec stops at the first.

Rules: an unknown key, a missing key, a wrong type each is one problem at its line; reading goes on beside it. Nothing
is converted: `5` is no text, `yes` is no boolean. What is read remembers its line in `Places` for the later checks.
What is refused is read as empty text or an empty list where it must be there, so that the rest of an entry is checked
too; empty text refers to nothing, and a manifest with problems never leaves `load`.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, TypeVar

from msgspec import inspect

from customhouse.manifest.nodes import Mapping, Node, Scalar, Sequence
from customhouse.manifest.problem import Place, Problems, nearest, shown

Path = tuple[str | int, ...]
Places = dict[Path, Place]
"""Where each value stands, by its path: ("assistants", "support", "owner")."""

T = TypeVar("T")

MAX_INTEGER_DIGITS: Final = 15
_NO_HINT: Final = frozenset({"secret", "scalar"})
"""What no quotes would make right."""
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})


class Invalid(Exception):  # noqa: N818 - not an error of ours: the problem is kept, the value is left out
    """The node has no value of the expected type; the problem is kept."""


class Reader:
    """Reads the nodes of one file."""

    def __init__(self, file: str, problems: Problems, places: Places) -> None:
        self._file = file
        self._problems = problems
        self._places = places

    def read(self, node: Node, kind: type[T], path: Path) -> T:
        """Return `node` as a `kind`; raises Invalid when it, or something it cannot do without, is wrong."""
        value: T = self.read_type(node, type_of(kind), path)
        return value

    def read_type(self, node: Node, kind: inspect.Type, path: Path) -> Any:  # noqa: ANN401 - typed by `kind`
        """Return `node` as what msgspec describes; raises Invalid as `read`."""
        return self._value(node, kind, path, {})

    def place(self, line: int) -> Place:
        """Return the place of a line of this file."""
        return Place(self._file, line)

    def _value(self, node: Node, kind: inspect.Type, path: Path, extra: dict[str, str]) -> Any:  # noqa: ANN401 - typed by `kind`
        self._places.setdefault(path, self.place(node.line))
        match kind:
            case inspect.Metadata():
                return self._value(node, kind.type, path, {**extra, **(kind.extra or {})})
            case inspect.UnionType():
                return self._union(node, kind, path, extra)
            case inspect.StructType() if isinstance(node, Mapping):
                return self._struct(node, kind, path)
            case inspect.DictType() if isinstance(node, Mapping):
                return self._dict(node, kind, path)
            case inspect.VarTupleType() if isinstance(node, Sequence):
                return self._tuple(node, kind, path)
            case inspect.AnyType():
                return self._plain(node)
            case _ if isinstance(node, Scalar):
                return self._scalar(node, kind, extra)
            case _:
                raise self._wrong(node, kind, extra)

    def _struct(self, node: Mapping, kind: inspect.StructType, path: Path) -> Any:  # noqa: ANN401
        fields = {field.encode_name: field for field in kind.fields}
        values: dict[str, Any] = {}
        missing = {name for name, field in fields.items() if field.required}
        for key, child in node.entries:
            if self._problems.full:
                raise Invalid
            field = fields.get(key.text)
            if field is None:
                self._unknown(key, fields)
                continue
            missing.discard(key.text)
            self._places[(*path, key.text)] = self.place(key.line)
            try:
                values[field.name] = self._value(child, field.type, (*path, key.text), {})
            except Invalid:
                if field.required:
                    values[field.name] = _stand_in(field.type)
        for name in sorted(missing):
            self._problems.add(self._places[path], f"no {name}{_owner(path)}", f"{name}: {expected(fields[name].type)}")
            values[fields[name].name] = _stand_in(fields[name].type)
        return kind.cls(**values)

    def _dict(self, node: Mapping, kind: inspect.DictType, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, child in node.entries:
            if self._problems.full:
                raise Invalid
            self._places[(*path, key.text)] = self.place(key.line)
            try:
                # A key is text, however it would be read as a value: `404: {…}` names something 404.
                name = self._value(Scalar(key.text, plain=False, line=key.line), kind.key_type, (*path, key.text), {})
                values[name] = self._value(child, kind.value_type, (*path, key.text), {})
            except Invalid:
                continue
        return values

    def _tuple(self, node: Sequence, kind: inspect.VarTupleType, path: Path) -> tuple[Any, ...]:
        values: list[Any] = []
        for index, child in enumerate(node.items):
            if self._problems.full:
                raise Invalid
            try:
                values.append(self._value(child, kind.item_type, (*path, index), {}))
            except Invalid:
                values.append(_stand_in(kind.item_type))
        if kind.min_length is not None and len(node.items) < kind.min_length:
            self._problems.add(self.place(node.line), "an empty list", expected(kind))
            raise Invalid
        return tuple(values)

    def _union(self, node: Node, kind: inspect.UnionType, path: Path, extra: dict[str, str]) -> Any:  # noqa: ANN401
        choices = {type(bare(choice)): choice for choice in kind.types}
        if isinstance(node, Scalar):
            if inspect.NoneType in choices and node.plain and node.text in _NOTHING:
                return None
            for shape, meaning in ((inspect.BoolType, _TRUE | _FALSE), (inspect.IntType, None)):
                fits = node.text in meaning if meaning else _INTEGER.fullmatch(node.text) is not None
                if shape in choices and node.plain and fits:
                    return self._value(node, choices[shape], path, extra)
        for shape, choice in choices.items():
            match node:
                case Mapping():
                    fits = shape in {inspect.StructType, inspect.DictType}
                case Sequence():
                    fits = shape is inspect.VarTupleType
                case Scalar():
                    fits = shape in {inspect.StrType, inspect.LiteralType, inspect.IntType, inspect.BoolType}
            if fits:
                return self._value(node, choice, path, extra)
        raise self._wrong(node, kind, extra)

    def _scalar(self, node: Scalar, kind: inspect.Type, extra: dict[str, str]) -> str | int | bool:
        text, plain = node.text, node.plain
        match kind:
            case inspect.StrType() if not plain or extra.get("scalar") == "decimal" or not _means(text):
                length = len(text)
                fits = (kind.min_length or 0) <= length <= (length if kind.max_length is None else kind.max_length)
                if fits and (kind.pattern is None or re.fullmatch(kind.pattern.rstrip("$"), text)):
                    return text
            case inspect.LiteralType() if text in kind.values and (not plain or not _means(text)):
                return text
            case inspect.BoolType() if plain and text in _TRUE | _FALSE:
                return text in _TRUE
            case inspect.IntType() if plain and _INTEGER.fullmatch(text) and len(text) <= MAX_INTEGER_DIGITS:
                number = int(text)
                if (kind.ge is None or number >= kind.ge) and (kind.le is None or number <= kind.le):
                    return number
            case _:
                pass
        raise self._wrong(node, kind, extra)

    def _plain(self, node: Node) -> Any:  # noqa: ANN401 - data of any shape
        match node:
            case Mapping():
                return {key.text: self._plain(child) for key, child in node.entries}
            case Sequence():
                return [self._plain(child) for child in node.items]
            case Scalar(text, plain) if not plain or not _means(text):
                return text
            case Scalar(text) if text in _NOTHING:
                return None
            case Scalar(text) if text in _TRUE | _FALSE:
                return text in _TRUE
            case Scalar(text) if len(text) <= MAX_INTEGER_DIGITS:
                return int(text) if _INTEGER.fullmatch(text) else self._fraction(node)
            case Scalar():
                raise self._wrong(
                    node, inspect.IntType(), {"expected": f"a number of at most {MAX_INTEGER_DIGITS} digits"}
                )

    def _fraction(self, node: Scalar) -> float:
        try:
            number = float(node.text)
        except ValueError:  # .inf and .nan are YAML's spelling
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(node, inspect.FloatType(), {"expected": "a finite number"})
        return number

    def _unknown(self, key: Scalar, valid: Iterable[str]) -> None:
        names = sorted(valid)
        near = nearest(key.text, names)
        listed = ", ".join(names[:20])
        self._problems.add(self.place(key.line), f"the unknown key {shown(key.text)}", f"one of {listed}", nearest=near)

    def _wrong(self, node: Node, kind: inspect.Type, extra: dict[str, str]) -> Invalid:
        near = hint = None
        found = "a value that is not shown" if "secret" in extra and isinstance(node, Scalar) else described(node)
        if isinstance(node, Scalar):
            if isinstance(kind, inspect.LiteralType):
                near = nearest(node.text, [str(value) for value in kind.values])
            elif isinstance(kind, inspect.StrType) and node.plain and _means(node.text) and not extra.keys() & _NO_HINT:
                hint = "put it in quotes if it is meant as text"
        self._problems.add(
            self.place(node.line), found, extra.get("expected") or expected(kind), nearest=near, hint=hint
        )
        return Invalid()


def described(node: Node) -> str:
    """Return what a node is, for an error."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(text, plain) if plain and text in _NOTHING:
            return "nothing"
        case Scalar(text, plain) if plain and text in _TRUE | _FALSE:
            return f"the boolean {text}"
        case Scalar(text, plain) if plain and _NUMBER.fullmatch(text):
            return f"the number {shown(text)}"
        case Scalar(text):
            return shown(text)


def expected(kind: inspect.Type) -> str:
    """Return what a type expects, for an error."""
    match kind:
        case inspect.Metadata():
            extra: dict[str, str] = kind.extra or {}  # pyright: ignore[reportUnknownVariableType] - msgspec: dict
            return extra.get("expected") or expected(kind.type)
        case inspect.UnionType():
            told = [expected(choice) for choice in kind.types if not isinstance(choice, inspect.NoneType)]
            return " or ".join(sorted(told))  # typing keeps unions in an order that depends on imports
        case inspect.LiteralType():
            return f"one of {', '.join(str(value) for value in kind.values)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number"
        case inspect.VarTupleType():
            return f"a list: {expected(kind.item_type)} each"
        case inspect.DictType() | inspect.AnyType():
            return "a mapping"
        case inspect.StructType():
            return f"a mapping with {', '.join(field.encode_name for field in kind.fields)}"
        case _:
            return "text"


@lru_cache(maxsize=64)
def type_of(kind: type) -> inspect.Type:
    """Return msgspec's description of a type."""
    return inspect.type_info(kind)


def bare(kind: inspect.Type) -> inspect.Type:
    """Return a type without its annotations."""
    return bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _stand_in(kind: inspect.Type) -> object:
    """Return what stands for a refused value; raises Invalid where nothing can."""
    match bare(kind):
        case inspect.StrType() | inspect.LiteralType():
            return ""
        case inspect.IntType() | inspect.BoolType():
            return 0
        case inspect.VarTupleType():
            return ()
        case _:
            raise Invalid


def _means(text: str) -> bool:
    """Whether plain text means a number, a boolean or nothing in the YAML 1.2 core schema."""
    return text in _NOTHING or text in _TRUE or text in _FALSE or _NUMBER.fullmatch(text) is not None


def _owner(path: Path) -> str:
    return f" in {'.'.join(str(part) for part in path)}" if path else ""
