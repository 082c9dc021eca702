# SPDX-License-Identifier: Apache-2.0
"""POST /v1/embeddings through the one turn: what a client is given, what a provider may not get wrong, what is kept."""

import base64
import hashlib
import json
import struct
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai import NotFoundError, OpenAI
from tests.gateway.running import BOT, Answer, Running, documents, running
from tests.upstream.embeddings import DIMENSIONS, vector
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.domain.label import ClassificationName
from customhouse.planes.model.document import Choice, Deployment
from customhouse.rollout.submission import SubmittedDocuments

TEXTS = ["Where is my order?", "hello"]


def embedding(base_url: str, *models: str, accepts: ClassificationName = "internal") -> SubmittedDocuments:
    """Return documents with an embedding deployment for each of `models`, each in an entry of its own."""
    submitted = documents(base_url, floor="internal")
    found = {
        f"embed-{name}": Deployment(
            name=f"embed-{name}",
            provider="vectors",
            model=name,
            dialect="openai_chat",
            base_url=base_url,
            posture="self_hosted",
            accepts=accepts,
            region="local",
            kind="embedding",
            dimensions=DIMENSIONS,
        )
        for name in models
    }
    model = msgspec.structs.replace(
        submitted.model,
        deployments=submitted.model.deployments | found,
        embeddings=tuple(Choice(use=(f"embed-{name}",)) for name in models),
    )
    return msgspec.structs.replace(submitted, model=model)


def embed(gateway: Running, given: object = TEXTS, headers: Mapping[str, str] | None = None, **more: object) -> Answer:
    body = {"model": BOT, "input": given, **more}
    sent = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json", **(headers or {})}
    return gateway.request("POST", "/v1/embeddings", json.dumps(body).encode(), sent)


@pytest.fixture(scope="module")
def upstream() -> Generator[Upstream]:
    with scripted_upstream() as served:
        yield served


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("home"), embedding(upstream.base_url, "answer")) as served:
        yield served


@pytest.fixture(scope="module")
def changing(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """A gateway whose release tests replace."""
    with running(tmp_path_factory.mktemp("home"), embedding(upstream.base_url, "answer")) as served:
        yield served


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_the_sdk_gets_the_providers_vectors_to_the_last_bit(gateway: Running, encoding: Any) -> None:  # noqa: ANN401
    with OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0) as client:
        options = {} if encoding is None else {"encoding_format": encoding}
        answered = client.embeddings.create(model=BOT, input=TEXTS, **options)
    assert [each.index for each in answered.data] == [0, 1]
    assert answered.model == "answer"
    assert answered.usage.prompt_tokens == answered.usage.total_tokens == 5
    for text, each in zip(TEXTS, answered.data, strict=True):
        found: Any = each.embedding
        if encoding == "base64":  # who asks for base64 is given base64
            found = list(struct.unpack(f"<{DIMENSIONS}f", base64.b64decode(found)))
        assert found == vector(text)


def test_the_receipt_and_the_headers_are_those_of_every_answer(gateway: Running) -> None:
    answered = embed(gateway, "hello")
    assert answered.status == 200
    assert answered.headers["customhouse-release"] == f"{BOT}@1"
    assert answered.headers["customhouse-deployment"] == "vectors/embed-answer"
    assert answered.receipt["trace_id"] == answered.headers["customhouse-trace-id"]
    assert answered.receipt["deployment"] == "vectors/embed-answer"
    assert set(answered.json) == {"object", "data", "model", "usage", "customhouse"}


def test_a_call_is_durable_before_it_leaves_and_vectors_are_kept_by_digest(gateway: Running) -> None:
    answered = embed(gateway)
    accepted, called, said, completed = gateway.records(answered.headers["customhouse-trace-id"])
    assert [each["kind"] for each in (accepted, called, said, completed)] == [
        "request.accepted",
        "model.called",
        "model.answered",
        "response.completed",
    ]
    assert called["detail"]["texts"] == 2
    assert set(called["versions"]) == {"model"}, "no prompt goes with a text that is embedded"
    assert said["detail"]["vectors"] == 2
    assert said["detail"]["dimensions"] == DIMENSIONS
    assert said["usage"] == {"prompt_tokens": 5, "completion_tokens": 0}
    assert completed["commitments"] == {"response": said["commitments"]["model_answer"]}
    assert completed["outcome"] == "answered"
    trace_id = answered.headers["customhouse-trace-id"]
    assert json.loads(payload(gateway, trace_id, "request"))["input"] == TEXTS
    digests = [hashlib.sha256(struct.pack(f"<{DIMENSIONS}f", *vector(text))).digest() for text in TEXTS]
    kept = json.loads(payload(gateway, trace_id, "model_answer"))["vectors"]
    assert [base64.b64decode(each) for each in kept] == digests


def payload(gateway: Running, trace_id: str, kind: str) -> bytes:
    """Return a payload of a turn, opened with its tenant's key."""
    ((commitment, sealed),) = gateway.rows(
        "SELECT commitment, sealed FROM payload WHERE trace_id = ? AND kind = ?", trace_id, kind
    )
    key = gateway.run(gateway.control.ledger.tenant_key("default"))
    return key.open(trace_id, kind, commitment, bytes(sealed))


SPOILT = (
    ("too-few", "upstream.protocol"),
    ("too-many", "upstream.protocol"),
    ("same-index", "upstream.protocol"),
    ("no-numbers", "upstream.protocol"),
    ("not-finite", "upstream.protocol"),
    ("empty-vector", "upstream.protocol"),
    ("wrong-dimensions", "upstream.dimensions"),
    ("wrong-base64", "upstream.protocol"),
    ("not-an-object", "upstream.protocol"),
    ("wrong-json", "upstream.protocol"),
    ("broken", "upstream.server_error"),
)


