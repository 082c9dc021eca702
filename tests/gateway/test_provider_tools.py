# SPDX-License-Identifier: Apache-2.0
"""Tools that a provider runs by itself: passed on where the policy grants them, told to the client, and on record."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai.types.responses import Response
from tests.attacks.test_switches import thrown
from tests.gateway.running import BOT, GRANTS, Json, Running, documents, running
from tests.gateway.scene import KEY
from tests.upstream import messages, replies, responses
from tests.upstream.responses_tools import CODE, WEB_SEARCH
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.domain.message import DialectName, ProviderToolName
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import ProviderEffect

SEARCH: Final[Json] = {"type": "web_search", "search_context_size": "low", "filters": None, "user_location": None}
RUN: Final[Json] = {"type": "code_interpreter", "container": {"type": "auto"}}
BOTH: Final[Mapping[ProviderToolName, ProviderEffect]] = {"web_search": "read", "code_interpreter": "write"}
USING: Final = responses.answer(WEB_SEARCH, CODE, responses.message(responses.text()))
Scene = tuple[Running, Upstream, openai.OpenAI]


@pytest.fixture(autouse=True)
def upstream_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")


@contextmanager
def scene(
    home: Path,
    granted: Mapping[ProviderToolName, ProviderEffect] = BOTH,
    *,
    dialect: DialectName = "openai_responses",
    **policy: Any,  # noqa: ANN401 - more of the tools document
) -> Generator[Scene]:
    """Run a provider that searches and runs code before it answers."""
    policy = {"grants": dict(GRANTS), "provider_tools": dict(granted), **policy}
    by_model = {"using": USING if dialect == "openai_responses" else replies.answer()}
    if dialect == "anthropic":
        by_model = {"using": messages.answer(messages.text())}
    with (
        scripted_upstream(by_model=by_model) as upstream,
        running(
            home,
            documents(upstream.base_url, ("using",), dialect=dialect, api_key_env=KEY, tools=ToolsDocument(**policy)),
        ) as gateway,
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=30) as client,
    ):
        yield gateway, upstream, client


def said(client: openai.OpenAI, asked: Any, *tools: Json, streamed: bool = False) -> Response:  # noqa: ANN401 - items
    if not streamed:
        return client.responses.create(model=BOT, input=asked, tools=[*tools])  # pyright: ignore[reportArgumentType]
    with client.responses.stream(model=BOT, input=asked, tools=[*tools]) as stream:  # pyright: ignore[reportArgumentType]
        for _ in stream:
            pass
        return stream.get_final_response()


def trace(answer: Response) -> str:
    receipt: dict[str, Any] = answer.to_dict()["customhouse"]  # pyright: ignore[reportAssignmentType]
    return receipt["trace_id"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_is_granted_goes_on_and_what_it_brought_comes_back(home: Path, *, streamed: bool) -> None:
    with scene(home) as (gateway, upstream, client):
        first = said(client, "When does it arrive?", SEARCH, RUN, streamed=streamed)
        assert [item.type for item in first.output] == ["web_search_call", "code_interpreter_call", "message"]
        assert upstream.requests[0].body["tools"] == [{"type": "web_search", "search_context_size": "low"}, RUN]
        assert [item.to_dict() for item in first.output[:2]] == [WEB_SEARCH, CODE]
        records = [each for each in gateway.records(trace(first)) if each["kind"] == "tool.reported"]
        assert [(each["tool"]["name"], each["tool"]["effect"]) for each in records] == [
            ("web_search", "read"),
            ("code_interpreter", "write"),
        ]
        assert all(each["detail"] == {"executed_by": "provider"} for each in records)
        assert all(each["decision"]["reasons"] == ["tool.provider_granted"] for each in records)
        history: list[Any] = [{"role": "user", "content": "When?"}, *first.output, {"role": "user", "content": "And?"}]
        said(client, history, SEARCH, RUN, streamed=streamed)
        told = [
            item for item in upstream.requests[1].body["input"] if item["type"] in {"web_search_call", CODE["type"]}
        ]
        assert told == [WEB_SEARCH, CODE], "as the provider told it"


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
def test_a_provider_that_cannot_be_told_is_not_asked(home: Path, dialect: DialectName) -> None:
    with scene(home, dialect=dialect) as (_, upstream, client):
        with pytest.raises(openai.BadRequestError) as caught:
            said(client, "hi", SEARCH)
        assert caught.value.param == "tools[0].type"
        assert not upstream.requests


LEFT_OUT: Final[list[tuple[str, str | None, Json, list[str]]]] = [
    ("the tool is off", "tool:web_search", {}, ["code_interpreter"]),
    ("what writes is off", "effect:write", {}, ["web_search"]),
    ("what reads is off, so everything is", "effect:read", {}, []),
    ("workflows are declared", None, {"workflows": {"returns": ("get_order_status",)}}, ["web_search"]),
]


@pytest.mark.parametrize(("reason", "switch", "policy", "left"), LEFT_OUT, ids=[row[0] for row in LEFT_OUT])
def test_what_is_taken_away_is_not_offered(
    home: Path, reason: str, switch: str | None, policy: Json, left: list[str]
) -> None:
    with scene(home, **policy) as (gateway, upstream, client):
        if switch is not None:
            thrown(gateway, switch)
        answer = said(client, "hi", SEARCH, RUN)
        assert [tool["type"] for tool in upstream.requests[0].body.get("tools", ())] == left, reason
        records = gateway.records(trace(answer))
        assert records[1]["detail"]["withheld"] == [t for t in ("web_search", "code_interpreter") if t not in left]
        failed = [each["decision"]["reasons"] for each in records if each["kind"] == "model.failed"]
        assert failed == [["upstream.ungranted"]], "and this provider used both all the same"
