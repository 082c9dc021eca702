# SPDX-License-Identifier: Apache-2.0
"""YAML text to a tree of nodes that know their lines, in bounded time and memory.

The parser's events are read one by one and counted, so that a bomb is refused before it is built:
- An alias counts as many nodes as what it stands for ("billion laughs": ten aliases of ten aliases of … are counted,
  never expanded), and may not stand inside its own anchor (a cycle).
- Tags are refused: `!!python/object` and its like have no meaning here.
- Plain scalars stay text with a flag; what they mean is decided by the type that is expected (`reading.py`), after the
  YAML 1.2 core schema, so `no` is text and 2026-10-01 is not turned into a date object.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Never, Protocol, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from customhouse.manifest.problem import Place, Problems, shown

MAX_NODES: Final = 50_000
"""In all files. The parser makes about 50,000 nodes a second; a manifest of 100 assistants has about 5,000."""
MAX_DEPTH: Final = 24


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text; `plain` when it stood without quotes and may mean a number, true, false or nothing."""

    text: str
    plain: bool
    line: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: "tuple[Node, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Pairs in the order of the file; every key is there once."""

    entries: "tuple[tuple[Scalar, Node], ...]"
    line: int


Node = Scalar | Sequence | Mapping


@dataclass(slots=True)
class Allowance:
    """How many nodes may still be read; the files of a manifest share one."""

    left: int = MAX_NODES


class _Mark(Protocol):
    @property
    def line(self) -> int: ...


class _Event(Protocol):
    """What is used of ruamel.yaml's events, which have no types; the attributes depend on the event's class."""

    @property
    def start_mark(self) -> _Mark: ...
    @property
    def anchor(self) -> str | None: ...
    @property
    def tag(self) -> str | None: ...
    @property
    def value(self) -> str: ...
    @property
    def implicit(self) -> tuple[bool, bool]: ...
    @property
    def style(self) -> str | None: ...


class _Refused(Exception):  # noqa: N818 - it ends the reading, the error is the problem
    """Reading of this file ends here; the problem is already kept."""


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read; for a mapping, `children` holds keys and values by turns."""

    kind: type[Sequence] | type[Mapping]
    line: int
    anchor: str | None
    children: list[Node] = field(default_factory=list[Node])
    size: int = 1


def parse(text: str, path: str, problems: Problems, allowance: Allowance, *, first_line: int = 1) -> Node | None:
    """Return the only document in `text`, or None when it is empty or was refused (then `problems` says why).

    `first_line` is the line of the file at which `text` begins. Cost: linear; about a second for a megabyte of text,
    or for all that the allowance gives.
    """
    composer = _Composer(path, problems, first_line, allowance)
    try:
        return composer.compose(cast("Iterator[_Event]", YAML(typ="safe", pure=True).parse(text)))
    except _Refused:
        return None
    except MarkedYAMLError as error:
        mark = cast("_Mark | None", error.problem_mark or error.context_mark)
        told = cast("str | None", error.problem or error.context) or "no YAML"
        problems.add(
            Place(path, (mark.line if mark else 0) + first_line),
            f"text that is no YAML ({' '.join(told.split())})",
            "valid YAML",
        )
    except YAMLError as error:
        # The reader's own error has no line: it refuses control characters before any token exists.
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position if isinstance(position, int) else 0) + first_line
        problems.add(Place(path, line), "a character that YAML does not allow", "printable text")
    except (ValueError, OverflowError):  # ruamel.yaml passes escapes like \UFFFFFFFF to chr() unchecked
        problems.add(Place(path, first_line), "an escape that is no character", "valid YAML")
    return None


class _Composer:
    def __init__(self, path: str, problems: Problems, first_line: int, allowance: Allowance) -> None:
        self._allowance = allowance
        self._path = path
        self._problems = problems
        self._first_line = first_line
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0
        self._expanded = 0
        self._limit = allowance.left

    def compose(self, events: Iterator[_Event]) -> Node | None:
        for event in events:
            line = event.start_mark.line + self._first_line
            match type(event).__name__:
                case "DocumentStartEvent":
                    self._documents += 1
                    if self._documents > 1:
                        self._refuse(line, "a second document ('---')", "one document in a file")
                case "AliasEvent":
                    node, size = self._alias(event.anchor or "", line)
                    self._close(node, size, new=size, anchor=None)
                case "ScalarEvent":
                    self._check_tag(event.tag, line)
                    plain = event.implicit[0] and event.style is None
                    self._close(Scalar(event.value, plain, line), 1, new=1, anchor=event.anchor)
                case "SequenceStartEvent":
                    self._start(Sequence, event, line)
                case "MappingStartEvent":
                    self._start(Mapping, event, line)
                case "SequenceEndEvent" | "MappingEndEvent":
                    self._end()
                case _:
                    pass
        self._allowance.left = self._limit - self._expanded
        return self._root

    def _start(self, kind: type[Sequence] | type[Mapping], event: _Event, line: int) -> None:
        self._check_tag(event.tag, line)
        if len(self._open) >= MAX_DEPTH:
            self._refuse(line, f"nesting deeper than {MAX_DEPTH}", "a flatter structure")
        self._open.append(_Open(kind, line, event.anchor))

    def _end(self) -> None:
        done = self._open.pop()
        if done.kind is Sequence:
            node: Node = Sequence(tuple(done.children), done.line)
        else:
            node = Mapping(tuple(self._pairs(done.children)), done.line)
        self._close(node, done.size, new=1, anchor=done.anchor)

    def _pairs(self, children: list[Node]) -> Iterator[tuple[Scalar, Node]]:
        first: dict[str, int] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._problems.add(Place(self._path, key.line), "a list or mapping as a key", "text as a key")
            elif key.text in first:
                place = Place(self._path, first[key.text])
                self._problems.add(
                    Place(self._path, key.line),
                    f"the key {shown(key.text)} a second time (first at {place})",
                    "each key once",
                )
            else:
                first[key.text] = key.line
                yield key, value

    def _alias(self, name: str, line: int) -> tuple[Node, int]:
        if any(parent.anchor == name for parent in self._open):
            self._refuse(line, f"the alias *{name} inside its own anchor", "no cycles")
        known = self._anchors.get(name)
        if known is None:
            self._refuse(line, f"the alias *{name}", f"an anchor &{name} before it")
        return known

    def _close(self, node: Node, size: int, *, new: int, anchor: str | None) -> None:
        self._expanded += new
        # What was really read is taken off at once; what aliases stand for, only while this file is read.
        self._allowance.left -= 1
        if self._expanded > self._limit or self._allowance.left < 0:
            found = f"more than {MAX_NODES} values in all files, aliases counted in full"
            self._refuse(node.line, found, "a smaller manifest")
        if not self._open:
            self._root = node
        else:
            parent = self._open[-1]
            parent.children.append(node)
            parent.size += size
        if anchor is not None:
            self._anchors[anchor] = (node, size)

    def _check_tag(self, tag: str | None, line: int) -> None:
        if tag is not None:
            self._refuse(line, f"the tag {shown(tag)}", "plain YAML without tags")

    def _refuse(self, line: int, found: str, expected: str) -> Never:
        self._problems.add(Place(self._path, line), found, expected)
        raise _Refused
