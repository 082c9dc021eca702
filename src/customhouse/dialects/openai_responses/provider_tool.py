# SPDX-License-Identifier: Apache-2.0
"""Tools that a provider runs by itself: how they are declared, and what an answer tells of their use.

Source of the shapes: the `openai` package, types/responses/web_search_tool_param.py, tool_param.py (CodeInterpreter),
response_function_web_search.py, response_code_interpreter_tool_call.py. Declarations are narrowed to what needs no
further grant: no file, no container of the client's, no place where the user is. What an answer tells is written anew
from what is known here.
"""

from typing import Final, Literal

import msgspec

from customhouse.domain.message import ProviderCall, ProviderOffer, ProviderToolName

CALLS: Final[dict[str, ProviderToolName]] = {
    "web_search_call": "web_search",
    "code_interpreter_call": "code_interpreter",
}
"""The items that tell of a use, and which tool was used."""
EVENTS: Final = {
    "response.web_search_call.in_progress": "web_search_call",
    "response.web_search_call.searching": "web_search_call",
    "response.web_search_call.completed": "web_search_call",
    "response.code_interpreter_call.in_progress": "code_interpreter_call",
    "response.code_interpreter_call.interpreting": "code_interpreter_call",
    "response.code_interpreter_call.completed": "code_interpreter_call",
    "response.code_interpreter_call_code.delta": "code_interpreter_call",
    "response.code_interpreter_call_code.done": "code_interpreter_call",
}
"""Events of a stream that tell nothing which the end of their item does not tell as well."""


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class Filters(_Wire, frozen=True):
    """Where to search."""

    allowed_domains: list[str] | None = None


class WebSearchTool(_Wire, frozen=True, tag="web_search"):
    """A search of the web."""

    filters: Filters | None = None
    search_context_size: Literal["low", "medium", "high"] | None = None
    external_web_access: bool | None = None
    user_location: None = None


class AutoContainer(_Wire, frozen=True):
    """A container of the provider's, with no file in it."""

    type: Literal["auto"]


class CodeInterpreterTool(_Wire, frozen=True, tag="code_interpreter"):
    """A place where the provider runs code that the model writes."""

    container: AutoContainer


class Source(msgspec.Struct, frozen=True, tag="url"):
    """A page that was found."""

    url: str


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was searched for, opened, or looked for in a page."""

    type: Literal["search", "open_page", "find_in_page"]
    query: str | None = None
    queries: list[str] | None = None
    sources: list[Source] | None = None
    url: str | None = None
    pattern: str | None = None


class Output(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What code wrote or drew."""

    type: Literal["logs", "image"]
    logs: str | None = None
    url: str | None = None


class WebSearchCall(msgspec.Struct, frozen=True, kw_only=True, tag="web_search_call"):
    """One search, or one step of it."""

    id: str
    status: str = "completed"
    action: Action


class CodeInterpreterCall(msgspec.Struct, frozen=True, kw_only=True, tag="code_interpreter_call"):
    """One run of code."""

    id: str
    status: str = "completed"
    code: str | None = None
    container_id: str = ""
    outputs: list[Output] | None = None


class SentWebSearch(WebSearchCall, frozen=True, forbid_unknown_fields=True, tag="web_search_call"):
    """The same, as a client gives it back."""


class SentCodeInterpreter(CodeInterpreterCall, frozen=True, forbid_unknown_fields=True, tag="code_interpreter_call"):
    """The same, as a client gives it back."""


UseItem = WebSearchCall | CodeInterpreterCall
_encode: Final = msgspec.json.encode
_decode: Final = msgspec.json.Decoder(UseItem).decode


def offer(tool: WebSearchTool | CodeInterpreterTool, place: str) -> ProviderOffer:
    """Return what a client declares; `place` is where."""
    name: ProviderToolName = "web_search" if isinstance(tool, WebSearchTool) else "code_interpreter"
    return ProviderOffer(name, _encode(tool).decode(), place)


def use(item: UseItem) -> ProviderCall:
    """Return what an item tells."""
    kind = "web_search_call" if isinstance(item, WebSearchCall) else "code_interpreter_call"
    return ProviderCall(CALLS[kind], item.id, "openai_responses", _encode(item).decode())


def item(told: ProviderCall) -> UseItem:
    """Return a use as an item."""
    return _decode(told.told)
