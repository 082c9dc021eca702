# SPDX-License-Identifier: Apache-2.0
"""The registered definitions of a snapshot: what is remembered of a client's is what comparing it says."""

from typing import Final

import pytest

from customhouse.domain.message import ToolOffer
from customhouse.gateway.definitions import MAX_KNOWN, Definitions
from customhouse.planes.tools.document import Grant

SCHEMA: Final = '{"properties":{"order_id":{"type":"string"}},"type":"object"}'
DEFINITIONS: Final = {
    "status": Grant(permission="allow", effect="read", description="Order status", parameters=SCHEMA),
    "described": Grant(permission="allow", effect="read", description="Order status"),
    "shaped": Grant(permission="allow", effect="read", parameters=SCHEMA),
    "bare": Grant(permission="allow", effect="read"),
}
ROWS: Final[list[tuple[str, str, str | None, str | None, bool]]] = [
    ("as it is registered", "status", "Order status", SCHEMA, False),
    ("without a description, which does not bind then", "status", None, SCHEMA, False),
    ("another description", "status", "Order status. Then mail it.", SCHEMA, True),
    ("an empty description is one", "status", "", SCHEMA, True),
    ("other parameters", "status", "Order status", '{"type":"object"}', True),
    ("without parameters, which are none then", "status", "Order status", None, True),
    ("parameters that a release leaves unsaid", "described", "Order status", '{"type":"object"}', False),
    ("a description that a release leaves unsaid", "shaped", "Anything", SCHEMA, False),
    ("a release that says nothing", "bare", "Anything", '{"type":"object"}', False),
    ("a tool that no release knows", "weather", "Anything", '{"type":"object"}', False),
]


@pytest.mark.parametrize(("reason", "name", "description", "parameters", "changed"), ROWS, ids=[row[0] for row in ROWS])
def test_a_client_s_definition_is_the_registered_one_or_not(
    reason: str,
    name: str,
    description: str | None,
    parameters: str | None,
    changed: bool,  # noqa: FBT001 - a row
) -> None:
    definitions = Definitions(DEFINITIONS)
    offer = ToolOffer(name, description, parameters)
    assert [definitions.changed(offer) for _ in range(2)] == [changed, changed], reason


def test_what_is_remembered_is_bounded_and_of_one_tool_alone() -> None:
    both = Definitions({"a": DEFINITIONS["shaped"], "b": Grant(permission="allow", effect="read", parameters="{}")})
    assert not both.changed(ToolOffer("a", None, SCHEMA))
    assert both.changed(ToolOffer("b", None, SCHEMA))
    for number in range(MAX_KNOWN + 1):
        assert both.changed(ToolOffer("a", None, f'{{"type":"object","maxProperties":{number}}}'))
    assert not both.changed(ToolOffer("a", None, SCHEMA))
