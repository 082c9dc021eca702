# SPDX-License-Identifier: Apache-2.0
"""Conversations, requests and answers that OpenAI Responses can express, drawn by hypothesis in their normal form.

Normal form: results that follow each other are one message, and so is what an assistant says; a reasoning without text
is redacted; a picture has a detail; tools say whether they are strict. What else means the same reads back so.
"""

import json
from typing import Any, Final, Literal

from hypothesis import strategies as st

from customhouse.domain.answer import Answer, StopReason, Usage
from customhouse.domain.message import (
    File,
    Image,
    Inline,
    Link,
    Message,
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
from customhouse.domain.request import Form, NamedTool, Request

Json = dict[str, Any]
OWN: Final = "openai_responses"
CLIENT_ROLES: Final[tuple[Role, ...]] = ("user", "system", "developer")
words: Final = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
names: Final = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
schemas: Final = st.sampled_from(['{"type":"object"}', '{"type":"object","properties":{"a":{"type":"string"}}}'])
arguments: Final = st.dictionaries(names, words, max_size=2).map(json.dumps)
places: Final = st.integers(0, 9)
pages: Final = st.builds(
    WebCitation, url=st.just("https://acme.test/"), title=st.none() | words, start=places, end=places
)
plain: Final = st.builds(Text, words)
texts: Final = st.builds(Text, words, citations=st.lists(pages, max_size=2).map(tuple))
inline: Final = st.builds(Inline, st.sampled_from(["image/png", "application/pdf"]), st.just("aGk="))
links: Final = st.builds(Link, st.just("https://acme.test/picture"))
images: Final = st.builds(Image, inline | links, st.sampled_from(["auto", "low", "high"]))
files: Final = st.builds(File, inline | links, name=st.none() | words)
seals: Final = st.builds(Seal, dialect=st.just(OWN), value=st.just("gAAA"), id=names.map("rs_".__add__))
reasonings: Final = st.one_of(
    st.builds(Reasoning, text=words, summary=st.booleans(), seal=st.none() | seals),
    st.builds(Reasoning, redacted=st.just(True), seal=seals),  # noqa: FBT003 - the value
)
refusals: Final = st.builds(Refusal, words)


@st.composite
def said(draw: st.DrawFn, *, stop: str | None = None) -> tuple[Any, ...]:
    """Draw what a model said: texts, refusals, reasoning, and calls with ids of their own."""
    parts: list[Any] = draw(st.lists(texts | refusals | reasonings, min_size=1, max_size=4))
    if stop in {None, "tool_calls"}:
        number = draw(st.integers(1 if stop else 0, 2))
        calls = [ToolCall(f"call_{n}", draw(names), draw(arguments)) for n in range(number)]
        parts += calls
    return tuple(parts)


def results(number: int) -> st.SearchStrategy[ToolResult]:
    several = st.lists(plain | images | files, min_size=2, max_size=3).map(tuple)
    return st.builds(ToolResult, st.just(f"call_{number}"), st.tuples(plain) | several)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Draw a conversation in which nobody but the client speaks twice in a row."""
    found: list[Message] = []
    for _ in range(draw(st.integers(1, 4))):
        match draw(st.sampled_from(["client", "assistant", "tool"])):
            case "assistant" if not found or found[-1].role != "assistant":
                found.append(Message("assistant", draw(said())))
            case "tool" if not found or found[-1].role != "tool":
                count = draw(st.integers(1, 2))
                found.append(Message("tool", tuple(draw(results(n)) for n in range(count))))
            case _:
                role: Role = draw(st.sampled_from(CLIENT_ROLES))
                content = draw(st.lists(plain | images | files, min_size=1, max_size=3).map(tuple))
                found.append(Message(role, content))
    return tuple(found)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw a request as it leaves for a provider."""
    offered = draw(st.lists(names, max_size=2, unique=True))
    offers = tuple(
        ToolOffer(name, draw(st.none() | words), draw(st.none() | schemas), draw(st.booleans())) for name in offered
    )
    choices: list[Literal["none", "auto", "required"] | NamedTool | None] = [
        None,
        "none",
        "auto",
        "required",
        *(NamedTool(name) for name in offered),
    ]
    forms = st.builds(Form, schema=schemas, name=names, description=st.none() | words, strict=st.none() | st.booleans())
    numbers = st.floats(0, 1, allow_nan=False)
    return Request(
        model=draw(names),
        messages=draw(conversations()),
        offers=offers,
        tool_choice=draw(st.sampled_from(choices)) if offers else None,
        parallel_tool_calls=draw(st.none() | st.booleans()) if offers else None,
        form=draw(st.none() | st.just(Form()) | forms),
        streamed=draw(st.booleans()),
        wants_usage=True,
        max_tokens=draw(st.none() | st.integers(1, 99)),
        sampling=draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "temperature": numbers,
                    "top_p": numbers,
                    "reasoning_effort": st.sampled_from(["low", "high"]),
                    "reasoning_summary": st.sampled_from(["auto", "concise"]),
                },
            )
        ),
    )


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Draw an answer that came to its end."""
    stops: dict[StopReason, str] = {
        "stop": "completed",
        "tool_calls": "completed",
        "length": "max_output_tokens",
        "content_filter": "content_filter",
    }
    stop = draw(st.sampled_from(list(stops)))
    tokens = st.integers(0, 99)
    return Answer(
        upstream_id="resp_019ab",
        model="small",
        content=draw(said(stop=stop)),
        stop=stop,
        stop_word=stops[stop],
        usage=draw(st.none() | st.builds(Usage, tokens, tokens, tokens, tokens, tokens)),
    )
