# SPDX-License-Identifier: Apache-2.0
"""What a release must say of a tool before the gateway runs it."""

from typing import Final

import pytest

from customhouse.domain.decision import REASONS
from customhouse.planes.tools.document import Document, Grant, HttpCall, Server
from customhouse.planes.tools.runnable import runnable, unrunnable

PIN: Final = "sha256:" + "0" * 64
MCP: Final = Server(url="http://127.0.0.1:9/mcp")
PROGRAM: Final = Server(command=("/bin/orders",), executable=PIN)
PLAIN: Final = Server(protocol="http", url="http://127.0.0.1:9/")


def grant(**changes: object) -> Grant:
    return Grant(**{"permission": "allow", "effect": "read", "server": "s", "parameters": "{}", "pin": PIN, **changes})  # type: ignore[arg-type]


ROWS: Final = [
    ("a pinned tool of an MCP server", grant(), MCP, None),
    ("one of a pinned program", grant(), PROGRAM, None),
    ("one of a program that nobody pinned", grant(), Server(command=("orders",)), "tool.program_not_pinned"),
    ("a plain HTTP tool needs no pin", grant(pin=None, http=HttpCall(method="GET", path="/")), PLAIN, None),
    ("but its request", grant(), PLAIN, "tool.no_request"),
    ("no pin", grant(pin=None), MCP, "tool.not_pinned"),
    ("no parameters, so nothing would check arguments", grant(parameters=None), MCP, "tool.no_parameters"),
    ("no server", grant(server=None), None, "tool.no_server"),
    ("a server of a release that only kept addresses", grant(), "http://127.0.0.1:9/mcp", "tool.no_server"),
]


@pytest.mark.parametrize(("given", "server", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_not_run_says_why(given: Grant, server: str | Server | None, reason: str | None) -> None:
    assert unrunnable(given, server) == reason
    assert reason is None or reason in REASONS
    document = Document(grants={"t": given}, servers={} if server is None else {"s": server})
    assert (runnable(document) == {"t": server}) == (reason is None)
