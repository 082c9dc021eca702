# SPDX-License-Identifier: Apache-2.0
"""Each provider of chat completions, against a server of its wire format: answers, streams, errors, credentials."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.planes.model.moved_clock import MovedClock
from tests.planes.model.test_call import LIMITS, deployment
from tests.upstream import azure, compatible, replies
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Reply

from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.answer import Answer, Delta
from customhouse.domain.errors import (
    ContentFiltered,
    CustomhouseError,
    UpstreamFailed,
    UpstreamLimited,
    UpstreamRejected,
)
from customhouse.outgoing.credential import RETRY_S, UpstreamCredentials
from customhouse.planes.model.call import Upstreams
from customhouse.planes.model.circuits import Circuits
from customhouse.planes.model.document import Azure, Deployment

BODY: Final[Mapping[bool, bytes]] = {
    streamed: msgspec.json.encode(
        {"model": azure.DEPLOYMENT, "messages": [], "stream": streamed, "stream_options": {"include_usage": True}}
    )
    for streamed in (True, False)
}


async def drop(_: list[Delta]) -> None:
    """Pass nothing on: the collector has it all."""


class Caller:
    """Upstreams over one clock; each question is a loop of its own, as is the session."""

    def __init__(self, directory: Path, environ: Mapping[str, str] | None = None) -> None:
        self.clock = MovedClock()
        self.circuits = Circuits(self.clock)
        directory.mkdir(mode=0o700, exist_ok=True)
        self.directory = directory
        self.credentials = UpstreamCredentials(directory, environ or {"KEY": "k"}, self.clock)

    def put(self, name: str, content: str, mode: int) -> None:
        new = self.directory / f"new-{name}"
        new.write_text(content)
        new.chmod(mode)
        new.rename(self.directory / name)

    def ask(self, asked: Deployment, *, streamed: bool) -> Answer:
        async def main() -> Answer:
            upstreams = Upstreams(LIMITS, self.credentials, self.circuits, self.clock)
            try:
                if not streamed:
                    return await upstreams.answer(asked, BODY[False])
                collector = PROVIDERS[asked.dialect].collector(LIMITS.answer_bytes, frozenset())
                await upstreams.stream(asked, BODY[True], collector, drop)
                return collector.answer()
            finally:
                await upstreams.close()

        return asyncio.run(main())

    def refused(self, asked: Deployment, *, streamed: bool = False) -> CustomhouseError:
        with pytest.raises(CustomhouseError) as caught:
            self.ask(asked, streamed=streamed)
        return caught.value


@pytest.fixture
def caller(tmp_path: Path) -> Caller:
    return Caller(tmp_path / "credentials")


def at_azure(port: int, api_version: str = azure.VERSION, **fields: str) -> Deployment:
    entra = "api_key_command" in fields
    return msgspec.structs.replace(
        deployment(f"http://127.0.0.1:{port}"),
        model=azure.DEPLOYMENT,
        azure=Azure(api_version=api_version, auth="entra" if entra else "key"),
        **fields,
    )


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("api_version", [azure.VERSION, "v1"])
def test_azure_answers_by_key_on_both_surfaces(caller: Caller, api_version: str, *, streamed: bool) -> None:
    with scripted_upstream(azure.resource(key="k")) as upstream:
        found = caller.ask(at_azure(upstream.port, api_version, api_key_env="KEY"), streamed=streamed)
    assert found.text == "On Friday."
    assert (found.model, found.fingerprint, found.upstream_id) == (azure.MODEL, "fp_azure", "chatcmpl-azure")
    assert found.usage is not None
    assert found.usage.completion_tokens == 2
    assert "authorization" not in upstream.requests[0].headers


@pytest.mark.parametrize("streamed", [False, True])
def test_an_entra_token_is_renewed_when_azure_refuses_it(caller: Caller, *, streamed: bool) -> None:
    caller.put("entra", "#!/bin/sh\necho old\n", 0o700)
    with scripted_upstream(azure.resource(token="new")) as upstream:
        asked = at_azure(upstream.port, api_key_command="entra")
        assert caller.refused(asked, streamed=streamed).code == "upstream.failed"
        caller.put("entra", "#!/bin/sh\necho new\n", 0o700)
        caller.clock.move(RETRY_S)
        assert caller.ask(asked, streamed=streamed).text == "On Friday."
    shown = [request.headers["authorization"] for request in upstream.requests]
    assert shown == ["Bearer old", "Bearer old", "Bearer new"]


def test_a_file_that_was_changed_is_shown_after_a_refusal_at_once(caller: Caller) -> None:
    caller.put("key", "old", 0o600)
    with scripted_upstream(azure.resource(key="new")) as upstream:
        asked = at_azure(upstream.port, api_key_file="key")
        refused = caller.refused(asked)
        assert isinstance(refused, UpstreamFailed)
        assert refused.reason == "upstream.misconfigured"
        caller.put("key", "new", 0o600)
        assert caller.ask(asked, streamed=False).text == "On Friday."
    assert [request.headers["api-key"] for request in upstream.requests] == ["old", "old", "new"]


def test_what_azures_filter_refuses_is_named_and_is_no_failure_of_the_deployment(caller: Caller) -> None:
    with scripted_upstream(azure.resource(key="k", then=azure.filtered)) as upstream:
        asked = at_azure(upstream.port, api_key_env="KEY")
        for _ in range(10):
            refused = caller.refused(asked)
            assert isinstance(refused, ContentFiltered)
            assert "(jailbreak, violence)" in refused.detail
        assert caller.circuits.refusal(asked) is None


def test_an_answer_that_azures_filter_cuts_off_says_so(caller: Caller) -> None:
    with scripted_upstream(azure.resource(key="k", then=azure.cut_by_filter)) as upstream:
        found = caller.ask(at_azure(upstream.port, api_key_env="KEY"), streamed=True)
    assert (found.text, found.stop) == ("One way to ", "content_filter")


@pytest.mark.parametrize(
    ("version", "model", "reason"),
    [("2019-01-01", azure.DEPLOYMENT, "upstream.misconfigured"), (azure.VERSION, "other", "upstream.misconfigured")],
)
def test_a_wrong_version_or_deployment_is_ours(caller: Caller, version: str, model: str, reason: str) -> None:
    with scripted_upstream(azure.resource(key="k")) as upstream:
        asked = msgspec.structs.replace(at_azure(upstream.port, version, api_key_env="KEY"), model=model)
        refused = caller.refused(asked)
        assert isinstance(refused, UpstreamFailed)
        assert refused.reason == reason


@pytest.mark.parametrize(
    ("reply", "wait_s"),
    [
        (azure.limited, 3),  # 2500 ms, told on in whole seconds
        (compatible.GROQ_LIMITED, 2),
        (replies.failure(503, "busy", "Wait.", retry_after="9"), 9),
    ],
)
def test_how_long_it_asks_us_to_wait_is_kept(caller: Caller, reply: Reply, wait_s: int) -> None:
    with scripted_upstream(reply) as upstream:
        asked = deployment(upstream.base_url)
        refused = caller.refused(asked)
        assert refused.retry_after_s == wait_s
        again = caller.refused(asked)
        assert isinstance(again, UpstreamFailed)
        assert (again.reason, again.retry_after_s) == ("upstream.breaker_open", wait_s)
        assert isinstance(again, UpstreamLimited) is isinstance(refused, UpstreamLimited)
        assert len(upstream.requests) == 1
        caller.clock.move(wait_s)
        assert caller.refused(asked).retry_after_s == wait_s
        assert len(upstream.requests) == 2, "one probe when it is over"


@pytest.mark.parametrize("reply", [compatible.LOADING, compatible.OVERLOADED])
def test_a_server_that_does_not_say_for_how_long_is_asked_five_times(caller: Caller, reply: Reply) -> None:
    with scripted_upstream(reply) as upstream:
        asked = deployment(upstream.base_url)
        for _ in range(20):
            caller.refused(asked)
        assert len(upstream.requests) == 5


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", compatible.ANSWERS)
def test_compatible_servers_answer(caller: Caller, name: str, *, streamed: bool) -> None:
    row = compatible.ANSWERS[name]
    with scripted_upstream(row.reply) as upstream:
        found = caller.ask(deployment(upstream.base_url), streamed=streamed)
    assert (found.text, found.stop) == (compatible.TEXT, "stop")
    assert found.reasoning == (compatible.THOUGHT if row.thought else None)
    assert (found.usage is not None) is row.counts
    if found.usage is not None:
        assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (21, 9)


@pytest.mark.parametrize("name", compatible.REFUSALS)
def test_compatible_servers_refuse(caller: Caller, name: str) -> None:
    row = compatible.REFUSALS[name]
    with scripted_upstream(row.reply) as upstream:
        asked = deployment(upstream.base_url)
        refused = caller.refused(asked)
        assert isinstance(refused, UpstreamRejected)
        assert refused.detail == f"the model's provider refused the request ({row.status}): {row.said}"
        assert caller.circuits.refusal(asked) is None


@pytest.mark.parametrize("reply", [compatible.TGI_ERROR_IN_STREAM, compatible.VLLM_ERROR_IN_STREAM])
def test_an_error_inside_a_stream_is_a_failure(caller: Caller, reply: Reply) -> None:
    with scripted_upstream(reply) as upstream:
        refused = caller.refused(deployment(upstream.base_url), streamed=True)
    assert isinstance(refused, UpstreamFailed)
    assert refused.reason == "upstream.protocol"


def test_a_stream_that_never_ends_well_opens_the_breaker(caller: Caller) -> None:
    with scripted_upstream(replies.stream(replies.words("one two"), cut_after=2)) as upstream:
        asked = deployment(upstream.base_url)
        for _ in range(8):
            caller.refused(asked, streamed=True)
        assert len(upstream.requests) == 5


def test_a_date_to_wait_for_is_read_by_our_own_clock(caller: Caller) -> None:
    with scripted_upstream(
        replies.failure(429, "rate", "Slow.", retry_after="Mon, 02 Nov 2026 00:00:30 GMT")
    ) as upstream:
        caller.clock.move(10)
        assert caller.refused(deployment(upstream.base_url)).retry_after_s == 20
