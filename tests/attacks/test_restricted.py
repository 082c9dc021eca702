# SPDX-License-Identifier: Apache-2.0
"""Attacks on restricted data: an application asks for it on behalf of a name that nobody proved.

Lee's record is restricted. Mallory's application says `user:lee`, or lets what it asks about become restricted by
another way than the one that is looked at. No model is asked, whatever the dialect, and the refusal is on record.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from tests.gateway.running import BOT, Answer, Running, documents, running
from tests.gateway.tongues import TONGUES
from tests.gateway.waiting import ON_BEHALF_OF, proved, trusting
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.domain.message import DialectName

Json = dict[str, Any]
LEE: Final = {ON_BEHALF_OF: "user:lee"}
RESTRICTED: Final = {"customhouse-classification": "restricted"}
CODE: Final = "identity.verification_required"
WAYS: Final = [(name, stream) for name in TONGUES for stream in (False, True)]
WAY_IDS: Final = [f"{name}-{'streamed' if stream else 'whole'}" for name, stream in WAYS]


@contextmanager
def gateway(home: Path, floor: str = "internal") -> Generator[tuple[Running, Upstream]]:
    """Run a gateway whose only deployment may see everything, and a provider."""
    with (
        scripted_upstream() as upstream,
        running(
            home,
            documents(upstream.base_url, accepts="restricted", floor=floor),
            ("user:*",),
            issuers=trusting(home),
        ) as started,
    ):
        yield started, upstream


def send(to: Running, path: str, body: Json | None, headers: Json) -> Answer:
    own = {"authorization": f"Bearer {to.key}", "content-type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    return to.request("GET" if body is None else "POST", path, content, {**own, **headers})


def code(answer: Answer) -> tuple[int, str]:
    problem: Json = answer.json.get("error", answer.json)
    return answer.status, problem.get("code", problem["type"])


def assert_refused(to: Running, upstream: Upstream, answer: Answer, asked: int = 0) -> None:
    """Nothing left, and the point that refused it has recorded why."""
    assert answer.status == 403, answer.body
    assert CODE.encode() in answer.body
    assert len(upstream.requests) == asked
    (record,) = to.records(answer.headers["customhouse-trace-id"])
    assert (record["kind"], record["decision"]["outcome"]) == ("request.refused", "deny")
    assert record["decision"]["reasons"] == [CODE]
    assert record["principal"]["assertion"] == "asserted"


@pytest.mark.parametrize(("dialect", "stream"), WAYS, ids=WAY_IDS)
@pytest.mark.parametrize(("floor", "claim"), [("internal", RESTRICTED), ("restricted", {})], ids=["header", "floor"])
def test_no_model_is_asked(home: Path, floor: str, claim: Json, dialect: DialectName, *, stream: bool) -> None:
    tongue = TONGUES[dialect]
    body = tongue.first(stream=stream)
    with gateway(home, floor) as (to, upstream):
        assert_refused(to, upstream, send(to, tongue.path, body, {**claim, **LEE}))
        for lower in ("public", "confidential") if floor == "restricted" else ():
            said = {"customhouse-classification": lower}
            assert_refused(to, upstream, send(to, tongue.path, body, {**said, **LEE}))
        forged = send(to, tongue.path, body, {**claim, ON_BEHALF_OF: proved("lee", exp=1)[ON_BEHALF_OF]})
        assert forged.status == 403, "what is no proof is no name either"
        assert not upstream.requests
        for whom in (proved("lee"), {}):
            assert send(to, tongue.path, body, {**claim, **whom}).status == 200
        assert len(upstream.requests) == 2


def test_a_class_below_it_is_answered_for_a_name(home: Path) -> None:
    with gateway(home) as (to, upstream):
        confidential = {"customhouse-classification": "confidential"}
        assert send(to, "/v1/chat/completions", TONGUES["openai_chat"].first(), {**confidential, **LEE}).status == 200
        assert len(upstream.requests) == 1


def test_no_tokens_are_counted(home: Path) -> None:
    body: Json = {"model": BOT, "messages": [{"role": "user", "content": "Where is order 7?"}]}
    with gateway(home) as (to, upstream):
        assert_refused(to, upstream, send(to, "/v1/messages/count_tokens", body, {**RESTRICTED, **LEE}))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_response_that_is_continued_or_read_keeps_its_class(home: Path, *, stream: bool) -> None:
    with gateway(home) as (to, upstream):
        first = send(to, "/v1/responses", {"model": BOT, "input": "My diagnosis."}, {**RESTRICTED, **proved("lee")})
        kept = first.json["id"]
        goes_on = {"model": BOT, "input": "And?", "previous_response_id": kept, "stream": stream}
        assert_refused(to, upstream, send(to, "/v1/responses", goes_on, LEE), asked=1)
        for path in (f"/v1/responses/{kept}", f"/v1/responses/{kept}/input_items"):
            assert code(send(to, path, None, LEE)) == (403, CODE)
            assert b"diagnosis" not in send(to, path, None, LEE).body
            assert send(to, path, None, proved("lee")).status == 200
        assert send(to, "/v1/responses", goes_on, proved("lee")).status == 200
        assert len(upstream.requests) == 2
