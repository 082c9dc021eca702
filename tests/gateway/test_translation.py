# SPDX-License-Identifier: Apache-2.0
"""The translation matrix: a client of each dialect, a provider of each dialect, whole and streamed, one bare client.

What must keep its meaning is stated once (`tongues.py`) and asked of every pair: what reached the provider, what the
client was told. The providers refuse what the real ones refuse (tests/upstream).
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.docs.pages import ROOT
from tests.gateway.running import GRANTS, Running, documents, running
from tests.gateway.scene import KEY
from tests.gateway.tongues import QUESTION, SCHEMA, TONGUES, TOOL_NAMES, Heard, Tongue, say
from tests.upstream import messages, replies, responses
from tests.upstream.server import Upstream, scripted_upstream
from tests.upstream.wire import Reply

from customhouse.dialects.client import CLIENTS
from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.message import DialectName
from customhouse.planes.model.document import Parameters
from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.planes.tools.document import Grant

BOTH: Final = ToolsDocument(grants={name: Grant(permission="allow", effect="read") for name in TOOL_NAMES})
CALLED: Final = [
    ("get_order_status", {"order_id": "A-1001"}),
    ("issue_refund", {"order_id": "A-1001", "amount": "25.00"}),
]
SAYING: Final[Mapping[DialectName, Reply]] = {
    "openai_chat": replies.answer('{"status":"sent"}'),
    "openai_responses": responses.answer(responses.message(responses.text('{"status":"sent"}'))),
    "anthropic": messages.answer(messages.text('{"status":"sent"}')),
}
TEXT: Final = "Your order is on its way and arrives on Friday."
THOUGHT: Final = "The customer asks for an order, so I look it up."


class Pair(NamedTuple):
    """Who speaks to whom, through a gateway."""

    client: Tongue
    provider: Tongue
    gateway: Running
    upstream: Upstream
    stream: bool

    def hear(self, **wish: object) -> Heard:
        """Ask once, and return what was heard."""
        answer = say(self.gateway, self.client, self.client.first(stream=self.stream, **wish))
        assert answer.status == 200, answer.body
        return self.client.hear(answer)


Ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
Clients = pytest.mark.parametrize("client", list(TONGUES))
Providers = pytest.mark.parametrize("provider", list(PROVIDERS))


@pytest.fixture(autouse=True)
def upstream_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")


@contextmanager
def pair(
    home: Path, client: DialectName, provider: DialectName, *models: str, stream: bool, tools: ToolsDocument = BOTH
) -> Generator[Pair]:
    """Run a provider of one dialect and a gateway, for a client of another."""
    with (
        scripted_upstream() as upstream,
        running(
            home,
            documents(
                upstream.base_url, models, dialect=provider, api_key_env=KEY, tools=tools, parameters=Parameters()
            ),
        ) as gateway,
    ):
        yield Pair(TONGUES[client], TONGUES[provider], gateway, upstream, stream)


def test_every_dialect_is_in_the_matrix() -> None:
    assert set(TONGUES) == set(PROVIDERS)
    assert {tongue.path for tongue in TONGUES.values()} == set(CLIENTS)
    told = (ROOT / "docs" / "reference" / "dialects.md").read_text(encoding="utf-8")
    every = " | ".join("yes" for _ in PROVIDERS)
    assert all(f"| `{path}` | {every} |" in told for path in CLIENTS), "the table says what is tried here"


@Ways
@Providers
@Clients
def test_text_and_counts(home: Path, client: DialectName, provider: DialectName, *, stream: bool) -> None:
    with pair(home, client, provider, "answer", stream=stream) as both:
        heard = both.hear()
        assert (heard.text.strip(), heard.stop, heard.calls) == (TEXT, "done", ())
        assert heard.usage[:2] == (21, 9)
        assert (heard.receipt["deployment"], heard.receipt.get("fallback", False)) == ("local/answer", False)
        asked = both.provider.asked(both.upstream.requests[0])
        assert (asked.system, asked.roles) == ("You answer in few words.", ("user",))
        assert asked.max_tokens == 2000
        assert QUESTION in both.upstream.requests[0].raw.decode()
        assert both.upstream.requests[0].streamed is stream
        kinds = both.gateway.kinds(heard.receipt["trace_id"])
        assert kinds == ["request.accepted", "model.called", "model.answered", "response.completed"]


@Ways
@Providers
@Clients
def test_two_parallel_calls_and_their_results(
    home: Path, client: DialectName, provider: DialectName, *, stream: bool
) -> None:
    with pair(home, client, provider, "parallel-calls", stream=stream) as both:
        body = both.client.first(stream=stream, tools=TOOL_NAMES)
        heard = both.client.hear(say(both.gateway, both.client, body))
        assert [call[1:] for call in heard.calls] == CALLED
        assert heard.stop == "calls"
        assert both.provider.asked(both.upstream.requests[0]).tools == TOOL_NAMES
        both.upstream.by_model = {"parallel-calls": SAYING[provider]}
        answer = say(both.gateway, both.client, both.client.second(body, heard, ["sent", "paid"]))
        assert answer.status == 200, answer.body
        assert both.client.hear(answer).text.strip() == '{"status":"sent"}'
        asked = both.provider.asked(both.upstream.requests[1])
        assert asked.calls == heard.calls, "as the model wrote them"
        assert asked.results == ((heard.calls[0][0], "sent"), (heard.calls[1][0], "paid"))


@Ways
@Providers
@Clients
def test_a_held_call_stays_here(home: Path, client: DialectName, provider: DialectName, *, stream: bool) -> None:
    policy = ToolsDocument(grants=dict(GRANTS))
    with pair(home, client, provider, "parallel-calls", stream=stream, tools=policy) as both:
        heard = both.hear(tools=TOOL_NAMES)
        assert [call[1:] for call in heard.calls] == CALLED[:1]
        assert "[customhouse] The call to issue_refund was held" in heard.text
        (decision,) = heard.receipt["decisions"]
        assert (decision["tool"], decision["outcome"]) == ("issue_refund", "hold")


@Ways
@Providers
@Clients
def test_reasoning(home: Path, client: DialectName, provider: DialectName, *, stream: bool) -> None:
    with pair(home, client, provider, "reasoning", stream=stream) as both:
        heard = both.hear()
        assert heard.reasoning.strip().startswith(THOUGHT)
        assert (heard.text.strip(), heard.stop) == (TEXT, "done")


SEALS: Final[Mapping[DialectName, str]] = {"openai_responses": responses.ENCRYPTED, "anthropic": messages.SIGNATURE}


@Ways
@pytest.mark.parametrize("provider", list(SEALS))
@pytest.mark.parametrize("client", list(SEALS))
def test_sealed_reasoning_goes_back_to_whom_it_came_from(
    home: Path, client: DialectName, provider: DialectName, *, stream: bool
) -> None:
    """The provider's own proof travels through a client of another dialect, and comes back as it was."""
    with pair(home, client, provider, "reasoning-call", stream=stream) as both:
        body = both.client.first(stream=stream, tools=TOOL_NAMES)
        heard = both.client.hear(say(both.gateway, both.client, body))
        assert [call[1] for call in heard.calls] == ["get_order_status"]
        both.upstream.by_model = {"reasoning-call": SAYING[provider]}
        answer = say(both.gateway, both.client, both.client.second(body, heard, ["sent"]))
        assert answer.status == 200, answer.body
        assert f'"{SEALS[provider]}"' in both.upstream.requests[1].raw.decode()


