# SPDX-License-Identifier: Apache-2.0
"""Calling a deployment: credentials, redirects and refusals. How a turn falls back is in gateway/test_fallback.py."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.upstream import replies
from tests.upstream.server import Upstream, scripted_upstream
from tests.upstream.wire import Received, Reply, Send, Step, as_json, whole

from customhouse.dialects.openai_chat.upstream_stream import Collector
from customhouse.domain.answer import Answer, Delta, Piece
from customhouse.domain.clock import SystemClock
from customhouse.domain.errors import CustomhouseError, UpstreamFailed, UpstreamLimited, UpstreamRejected
from customhouse.outgoing.credential import UpstreamCredentials
from customhouse.planes.model.call import Limits, Upstreams
from customhouse.planes.model.circuits import Circuits
from customhouse.planes.model.document import Deployment

LIMITS = Limits(connect_s=5, first_byte_s=5, idle_s=5, answer_bytes=100_000)
BODY = b'{"model":"m","messages":[]}'


def deployment(base_url: str, api_key_env: str | None = None) -> Deployment:
    return Deployment(
        name="small",
        provider="local",
        model="m",
        dialect="openai_chat",
        base_url=base_url,
        posture="self_hosted",
        accepts="internal",
        api_key_env=api_key_env,
    )


def called(story: Callable[[Upstreams], Awaitable[Answer]], secrets: Mapping[str, str] | None = None) -> Answer:
    async def main() -> Answer:
        clock = SystemClock()
        credentials = UpstreamCredentials(Path("nowhere"), secrets or {}, clock)
        upstreams = Upstreams(LIMITS, credentials, Circuits(clock), clock)
        try:
            return await story(upstreams)
        finally:
            await upstreams.close()

    return asyncio.run(main())


def ask(upstream: Upstream, **fields: str | None) -> Answer:
    return called(lambda upstreams: upstreams.answer(deployment(upstream.base_url, **fields), BODY), {"KEY": "s3cret"})


def refused(reply: Reply) -> CustomhouseError:
    with scripted_upstream(reply) as upstream, pytest.raises(CustomhouseError) as caught:
        ask(upstream)
    return caught.value


def answering(status: int, **headers: str) -> Reply:
    def reply(_request: Received) -> Iterator[Step]:
        yield whole(status, as_json({"error": {"message": "because"}}), **headers)

    return reply


def test_the_credential_is_looked_up_by_name_and_sent_as_bearer() -> None:
    with scripted_upstream(replies.answer("hello")) as upstream:
        assert ask(upstream, api_key_env="KEY").text is not None
        assert ask(upstream).text is not None
        sent = [request.headers.get("authorization") for request in upstream.requests]
        assert sent == ["Bearer s3cret", None]
        assert upstream.requests[0].raw == BODY


def test_without_its_credential_nothing_is_sent() -> None:
    with scripted_upstream(replies.answer("hello")) as upstream:
        with pytest.raises(UpstreamFailed, match=r"OTHER is not set") as caught:
            ask(upstream, api_key_env="OTHER")
        assert caught.value.reason == "upstream.credential_missing"
        assert upstream.requests == []


def test_a_redirect_is_not_followed() -> None:
    """A provider does not get to choose where data goes next."""
    with scripted_upstream(replies.answer("elsewhere")) as elsewhere:

        def reply(_request: Received) -> Iterator[Step]:
            lines = ("HTTP/1.1 307 Moved", f"location: {elsewhere.base_url}/chat/completions", "content-length: 0")
            yield Send("\r\n".join((*lines, "", "")).encode())

        with scripted_upstream(reply) as upstream, pytest.raises(UpstreamFailed, match=r"answered 307"):
            ask(upstream)
        assert elsewhere.requests == []


REFUSALS: list[tuple[int, type[CustomhouseError], str]] = [
    (400, UpstreamRejected, "upstream.rejected"),
    (401, UpstreamFailed, "upstream.misconfigured"),
    (404, UpstreamFailed, "upstream.misconfigured"),
    (429, UpstreamLimited, "upstream.limited"),
    (500, UpstreamFailed, "upstream.server_error"),
    (503, UpstreamFailed, "upstream.server_error"),
]


@pytest.mark.parametrize(("status", "cls", "reason"), REFUSALS)
def test_a_status_has_its_error(status: int, cls: type[CustomhouseError], reason: str) -> None:
    error = refused(answering(status))
    assert type(error) is cls
    assert (error.reason if isinstance(error, UpstreamFailed) else error.code) == reason
    assert ("because" in error.detail) == (status == 400), (
        "a provider's sentence is told for a request's own fault only"
    )


def test_an_answer_over_its_bound_is_a_failure() -> None:
    error = refused(replies.answer("x" * 200_000))
    assert isinstance(error, UpstreamFailed)
    assert error.reason == "upstream.too_large"


def test_a_stream_passes_its_text_and_keeps_the_whole() -> None:
    async def story(upstreams: Upstreams) -> Answer:
        collector = Collector(100_000)
        passed: list[str] = []

        async def take(deltas: list[Delta]) -> None:
            passed.extend(delta.text for delta in deltas if isinstance(delta, Piece))

        body = b'{"model":"m","stream":true,"messages":[]}'
        await upstreams.stream(deployment(upstream.base_url), body, collector, take)
        assert "".join(passed) == collector.answer().text
        return collector.answer()

    with scripted_upstream(replies.answer("one two three")) as upstream:
        assert called(story).stop == "stop"
