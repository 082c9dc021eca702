# SPDX-License-Identifier: Apache-2.0
"""What MCP clients are told that there is."""

from typing import Final

import msgspec

from customhouse.gateway.catalog import PAGE, catalog, page
from customhouse.planes.tools.document import Document, Grant, Server

PIN: Final = "sha256:" + "0" * 64
SERVER: Final = Server(url="http://127.0.0.1:9/mcp")


def grant(parameters: str | None = '{"type":"object"}', pin: str | None = PIN, named: str | None = None) -> Grant:
    return Grant(
        permission="allow", effect="read", server="s", description="d", parameters=parameters, pin=pin, named=named
    )


def test_a_definition_is_the_releases_own() -> None:
    found = catalog(
        Document(
            grants={
                "b": msgspec.structs.replace(grant(named="get b"), output='{"type":"object","title":"o"}'),
                "a": grant('{"properties":{"n":{"maximum":1.0}},"type":"object"}'),
                "unpinned": grant(pin=None),
                "elsewhere": Grant(permission="allow", effect="read"),
            },
            servers={"s": SERVER},
        )
    )
    assert list(found) == ["a", "b"]
    assert bytes(found["a"].definition) == (
        b'{"name":"a","description":"d","inputSchema":{"properties":{"n":{"maximum":1.0}},"type":"object"}}'
    )
    assert bytes(found["b"].definition).endswith(b'"outputSchema":{"type":"object","title":"o"}}')
    assert (found["a"].named, found["b"].named, found["b"].server_name) == ("a", "get b", "s")


def test_pages_follow_one_another_until_every_tool_was_there() -> None:
    grants = {f"tool_{number:04}": grant() for number in range(2 * PAGE + 1)}
    tools = catalog(Document(grants=grants, servers={"s": SERVER})).values()
    seen: list[str] = []
    after: str | None = ""
    sizes: list[int] = []
    while after is not None:
        some, after = page(tools, after)
        sizes.append(len(some))
        seen += [tool.name for tool in some]
    assert seen == sorted(grants)
    assert sizes == [PAGE, PAGE, 1]


def test_a_last_page_that_is_full_names_no_other() -> None:
    tools = catalog(Document(grants={f"t{n}": grant() for n in range(PAGE)}, servers={"s": SERVER})).values()
    assert page(tools, "")[1] is None
    assert page(tools, "t")[1] is None
    assert page(tools, "~") == ((), None)
