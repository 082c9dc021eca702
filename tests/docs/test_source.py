# SPDX-License-Identifier: Apache-2.0
"""What every source file says at its top, and what rooms promise."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest
from tests.docs.pages import ROOT

SOURCE: Final = ROOT / "src" / "customhouse"
HEADER: Final = "# SPDX-License-Identifier: Apache-2.0"
FILES: Final = tuple(sorted(SOURCE.rglob("*.py")))
ROOMS: Final = tuple(path for path in FILES if path.name == "__init__.py" and path.parent != SOURCE)
MAX_LINES: Final = 400
LONGER: Final = {"errors.py": 750, "ticket.py": 500}
"""The error tree is one table, to be seen whole; tool servers copy the tickets' file, which is therefore one."""

_DOCS: Final = re.compile(r"docs/[\w/.-]+\.md")


def test_each_python_file_names_its_licence() -> None:
    files = [
        *FILES,
        *(path for folder in ("tests", "benchmarks", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))),
    ]
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}
    without = [name for name, text in texts.items() if text and not text.startswith(HEADER)]
    assert without == []


def test_each_source_file_says_what_it_is_and_is_of_one_size() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), path
        assert len(text.splitlines()) <= LONGER.get(path.name, MAX_LINES), f"{path.name}: split the file, not the rule"


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: str(path.parent.relative_to(SOURCE)))
def test_a_room_says_what_it_will_never_hold_and_has_no_code(room: Path) -> None:
    body = ast.parse(room.read_text(encoding="utf-8")).body
    assert len(body) == 1, f"{room}: a docstring and nothing else"
    assert "Invariant: " in (ast.get_docstring(ast.parse(room.read_text(encoding="utf-8"))) or "")


def test_pages_that_the_source_names_exist() -> None:
    named = {found for path in FILES for found in _DOCS.findall(path.read_text(encoding="utf-8"))}
    missing = sorted(name for name in named if name != "docs/benchmarks.md" and not (ROOT / name).exists())
    assert missing == []


def test_nothing_names_a_place_outside_the_project() -> None:
    elsewhere = re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/")
    for path in FILES:
        assert elsewhere.search(path.read_text(encoding="utf-8")) is None, path
