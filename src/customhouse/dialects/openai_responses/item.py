# SPDX-License-Identifier: Apache-2.0
"""The items of a client's `input`, read strictly into the conversation's messages.

Source of the shapes: the types of the `openai` package (types/responses/response_input_item_param.py and what it
names), narrowed to messages, function calls, their outputs, reasoning, and requests for approval of held calls with
their responses (approval.py), which are the gateway's and no part of what a model reads. Whatever else a provider could
have done by itself (mcp_call, computer_call, file_search_call, …) is refused by name: nobody granted it.

Items of an assistant that follow each other are one message, and so are outputs that follow each other: a chat
completion has its calls in the message that proposes them, and the results of calls made together stand together.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from customhouse.dialects import data_url
from customhouse.dialects.openai_responses import seal
from customhouse.dialects.openai_responses.approval import ApprovalRequest, ApprovalResponse, refuse_ambiguous
from customhouse.dialects.openai_responses.provider_tool import SentCodeInterpreter, SentWebSearch, use
from customhouse.dialects.shape import explained
from customhouse.domain.errors import FieldNotAllowed, InvalidRequest
from customhouse.domain.message import (
    Citation,
    File,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    WebCitation,
)


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


_Status = Literal["in_progress", "completed", "incomplete"]


class InputText(_Wire, frozen=True, tag="input_text"):
    """Text of a user, or of whoever else is no model."""

    text: str


class InputImage(_Wire, frozen=True, tag="input_image"):
    """A picture, by its address or as a data URL; `file_id` names a file at the provider, which we do not have."""

    image_url: str | None = None
    detail: Literal["auto", "low", "high"] | None = None
    file_id: None = None


class InputFile(_Wire, frozen=True, tag="input_file"):
    """A file as a data URL (or bare base64), or by its address."""

    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    file_id: None = None


class UrlCitation(_Wire, frozen=True, tag="url_citation"):
    """A piece of an answer rests on a page."""

    url: str
    start_index: int
    end_index: int
    title: str = ""


class OutputText(_Wire, frozen=True, tag="output_text"):
    """Text of a model, as a client gives it back."""

    text: str
    annotations: list[UrlCitation] | None = None
    logprobs: Annotated[list[None], msgspec.Meta(max_length=0)] | None = None


class OutputRefusal(_Wire, frozen=True, tag="refusal"):
    """What a model said instead of an answer."""

    refusal: str


_Input = InputText | InputImage | InputFile


class MessageItem(_Wire, frozen=True):
    """A message; a model's own has an id, a status and parts of output."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[InputText | InputImage | InputFile | OutputText | OutputRefusal]
    type: Literal["message"] = "message"
    id: str | None = None
    status: _Status | None = None
    phase: None = None


class FunctionCall(_Wire, frozen=True):
    """A call that a model proposed."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: _Status | None = None
    namespace: None = None
    caller: None = None


class FunctionCallOutput(_Wire, frozen=True):
    """What a call came to. An `incomplete` one failed."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[_Input]
    id: str | None = None
    status: _Status | None = None


class SummaryText(_Wire, frozen=True, tag="summary_text"):
    """A paragraph of a summary."""

    text: str


class ReasoningText(_Wire, frozen=True, tag="reasoning_text"):
    """A paragraph of reasoning in full."""

    text: str


class ReasoningItem(_Wire, frozen=True):
    """What a model thought, as a client gives it back."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: list[SummaryText] = []
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: _Status | None = None


class _Peek(msgspec.Struct, frozen=True):
    type: str | None = None


_Spoken = MessageItem | FunctionCall | FunctionCallOutput | ReasoningItem | SentWebSearch | SentCodeInterpreter
Item = _Spoken | ApprovalRequest | ApprovalResponse
_DECODERS: Final[dict[str, msgspec.json.Decoder[Item]]] = {
    "message": msgspec.json.Decoder(MessageItem),
    "function_call": msgspec.json.Decoder(FunctionCall),
    "function_call_output": msgspec.json.Decoder(FunctionCallOutput),
    "reasoning": msgspec.json.Decoder(ReasoningItem),
    "web_search_call": msgspec.json.Decoder(SentWebSearch),
    "code_interpreter_call": msgspec.json.Decoder(SentCodeInterpreter),
    "mcp_approval_request": msgspec.json.Decoder(ApprovalRequest),
    "mcp_approval_response": msgspec.json.Decoder(ApprovalResponse),
}
_peek = msgspec.json.Decoder(_Peek).decode
_PARAGRAPH: Final = "\n\n"


class Conversation(NamedTuple):
    """What items say: messages, and after the last answer, which requests for approval the client answers how."""

    messages: tuple[Message, ...]
    approvals: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


def conversation(items: Sequence[msgspec.Raw]) -> Conversation:
    """Return the conversation of a client's items. Raises InvalidRequest, FieldNotAllowed with the place in `param`."""
    found: list[Message] = []
    answers: list[ApprovalResponse] = []
    for position, raw in enumerate(items):
        place = f"input.{position}"
        item = _decoded(raw, place)
        if isinstance(item, ApprovalRequest | ApprovalResponse):
            if isinstance(item, ApprovalResponse):
                answers.append(item)
                refuse_ambiguous(answers, f"{place}.approval_request_id")
            continue
        message = _message(item, place)
        if message.role == "assistant":
            answers.clear()
        last = found[-1] if found else None
        if last is not None and message.role == last.role and message.role in {"assistant", "tool"}:
            found[-1] = msgspec.structs.replace(last, content=(*last.content, *message.content))
        else:
            found.append(message)
    return Conversation(
        tuple(found),
        tuple(each.approval_request_id for each in answers if each.approve),
        tuple(each.approval_request_id for each in answers if not each.approve),
    )


