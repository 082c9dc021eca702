# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages towards a provider: the request rebuilt from what was decided.

Source of the shapes: types/message_create_params.py of the `anthropic` package and what it names. Messages that follow
each other with one role are one message there, and results of tools are a user's.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from customhouse.dialects.anthropic.blocks import blocks, cache_control
from customhouse.dialects.anthropic.request import SUMMARIES
from customhouse.domain.errors import Inexpressible
from customhouse.domain.message import Message, ToolOffer
from customhouse.domain.request import Form, NamedTool, Number, Request

PATH: Final = "/messages"
COUNT_PATH: Final = "/messages/count_tokens"
DEFAULT_MAX_TOKENS: Final = 4096
"""How much a model may generate where neither the release nor the client says: the dialect has no request without a
bound, and every model that speaks it takes this one."""
SAMPLING: Final = frozenset(
    {"temperature", "top_p", "top_k", "reasoning_effort", "reasoning_summary", "thinking_tokens"}
)
"""What this dialect can be told of how an answer is sampled."""
EFFORTS: Final = frozenset({"low", "medium", "high", "xhigh", "max"})
"""types/output_config_param.py."""
_DISPLAYS: Final[Mapping[Number, str]] = {word: display for display, word in SUMMARIES.items()}
_NO_ARGUMENTS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_plain_name = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch
_encode = msgspec.json.encode


class _Out(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class _OutMessage(_Out, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: list[dict[str, object]]


class _OutTool(_Out, frozen=True):
    name: str
    input_schema: msgspec.Raw
    description: str | None = None
    strict: bool | None = None
    cache_control: dict[str, str] | None = None


class _OutRequest(_Out, frozen=True):
    model: str
    messages: list[_OutMessage]
    system: list[dict[str, object]] | None = None
    tools: list[_OutTool] | None = None
    tool_choice: dict[str, object] | None = None
    thinking: dict[str, object] | None = None
    output_config: dict[str, object] | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: Number | None = None
    top_p: Number | None = None
    top_k: Number | None = None
    stream: bool | None = None


def body(request: Request, features: Sequence[str]) -> bytes:
    """Return the body to send to a provider. Raises Inexpressible."""
    del features  # Every deployment of this dialect is told the same way.
    sampling = _expressible(request.sampling)
    asked = msgspec.structs.replace(
        _counted(request, sampling),
        max_tokens=request.max_tokens or DEFAULT_MAX_TOKENS,
        stop_sequences=list(request.stop) or None,
        temperature=sampling.get("temperature"),
        top_p=sampling.get("top_p"),
        top_k=sampling.get("top_k"),
        stream=True if request.streamed else None,
    )
    return _encode(asked)


def count_body(request: Request) -> bytes:
    """Return the body that asks how many tokens a request has. Raises Inexpressible."""
    return _encode(_counted(request, _expressible(request.sampling)))


def _tellable(name: str, value: Number) -> bool:
    match name:
        case "temperature":
            return isinstance(value, int | float) and 0 <= value <= 1
        case "reasoning_effort":
            return value in EFFORTS
        case "reasoning_summary":
            return value in _DISPLAYS
        case _:
            return name in SAMPLING


def _expressible(sampling: Mapping[str, Number]) -> Mapping[str, Number]:
    for name, value in sampling.items():
        if not _tellable(name, value):
            raise Inexpressible(f"Anthropic's messages know no {name} of this value: leave it out", param=name)
    return sampling


def _counted(request: Request, sampling: Mapping[str, Number]) -> _OutRequest:
    """Return the part of a request that `count_tokens` counts."""
    first = next((place for place, each in enumerate(request.messages) if not _instructs(each)), len(request.messages))
    for offer in request.provider_tools:
        raise Inexpressible(f"a provider that speaks Anthropic's messages runs no `{offer.tool}`", param=offer.place)
    tools = request.offers
    return _OutRequest(
        model=request.model,
        messages=_merged(request.messages[first:]),
        system=[block for each in request.messages[:first] for block in blocks(each)] or None,
        tools=[_out_tool(tool) for tool in tools] or None,
        tool_choice=_choice(request) if tools else None,
        thinking=_thinking(sampling),
        output_config=_output(request.form, sampling),
    )


def _instructs(message: Message) -> bool:
    return message.role in {"system", "developer"}


def _merged(messages: Sequence[Message]) -> list[_OutMessage]:
    merged: list[_OutMessage] = []
    for message in messages:
        content = blocks(message)
        if not content:
            continue
        match message.role:
            case "system" | "developer":
                role = "system"
            case "user" | "tool":
                role = "user"
            case "assistant":
                role = "assistant"
        if merged and merged[-1].role == role:
            merged[-1].content.extend(content)
        else:
            merged.append(_OutMessage(role=role, content=content))
    return merged


def _out_tool(tool: ToolOffer) -> _OutTool:
    if not _plain_name(tool.name):
        raise Inexpressible(f"Anthropic's messages know no tool called {tool.name[:64]}: no dots there", param="tools")
    return _OutTool(
        name=tool.name,
        input_schema=_NO_ARGUMENTS if tool.parameters is None else msgspec.Raw(tool.parameters.encode()),
        description=tool.description,
        strict=tool.strict,
        cache_control=cache_control(tool.cache),
    )


def _choice(request: Request) -> dict[str, object] | None:
    chosen, parallel = request.tool_choice, request.parallel_tool_calls
    if chosen is None and parallel is None:
        return None
    if chosen == "none":
        return {"type": "none"}
    alone: dict[str, object] = {} if parallel is None else {"disable_parallel_tool_use": not parallel}
    if isinstance(chosen, NamedTool):
        return {"type": "tool", "name": chosen.name, **alone}
    return {"type": "any" if chosen == "required" else "auto", **alone}


def _thinking(sampling: Mapping[str, Number]) -> dict[str, object] | None:
    tokens, summary = sampling.get("thinking_tokens"), sampling.get("reasoning_summary")
    if summary is not None and not tokens:
        raise Inexpressible(
            "Anthropic's messages say with thinking how it is shown: set thinking_tokens too", param="reasoning_summary"
        )
    if tokens is None:
        return None
    if tokens == 0:
        return {"type": "disabled"}
    display: dict[str, object] = {} if summary is None else {"display": _DISPLAYS[summary]}
    if isinstance(tokens, int):
        return {"type": "enabled", "budget_tokens": tokens, **display}
    return {"type": "adaptive", **display}


def _output(form: Form | None, sampling: Mapping[str, Number]) -> dict[str, object] | None:
    output: dict[str, object] = {}
    if "reasoning_effort" in sampling:
        output["effort"] = sampling["reasoning_effort"]
    if form is not None:
        # A form's name is a label for people; what describes it is told to a model, which has no place here.
        if form.schema is None:
            raise Inexpressible("Anthropic's messages know JSON of a schema, not any JSON", param="response_format")
        if form.description is not None:
            raise Inexpressible(
                "Anthropic's messages describe a form in its schema only", param="response_format.description"
            )
        output["format"] = {"type": "json_schema", "schema": msgspec.Raw(form.schema.encode())}
    return output or None