@Ways
@Providers
@Clients
def test_counts_of_a_cache(home: Path, client: DialectName, provider: DialectName, *, stream: bool) -> None:
    with pair(home, client, provider, "cached-usage", stream=stream) as both:
        assert both.hear().usage == (2121, 9, 2000)


@Ways
@Providers
@Clients
def test_an_answer_cut_off(home: Path, client: DialectName, provider: DialectName, *, stream: bool) -> None:
    with pair(home, client, provider, "max-tokens", stream=stream) as both:
        heard = both.hear()
        assert (heard.text.strip(), heard.stop) == ("Your order is on", "cut")


@Ways
@Providers
@Clients
def test_an_answer_of_a_form(home: Path, client: DialectName, provider: DialectName, *, stream: bool) -> None:
    with pair(home, client, provider, "formed", stream=stream) as both:
        both.upstream.by_model = {"formed": SAYING[provider]}
        assert both.hear(schema=SCHEMA).text.strip() == '{"status":"sent"}'
        assert both.provider.asked(both.upstream.requests[0]).schema == SCHEMA


@Ways
@Providers
@Clients
def test_a_refusal(home: Path, client: DialectName, provider: DialectName, *, stream: bool) -> None:
    with pair(home, client, provider, "refusal", stream=stream) as both:
        heard = both.hear()
        assert heard.refusal in {"I can't help with that.", "Declined by a classifier."}


@Ways
@Providers
@Clients
def test_errors_have_the_shape_of_the_client(
    home: Path, client: DialectName, provider: DialectName, *, stream: bool
) -> None:
    with pair(home, client, provider, "rejected", stream=stream) as both:
        answer = say(both.gateway, both.client, both.client.first(stream=stream))
        problem = both.client.problem(answer)
        assert (answer.status, problem["code"]) == (400, "upstream.rejected")
        assert "trace_id" in problem


@Providers
@Clients
def test_a_stream_that_breaks_ends_with_an_error(home: Path, client: DialectName, provider: DialectName) -> None:
    with pair(home, client, provider, "cut-stream", stream=True) as both:
        answer = say(both.gateway, both.client, both.client.first(stream=True))
        problem = both.client.problem(answer)
        assert (answer.status, problem["code"]) == (200, "upstream.failed")