@pytest.mark.parametrize(("model", "reason"), SPOILT, ids=[row[0] for row in SPOILT])
def test_no_spoilt_vector_reaches_a_client_and_no_sentence_stands_in(
    upstream: Upstream, changing: Running, model: str, reason: str
) -> None:
    changing.publish(embedding(upstream.base_url, model))
    answered = answered_by(changing, model)
    assert answered.status == 502, answered.body
    assert answered.json["error"]["code"] == "upstream.failed"
    assert "data" not in answered.json
    *_, failed, completed = changing.records(answered.headers["customhouse-trace-id"])
    assert failed["kind"] == "model.failed"
    assert failed["decision"]["reasons"] == [reason]
    assert completed["outcome"] == "failed"


def answered_by(gateway: Running, model: str) -> Answer:
    """Ask until the release of this model is seen, which takes the server a moment."""
    while True:
        answered = embed(gateway)
        if answered.headers.get("customhouse-deployment") == f"vectors/embed-{model}":
            return answered


def test_vectors_in_another_order_are_put_into_the_texts_order(upstream: Upstream, changing: Running) -> None:
    changing.publish(embedding(upstream.base_url, "backwards"))
    data = answered_by(changing, "backwards").json["data"]
    assert [each["embedding"] for each in data] == [vector(text) for text in TEXTS]


def test_another_models_name_is_in_the_evidence(upstream: Upstream, changing: Running) -> None:
    changing.publish(embedding(upstream.base_url, "wrong-model"))
    answered = answered_by(changing, "wrong-model")
    assert answered.json["model"] == "wrong-model", "what was asked for"
    *_, said, _completed = changing.records(answered.headers["customhouse-trace-id"])
    assert said["model"]["answered"] == "other-embedding-3"
    assert said["detail"]["substituted"] is True


REFUSED: tuple[tuple[dict[str, Any], str | None, str, str], ...] = (
    ({"input": ""}, "input", "request.invalid", "an empty text"),
    ({"input": ["a", ""]}, "input.1", "request.invalid", "an empty text among others"),
    ({"input": []}, "input", "request.invalid", "no text"),
    ({"input": ["a"] * 2049}, "input", "request.invalid", "too many texts"),
    ({"input": [1, 2]}, "input.0", "request.invalid", "token numbers"),
    ({"input": [[1, 2], [3]]}, "input.0", "request.invalid", "lists of token numbers"),
    ({"input": {"a": 1}}, None, "request.invalid", "no texts at all"),
    ({"encoding_format": "hex"}, None, "request.invalid", "another encoding"),
    ({"dimensions": DIMENSIONS + 1}, "dimensions", "request.inexpressible", "other dimensions than released"),
    ({"truncate": "END"}, "truncate", "request.field_not_allowed", "a field that would cut texts"),
    ({"model": "answer"}, "model", "assistant.unknown", "a deployment's name"),
)


@pytest.mark.parametrize(("fields", "param", "code", "why"), REFUSED, ids=[row[3] for row in REFUSED])
def test_what_is_refused_names_the_field_and_asks_nobody(
    upstream: Upstream, gateway: Running, fields: dict[str, Any], param: str | None, code: str, why: str
) -> None:
    asked = len(upstream.requests)
    answered = embed(gateway, fields.get("input", TEXTS), **{name: fields[name] for name in fields if name != "input"})
    assert answered.status in {400, 404}, why
    assert (answered.json["error"]["param"], answered.json["error"]["code"]) == (param, code)
    assert len(upstream.requests) == asked


def test_the_released_number_of_dimensions_may_be_said(gateway: Running) -> None:
    assert embed(gateway, dimensions=DIMENSIONS).status == 200


def test_only_texts_and_the_released_model_leave(upstream: Upstream, tmp_path: Path) -> None:
    with running(tmp_path, embedding(upstream.base_url, "answer")) as fresh:
        embed(fresh, user="lee")
    assert upstream.requests[-1].body == {"model": "answer", "input": TEXTS, "encoding_format": "base64"}


def test_an_assistant_without_an_embedding_model_says_so(upstream: Upstream, tmp_path: Path) -> None:
    with (
        running(tmp_path, documents(upstream.base_url)) as plain,
        OpenAI(base_url=plain.url, api_key=plain.key, max_retries=0) as client,
        pytest.raises(NotFoundError) as refused,
    ):
        client.embeddings.create(model=BOT, input="hello")
    assert refused.value.code == "assistant.nothing_embeds"


def test_the_fallback_is_the_same_model_elsewhere(tmp_path: Path, upstream: Upstream) -> None:
    submitted = embedding(upstream.base_url, "answer")
    first = msgspec.structs.replace(
        submitted.model.deployments["embed-answer"], name="away", provider="gone", base_url="http://127.0.0.1:9/v1"
    )
    model = msgspec.structs.replace(
        submitted.model,
        deployments=submitted.model.deployments | {"away": first},
        embeddings=(Choice(use=("away", "embed-answer")),),
    )
    with running(tmp_path, msgspec.structs.replace(submitted, model=model)) as served:
        answered = embed(served)
        assert answered.status == 200
        assert answered.receipt["deployment"] == "vectors/embed-answer"
        assert served.kinds(answered.headers["customhouse-trace-id"]).count("model.called") == 2


def test_a_class_above_what_the_provider_accepts_goes_nowhere(gateway: Running, upstream: Upstream) -> None:
    asked = len(upstream.requests)
    answered = embed(gateway, headers={"customhouse-classification": "confidential"})
    assert answered.status == 502
    assert answered.json["error"]["code"] == "upstream.failed"
    assert len(upstream.requests) == asked
    assert "model.called" not in gateway.kinds(answered.headers["customhouse-trace-id"])
