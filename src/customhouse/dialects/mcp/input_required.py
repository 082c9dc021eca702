# SPDX-License-Identifier: Apache-2.0
"""A modern result that is not one yet: the server asks for something first, and the client sends its request again.

Rules kept:
- A server asks only for what the release lets it (`may_ask`), and under names that are texts: what a client is asked is
  checked before it is passed on.
- The state is the server's own and passes byte for byte; ours is sealed before it gets here.

Source: MCP 2026-07-28 basic, "Multi round-trip requests".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import msgspec

from customhouse.dialects.mcp.message import Call, Response
from customhouse.dialects.mcp.refused import INVALID_PARAMS, Refused, refused
from customhouse.domain.errors import UpstreamFailed

TYPE: Final = "input_required"
REQUESTS: Final = "inputRequests"
RESPONSES: Final = "inputResponses"
STATE: Final = "requestState"
MAX_REQUESTS: Final = 16
MAX_NAME_CHARACTERS: Final = 256
MAX_STATE_CHARACTERS: Final = 64 * 1024
"""A server may put its whole progress into its state; ours has some hundred characters."""

ASKED: Final[Mapping[str, str]] = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
"""The capability of a client that a request to it makes use of, by method; servers may make no others."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Asked(NamedTuple):
    """One request to the client, whole as it was spelled."""

    method: str
    whole: msgspec.Raw


@dataclass(frozen=True, slots=True)
class InputRequired:
    """What is asked of the client, by name, and the state that it sends back with the answers."""

    requests: Mapping[str, Asked]
    state: str | None

    def capabilities(self) -> frozenset[str]:
        """Return what the client must be able to do."""
        return frozenset(ASKED[each.method] for each in self.requests.values())

    def result(self) -> dict[str, object]:
        """Return it as a result."""
        said: dict[str, object] = {"resultType": TYPE}
        if self.requests:
            said[REQUESTS] = {name: each.whole for name, each in self.requests.items()}
        if self.state is not None:
            said[STATE] = self.state
        return said


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client sends again with its request: its answers as they were spelled, and the state."""

    responses: Mapping[str, object]
    members: Mapping[str, msgspec.Raw]
    state: str | None


def required(response: Response) -> InputRequired | None:
    """Return what an upstream's result asks for; None where it is complete. Raises UpstreamFailed."""
    if response.result.get("resultType") != TYPE:
        return None
    state, found = response.result.get(STATE), response.result.get(REQUESTS, {})
    if not isinstance(found, dict) or not (state is None or isinstance(state, str)) or (state is None and not found):
        raise UpstreamFailed("the server asks for input without saying for which")
    asked = cast("dict[str, object]", found)
    if len(asked) > MAX_REQUESTS or len(state or "") > MAX_STATE_CHARACTERS:
        raise UpstreamFailed("the server asks for more input than is passed on")
    members = _members(response.members[REQUESTS]) if asked else {}
    return InputRequired({name: Asked(_method(name, each), members[name]) for name, each in asked.items()}, state)


def answered(call: Call) -> Answered | None:
    """Return the answers and the state that came with a request; None where it came without. Raises Refused."""
    responses, state = call.params.get(RESPONSES), call.params.get(STATE)
    if responses is None and state is None:
        return None
    if not isinstance(responses, dict | None):
        raise _wrong(f"{RESPONSES} is an object", call)
    if not isinstance(state, str | None) or len(state or "") > MAX_STATE_CHARACTERS:
        raise _wrong(f"{STATE} is a text of at most {MAX_STATE_CHARACTERS} characters", call)
    if responses is None:
        return Answered({}, {}, state)
    given = cast("dict[str, object]", responses)
    if len(given) > MAX_REQUESTS or not all(isinstance(each, dict) for each in given.values()):
        raise _wrong(f"{RESPONSES} has at most {MAX_REQUESTS} objects", call)
    return Answered(given, _members(call.members[RESPONSES]), state)


def _method(name: str, request: object) -> str:
    method = cast("dict[str, object]", request).get("method") if isinstance(request, dict) else None
    if not isinstance(method, str) or method not in ASKED or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise UpstreamFailed("the server asks the client for something that the protocol does not have")
    return method


def _wrong(message: str, call: Call) -> Refused:
    return refused(INVALID_PARAMS, message, None, call.id)