def _decoded(raw: msgspec.Raw, place: str) -> Item:
    try:
        kind = _peek(raw).type or "message"
        decoder = _DECODERS.get(kind)
        if decoder is not None:
            return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise explained(str(error), f"input[{place.removeprefix('input.')}]") from error
    raise FieldNotAllowed(
        f"an item of type `{kind[:64]}` is not accepted: it stands for a capability that only a provider could have "
        "used by itself. Send messages, function calls, their outputs and reasoning",
        param=f"{place}.type",
    )


def _message(item: _Spoken, place: str) -> Message:
    match item:
        case MessageItem():
            return Message(item.role, _spoken(item, place), place=place)
        case FunctionCall():
            return Message("assistant", (ToolCall(item.call_id, item.name, item.arguments),), place=place)
        case FunctionCallOutput():
            if not item.call_id:
                raise InvalidRequest("an output needs the call_id of its call", param=f"{place}.call_id")
            return Message("tool", (_result(item, place),), place=place)
        case ReasoningItem():
            return Message("assistant", _reasoning(item), place=place)
        case SentWebSearch() | SentCodeInterpreter():
            return Message("assistant", (use(item),), place=place)


def _spoken(item: MessageItem, place: str) -> tuple[Part, ...]:
    if isinstance(item.content, str):
        return (Text(item.content),)
    return tuple(_part(part, item.role, f"{place}.content.{n}") for n, part in enumerate(item.content))


def _part(part: _Input | OutputText | OutputRefusal, role: Role, place: str) -> Part:
    match part:
        case OutputText() if role == "assistant":
            return Text(part.text, citations=tuple(_citation(each) for each in part.annotations or ()))
        case OutputRefusal() if role == "assistant":
            return Refusal(part.refusal)
        case InputText():
            return Text(part.text)
        case InputImage() if role != "assistant":
            return _image(part, place)
        case InputFile() if role != "assistant":
            return _file(part, place)
        case _:
            raise InvalidRequest(f"a message of role {role} has no part of this type", param=place)


def _citation(found: UrlCitation) -> Citation:
    return WebCitation(url=found.url, title=found.title or None, start=found.start_index, end=found.end_index)


def _image(part: InputImage, place: str) -> Image:
    if not part.image_url:
        raise InvalidRequest("an image needs image_url", param=place)
    return Image(data_url.read(part.image_url) or Link(part.image_url), detail=part.detail)


def _file(part: InputFile, place: str) -> File:
    if part.file_data and not part.file_url:
        return File(data_url.read(part.file_data) or Inline("application/pdf", part.file_data), name=part.filename)
    if part.file_url and not part.file_data:
        return File(Link(part.file_url), name=part.filename)
    raise InvalidRequest("a file needs either file_data or file_url", param=place)


def _result(item: FunctionCallOutput, place: str) -> ToolResult:
    failed = item.status == "incomplete"
    if isinstance(item.output, str):
        return ToolResult(item.call_id, (Text(item.output),), failed=failed)
    content: list[Text | Image | File] = []
    for number, part in enumerate(item.output):
        where = f"{place}.output.{number}"
        match part:
            case InputText():
                content.append(Text(part.text))
            case InputImage():
                content.append(_image(part, where))
            case InputFile():
                content.append(_file(part, where))
    return ToolResult(item.call_id, tuple(content), failed=failed)


def _reasoning(item: ReasoningItem) -> tuple[Reasoning, ...]:
    found = seal.read(item.encrypted_content, item.id) if item.encrypted_content else seal.NONE
    return reasoning([each.text for each in item.summary], [each.text for each in item.content or ()], found)


def reasoning(summary: Sequence[str], content: Sequence[str], found: seal.Found) -> tuple[Reasoning, ...]:
    """Return what a reasoning item says, its summary and its text, the seal on the last; none if it says nothing."""
    told = [
        Reasoning(text=_PARAGRAPH.join(texts), summary=kind == "summary")
        for kind, texts in (("summary", summary), ("text", content))
        if texts
    ]
    if found.seal is None:
        return tuple(told)
    if not told:
        return (Reasoning(redacted=found.redacted, seal=found.seal),)
    return (*told[:-1], msgspec.structs.replace(told[-1], seal=found.seal))
