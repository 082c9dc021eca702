# SPDX-License-Identifier: Apache-2.0
"""Spans as a collector on a socket receives them: what they say, whose children they are, and what is lost."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.gateway.running import BOT, TOOLS, documents, running
from tests.telemetry.collector import Collector, Seen, collector
from tests.telemetry.scrape import scrape
from tests.upstream.server import Upstream

from customhouse.app import build
from customhouse.domain.errors import InvalidRequest
from customhouse.gateway.account import Account
from customhouse.settings import Settings, load
from customhouse.telemetry.otlp import BATCH, MAX_WAITING, SpanExport

CLIENT_TRACE, CLIENT_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
pytestmark = pytest.mark.slow


def named(spans: list[Seen], name: str) -> list[Seen]:
    return [span for span in spans if span.name == name]


def test_a_turn_its_model_calls_and_its_decisions(home: Path, upstream: Upstream) -> None:
    with (
        collector() as received,
        running(
            home,
            documents(upstream.base_url, ("broken", "parallel-calls")),
            otlp_endpoint=received.endpoint,
            replica_name="r1",
        ) as gateway,
    ):
        answer = gateway.chat(headers={"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"}, tools=TOOLS)
        assert answer.status == 200
        spans = received.take(5)
    assert received.paths == ["/v1/traces"]
    assert {span.trace for span in spans} == {CLIENT_TRACE}
    assert spans[0].resource == {"service.name": "customhouse", "service.version": "0.1.0", "service.instance.id": "r1"}
    turn, broken, answered, *decisions = spans
    trace_id = answer.headers["customhouse-trace-id"]
    assert (turn.name, turn.kind, turn.parent) == (f"invoke_agent {BOT}", Span.SPAN_KIND_SERVER, CLIENT_SPAN)
    assert turn.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": BOT,
        "http.response.status_code": 200,
        "customhouse.trace_id": trace_id,
        "customhouse.outcome": "answered",
        "customhouse.environment": "dev",
        "customhouse.release": answer.headers["customhouse-release"],
        "customhouse.snapshot": answer.headers["customhouse-snapshot"],
        "customhouse.generation": 1,
        "customhouse.deployment": "local/parallel-calls",
    }
    asked = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "local"}
    assert (broken.name, broken.kind, broken.parent) == ("chat broken", Span.SPAN_KIND_CLIENT, turn.id)
    assert broken.failed
    assert broken.attributes == {
        **asked,
        "gen_ai.request.model": "broken",
        "error.type": "upstream.server_error",
        "customhouse.deployment": "local/broken",
        "customhouse.attempt": 1,
    }
    assert not answered.failed
    assert answered.attributes == {
        **asked,
        "gen_ai.request.model": "parallel-calls",
        "gen_ai.response.model": "parallel-calls",
        "gen_ai.response.id": "chatcmpl-scripted",
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.usage.input_tokens": 21,
        "gen_ai.usage.output_tokens": 9,
        "customhouse.deployment": "local/parallel-calls",
        "customhouse.attempt": 2,
    }
    assert [(span.name, span.kind, span.parent) for span in decisions] == [
        ("decide_tool", Span.SPAN_KIND_INTERNAL, answered.id)
    ] * 2
    assert {span.attributes["gen_ai.tool.name"]: span.attributes["customhouse.decision"] for span in decisions} == {
        "get_order_status": "allow",
        "issue_refund": "hold",
    }
    assert turn.start_ns <= broken.start_ns <= broken.end_ns <= answered.start_ns <= answered.end_ns <= turn.end_ns


def test_without_a_traceparent_the_trace_is_the_turns_own(home: Path, upstream: Upstream) -> None:
    with (
        collector() as received,
        running(home, documents(upstream.base_url), otlp_endpoint=received.endpoint + "/") as gateway,
    ):
        trace_id = gateway.chat().headers["customhouse-trace-id"]
        turn = received.take(2)[0]
        assert (turn.trace, turn.parent) == (trace_id.replace("-", ""), "")
        refused = gateway.chat(model="nobody").headers["customhouse-trace-id"]
        turn = received.take(1)[0]
        assert (turn.trace, turn.failed) == (refused.replace("-", ""), True)
        assert turn.attributes["error.type"] == "assistant.unknown"
        while scrape(gateway).value("customhouse_spans_exported_total") != 3:
            pass


def test_a_client_that_does_not_sample_is_followed_in_that(home: Path, upstream: Upstream) -> None:
    with (
        collector() as received,
        running(home, documents(upstream.base_url), otlp_endpoint=received.endpoint) as gateway,
    ):
        gateway.chat(headers={"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-00"})
        sampled = gateway.chat().headers["customhouse-trace-id"]
        assert received.take(2)[0].trace == sampled.replace("-", "")
    assert received.spans.empty()


def test_no_content_and_no_name_that_a_model_chose_is_sent(home: Path, upstream: Upstream) -> None:
    with (
        collector() as received,
        running(
            home, documents(upstream.base_url, ("unknown-call",), prompt="TRIPWIRE"), otlp_endpoint=received.endpoint
        ) as gateway,
    ):
        tools = [{"type": "function", "function": {"name": "tripwire_tool", "parameters": {"type": "object"}}}]
        answer = gateway.chat(
            headers={"traceparent": "00-tripwire", "user-agent": "tripwire"},
            messages=[{"role": "user", "content": "tripwire"}],
            tools=tools,
        )
        spans = received.take(3)
    assert answer.status == 200
    decided = named(spans, "decide_tool")[0]
    assert decided.attributes["customhouse.decision"] == "deny"
    assert "gen_ai.tool.name" not in decided.attributes, "the release does not declare it"
    for content in received.raw:
        assert b"tripwire" not in content.lower()
        assert b"delete_everything" not in content
        assert gateway.key.encode() not in content


def test_an_endpoint_that_refuses_costs_spans_and_no_turn(home: Path, upstream: Upstream) -> None:
    with (
        collector() as received,
        running(home, documents(upstream.base_url), otlp_endpoint=received.endpoint) as gateway,
    ):
        received.status = 400
        assert gateway.chat().status == 200
        while scrape(gateway).value("customhouse_spans_dropped_total", reason="failed") != 2:
            pass
        received.status = 200
        assert gateway.chat().status == 200
        assert len(received.take(2)) == 2


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    async def work(received: Collector) -> None:
        received.gate.clear()
        export = SpanExport(received.endpoint, version="1", replica="r")
        for number in range(MAX_WAITING + 7):
            export.watch(Account(f"01a20f52-3a72-7432-b90c-{number:012x}", 1))
        assert (export.counts.full, export.counts.exported) == (7, 0)
        received.gate.set()
        await export.close()
        assert (export.counts.full, export.counts.exported) == (7, MAX_WAITING)
        assert len(received.take(MAX_WAITING)) == MAX_WAITING
        assert len(received.raw) == MAX_WAITING // BATCH

    with collector() as received:
        asyncio.run(work(received))


def test_what_waits_is_sent_before_the_end() -> None:
    async def work(received: Collector) -> None:
        export = SpanExport(received.endpoint, version="1", replica="r")
        export.watch(Account("01a20f52-3a72-7432-b90c-000000000001", 1))
        await export.close()
        assert export.counts.exported == 1

    with collector() as received:
        asyncio.run(work(received))
        assert received.take(1)[0].name == "invoke_agent"


def test_without_an_endpoint_nothing_is_made(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        assert gateway.chat().status == 200
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("customhouse-otlp")]
        assert scrape(gateway).value("customhouse_spans_exported_total") == 0


def test_an_endpoint_without_the_extra_ends_the_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "customhouse.telemetry.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    async def start() -> None:
        async with build(Settings(home=str(home), otlp_endpoint="http://127.0.0.1:4318")):
            pass

    with pytest.raises(InvalidRequest, match=r"customhouse\[otel\]"):
        asyncio.run(start())
    assert not home.exists(), "it ended before anything was opened"


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://c", "http://user:secret@collector:4318"])
def test_an_endpoint_is_an_address_without_credentials(endpoint: str) -> None:
    with pytest.raises(InvalidRequest, match="OTEL_EXPORTER_OTLP_HEADERS") as refused:
        load({"CUSTOMHOUSE_OTLP_ENDPOINT": endpoint})
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"])
@pytest.mark.parametrize("headers", ["api-key: s3cret", "authorization=Basic abc,s3cret"])
def test_credentials_that_cannot_be_read_are_refused_and_not_repeated(
    name: str, headers: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(name, headers)
    with pytest.raises(InvalidRequest, match=f"{name} is no list of name=value") as refused:
        SpanExport("http://127.0.0.1:4318", version="1", replica="r")
    assert "s3cret" not in f"{refused.value}{caplog.text}"
