# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses towards a provider: the request rebuilt from what was decided, a whole answer read back.

Source of the shapes: the types of the `openai` package (types/responses/response_create_params.py, response.py).
The provider stores nothing (`store: false`) and knows no earlier response: what continues one is sent anew. A tool for
which nobody asked about strictness is not strict, as in a chat completion; the API's own default would refuse schemas.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from customhouse.dialects.openai_responses import upstream_output
from customhouse.dialects.openai_responses.upstream_item import Wire, items
from customhouse.domain.answer import Answer
from customhouse.domain.errors import Inexpressible
from customhouse.domain.message import Message, Text, ToolOffer
from customhouse.domain.request import Form, NamedTool, Request

PATH: Final = "/responses"
FORM_NAME: Final = "answer"
"""The name of a form that has none; the API demands one."""
_REASONING: Final = {"reasoning_effort": "effort", "reasoning_summary": "summary"}
_PLAIN: Final = ("temperature", "top_p")
_encode = msgspec.json.encode


def body(request: Request, features: Sequence[str]) -> bytes:
    """Return the body to send. Raises Inexpressible for what the dialect has no words for."""
    if request.stop:
        raise Inexpressible("OpenAI Responses has no stop sequences; leave `stop` out", param="stop")
    instructions, rest = _instructions(request.messages)
    fields: Wire = {"model": request.model, "input": items(rest), "store": False}
    if instructions is not None:
        fields["instructions"] = instructions
    if request.offers or request.provider_tools:
        ran_there = [msgspec.Raw(offer.told.encode()) for offer in request.provider_tools]
        fields["tools"] = [*(_tool(offer) for offer in request.offers), *ran_there]
        chosen = request.tool_choice
        if chosen is not None:
            fields["tool_choice"] = (
                {"type": "function", "name": chosen.name} if isinstance(chosen, NamedTool) else chosen
            )
        if request.parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = request.parallel_tool_calls
    if request.form is not None:
        fields["text"] = {"format": _format(request.form)}
    if request.max_tokens is not None:
        fields["max_output_tokens"] = request.max_tokens
    if request.streamed:
        fields["stream"] = True
    if "reasoning" in features:
        fields["include"] = ["reasoning.encrypted_content"]
    return _encode(fields | _sampling(request))


def answer(content: bytes) -> Answer:
    """Read a whole, unstreamed answer. Raises UpstreamFailed."""
    return upstream_output.answer(upstream_output.response(content))


def _instructions(messages: tuple[Message, ...]) -> tuple[str | None, tuple[Message, ...]]:
    """Return what stands first and is the system's, and the rest; an input of nothing would be refused."""
    match messages:
        case (Message(role="system", content=(Text(text=text, citations=()),), name=None), first, *rest):
            return text, (first, *rest)
        case _:
            return None, messages


def _tool(offer: ToolOffer) -> Wire:
    tool: Wire = {
        "type": "function",
        "name": offer.name,
        "parameters": msgspec.Raw(offer.parameters.encode()) if offer.parameters is not None else None,
        "strict": offer.strict or False,
    }
    return tool if offer.description is None else {**tool, "description": offer.description}


def _format(form: Form) -> Wire:
    if form.schema is None:
        return {"type": "json_object"}
    found: Wire = {
        "type": "json_schema",
        "name": form.name or FORM_NAME,
        "schema": msgspec.Raw(form.schema.encode()),
    }
    optional: Wire = {"description": form.description, "strict": form.strict}
    return found | {name: value for name, value in optional.items() if value is not None}


def _sampling(request: Request) -> Wire:
    fields: Wire = {}
    reasoning: Wire = {}
    for name, value in request.sampling.items():
        if name in _PLAIN:
            fields[name] = value
        elif name in _REASONING:
            reasoning[_REASONING[name]] = value
        else:
            raise Inexpressible(f"OpenAI Responses has no `{name}`; leave it out", param=name)
    return {**fields, "reasoning": reasoning} if reasoning else fields
