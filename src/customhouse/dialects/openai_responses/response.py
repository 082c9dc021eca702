# SPDX-License-Identifier: Apache-2.0
"""The Response object that a client gets: what it asked, repeated, and what was answered, as items.

Source of the shape: the `openai` package, types/responses/response.py. The id begins with `resp_` and goes on with the
trace's, so that whoever holds an answer finds its evidence. `store` and `customhouse` are beyond that type: whether
the gateway keeps this response, and the receipt.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.openai_responses import provider_tool, seal
from customhouse.dialects.openai_responses.approval import LABEL, ApprovalRequest, requested
from customhouse.dialects.openai_responses.provider_tool import UseItem
from customhouse.dialects.openai_responses.request import INSTRUCTIONS
from customhouse.dialects.openai_responses.upstream_item import Wire, annotation
from customhouse.domain.answer import Answer, Said, Usage
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import Citation, ProviderCall, Reasoning, Refusal, Text, ToolCall, WebCitation
from customhouse.domain.request import Form, NamedTool, Number, Request

PREFIX: Final = "resp_"
Status = Literal["completed", "incomplete", "in_progress", "failed"]


class OutputText(msgspec.Struct, frozen=True, kw_only=True, tag="output_text"):
    """A part of text (response_output_text.py)."""

    text: str
    annotations: list[Wire] = []
    logprobs: list[None] = []


class OutputRefusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """A part that declines (response_output_refusal.py)."""

    refusal: str


class MessageItem(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    """A message of the model (response_output_message.py)."""

    id: str
    role: Literal["assistant"] = "assistant"
    status: Status
    content: list[OutputText | OutputRefusal]


class CallItem(msgspec.Struct, frozen=True, kw_only=True, tag="function_call"):
    """A call that passes (response_function_tool_call.py)."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


