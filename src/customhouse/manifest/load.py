# SPDX-License-Identifier: Apache-2.0
"""From a directory to a Manifest: every file is read, every error is told at once.

Numbered, as in ARCHITECTURE.md: (1) find and read the files, (2) parse, (3) read each section strictly and merge: a
name given twice is an error that names both places, (4) read the prompts, (5) check that references lead somewhere.
"""

from pathlib import Path
from typing import Any

from msgspec import inspect

from customhouse.manifest.files import Source, sources
from customhouse.manifest.links import check_links
from customhouse.manifest.manifest import Declarations, Manifest
from customhouse.manifest.nodes import Allowance, Mapping, Node, Scalar, parse
from customhouse.manifest.prices import shipped
from customhouse.manifest.problem import Place, Problems, nearest, shown
from customhouse.manifest.prompt import Prompt, read_prompt
from customhouse.manifest.reading import Invalid, Places, Reader, described, type_of


def load(directory: Path) -> Manifest:
    """Return the manifest in `directory`; raises ManifestErrors with every problem, at most 200.

    Blocking. Bounds: see `files.py` and `nodes.py`.
    """
    problems = Problems()
    found = sources(directory, problems)  # (1)
    manifest = _merged(directory, found, problems)
    check_links(manifest, problems)  # (5)
    problems.stop()
    return manifest


def _merged(directory: Path, found: tuple[Source, ...], problems: Problems) -> Manifest:
    places, allowance = Places(), Allowance()
    merged: dict[str, Any] = {}
    prompts: dict[str, Prompt] = {}
    for source in found:
        if problems.full or allowance.left < 0:
            break
        if source.path.endswith(".md"):
            prompt = read_prompt(source, problems, places, allowance)  # (4)
            if prompt is not None:
                prompts[source.path] = prompt
            continue
        root = parse(source.text, source.path, problems, allowance)  # (2)
        if isinstance(root, Mapping):
            _sections(root, Reader(source.path, problems, places), places, problems, merged)  # (3)
        elif root is not None and not _empty(root):
            problems.add(Place(source.path, root.line), described(root), f"a mapping with {', '.join(_fields())}")
    return Manifest(directory, Declarations(**merged), prompts, places, shipped())


def _sections(root: Mapping, reader: Reader, places: Places, problems: Problems, merged: dict[str, Any]) -> None:
    """Read one file's sections into `merged`."""
    fields = _fields()
    for key, node in root.entries:
        field, here = fields.get(key.text), reader.place(key.line)
        if field is None:
            near = nearest(key.text, fields)
            problems.add(here, f"the unknown section {shown(key.text)}", f"one of {', '.join(fields)}", nearest=near)
            continue
        if _empty(node):
            continue
        try:
            if isinstance(field.type, inspect.DictType):
                names = _named(key, node, reader, places, problems)
                merged.setdefault(key.text, {}).update(reader.read_type(names, field.type, (key.text,)))
            elif (key.text,) in places:
                problems.add(here, f"{key.text} a second time (first at {places[(key.text,)]})", "it once")
            else:
                places[(key.text,)] = here
                merged[key.text] = reader.read_type(node, field.type, (key.text,))
        except Invalid:  # the problem is kept
            continue


def _named(section: Scalar, node: Node, reader: Reader, places: Places, problems: Problems) -> Mapping:
    """Return the entries whose names no earlier file has given; the others are problems that name both places."""
    if not isinstance(node, Mapping):
        problems.add(reader.place(node.line), described(node), f"a mapping of names in {section.text}")
        raise Invalid
    fresh: list[tuple[Scalar, Node]] = []
    for key, child in node.entries:
        first = places.get((section.text, key.text))
        if first is None:
            fresh.append((key, child))
        else:
            found = f"{shown(key.text)} in {section.text} a second time (first at {first})"
            problems.add(reader.place(key.line), found, "each name once", hint="rename one or take one out")
    return Mapping(tuple(fresh), node.line)


def _fields() -> dict[str, inspect.Field]:
    kind = type_of(Declarations)
    return {field.encode_name: field for field in kind.fields} if isinstance(kind, inspect.StructType) else {}


def _empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in {"", "~", "null"}
