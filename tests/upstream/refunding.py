# SPDX-License-Identifier: Apache-2.0
"""A chat provider that looks an order up, then refunds it, then says so: each after the result of the one before."""

import json
from collections.abc import Iterator
from typing import Any, Final

from tests.upstream.replies import answer, call, tool_calls
from tests.upstream.wire import Received, Step

SAYS: Final = "I will refund order A-1001."
LAST: Final = "The refund is on its way."
LOOKS: Final[tuple[str, dict[str, Any]]] = ("get_order_status", {"order_id": "A-1001"})
PAYS: Final[tuple[str, dict[str, Any]]] = ("issue_refund", {"order_id": "A-1001", "amount": "25.00"})


def refunding(request: Received) -> Iterator[Step]:
    """Go on from the results that the conversation has."""
    done = [message for message in request.body["messages"] if message["role"] == "tool"]
    match len(done):
        case 0:
            yield from tool_calls([call(LOOKS[0], json.dumps(LOOKS[1]))])(request)
        case 1:
            yield from tool_calls([call(PAYS[0], json.dumps(PAYS[1]))], content=SAYS)(request)
        case _:
            yield from answer(LAST)(request)
