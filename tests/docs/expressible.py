# SPDX-License-Identifier: Apache-2.0
"""What each dialect can say, tried: one request or answer for each row of the tables in docs/reference/dialects.md."""

from collections.abc import Mapping
from typing import Final

from customhouse.dialects.client import CLIENTS
from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.answer import Answer, Said, Usage
from customhouse.domain.errors import Inexpressible, UpstreamFailed
from customhouse.domain.message import (
    Audio,
    Blocks,
    DialectName,
    DocumentCitation,
    File,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Plain,
    Reasoning,
    Refusal,
    Role,
    Seal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
    WebCitation,
)
from customhouse.domain.request import Form, NamedTool, Number, Request

_HI: Final = Message("user", (Text("hi"),))
_TOOL: Final = (ToolOffer("look", None, '{"type":"object"}'),)
_CALL: Final = Message("assistant", (ToolCall("c1", "look", "{}"),))
_PAGE: Final = WebCitation(url="https://x.test", title="X", start=0, end=1)
_DOCUMENT: Final = DocumentCitation(document=0, unit="char", start=0, end=1)


def _said(role: Role, *parts: Part) -> Request:
    return Request(model="m", messages=(_HI, Message(role, parts, None, "messages.1")))


def _result(*content: Text | Image | File, failed: bool = False) -> Request:
    return Request(
        model="m", messages=(_HI, _CALL, Message("tool", (ToolResult("c1", content, failed=failed),))), offers=_TOOL
    )


def _sampled(name: str, value: Number) -> Request:
    return Request(model="m", messages=(_HI,), sampling={name: value})


def _sealed(dialect: DialectName) -> Request:
    return _said("assistant", Reasoning(text="Hm.", seal=Seal(dialect=dialect, value="c2ln", id="rs_1")), Text("a"))


REQUESTS: Final[Mapping[str, Request]] = {
    "text": _said("user", Text("hi")),
    "a name of who speaks": Request(model="m", messages=(Message("user", (Text("hi"),), "ada"),)),
    "a picture in base64": _said("user", Image(Inline("image/png", "aGk="))),
    "a picture by its address": _said("user", Image(Link("https://x.test/a.png"))),
    "a picture's detail": _said("user", Image(Link("https://x.test/a.png"), "high")),
    "a PDF in base64": _said("user", File(Inline("application/pdf", "aGk="), "a.pdf")),
    "another file in base64": _said("user", File(Inline("text/csv", "aGk="), "a.csv")),
    "a file by its address": _said("user", File(Link("https://x.test/a.pdf"))),
    "a document of plain text": _said("user", File(Plain("text"))),
    "a document in blocks": _said("user", File(Blocks((Text("one"),)))),
    "a document that is cited, or has a context": _said(
        "user", File(Inline("application/pdf", "aGk="), "a.pdf", "old", cited=True)
    ),
    "sound": _said("user", Audio("aGk=", "wav")),
    "tools, parallel calls and their results": Request(
        model="m",
        messages=(
            _HI,
            Message("assistant", (ToolCall("c1", "look", "{}"), ToolCall("c2", "look", "{}"))),
            Message("tool", (ToolResult("c1", (Text("a"),)), ToolResult("c2", (Text("b"),)))),
        ),
        offers=_TOOL,
        tool_choice="auto",
        parallel_tool_calls=True,
    ),
    "a tool that must be called": Request(model="m", messages=(_HI,), offers=_TOOL, tool_choice=NamedTool("look")),
    "a tool with a dot in its name": Request(model="m", messages=(_HI,), offers=(ToolOffer("a.b", None, None),)),
    "a call whose arguments are no object": _said("assistant", ToolCall("c1", "look", "[]")),
    "a result that failed": _result(Text("no"), failed=True),
    "a picture as a result": _result(Image(Inline("image/png", "aGk="))),
    "a refusal in the history": _said("assistant", Refusal("No.")),
    "reasoning in the history without a seal": _said("assistant", Reasoning(text="Hm."), Text("a")),
    "reasoning sealed by Anthropic": _sealed("anthropic"),
    "reasoning sealed by OpenAI": _sealed("openai_responses"),
    "citations of documents in the history": _said("assistant", Text("a", (_DOCUMENT,))),
    "citations of pages in the history": _said("assistant", Text("a", (_PAGE,))),
    "JSON of a schema": Request(model="m", messages=(_HI,), form=Form(schema='{"type":"object"}', name="a")),
    "a description of the schema": Request(
        model="m", messages=(_HI,), form=Form(schema='{"type":"object"}', name="a", description="d")
    ),
    "any JSON": Request(model="m", messages=(_HI,), form=Form()),
    "stop sequences": Request(model="m", messages=(_HI,), stop=("END",)),
    "`temperature` up to 1": _sampled("temperature", 1.0),
    "`temperature` above 1": _sampled("temperature", 1.5),
    "`top_p`": _sampled("top_p", 0.5),
    "`top_k`": _sampled("top_k", 40),
    "`seed`": _sampled("seed", 7),
    "`frequency_penalty`, `presence_penalty`": Request(
        model="m", messages=(_HI,), sampling={"frequency_penalty": 0.5, "presence_penalty": 0.5}
    ),
    "`reasoning_effort`: `low`, `medium`, `high`": _sampled("reasoning_effort", "low"),
    "`reasoning_effort`: `none`, `minimal`": _sampled("reasoning_effort", "minimal"),
    "`reasoning_effort`: `max`": _sampled("reasoning_effort", "max"),
    "`thinking_tokens`": _sampled("thinking_tokens", 2048),
}
"""What a request may hold, in the order of the table."""

