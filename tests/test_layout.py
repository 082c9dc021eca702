# SPDX-License-Identifier: Apache-2.0
"""The house keeps its shape: short files with a head, named after what they hold, rooms that say what they are."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FOLDERS = ("src", "tests", "benchmarks")
ALL = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path.stat().st_size)
SPDX = "# SPDX-License-Identifier: Apache-2.0\n"
MAX_LINES = 400
LONGER = {"src/customhouse/domain/errors.py": 750, "src/customhouse/ticket.py": 500}
"""The tree of errors is one table, to be read together; tool servers copy the tickets' file, which is therefore one."""
VAGUE = {"utils", "helpers", "common", "base", "manager", "service", "handler", "processor", "guardrail", "misc"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", ALL, ids=named)
def test_each_file_names_its_licence_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(SPDX), "the first line is the SPDX header"
    assert ast.get_docstring(ast.parse(text)), "a file begins by saying what it is"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_each_source_file_is_short_and_has_a_name_that_says_something(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGER.get(named(path), MAX_LINES)
    assert path.stem not in VAGUE


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=named)
def test_a_room_says_what_it_is_and_holds_no_code_at_its_door(path: Path) -> None:
    statements = ast.parse(path.read_text()).body
    assert all(isinstance(one, ast.Expr) or _is_version(one) for one in statements)


def test_every_test_file_mirrors_a_source_file_or_is_a_whole_story() -> None:
    stories = {"acceptance", "attacks", "browser", "conformance", "deploy", "docs", "examples", "scripts"}
    servers = {"mcp_servers", "upstream"}  # programs that tests speak to, which do on the wire what they say
    rooms = {path.name for path in (ROOT / "src" / "customhouse").iterdir() if path.is_dir()}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.rglob("test_*.py"))}
    assert folders <= rooms | stories | servers


def _is_version(statement: ast.stmt) -> bool:
    """Return whether a statement is the package's version, the one value that stands in an __init__ file."""
    match statement:
        case ast.Assign(targets=[ast.Name(id="__version__")]) | ast.AnnAssign(target=ast.Name(id="__version__")):
            return True
        case _:
            return False
