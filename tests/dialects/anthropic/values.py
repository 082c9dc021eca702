# SPDX-License-Identifier: Apache-2.0
"""Requests and answers that this dialect can express, for the round trips: in the form in which it reads them back."""

import json

from hypothesis import strategies as st
from msgspec.structs import replace

from customhouse.dialects.envelope import Envelope, Receipt, Ticket
from customhouse.domain.answer import Answer, Said, StopReason, Usage
from customhouse.domain.message import (
    Blocks,
    DocumentCitation,
    File,
    Image,
    Inline,
    Link,
    Message,
    Plain,
    Reasoning,
    Refusal,
    Seal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
    WebCitation,
)
from customhouse.domain.request import Form, NamedTool, Request, ToolChoice

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
CACHES = st.sampled_from([None, "5m", "1h"])
COUNTS = st.integers(0, 10_000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def objects(draw: st.DrawFn) -> str:
    """Draw a JSON object as a model may write it: with its own spaces, escapes and numbers, which all stay."""
    value = draw(st.dictionaries(WORDS, JSON, max_size=4))
    return json.dumps(value, indent=draw(st.sampled_from([None, 1])), ensure_ascii=draw(st.booleans()))


OBJECTS = objects()

DOCUMENT_CITATIONS = st.builds(
    DocumentCitation,
    document=COUNTS,
    unit=st.sampled_from(["char", "page", "block"]),
    start=COUNTS,
    end=COUNTS,
    title=st.none() | WORDS,
    cited=st.none() | WORDS,
)
WEB_CITATIONS = st.builds(WebCitation, url=WORDS, title=st.none() | WORDS, cited=st.none() | WORDS)
TEXTS = st.builds(Text, WORDS, st.lists(DOCUMENT_CITATIONS, max_size=2).map(tuple), CACHES)
IMAGES = st.builds(
    Image,
    st.builds(Link, WORDS) | st.builds(Inline, st.sampled_from(["image/png", "image/webp"]), st.just("aGk=")),
    st.none(),
    CACHES,
)
FILES = st.builds(
    File,
    st.builds(Link, WORDS)
    | st.builds(Plain, WORDS)
    | st.builds(Inline, st.just("application/pdf"), st.just("aGk="))
    | st.builds(Blocks, st.lists(TEXTS | IMAGES, min_size=1, max_size=2).map(tuple)),
    st.none() | WORDS,
    st.none() | WORDS,
    st.booleans(),
    CACHES,
)
SEALS = st.builds(Seal, dialect=st.just("anthropic"), value=st.from_regex(r"[A-Za-z0-9+/]{4,20}", fullmatch=True))
REDACTED = st.sampled_from([True])
THOUGHTS = st.builds(Reasoning, text=WORDS, seal=SEALS) | st.builds(Reasoning, redacted=REDACTED, seal=SEALS)
CALLS = st.builds(ToolCall, NAMES, NAMES, OBJECTS, CACHES)
RESULTS = st.builds(ToolResult, NAMES, st.lists(TEXTS | IMAGES | FILES, max_size=2).map(tuple), st.booleans(), CACHES)
SPOKEN = {
    "user": TEXTS | IMAGES | FILES,
    "assistant": TEXTS | THOUGHTS | CALLS,
    "tool": RESULTS,
    "system": TEXTS,
}


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    """Draw a conversation whose neighbours have different roles, ours first: no place, which a reader gives."""
    roles = draw(st.lists(st.sampled_from(["user", "assistant", "tool"]), min_size=1, max_size=5))
    spoken = [role for place, role in enumerate(roles) if place == 0 or role != roles[place - 1]]
    if draw(st.booleans()):
        spoken.insert(0, "system")
    return tuple(
        Message(role, tuple(draw(st.lists(SPOKEN[role], min_size=1, max_size=3))))  # pyright: ignore[reportArgumentType]
        for role in spoken
    )


OFFERS = st.builds(ToolOffer, NAMES, st.none() | WORDS, OBJECTS, st.sampled_from([None, True, False]), CACHES)

CHOICES: list[ToolChoice | None] = [None, "auto", "required", "none", NamedTool("one")]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw a request that this dialect can express."""
    offers = draw(st.lists(OFFERS, max_size=3, unique_by=lambda offer: offer.name))
    choice: ToolChoice | None = draw(st.sampled_from(CHOICES)) if offers else None
    parallel = draw(st.sampled_from([None, True, False])) if offers and choice != "none" else None
    sampling = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "temperature": st.floats(0, 1),
                "top_p": st.floats(0, 1),
                "top_k": st.integers(0, 100),
                "reasoning_effort": st.sampled_from(["low", "medium", "high", "xhigh", "max"]),
            },
        )
    )
    thinking = draw(
        st.sampled_from(
            [
                {},
                {"thinking_tokens": 0},
                {"thinking_tokens": 2048, "reasoning_summary": "auto"},
                {"thinking_tokens": "adaptive", "reasoning_summary": "none"},
                {"thinking_tokens": "adaptive"},
            ]
        )
    )
    return Request(
        model=draw(NAMES),
        messages=draw(conversations()),
        offers=tuple(offers),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        form=draw(st.none() | st.builds(Form, schema=OBJECTS)),
        streamed=draw(st.booleans()),
        max_tokens=draw(st.integers(1, 100_000)),
        stop=tuple(draw(st.lists(WORDS, max_size=2))),
        sampling={**sampling, **thinking},
    )


ANSWER_TEXTS = st.builds(Text, WORDS, st.lists(DOCUMENT_CITATIONS | WEB_CITATIONS, max_size=2).map(tuple))
ANSWER_CALLS = st.builds(ToolCall, NAMES, NAMES, OBJECTS)
FOREIGN = st.builds(
    Reasoning,
    text=WORDS,
    summary=st.booleans(),
    seal=st.builds(
        Seal, dialect=st.just("openai_responses"), value=st.text(min_size=1, max_size=9), id=st.none() | NAMES
    ),
)
STOPS: dict[StopReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "pause": "pause_turn",
    "refusal": "refusal",
}


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Draw an answer, calls last: that is where a stream, which holds them back, puts them."""
    said: list[Said] = list(draw(st.lists(ANSWER_TEXTS | THOUGHTS | FOREIGN, max_size=4)))
    calls = draw(st.lists(ANSWER_CALLS, max_size=3))
    read, written = draw(COUNTS), draw(COUNTS)
    stop: StopReason = draw(st.sampled_from(sorted(STOPS)))
    refusals = draw(st.lists(st.builds(Refusal, WORDS), max_size=1)) if stop == "refusal" and not calls else []
    words = {"stop": "tool_calls", "word": "tool_use"} if calls else {"stop": stop, "word": STOPS[stop]}
    return Answer(
        upstream_id="msg_0",
        model="claude",
        content=(*said, *calls, *refusals),
        stop=words["stop"],  # pyright: ignore[reportArgumentType]
        stop_word=words["word"],
        usage=Usage(read + written + draw(COUNTS), draw(COUNTS), read, written, draw(COUNTS)),
    )


ENVELOPE = Envelope("0", 0, "claude", Request(model="support", messages=()))
RECEIPT = Receipt(trace_id="0", release="support@1", deployment="anthropic/claude")
TICKETED = replace(RECEIPT, tickets=(Ticket(call_id="t1", ticket="e30.e30.c2ln"),))