ANSWERS: Final[Mapping[str, tuple[Said, ...]]] = {
    "text": (Text("a"),),
    "tool calls": (ToolCall("c1", "look", "{}"),),
    "a refusal": (Refusal("No."),),
    "reasoning": (Reasoning(text="Hm."), Text("a")),
    "reasoning with Anthropic's seal": (Reasoning(text="Hm.", seal=Seal(dialect="anthropic", value="c2ln")), Text("a")),
    "reasoning with OpenAI's seal": (
        Reasoning(text="Hm.", seal=Seal(dialect="openai_responses", value="x", id="rs_1")),
        Text("a"),
    ),
    "citations of pages": (Text("a", (_PAGE,)),),
    "citations of documents": (Text("a", (_DOCUMENT,)),),
}
"""What an answer may hold, in the order of the table."""


def told() -> list[str]:
    """Return the rows of what each dialect can tell a provider."""
    names = list(PROVIDERS)
    rows = [f"| a request with | {' | '.join(f'`{name}`' for name in names)} |", "|---" * (len(names) + 1) + "|"]
    return rows + [
        f"| {row} | {' | '.join(_told(request, name) for name in names)} |" for row, request in REQUESTS.items()
    ]


def carried() -> list[str]:
    """Return the rows of what an answer can carry to a client of each endpoint."""
    rows = [f"| an answer with | {' | '.join(f'`{path}`' for path in CLIENTS)} |", "|---" * (len(CLIENTS) + 1) + "|"]
    return rows + [
        f"| {row} | {' | '.join(_carried(said, path) for path in CLIENTS)} |" for row, said in ANSWERS.items()
    ]


def _told(request: Request, name: DialectName) -> str:
    try:
        PROVIDERS[name].body(request, ())
    except Inexpressible:
        return "refused"
    return "yes"


def _carried(said: tuple[Said, ...], path: str) -> str:
    calls = any(isinstance(part, ToolCall) for part in said)
    answer = Answer(content=said, stop="tool_calls" if calls else "stop", usage=Usage(1, 1))
    envelope = Envelope("0" * 32, 0, "m", Request(model="a", messages=(_HI,)))
    try:
        CLIENTS[path].require(answer)
        CLIENTS[path].whole(answer, envelope, Receipt(trace_id="t", release="r@1", deployment="d"))
    except UpstreamFailed:
        return "fails"
    return "yes"
