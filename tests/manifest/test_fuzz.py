# SPDX-License-Identifier: Apache-2.0
"""Whatever stands where in a manifest: it loads and compiles, or every problem is told; nothing else is ever raised."""

import json
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.manifest.written import write

from customhouse.domain.errors import CustomhouseError
from customhouse.manifest.check import check
from customhouse.manifest.compile import compile_assistant, compile_policy
from customhouse.manifest.load import load
from customhouse.manifest.problem import ManifestErrors

EVERYTHING: Final[dict[str, Any]] = json.loads(
    json.dumps(
        YAML(typ="safe", pure=True).load(Path(__file__).with_name("everything.yaml").read_text()),  # pyright: ignore[reportUnknownMemberType]
        default=str,
    )
)
WORDS: Final = ("", "x", "no", "group:x", "a@b", "prompts/x.md", "2027-02-31", "9" * 30, "${X}", "\u2028", "data.x ==")
JUNK: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=2),
    max_leaves=4,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - plain JSON
    """Return the path of every value."""
    found = [path]
    members: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    elif isinstance(value, list):
        members = list(enumerate(value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for key, item in members:
        found += paths(item, (*path, key))
    return found


PATHS: Final = [path for path in paths(EVERYTHING) if path]


def put(value: Any, path: tuple[Any, ...], junk: Any) -> None:  # noqa: ANN401 - plain JSON
    """Replace the value at `path`, when it is still there."""
    try:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = junk
    except (KeyError, IndexError, TypeError):
        return


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), JUNK), min_size=1, max_size=3))
def test_junk_anywhere(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    manifest = json.loads(json.dumps(EVERYTHING))
    for path, junk in changes:
        put(manifest, path, junk)
    with TemporaryDirectory() as name:
        directory = write(Path(name), {"m.yaml": json.dumps(manifest), "prompts/support.md": "You help."})
        try:
            loaded = load(directory)
        except ManifestErrors:
            return
    check(loaded, today=date(2026, 11, 23))
    for assistant in loaded.declared.assistants:
        compile_policy(loaded, assistant).grants  # noqa: B018 - it must not raise
        try:
            compile_assistant(loaded, assistant).documents.digests()
        except CustomhouseError as refused:
            assert "no effect for the tool" in refused.detail  # noqa: PT017 - the only reason left
