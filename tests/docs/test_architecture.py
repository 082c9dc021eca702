# SPDX-License-Identifier: Apache-2.0
"""ARCHITECTURE.md tells the truth: its steps are turn.py's, each invariant has its tests, and some are tested here."""

import re
import tomllib
from pathlib import Path
from typing import Final

from tests.docs.pages import ROOT

from customhouse.domain.decision import Outcome
from customhouse.domain.message import ToolCall
from customhouse.planes.tools.document import Document
from customhouse.planes.tools.permit import permit
from customhouse.planes.tools.policy import Policy, Tool

SOURCE: Final = ROOT / "src" / "customhouse"
PAGE: Final = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
INSERT_ONLY: Final = (
    "version",
    "release",
    "charter",
    "pin_event",
    "hold",
    "hold_lift",
    "change_review",
    "evidence",
    "reference",
    "tenant_key",
    "switch",
    "switch_lift",
)


def test_its_steps_are_those_of_the_turn() -> None:
    turn = (SOURCE / "gateway" / "turn.py").read_text(encoding="utf-8")
    steps = re.findall(r"^ +# (\(\d+\)) ", turn, re.MULTILINE)
    assert re.findall(r"^\| (\(\d+\)) ", PAGE, re.MULTILINE) == steps


def test_each_invariant_names_its_tests() -> None:
    invariants = re.findall(r"\*\*Invariant: .*?(?=\n\n)", PAGE, re.DOTALL)
    assert len(invariants) > 10
    assert [text for text in invariants if "`tests/" not in text] == []


def test_its_map_has_every_room_and_every_table() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if f"(src/customhouse/{room})" not in PAGE} == set()
    migrations = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / "store" / "migrations").rglob("*.sql"))
    tables = {name for name in re.findall(r"^CREATE TABLE (\w+)", migrations, re.MULTILINE) if "_default" not in name}
    assert len(tables) > 25
    assert {table for table in tables if f"`{table}`" not in PAGE} == set()


def test_each_dependency_is_justified() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[<>=\[ ]", line)[0] for line in needed}
    # ADR 2, and the table of a later record that took something up
    told = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "adr").glob("*.md")))
    short = {name for name in names if name not in told and name.removeprefix("pytest") not in told}
    assert short == set()


def test_one_file_asks_models() -> None:
    users = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if "upstreams." in _code(path)}
    clients = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if "import aiohttp" in _code(path)}
    # app.py opens and closes the pool; supervise.py asks its own children whether they are well, and nothing else;
    # post.py tells people that an approval waits, and issuers.py fetches keys that an operator named
    assert users <= {"gateway/converse.py", "gateway/count.py", "app.py"}
    assert clients == {"access/issuers.py", "notify/post.py", "processes/supervise.py"}
    connecting = {
        path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if "outgoing.pool import" in _code(path)
    }
    opening = {
        path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if "create_connection" in _code(path)
    }
    tools = {f"planes/tools/{name}.py" for name in ("call", "failed", "mcp_http", "plain_http")}
    assert connecting == {"planes/model/call.py"} | tools
    # doctor only looks whether a provider's port can be reached
    assert opening == {"outgoing/pool.py", "cli/checkup.py"}


def test_one_file_calls_tool_servers() -> None:
    ways = re.compile(r"\b(?:McpHttp|PlainHttp)\(")
    assert {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if ways.search(_code(path))} == {
        "planes/tools/call.py"
    }


def test_the_price_table_is_read_by_the_manifest_alone() -> None:
    readers = {path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if "manifest.prices import" in _code(path)}
    assert {path.parts[0] for path in readers} == {"manifest"}


def test_threads_are_started_in_the_store_alone() -> None:
    starting = re.compile(r"\bThread\(|ThreadPoolExecutor\(|to_thread\(|run_in_executor\(")
    found = {path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if starting.search(_code(path))}
    # otlp.py, an extra: making and sending spans blocks, and no turn shall wait for it (ADR 21)
    # ticket.py: runs in tool servers, where checking a ticket may ask the gateway and the function to run is async
    assert {path.as_posix() for path in found if path.parts[0] != "store"} == {"telemetry/otlp.py", "ticket.py"}


def test_a_decision_that_fails_denies() -> None:
    class Broken(dict[str, Tool]):
        def get(self, key: str, default: object = None) -> Tool:  # pyright: ignore[reportIncompatibleMethodOverride]
            raise RuntimeError(key, default)

    decision = permit(
        Policy(Document(grants={}), Broken(), {}, {}), ToolCall("call_1", "get_order_status", "{}")
    ).decision
    assert decision.outcome is Outcome.DENY
    assert decision.reasons == ("decision.failed",)


def test_what_is_insert_only_has_no_other_statement() -> None:
    statements = "\n".join(path.read_text(encoding="utf-8") for path in (SOURCE / "store" / "sql").glob("*.sql"))
    for table in INSERT_ONLY:
        found = re.findall(rf"\b(?:UPDATE|DELETE\s+FROM|REPLACE\s+INTO)\s+{table}\b", statements, re.IGNORECASE)
        assert found == [], table
    taken_away = re.findall(r"\bDELETE\s+FROM\s+payload\b[^;]*;", statements)
    assert len(taken_away) == 1, "payloads are only taken away when their retention has ended"
    assert ":before" in taken_away[0]


def _code(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_every_place_that_catches_any_exception_is_in_the_decision_about_them() -> None:
    decision = (ROOT / "docs" / "adr" / "0015-where-any-exception-is-caught.md").read_text()
    rooms = ROOT / "src" / "customhouse"
    found = [str(file.relative_to(rooms)) for file in rooms.rglob("*.py") if "except Exception" in file.read_text()]
    assert sorted(name for name in found if f"`{name}`" not in decision) == []
