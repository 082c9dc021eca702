# SPDX-License-Identifier: Apache-2.0
"""Which results of a conversation are new, and by which record a call was passed to a client. Pure."""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from customhouse.domain.errors import InvalidRequest
from customhouse.domain.message import Message, ToolResult
from customhouse.domain.principal import Principal
from customhouse.ledger.record import Record, ToolFacts

MAX_RESULTS: Final = 128
"""New results in one request at most: as many as one answer may have calls (dialects/bounds.py)."""
MAX_NAME: Final = 128
"""Characters of a call's id that a record keeps."""
PASSED: Final = "passed"
RETURNED: Final = "returned"


class Returned(NamedTuple):
    """A new result, and the name under which the conversation has its call ("" for none)."""

    result: ToolResult
    named: str


class Passing(NamedTuple):
    """The record by which a call was passed, and its trace. `repeated`: a result of it has been recorded before."""

    trace_id: str
    record_id: str
    tool: ToolFacts
    repeated: bool = False


def results(messages: Sequence[Message]) -> tuple[Returned, ...]:
    """Return what is new of a conversation's results. Raises InvalidRequest for more than MAX_RESULTS."""
    last = next((n for n, message in enumerate(reversed(messages)) if message.role == "assistant"), len(messages))
    new = messages[len(messages) - last :]
    found = [part for message in new if message.role == "tool" for part in message.content]
    if not found:
        return ()
    if len(found) > MAX_RESULTS:
        raise InvalidRequest(
            f"at most {MAX_RESULTS} tool results may follow the last answer, {len(found)} found", param="messages"
        )
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return tuple(Returned(each, names.get(each.call_id, "")) for each in found if isinstance(each, ToolResult))


def known_as(what: str, principal: Principal, call_id: str) -> str:
    """Return the name by which a trace is found that passed a call to a client, or recorded its result.

    Whose a call is, is in the name: another assistant, environment or subject does not find it, whatever ids it says.
    """
    whose = (principal.assistant, principal.environment, principal.on_behalf_of, call_id)
    return f"{what}:{hashlib.sha256(msgspec.json.encode(whose)).hexdigest()}"


def passing(records: Sequence[Record], call_id: str) -> Passing | None:
    """Return by which record a call was passed, unless it was withdrawn before the answer left.

    The decision that withdraws a call has the same parent as the record that passed it: the decision before.
    """
    withdrawn = {each.parents for each in records if each.kind == "tool.decided"}
    return next(
        (
            Passing(each.trace_id, each.id, each.tool)
            for each in records
            if each.kind == "tool.passed" and each.tool is not None and each.parents not in withdrawn
            if each.tool.call_id == call_id[:MAX_NAME]
        ),
        None,
    )