class ReasoningItem(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning", omit_defaults=True):
    """What a model thought (response_reasoning_item.py). Always with its seal: whoever sends it back needs it."""

    id: str
    summary: list[dict[str, str]]
    content: list[dict[str, str]] | None = None
    encrypted_content: str | None = None
    status: Status


Item = MessageItem | CallItem | ReasoningItem | ApprovalRequest | UseItem


class _InputDetails(msgspec.Struct, frozen=True):
    cached_tokens: int
    cache_write_tokens: int


class _OutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class _Usage(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: int
    input_tokens_details: _InputDetails
    output_tokens: int
    output_tokens_details: _OutputDetails
    total_tokens: int


class _Base(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: Status
    background: Literal[False] = False
    error: dict[str, str] | None = None
    incomplete_details: dict[str, str] | None = None
    instructions: str | None
    max_output_tokens: int | None
    model: str
    output: list[Item]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, Number | None]
    store: bool
    temperature: Number | None
    text: Wire
    tool_choice: str | dict[str, str]
    tools: list[Wire]
    top_p: Number | None
    truncation: Literal["disabled"] = "disabled"
    usage: _Usage | None = None
    metadata: dict[str, str]


class Unfinished(_Base, frozen=True, kw_only=True):
    """A response before its end."""


class Finished(_Base, frozen=True, kw_only=True):
    """A response at its end, with the receipt."""

    customhouse: Receipt


def unfinished(envelope: Envelope) -> Unfinished:
    """Return what is known of a response before anything was said."""
    request = envelope.request
    effort, summary = (request.sampling.get(name) for name in ("reasoning_effort", "reasoning_summary"))
    return Unfinished(
        id=PREFIX + envelope.id,
        created_at=envelope.created_s,
        status="in_progress",
        instructions=next((each.text for each in request.messages if each.place == INSTRUCTIONS), None),
        max_output_tokens=request.max_tokens,
        model=envelope.model,
        output=[],
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=request.previous,
        reasoning={"effort": effort, "summary": summary},
        store=request.keep,
        temperature=request.sampling.get("temperature"),
        text={"format": _format(request.form)},
        tool_choice=_choice(request),
        tools=_tools(request),
        top_p=request.sampling.get("top_p"),
        metadata=dict(request.variables),
    )


def failed(envelope: Envelope, sentence: str, output: Sequence[Item]) -> Unfinished:
    """Return a response that could not go on, with the items that had ended."""
    error = {"code": "server_error", "message": sentence}
    found = unfinished(envelope)
    # Whatever was asked: only a turn that was answered is kept.
    return msgspec.structs.replace(found, status="failed", error=error, output=list(output), store=False)


def finished(envelope: Envelope, answer: Answer, output: Sequence[Item], receipt: Receipt) -> Finished:
    """Return a whole response."""
    status, details = ending(answer)
    found = msgspec.structs.replace(
        unfinished(envelope),
        status=status,
        incomplete_details=details,
        output=list(output),
        usage=_usage(answer.usage),
    )
    return Finished(**msgspec.structs.asdict(found), customhouse=receipt)


def ending(answer: Answer) -> tuple[Status, dict[str, str] | None]:
    """Return the status of an answer's end, and why it is incomplete.

    A model that wants to go on has given a part of an answer, as one that was cut off has.
    """
    match answer.stop:
        case None | "stop" | "stop_sequence" | "tool_calls":
            return "completed", None
        case "length" | "pause":
            return "incomplete", {"reason": "max_output_tokens"}
        case "content_filter" | "refusal":
            return "incomplete", {"reason": "content_filter"}


def items(envelope: Envelope, content: Sequence[Said], status: Status) -> list[Item]:
    """Return an answer's content as items: text that follows text is one message of several parts."""
    found: list[Item] = []
    for part in content:
        number = len(found)
        match part:
            case Reasoning():
                found.append(reasoning_item(envelope, part, number, "completed"))
            case ProviderCall():
                found.append(provider_tool.item(part))
            case ToolCall():
                found.append(call_item(envelope, part, number, "completed"))
            case Text() | Refusal():
                last = found[-1] if found else None
                if isinstance(last, MessageItem):
                    last.content.append(spoken(part))
                else:
                    found.append(
                        MessageItem(id=item_id(envelope, "msg", number), status="completed", content=[spoken(part)])
                    )
    if status == "incomplete" and found:
        found[-1] = msgspec.structs.replace(found[-1], status="incomplete")
    return found


def held(envelope: Envelope, answer: Answer) -> list[ApprovalRequest]:
    """Return the held calls of an answer as items, for a client that asks for them."""
    return [requested(each) for each in answer.held] if envelope.request.shows_held else []


def spoken(part: Text | Refusal) -> OutputText | OutputRefusal:
    """Return a part of a message. Raises UpstreamFailed for a citation that the dialect cannot express."""
    if isinstance(part, Refusal):
        return OutputRefusal(refusal=part.text)
    return OutputText(text=part.text, annotations=[cited(each, len(part.text)) for each in part.citations])


def cited(citation: Citation, length: int) -> Wire:
    """Return a citation of a page. Raises UpstreamFailed for a document's."""
    if not isinstance(citation, WebCitation):
        raise UpstreamFailed(
            "the model's answer cites documents in a way that OpenAI Responses cannot express",
            reason="upstream.inexpressible",
        )
    return annotation(citation, length)


def reasoning_item(envelope: Envelope, part: Reasoning, number: int, status: Status) -> ReasoningItem:
    """Return a reasoning with its seal."""
    kind = "summary_text" if part.summary else "reasoning_text"
    told = [{"type": kind, "text": part.text}] if part.text else []
    return ReasoningItem(
        id=item_id(envelope, "rs", number),
        summary=told if part.summary else [],
        content=told if told and not part.summary else None,
        encrypted_content=seal.written(part),
        status=status,
    )


def call_item(envelope: Envelope, call: ToolCall, number: int, status: Status) -> CallItem:
    """Return a call."""
    return CallItem(
        id=item_id(envelope, "fc", number), call_id=call.id, name=call.name, arguments=call.arguments, status=status
    )


def item_id(envelope: Envelope, prefix: str, number: int) -> str:
    """Return the id of the item at a place of the output."""
    return f"{prefix}_{envelope.id}{number:02x}"


def _format(form: Form | None) -> Wire:
    if form is None:
        return {"type": "text"}
    if form.schema is None:
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "name": form.name,
        "schema": _on_one_line(form.schema),
        "description": form.description,
        "strict": form.strict,
    }


def _choice(request: Request) -> str | dict[str, str]:
    chosen = request.tool_choice
    return {"type": "function", "name": chosen.name} if isinstance(chosen, NamedTool) else chosen or "auto"


def _tools(request: Request) -> list[Wire]:
    declared: list[Wire] = [{"type": "mcp", "server_label": LABEL}] if request.shows_held else []
    declared += [msgspec.json.decode(offer.told, type=Wire) for offer in request.provider_tools]
    return declared + [
        {
            "type": "function",
            "name": offer.name,
            "description": offer.description,
            "parameters": None if offer.parameters is None else _on_one_line(offer.parameters),
            "strict": offer.strict,
        }
        for offer in request.offers
    ]


def _on_one_line(text: str) -> msgspec.Raw:
    """Return JSON as the client wrote it, on one line: an event ends with its line, and clients indent their schemas.

    No string of JSON holds a line break (RFC 8259, 7), so what is replaced stands between its tokens.
    """
    return msgspec.Raw(text.replace("\n", " ").replace("\r", " ").encode())


def _usage(usage: Usage | None) -> _Usage | None:
    if usage is None:
        return None
    return _Usage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=_InputDetails(usage.cached_tokens, usage.cache_written_tokens),
        output_tokens=usage.completion_tokens,
        output_tokens_details=_OutputDetails(usage.reasoning_tokens),
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
